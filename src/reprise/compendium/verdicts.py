"""From evidence to verdict: the only place where a claim is decided."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from reprise.compendium.criteria import Criterion, Outcome
from reprise.estimate import Estimate


class Verdict(StrEnum):
    """The verdict of a check or of a claim, as written in records."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    UNPROVEN = "unproven"
    NOT_RUN = "not run"


def judge_check(
    criterion: Criterion,
    measured: Estimate,
    control: Estimate,
    weaker: Criterion | None = None,
) -> Verdict:
    """The verdict of one check.

    The control is judged by the same criterion and must violate it. If it meets it, the check cannot tell truth from
    falsehood and is *unproven*, whatever was measured; if it is undecided, the check is at best *inconclusive*.
    With a telling control the measured interval decides: met, *reproduced*; violated, *not reproduced*; else
    *inconclusive*. A measurement that misses the criterion but meets ``weaker`` counts as *partly*, provided that the
    control violates the weaker criterion too.
    """
    against_control = criterion.judge(control)
    if against_control is Outcome.MET:
        return Verdict.UNPROVEN
    outcome = criterion.judge(measured)
    if outcome is Outcome.MET:
        return Verdict.REPRODUCED if against_control is Outcome.VIOLATED else Verdict.INCONCLUSIVE
    if weaker is not None and weaker.judge(measured) is Outcome.MET and weaker.judge(control) is Outcome.VIOLATED:
        return Verdict.PARTLY
    if outcome is Outcome.VIOLATED and against_control is Outcome.VIOLATED:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE


def judge_claim(checks: Sequence[Verdict]) -> Verdict:
    """The verdict of a claim from those of its checks, in the order in which the rules apply.

    All not run: *not run*. Any control passed: *unproven*. All reproduced: *reproduced*. At least one reproduced or
    partly: *partly*. At least one not reproduced: *not reproduced*. Else *inconclusive*. A check that was not run
    thus never helps, and keeps a claim from being *reproduced*.
    """
    verdicts = set(checks)
    if not verdicts - {Verdict.NOT_RUN}:
        return Verdict.NOT_RUN
    if Verdict.UNPROVEN in verdicts:
        return Verdict.UNPROVEN
    if verdicts == {Verdict.REPRODUCED}:
        return Verdict.REPRODUCED
    if verdicts & {Verdict.REPRODUCED, Verdict.PARTLY}:
        return Verdict.PARTLY
    if Verdict.NOT_REPRODUCED in verdicts:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE
