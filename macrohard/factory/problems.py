"""What a commit passed, and what is left to repair: computed from verdicts and findings, never from claims."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from macrohard.domain import CheckKind, Finding, Scenario, Specification, Value, Verdict
from macrohard.domain.standing import GATES, passed_gates, status_of

ACTED_ON_FROM = 2
"""Findings of lower severity are kept for the report and cause no further iteration."""


WEAK_TESTS: Final[Mapping[CheckKind, tuple[str, str]]] = {
    "test quality": (
        "The product's own tests hardly notice broken code",
        "Write tests that fail when a rule is broken: by the public behaviour, each rule with what it accepts and what "
        "it refuses, and with its limits. The code is not to be changed for this.",
    ),
    "new tests": (
        "None of the product's own tests fails without the change",
        "Write tests that fail on the product as it was before the change, and pass on it now.",
    ),
}
"""By kind of check: what is said when it failed, and what is to be done."""


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


def met(
    specification: Specification, *, scenarios: Sequence[Scenario], verdicts: Sequence[Verdict], commit: str
) -> set[str]:
    """What a commit passed: gates by their kind, and criteria that `status_of` calls met."""
    held = {
        criterion.id
        for criterion in specification.criteria
        if status_of(criterion, scenarios=scenarios, verdicts=verdicts, commit=commit) == "met"
    }
    return {*passed_gates(verdicts, commit=commit), *held}


def problems_of(
    specification: Specification, verdicts: Sequence[Verdict], findings: Sequence[Finding]
) -> tuple[Problem, ...]:
    """Failed gates, failed criteria, and findings that are serious enough, weightiest first."""
    gates = [
        Problem(id=verdict.kind, kind="gate", title=f"{verdict.kind} failed", detail=verdict.summary, severity=4)
        for verdict in verdicts
        if verdict.kind in GATES and verdict.status == "failed"
    ]
    told = [
        Problem(
            id="earlier-tests",
            kind="finding",
            title="Tests were changed, and the code fails them as they were",
            detail=f"{verdict.summary}\nWhere specification or design asks for the new behaviour, set this aside and "
            "say so. Else a test was bent until it passed: put back what it expected, and mend the code.",
            severity=3,
        )
        for verdict in verdicts
        if verdict.kind == "earlier tests" and verdict.status == "failed"
    ]
    weak = [
        Problem(
            id=verdict.kind,
            kind="finding",
            title=WEAK_TESTS[verdict.kind][0],
            detail=f"{verdict.summary}. {WEAK_TESTS[verdict.kind][1]}",
            category="tests",
            severity=2,
        )
        for verdict in verdicts
        if verdict.kind in WEAK_TESTS and verdict.status == "failed"
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
    return tuple(sorted([*gates, *criteria, *told, *weak, *noticed], key=lambda problem: -problem.severity))


def are_weak_tests(problems: Sequence[Problem]) -> bool:
    """Whether nothing is wrong but what the product's own tests do not notice."""
    return bool(problems) and all(problem.id in WEAK_TESTS for problem in problems)
