"""The registry: strict, free of contradictions, and fast to read."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reprise.datasets import registry, store
from reprise.datasets.errors import RegistryError, UnknownDatasetError
from reprise.datasets.loading import READERS
from reprise.datasets.registry.read import read

GOOD: dict[str, Any] = {
    "name": "toy",
    "title": "A toy",
    "task": "regression",
    "reader": "uci",
    "folder": "toy",
    "licence": "none",
    "paper": "none",
    "addresses": ["https://example.org/toy/"],
    "files": [{"name": "data.txt", "sha256": "0" * 64, "bytes": 3}],
}


def text(**changes: object) -> str:
    return yaml.safe_dump([{**GOOD, **changes}])


def test_the_sets_that_the_book_stands_on_are_there():
    names = set(registry.names())
    uci = ["boston", "concrete", "energy", "kin8nm", "naval", "power", "protein", "wine", "yacht"]
    assert {"mnist", "fashion-mnist", "kmnist", "omniglot", "digits", "diabetes"} <= names
    assert {f"uci/{name}" for name in uci} <= names
    assert {"synthetic/circle-product", "synthetic/gaussian-power-law"} <= names


def test_every_file_has_a_checksum_and_an_address():
    for entry in registry.entries():
        for file in entry.files:
            assert len(file.sha256) == 64
            assert all(url.startswith("http") for url in entry.urls(file))
            assert " " not in "".join(entry.urls(file))


def test_every_entry_has_a_reader_and_every_reader_is_known():
    import reprise.datasets.readers as package

    modules = {module.name for module in pkgutil.iter_modules(package.__path__)} - {"archives"}
    assert modules == set(READERS)
    for entry in registry.entries():
        assert READERS[entry.reader].options(entry).model_config["extra"] == "forbid"


def test_uci_folders_have_their_published_number_of_splits():
    for entry in registry.entries():
        if entry.name.startswith("uci/"):
            splits = 5 if entry.name == "uci/protein" else 20
            assert len(entry.files) == 4 + 2 * splits, entry.name


def test_every_entry_tells_what_it_is_for_under_which_terms():
    for entry in registry.entries():
        assert all([entry.title, entry.licence, entry.paper, entry.used_for]), entry.name


def test_aliases_lead_to_the_same_entry():
    assert registry.find("uci/naval-propulsion-plant") is registry.find("uci/naval")
    assert registry.find("fashion_mnist").name == "fashion-mnist"


@pytest.mark.parametrize(("wrong", "meant"), [("mnits", "mnist"), ("MNIST", "mnist"), ("uci/yatch", "uci/yacht")])
def test_an_unknown_name_gets_a_suggestion(wrong, meant):
    with pytest.raises(UnknownDatasetError, match=f"unknown data set '{wrong}'; did you mean '{meant}'"):
        registry.find(wrong)


def test_a_name_unlike_any_other_gets_the_list():
    with pytest.raises(UnknownDatasetError, match="known are: breast-cancer, "):
        registry.find("qqqqqq")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licens": "MIT"}, "toy.licens: extra inputs are not permitted"),
        ({"title": 3}, "toy.title: input should be a valid string"),
        ({"task": "ranking"}, "toy.task: input should be 'classification' or 'regression'"),
        ({"folder": "../etc"}, "not a plain relative folder"),
        ({"folder": "/etc"}, "not a plain relative folder"),
        ({"folder": None}, "needs a folder"),
        ({"addresses": ["ftp://example.org/"]}, "toy.addresses.0: string should match"),
        ({"addresses": ["https://example.org/no-slash"]}, "toy.addresses.0: string should match"),
        ({"addresses": []}, "no address for data.txt"),
        ({"files": [{"name": "../x", "sha256": "0" * 64}]}, "not a plain file name"),
        ({"files": [{"name": "x", "sha256": "0" * 63}]}, "toy.files.0.sha256: string should match"),
        ({"files": [{"name": "x", "sha256": "0" * 64, "bytes": 0}]}, "greater than 0"),
        ({"files": [{"name": "x"}]}, "toy.files.0.sha256: field required"),
        ({"files": GOOD["files"] * 2}, "two files have the same name"),
        ({"table": {"rows": 3, "columns": 2}}, "toy.table.columns: extra inputs"),
    ],
)
def test_a_malformed_entry_is_refused_by_name_and_key(changes, message):
    with pytest.raises(RegistryError) as caught:
        read(text(**changes), "toys.yml")
    assert message.lower() in str(caught.value).lower()
    assert "toys.yml" in str(caught.value)


@pytest.mark.parametrize("content", ["", "a: 1", "- 3", "word"])
def test_a_file_that_is_no_list_of_entries_is_refused(content):
    with pytest.raises(RegistryError, match=r"toys\.yml"):
        read(content, "toys.yml")


def test_a_good_entry_is_read_and_written():
    (entry,) = read(text(), "toys.yml")
    data = json.loads(json.dumps(entry.to_json()))
    assert data["files"][0]["urls"] == ["https://example.org/toy/data.txt"]
    assert data["bytes"] == 3
    assert data["digest"] == entry.digest


def test_the_digest_depends_on_every_file_and_on_no_order():
    files = [{"name": f"f{i}", "sha256": str(i) * 64} for i in range(3)]
    (first,) = read(text(files=files), "a.yml")
    (second,) = read(text(files=files[::-1]), "a.yml")
    (other,) = read(text(files=[*files[:2], {"name": "f2", "sha256": "7" * 64}]), "a.yml")
    assert first.digest == second.digest != other.digest


def test_addresses_escape_blanks_and_prefer_those_of_the_file():
    file = {"name": "a b.zip", "sha256": "0" * 64, "urls": ["https://one.example/x.zip"]}
    (entry,) = read(text(files=[file]), "a.yml")
    assert entry.urls(entry.files[0]) == ["https://one.example/x.zip", "https://example.org/toy/a%20b.zip"]


def test_asking_for_a_file_that_is_not_in_the_set():
    (entry,) = read(text(), "a.yml")
    with pytest.raises(KeyError, match="toy has no file other"):
        entry.file("other")


def test_the_catalogue_is_plain_data():
    assert [e.name for e in store.catalogue()] == list(registry.names())
    json.dumps([entry.to_json() for entry in store.catalogue()])


def test_listing_needs_neither_jax_nor_numpy():
    code = (
        "import sys; from reprise.datasets import store; store.catalogue();"
        "print(sorted({'jax', 'numpy', 'sklearn', 'PIL'} & set(sys.modules)))"
    )
    source = Path(store.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(source)}
    )
    assert result.stdout.strip() == "[]"
