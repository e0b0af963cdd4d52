"""What surrounds the work: the runner beside bare papermill, a build with nothing to do, the start of the command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compendium import sample

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 20


@pytest.fixture(scope="module")
def compendium(tmp_path_factory):
    """A compendium of one small paper whose notebook takes 20 s longer than it would otherwise."""
    root = tmp_path_factory.mktemp("compendium")
    cells = [f"import time\ntime.sleep({SECONDS})", *sample.CODE_CELLS]
    return sample.write(root, cells=cells)


def call(*command, root=ROOT):
    environment = os.environ | {"REPRISE_ROOT": str(root)}
    done = subprocess.run(
        [str(part) for part in command], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def beside_python(name):
    return Path(sys.executable).with_name(name)


def test_runner_of_reprise(benchmark, compendium):
    command = (beside_python("reprise"), "run", sample.SLUG, "--profile", "quick")
    benchmark.pedantic(lambda: call(*command, root=compendium), rounds=3, warmup_rounds=1)
    assert list((compendium / "runs" / sample.SLUG).glob("*/record.json"))


def test_runner_by_papermill(benchmark, compendium):
    notebook = next((compendium / "notebooks").rglob("*.ipynb"))
    command = (beside_python("papermill"), notebook, compendium / "bare.ipynb", "--cwd", compendium)
    benchmark.pedantic(lambda: call(*command, root=compendium), rounds=3, warmup_rounds=1)


def test_build_without_changes(benchmark):
    """The first `make book` is not measured; it takes minutes where nothing has been built yet."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    call("make", "book")
    benchmark.pedantic(lambda: call("make", "book"), rounds=2, warmup_rounds=0)


def test_help(benchmark):
    text = benchmark.pedantic(lambda: call(beside_python("reprise"), "--help"), rounds=10, warmup_rounds=2)
    assert "ntk-convergence" in text
