"""A whole run with ``--benchmark-only`` ends in ``benchmarks/results.json``, unless its JSON is asked for elsewhere."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.contests import CONTESTS

HERE = Path(__file__).parent
MEASURED = HERE.parent / "_build" / "benchmarks.json"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have the plugin write its JSON, where the report finds it."""
    if config.getoption("benchmark_only") and not config.getoption("benchmark_json"):
        MEASURED.parent.mkdir(exist_ok=True)
        MEASURED.unlink(missing_ok=True)
        config.option.benchmark_json = str(MEASURED)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the results if every contest was measured; a part of them would be another machine's or day's table."""
    if config.getoption("benchmark_json") != str(MEASURED) or not MEASURED.is_file():
        return
    results = report.write(MEASURED, MEASURED.with_name("results.json"))
    whole = len(results["rows"]) == len(CONTESTS)
    if whole:
        report.write(MEASURED, HERE / "results.json")
    lines = report.table(results) + ("" if whole else "\nNot every contest was measured: results.json is as it was.")
    config.get_terminal_writer().line("\n" + lines)
