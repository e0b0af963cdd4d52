"""The locks, environment.yml, pyproject.toml and the environment that runs this test must say the same."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ["requirements.lock", "requirements-cuda12.lock", "requirements-cuda13.lock"]
PYTHONS = ["3.11", "3.12", "3.13"]


def entries(name: str) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a lock, each with its hashes."""
    found = []
    for block in re.split(r"^(?=\S)", (ROOT / name).read_text(), flags=re.MULTILINE):
        if block.strip():
            first, *rest = block.replace("\\\n", "\n").splitlines()
            found.append((Requirement(first), [line.strip() for line in rest if line.strip()]))
    return found


def on(python: str) -> dict[str, str]:
    """A marker environment: this one, under another Python, on Linux."""
    return {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux", "os_name": "posix"}


def pins(name: str, python: str) -> dict[str, str]:
    """Package name to version, as a lock has them for one Python."""
    return {
        canonicalize_name(entry.name): str(entry.specifier).removeprefix("==")
        for entry, _ in entries(name)
        if entry.marker is None or entry.marker.evaluate(on(python))
    }


@pytest.fixture(scope="module")
def lock_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reprise_lock_tool", ROOT / "workflow" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_is_pinned_and_hashed(name):
    for entry, hashes in entries(name):
        assert re.fullmatch(r"==[^*,]+", str(entry.specifier)), entry
        assert hashes, entry
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), entry


@pytest.mark.parametrize("name", [*LOCKS, "environment.yml", "pyproject.toml"])
def test_no_lock_names_an_address_or_a_local_path(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--index-url|--find-links|--extra-index|\bfile:|@ ", text)


@pytest.mark.parametrize("name", [*LOCKS, "environment.yml"])
def test_tensorflow_stays_out(name):
    names = re.findall(r"^[\s\-\"]*([a-z0-9][a-z0-9._-]*)==", (ROOT / name).read_text(), flags=re.MULTILINE)
    assert names
    assert not [found for found in names if found.startswith(("tensorflow", "tf2jax", "tensorboard", "keras"))]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_is_complete_and_unambiguous_on_every_python(python):
    names = [
        canonicalize_name(entry.name)
        for entry, _ in entries("requirements.lock")
        if entry.marker is None or entry.marker.evaluate(on(python))
    ]
    assert len(names) == len(set(names))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *(line for group in groups.values() for line in group)]
    locked = pins("requirements.lock", python)
    for line in wanted:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement
    assert locked["neural-tangents"] == "0.6.5"


@pytest.mark.parametrize(("python", "jax"), [("3.11", "0.10"), ("3.12", "0.12"), ("3.13", "0.12")])
def test_jax_is_the_one_that_was_tested(python, jax):
    locked = pins("requirements.lock", python)
    assert locked["jax"].startswith(jax + ".")
    assert locked["jaxlib"] == locked["jax"]
    for extra in ("cuda12", "cuda13"):
        plugin = pins(f"requirements-{extra}.lock", python)
        assert plugin[f"jax-{extra}-plugin"] == plugin[f"jax-{extra}-pjrt"] == locked["jax"]


@pytest.mark.parametrize("extra", ["cuda12", "cuda13"])
def test_a_gpu_lock_only_adds(extra):
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for python in PYTHONS:
        assert not set(pins(f"requirements-{extra}.lock", python)) & set(pins("requirements.lock", python))


def test_environment_yml_has_the_versions_of_the_lock(lock_tool):
    text = (ROOT / "environment.yml").read_text()
    assert text == lock_tool.environment((ROOT / "requirements.lock").read_text()), "run `make lock`"
    conda = yaml.safe_load(text)
    python = lock_tool.CONDA_PYTHON
    assert f"python={python}" in conda["dependencies"]
    (pip,) = [part["pip"] for part in conda["dependencies"] if isinstance(part, dict)]
    listed = {}
    for requirement in map(Requirement, pip):
        if requirement.marker is None or requirement.marker.evaluate(on(python)):
            listed[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    locked = pins("requirements.lock", python)
    by_hand = f"neural-tangents=={locked.pop('neural-tangents')}"
    assert listed == locked
    assert by_hand in text


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("", ""),
        ("python_full_version < '3.12'", None),
        ("python_full_version >= '3.12'", ""),
        ("python_full_version == '3.12.*'", ""),
        ("python_full_version == '3.13.*'", None),
        ("python_full_version < '3.11.5'", None),
        ("python_full_version >= '3.12' and sys_platform == 'linux'", "sys_platform == 'linux'"),
        ("os_name == 'nt'", "os_name == 'nt'"),
    ],
)
def test_markers_are_settled_for_conda(lock_tool, marker, left):
    assert lock_tool.holds_on_conda_python(marker) == left
    if marker and left in ("", None):
        assert Marker(marker).evaluate(on(lock_tool.CONDA_PYTHON)) == (left == "")


def test_binder_installs_the_lock():
    script = (ROOT / ".binder" / "postBuild").read_text()
    assert "--require-hashes --no-deps -r requirements.lock" in script
    environment = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())
    assert "python=3.12" in environment["dependencies"]


def test_this_environment_is_the_lock():
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python not in PYTHONS:
        pytest.skip(f"the lock is for Python {', '.join(PYTHONS)}; this is {python}")
    if "CONDA_PREFIX" in os.environ and not (Path(sys.prefix) / "reprise.lock").exists():
        pytest.skip("this is a conda environment, which may hold more")
    wrong = {}
    for name, version in pins("requirements.lock", python).items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = None
        if installed != version:
            wrong[name] = (installed, version)
    assert not wrong
    assert importlib.util.find_spec("tensorflow") is None


def setup(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs workflow/setup.sh of an otherwise empty folder."""
    (folder / "workflow").mkdir(exist_ok=True)
    (folder / "workflow" / "setup.sh").write_bytes((ROOT / "workflow" / "setup.sh").read_bytes())
    return subprocess.run(
        ["/bin/sh", str(folder / "workflow" / "setup.sh")],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, name: str, body: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("exit 127", "no Python was found"),
        ("echo 3.9", "Python 3.11 to 3.13 is needed; found only python3 (3.9)"),
        ("echo 3.15", "Python 3.11 to 3.13 is needed; found only python3 (3.15)"),
        ('case "$2" in *ensurepip*) exit 1;; *) echo 3.12;; esac', "apt-get install python3-venv"),
    ],
)
def test_setup_says_what_is_wrong_with_the_python(tmp_path, python, message):
    # Only this folder's python3 and the few tools that the script calls are on the path.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("dirname", "sed", "cat", "cmp", "grep", "sh"):
        (tools / tool).symlink_to(next(p for p in (Path("/usr/bin") / tool, Path("/bin") / tool) if p.exists()))
    fake_python(tools, "python3", python)
    done = setup(tmp_path, PATH=str(tools))
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_setup_refuses_an_unknown_extra(tmp_path):
    done = setup(tmp_path, EXTRA="cuda11")
    assert done.returncode == 1
    assert "EXTRA=cuda11 is unknown" in done.stderr


def small_project(folder: Path, lock: str) -> None:
    """A project that installs from nothing but the standard library's pip."""
    (folder / "requirements.lock").write_text(lock)
    (folder / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "1"\n')


def test_a_failed_installation_never_counts_as_done(tmp_path):
    # An impossible hash: pip stops before it installs anything.
    small_project(tmp_path, f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    done = setup(tmp_path, PYTHON=sys.executable, PIP_NO_INDEX="1")
    assert done.returncode == 1
    assert "installing requirements.lock failed" in done.stderr
    assert not (tmp_path / ".venv" / "reprise.lock").exists()


def test_make_help_names_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets is not None
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    for target in set(targets[1].split()) - {"help"}:
        assert re.search(rf"^make {target} ", shown, flags=re.MULTILINE), target


def test_continuous_integration_runs_what_the_readme_says():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("make test")
    assert "make book\nmake test\n" in (ROOT / "README.md").read_text()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
