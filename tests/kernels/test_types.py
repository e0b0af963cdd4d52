"""The shapes in the signatures hold at run time."""

import subprocess
import sys


def test_examples_under_a_runtime_type_checker(repository):
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.typechecked"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
