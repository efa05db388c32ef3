"""What a commit passed, and what is left to repair: computed from verdicts and findings, never from claims."""

from collections.abc import Sequence
from typing import Literal

from macrohard.domain import Finding, Specification, Value, Verdict

ACTED_ON_FROM = 2
"""Findings of lower severity are kept for the report and cause no further iteration."""


class Problem(Value):
    """One thing to repair, in words that give away no hidden scenario."""

    id: str
    """A criterion, a gate such as "tests", or a finding."""
    kind: Literal["criterion", "gate", "finding"]
    title: str
    detail: str
    criterion: str | None = None
    page: str = ""
    element: str = ""
    category: str = ""
    severity: int = 3


class Problems(Value):
    """What an iteration left to be done."""

    problems: tuple[Problem, ...] = ()


class Verdicts(Value):
    """All verdicts about one commit."""

    verdicts: tuple[Verdict, ...] = ()


class Findings(Value):
    """What one visitor found."""

    findings: tuple[Finding, ...] = ()


def met(specification: Specification, verdicts: Sequence[Verdict]) -> set[str]:
    """What a commit passed: gates by their kind, and criteria all of whose scenarios passed.

    A criterion counts only if it has at least one scenario, and nothing counts that was not run.
    """
    passed = {verdict.kind for verdict in verdicts if verdict.kind != "scenario" and verdict.status == "passed"}
    found: set[str] = set(passed)
    for criterion in specification.criteria:
        own = [verdict for verdict in verdicts if verdict.kind == "scenario" and verdict.criterion == criterion.id]
        if criterion.covered and own and all(verdict.status == "passed" for verdict in own):
            found.add(criterion.id)
    return found


def problems_of(
    specification: Specification, verdicts: Sequence[Verdict], findings: Sequence[Finding]
) -> tuple[Problem, ...]:
    """Failed gates, failed criteria, and findings that are serious enough, weightiest first."""
    gates = [
        Problem(id=verdict.kind, kind="gate", title=f"{verdict.kind} failed", detail=verdict.summary, severity=4)
        for verdict in verdicts
        if verdict.kind != "scenario" and verdict.status == "failed"
    ]
    texts = {criterion.id: criterion for criterion in specification.criteria}
    criteria = [
        Problem(
            id=f"{verdict.criterion}:{verdict.check}",
            kind="criterion",
            title=texts[verdict.criterion].text,
            detail=verdict.summary,
            criterion=verdict.criterion,
            severity=4 if texts[verdict.criterion].priority == "MUST" else 3,
        )
        for verdict in verdicts
        if verdict.kind == "scenario" and verdict.status == "failed" and verdict.criterion in texts
    ]
    noticed = [
        Problem(
            id=finding.id,
            kind="finding",
            title=finding.title,
            detail=finding.detail,
            page=finding.page,
            element=finding.element,
            category=finding.category,
            severity=finding.severity,
        )
        for finding in findings
        if finding.severity >= ACTED_ON_FROM and finding.category != "wish" and finding.reproduced is not False
    ]
    return tuple(sorted([*gates, *criteria, *noticed], key=lambda problem: -problem.severity))
