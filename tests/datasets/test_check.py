"""Checking a folder: every state a set can be in, and nothing changed by looking."""

from __future__ import annotations

import json

import pytest

from reprise.datasets import registry, store
from reprise.datasets.errors import DataError
from tests.datasets.conftest import CLOSED, content_of, make_entry

FILES = {"one.bin": b"1" * 100, "two.bin": b"2" * 200}


@pytest.fixture
def toys(monkeypatch):
    entry = make_entry(CLOSED, files=FILES)
    monkeypatch.setattr(registry, "entries", lambda: (entry,))


@pytest.fixture
def folder(tmp_path, toys):
    path = tmp_path / "data" / "toy"
    path.mkdir(parents=True)
    return path


def put(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.bin").write_bytes(content)


@pytest.mark.parametrize(
    ("files", "state", "ok"),
    [
        ({"one": FILES["one.bin"], "two": FILES["two.bin"]}, "complete", True),
        ({"one": FILES["one.bin"]}, "partial", True),
        ({}, "absent", True),
        ({"one": FILES["one.bin"], "two": b"x" * 200}, "damaged", False),
        ({"two": b"2" * 199}, "damaged", False),
    ],
)
def test_states(folder, files, state, ok):
    put(folder, **files)
    before = content_of(folder)
    (result,) = store.check(folder.parent)
    assert (result.state, result.ok) == (state, ok)
    assert len(result.files) + len(result.missing) == 2
    assert content_of(folder) == before
    assert json.loads(json.dumps(result.to_json()))["state"] == state


def test_a_damaged_file_is_described(folder):
    put(folder, one=b"1" * 99, two=b"x" * 200)
    (result,) = store.check(folder.parent, progress=False)
    truncated, wrong = result.files
    assert truncated.detail == "is truncated: 99 of 100 bytes"
    assert wrong.detail.startswith("has sha256 ")
    assert not truncated.ok
    assert not wrong.ok


def test_files_set_aside_and_strangers_are_told_apart(folder):
    put(folder, one=FILES["one.bin"], two=FILES["two.bin"])
    (folder / "one.bin.rejected-01234567").write_bytes(b"?")
    (folder / "README.md").write_text("mine")
    (folder / ".one.bin.1-2.part").write_bytes(b"1")
    (result,) = store.check(folder.parent)
    assert result.state == "complete"
    assert [path.name for path in result.set_aside] == ["one.bin.rejected-01234567"]


def test_the_default_is_the_data_folder_then_the_cache(folder, monkeypatch):
    put(folder, one=FILES["one.bin"])
    (result,) = store.check()
    assert result.folder == store.cache_dir() / "toy"
    assert result.state == "absent"
    monkeypatch.setenv(store.DATA_DIR, str(folder.parent))
    (result,) = store.check()
    assert result.folder == folder
    assert result.state == "partial"


def test_a_folder_that_is_not_there_is_an_error(toys, tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        store.check(tmp_path / "nowhere")


def test_the_real_registry_over_an_empty_folder(tmp_path):
    results = store.check(tmp_path)
    assert {result.state for result in results} == {"absent"}
    assert {result.name for result in results} == {e.name for e in registry.entries() if e.files}
