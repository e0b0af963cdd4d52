"""The command line: what there is to say and with which words. What it does is in :mod:`reprise.commands`.

Only the standard library is imported here, so that ``reprise --help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from reprise import __version__

EXIT_CODES = """\
exit codes:
  0    done, and it agrees
  1    a run failed, a rerun disagrees with its record, or a data file is not what it should be
  2    wrong use: unknown paper, parameter or option, bad value, broken card
  130  interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 2
    from reprise import commands

    with contextlib.suppress(ValueError):  # not in the main thread, which alone may set it
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what a scheduler sends ends kernels like Ctrl-C
    function: Callable[[Any], int] = getattr(commands, arguments.command)
    try:
        return function(arguments)
    except commands.USER_ERRORS as error:
        print(f"reprise: {error}", file=sys.stderr)
        return commands.exit_code(error)
    except KeyboardInterrupt:
        print("reprise: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `reprise claims | head` is no failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:  # noqa: PLR0915 (a list of options, not logic)
    """The parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="reprise",
        description="Rerun, verify, record and cite the papers of the Reprise compendium.",
        epilog="examples:\n  reprise run ntk-convergence\n  reprise claims --verdict 'not reproduced'\n"
        "  reprise cite more-is-better:F1\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"reprise {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(command=None)

    def command(name: str, function: str, summary: str, examples: Sequence[str]) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in examples) + "\n\n" + EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=function)
        return sub

    run = command(
        "run",
        "run",
        "execute one paper's notebook and judge its claims",
        [
            "reprise run ntk-convergence",
            "reprise run ntk-convergence --profile standard",
            "reprise run ntk-convergence -p start_widths=64,256,1024 -p start_seeds=50",
        ],
    )
    run.add_argument("slug", metavar="SLUG", help="the paper, as in the address of its page")
    _profile(run)
    _parameters(run, "override one parameter of the profile")
    run.add_argument("--id", dest="run_id", metavar="ID", help="name of the run's folder (default: profile and time)")
    _timeout(run)
    _json(run)

    sweep = command(
        "sweep",
        "sweep",
        "run one notebook over a grid of parameters, several at a time, into one tidy table",
        [
            "reprise sweep ntk-convergence -p bias=0.1,0.3,1.0",
            "reprise sweep ntk-convergence -p 'start_widths=32,64,128,256;256,512,1024' --out sweep.csv   # points of a list: ';'",
        ],
    )
    sweep.add_argument("slug", metavar="SLUG", help="the paper")
    _profile(sweep)
    sweep.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=V1,V2,…", help="one axis of the grid"
    )
    sweep.add_argument("-j", "--jobs", type=_positive, help="notebooks at a time (default: one per two cores)")
    sweep.add_argument("--out", metavar="FILE.csv", help="where the table goes (default: runs/SLUG/sweep-….csv)")
    _timeout(sweep)
    _json(sweep)

    verify = command(
        "verify",
        "verify",
        "execute again and compare every measured value with the committed record",
        [
            "reprise verify ntk-convergence",
            "reprise verify ntk-convergence -p seed=7     # other seeds, same prediction interval",
            "reprise verify                               # every paper that has a record",
            "reprise verify ntk-convergence --run runs/ntk-convergence/quick",
        ],
    )
    verify.add_argument("slug", nargs="?", metavar="SLUG", help="the paper (default: all with a committed record)")
    verify.add_argument("--profile", help="profile to execute (default: the smallest that has a committed record)")
    _parameters(verify, "override one parameter, the seed say")
    verify.add_argument("--run", metavar="FOLDER", help="compare this finished run instead of executing")
    _timeout(verify)
    _json(verify)

    record = command(
        "record",
        "record",
        "promote a finished run into book/records/",
        ["reprise record runs/ntk-convergence/standard-20260101-120000-42"],
    )
    record.add_argument("run", metavar="RUN", help="the run's folder")
    _json(record)

    claims = command(
        "claims",
        "claims",
        "list every claim with its verdict",
        ["reprise claims", "reprise claims ntk-convergence", "reprise claims --verdict partly --json"],
    )
    claims.add_argument("slug", nargs="?", metavar="SLUG", help="one paper only")
    claims.add_argument("--verdict", help="only claims with this verdict")
    claims.add_argument("--topic", help="only papers of this topic")
    _json(claims)

    cite = command(
        "cite",
        "cite",
        "print the citation of a paper and of its reproduction, or of one figure",
        ["reprise cite ntk-convergence", "reprise cite ntk-convergence:F1 --format csl-json"],
    )
    cite.add_argument("target", metavar="SLUG[:FIGURE]", help="a paper, or one of its figures")
    cite.add_argument("--format", choices=["bibtex", "csl-json", "text"], default="bibtex", help="default: bibtex")

    book = command(
        "book",
        "book",
        "build the book from cards, records and runs (executes nothing)",
        ["reprise book", "reprise book --open"],
    )
    book.add_argument("--open", action="store_true", help="show it in the browser")
    _json(book)

    data = command(
        "data",
        "data",
        "list, fetch or check the data sets",
        [
            "reprise data list",
            "reprise data fetch mnist fashion-mnist",
            "REPRISE_DATA_DIR=~/data reprise data check",
        ],
    )
    data.add_argument("action", choices=["list", "fetch", "check"], help="what to do")
    data.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all; fetch wants names)")
    data.add_argument("--folder", help="check this folder (default: REPRISE_DATA_DIR, else the cache)")
    _json(data)

    new = command(
        "new",
        "new",
        "start a paper: card, module, notebook and test that already run",
        ["reprise new lazy-training --topic infinite_width --title 'On Lazy Training' --year 2019"],
    )
    new.add_argument("slug", metavar="SLUG", help="lower-case words joined by '-'")
    new.add_argument("--topic", required=True, help="the part of the book")
    new.add_argument("--title", required=True, help="the paper's title")
    new.add_argument("--author", action="append", default=[], help="an author, given name first; repeat for more")
    new.add_argument("--year", type=int, required=True, help="year of publication")
    new.add_argument("--arxiv", help="arXiv number, 1806.07572 say")
    _json(new)
    return parser


def _profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="quick, standard or full (default: quick)")


def _parameters(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help=f"{meaning}; lists as 1,2,3"
    )


def _timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=_minutes, metavar="MIN", help="give up after MIN minutes (default: ten times the expected)"
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON for a program to read")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got '{text}'")
    return number


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of minutes, got '{text}'")
    return number


if __name__ == "__main__":
    sys.exit(main())
