"""What a commit passed, and what is left to repair: computed from verdicts and findings, never from claims."""

from collections.abc import Iterable, Mapping, Sequence
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


EARLIER_TESTS: Final = "earlier-tests"
"""The id of the problem that tests were changed which fail as they were."""


class Problem(Value):
    """One thing to repair, in words that give away no hidden scenario."""

    id: str
    """A criterion, a gate such as "tests", or a finding."""
    kind: Literal["criterion", "gate", "finding", "feedback"]
    title: str
    detail: str
    criterion: str | None = None
    page: str = ""
    element: str = ""
    category: str = ""
    severity: int = 3


class Dropped(Value):
    """An attempt at the problems that was not kept, because it broke what held before."""

    base: str
    """What it began from, as the next attempt does."""
    commit: str
    """What it came to."""
    solved: tuple[str, ...] = ()
    """Ids of problems that were gone with it."""
    lost: tuple[str, ...] = ()
    """What held before and did not with it: criteria and gates."""


class Problems(Value):
    """What an iteration left to be done."""

    problems: tuple[Problem, ...] = ()
    dropped: Dropped | None = None
    """The attempt just before, from which there is something to be learnt; None: it was kept, or there was none."""


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
            id=EARLIER_TESTS,
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


def problems_after_a_drop(
    told: Sequence[Problem],
    specification: Specification,
    verdicts: Sequence[Verdict],
    *,
    base: str,
    commit: str,
    lost: Sequence[str],
) -> Problems:
    """What is to be done where the attempt at what was `told` is dropped because of what it `lost`.

    The work begins at its `base` once more, so that all it was told is still to be done; but each problem says what
    became of it in the attempt, as far as `verdicts` on its `commit` know: nobody used or reviewed it.
    """
    seen = {problem.id: problem.detail for problem in problems_of(specification, verdicts, ())}
    passed = {_problem_id(verdict) for verdict in verdicts if verdict.status == "passed"}
    open_still = [problem for problem in told if not problem.id.startswith(_KEEP)]
    solved = tuple(problem.id for problem in open_still if problem.id in passed)
    texts = {criterion.id: criterion.text for criterion in specification.criteria}
    broken = [
        Problem(
            id=f"{_KEEP}{each}",
            kind="criterion" if each in texts else "gate",
            title=texts.get(each, each),
            detail=" ".join([
                "This holds, and the attempt that was thrown away broke it: keep it.",
                *(f"With that attempt was seen: {detail}" for id, detail in seen.items() if id.split(":")[0] == each),
            ]),
            criterion=each if each in texts else None,
        )
        for each in lost
    ]  # fmt: skip
    return Problems(
        problems=(*(_with_outcome(problem, seen=seen, solved=solved) for problem in open_still), *broken),
        dropped=Dropped(base=base, commit=commit, solved=solved, lost=tuple(lost)),
    )


_KEEP: Final = "keep "
"""So begins the id of what a dropped attempt broke."""
_SOLVED: Final = "The attempt that was thrown away solved this."
_NOT_SOLVED: Final = "The attempt that was thrown away did not solve this"


def _with_outcome(problem: Problem, *, seen: Mapping[str, str], solved: Iterable[str]) -> Problem:
    before = "\n".join(line for line in problem.detail.splitlines() if not line.startswith((_SOLVED, _NOT_SOLVED)))
    if problem.id in solved:
        said = [_SOLVED]
    elif problem.id in seen:
        said = [f"{_NOT_SOLVED}." if seen[problem.id] == before else f"{_NOT_SOLVED}; with it: {seen[problem.id]}"]
    else:
        said = []
    return problem.model_copy(update={"detail": "\n".join([before, *said])})


def _problem_id(verdict: Verdict) -> str:
    """The id that a failure of this check has among the problems."""
    if verdict.kind == "scenario":
        return f"{verdict.criterion}:{verdict.check}"
    return EARLIER_TESTS if verdict.kind == "earlier tests" else verdict.kind


def are_weak_tests(problems: Sequence[Problem]) -> bool:
    """Whether nothing is wrong but what the product's own tests do not notice."""
    return bool(problems) and all(problem.id in WEAK_TESTS for problem in problems)
