"""What a report says about a run, in sentences and rows; how it looks is in `page/`."""

import re
from collections.abc import Sequence

from macrohard.domain import (
    CriterionState,
    CriterionStatus,
    Finding,
    IterationSummary,
    RunOverview,
    UserSession,
    UserStep,
    Value,
    Verdict,
)
from macrohard.domain.run import Assumed
from macrohard.report.reviews import reviews_of
from macrohard.report.said import said_of

SERIOUS = 3
"""Findings from this severity on are told at the top."""
STUMBLED = 2
"""Steps from this surprise on count as stumbling."""


class Row(Value):
    """One scenario of one criterion in the traceability matrix."""

    scenario: str
    title: str
    verdict: Verdict | None


class Change(Value):
    """One iteration, and what became of what was wrong with it."""

    summary: IterationSummary
    passed: int
    failed: tuple[Verdict, ...]
    repaired: tuple[str, ...]
    """Failed checks and findings of the iteration before that are gone now, in words."""
    is_unchanged: bool = False
    """It left the commit of the iteration before: what passes now passes on a second try."""


class Visit(Value):
    """One simulated user's visit in the iteration it was part of."""

    iteration: int
    session: UserSession
    stumbles: tuple[UserStep, ...]


class Gap(Value):
    """Something that does not hold."""

    kind: CriterionStatus
    name: str
    text: str
    because: str
    priority: str


def sentence(overview: RunOverview) -> str:
    """The verdict in one sentence."""
    total, met = len(overview.criteria), sum(1 for state in overview.criteria if state.status == "met")
    must = [state for state in overview.criteria if state.criterion.priority == "MUST"]
    must_met = sum(1 for state in must if state.status == "met")
    partly = sum(1 for state in overview.criteria if state.open)
    less = f" {partly} of them {'was' if partly == 1 else 'were'} checked only in part." if partly else ""
    match overview.summary.status:
        case "delivered" if met == total:
            shown = "as far as checks of our own can show" if partly else "each shown by a check of our own"
            return f"Delivered: all {_counted(total, 'criterion', 'criteria')} hold, {shown}.{less}"
        case "delivered":
            rest = total - len(must)
            return (
                f"Delivered: all {len(must)} that must hold do; "
                f"of the {rest} that should, {met - must_met} {'does' if met - must_met == 1 else 'do'}.{less}"
            )
        case "partial" if must_met == len(must):
            return (
                f"Partly delivered: all {len(must)} that must hold do, "
                "but a check of the whole product does not pass; it is kept as it is."
            )
        case "partial":
            return f"Partly delivered: {must_met} of the {len(must)} that must hold do; the product is kept as it is."
        case "refused":
            return "Refused: nothing was built."
        case "paused":
            return f"Paused: {met} of {_counted(total, 'criterion', 'criteria')} hold so far."
        case "cancelled":
            return f"Cancelled: {met} of {_counted(total, 'criterion', 'criteria')} held by then."
        case "failed":
            return "Failed: something of ours broke; what was finished is kept."
        case "running" | "waiting":
            return f"Not finished: {met} of {_counted(total, 'criterion', 'criteria')} hold so far."


def nothing(overview: RunOverview) -> str:
    """What is said where nothing is known that does not hold; no more than is known."""
    if not overview.criteria:
        return "Nothing is known yet."
    begin = "No check found anything" if said_of(overview).open_points else "Nothing that we know of"
    watched = [
        *(["simulated user"] if any(iteration.users for iteration in overview.iterations) else []),
        *(["reviewer"] if reviews_of(overview).readings else []),
    ]
    noticed = f", and no {' or '.join(watched)} noticed anything serious" if watched else ""
    far = " as far as it was checked" if any(state.open for state in overview.criteria) else ""
    alone = "" if "simulated user" in watched else " No simulated user has tried it."
    left = " What its makers left open stands below." if said_of(overview).open_points else ""
    return f"{begin}: every criterion is met{far}{noticed}.{alone}{left}"


def partly_checked(state: CriterionState) -> str:
    """What was not checked of a criterion that is met, in one sentence; empty if all of it was."""
    return f"Partly checked. Not shown: {'; '.join(state.open)}" if state.open else ""


def gaps(overview: RunOverview) -> tuple[Gap, ...]:
    """Criteria that are not met, those that must hold first."""
    found = [_gap(state) for state in overview.criteria if state.status != "met"]
    return tuple(sorted(found, key=lambda gap: gap.priority != "MUST"))


def _gap(state: CriterionState) -> Gap:
    failed = [verdict.summary for verdict in state.verdicts if verdict.status != "passed"]
    match state.status:
        case "not covered":
            because = "Not built or not checked: this is beyond what the model at hand understands."
        case "not checked":
            reasons = [f"{each.scenario.id}: {each.objection.reason}" for each in state.disputed]
            because = f"No scenario of it counts, so nothing can show that it holds. {' '.join(reasons)}".strip()
        case "stale":
            because = "It held at an earlier commit and has not been checked since."
        case _:
            because = " ".join(failed) or "No check has shown it."
    return Gap(
        kind=state.status,
        name=state.criterion.id,
        text=state.criterion.text,
        because=because,
        priority=state.criterion.priority,
    )


def assumed_for_you(overview: RunOverview) -> tuple[tuple[str, Assumed], ...]:
    """(agent, what it would have asked the person and took for granted instead), each question with its answer once."""
    found: dict[Assumed, str] = {}
    for session in overview.sessions:
        for each in session.assumed:
            found.setdefault(each, session.agent)
    return tuple((agent, each) for each, agent in found.items())


def failed_checks(overview: RunOverview) -> tuple[Verdict, ...]:
    """Checks of the whole product, such as its own tests, that did not pass at the last iteration that was kept."""
    kept = [iteration for iteration in overview.iterations if iteration.kept]
    last = kept[-1].verdicts if kept else ()
    return tuple(verdict for verdict in last if verdict.criterion is None and verdict.status != "passed")


def rows(state: CriterionState) -> tuple[Row, ...]:
    """The criterion's scenarios with their latest verdicts; one empty row if there are none."""
    by_check = {verdict.check: verdict for verdict in state.verdicts}
    found = [
        Row(scenario=scenario.id, title=scenario.title, verdict=by_check.pop(scenario.id, None))
        for scenario in state.scenarios
    ]
    found += [Row(scenario=check, title=verdict.kind, verdict=verdict) for check, verdict in by_check.items()]
    return tuple(found) or (Row(scenario="", title="", verdict=None),)


def open_findings(overview: RunOverview) -> tuple[Finding, ...]:
    """What the last panel of users, checks and reviewers noticed that is serious, the worst first."""
    last = next((iteration for iteration in reversed(overview.iterations) if iteration.users), None)
    used = [finding for finding in last.findings if not finding.file] if last else []
    found = [finding for finding in (*used, *reviews_of(overview).findings) if finding.severity >= SERIOUS]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def visits(overview: RunOverview) -> tuple[Visit, ...]:
    """All simulated users' visits, the latest iteration first."""
    return tuple(
        Visit(
            iteration=iteration.number,
            session=session,
            stumbles=tuple(step for step in session.steps if (step.surprise or 0) >= STUMBLED),
        )
        for iteration in reversed(overview.iterations)
        for session in iteration.users
    )


def changes(iterations: Sequence[IterationSummary]) -> tuple[Change, ...]:
    """Each iteration with what it repaired of the one before."""
    told = []
    for before, iteration in zip([None, *iterations][:-1], iterations, strict=True):
        told.append(
            Change(
                summary=iteration,
                passed=sum(1 for verdict in iteration.verdicts if verdict.status == "passed"),
                failed=tuple(verdict for verdict in iteration.verdicts if verdict.status != "passed"),
                repaired=_repaired(before, iteration) if before else (),
                is_unchanged=before is not None and is_the_same(before, iteration),
            )
        )
    return tuple(told)


def is_the_same(before: IterationSummary, after: IterationSummary) -> bool:
    """Whether an iteration changed nothing."""
    return after.commit is not None and before.commit == after.commit


def _repaired(before: IterationSummary, after: IterationSummary) -> tuple[str, ...]:
    passes = {verdict.check for verdict in after.verdicts if verdict.status == "passed"}
    how = "passed on a second try" if is_the_same(before, after) else "passes now"
    checks = [
        f"{verdict.check} {how}; before: {verdict.summary}"
        for verdict in before.verdicts
        if verdict.status != "passed" and verdict.check in passes
    ]
    if not after.users:
        return tuple(checks)
    again = {(finding.title, finding.page) for finding in after.findings}
    seen = [
        f"Not noticed again: {finding.title}"
        for finding in before.findings
        if not finding.file and (finding.title, finding.page) not in again
    ]
    return (*checks, *seen)


def in_short(names: Sequence[str]) -> str:
    """E.g. AC-1 to AC-4, AC-7, tests: long lists hide what matters."""
    numbers = sorted({int(name[3:]) for name in names if re.fullmatch(r"AC-[0-9]+", name)})
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1].append(number)
        else:
            stretches.append([number])
    parts = [
        f"AC-{stretch[0]} to AC-{stretch[-1]}" if len(stretch) > 2 else ", ".join(f"AC-{number}" for number in stretch)
        for stretch in stretches
    ]
    return ", ".join([*parts, *(name for name in names if not re.fullmatch(r"AC-[0-9]+", name))])


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
