"""Two runs as they stood at the end of an iteration, held against each other."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, get_args

from macrohard.domain import Finding, IterationSummary, RunOverview, UserSession, UserStep
from macrohard.domain.comparison import (
    Change,
    Compared,
    CriterionPair,
    Effort,
    GatePair,
    Held,
    Noticed,
    Screens,
    Standpoint,
)
from macrohard.domain.standing import GATES, status_of
from macrohard.factory.panel import alike

_ORDER: Final[tuple[Change, ...]] = get_args(Change)


class Side(NamedTuple):
    """What is compared."""

    overview: RunOverview
    iteration: IterationSummary | None
    """None: the run has none yet."""
    guidance: str


def compared(left: Side, right: Side, *, related: bool, diff: str, no_diff: str) -> Compared:
    """Both sides and every difference; `related`: see `Compared`."""
    criteria = _criteria(left, right, key=(lambda held: held.id) if related else _words)
    return Compared(
        left=_standpoint(left),
        right=_standpoint(right),
        related=related,
        criteria=tuple(sorted(criteria, key=lambda pair: _ORDER.index(pair.change))),
        gates=tuple(sorted(_gates(left, right), key=lambda pair: _ORDER.index(pair.change))),
        findings=tuple(sorted(_findings(left, right), key=lambda each: -each.finding.severity)),
        screens=_screens(left, right),
        diff=diff,
        no_diff=no_diff,
    )


def last_screen(visit: UserSession) -> UserStep | None:
    """The last step of the visit of which there is a picture; None: there is none."""
    return next((step for step in reversed(visit.steps) if step.frame), None)


def _standpoint(side: Side) -> Standpoint:
    overview, iteration = side.overview, side.iteration
    number = iteration.number if iteration else None
    return Standpoint(
        run=overview.summary,
        iteration=number,
        iterations=len(overview.iterations),
        commit=iteration.commit if iteration else None,
        kept=iteration.kept if iteration else None,
        reason=iteration.reason if iteration else "",
        guidance=side.guidance,
        budget_usd=overview.budget_usd,
        in_iteration=_effort(
            overview, {number}, seconds=iteration.seconds if iteration else 0.0,
            cost_usd=iteration.cost_usd if iteration else 0.0,
        ),
        in_all=_effort(
            overview, {each.iteration for each in overview.sessions}, seconds=overview.summary.seconds,
            cost_usd=overview.cost_usd,
        ),
    )  # fmt: skip


def _effort(overview: RunOverview, numbers: set[int | None], *, seconds: float, cost_usd: float) -> Effort:
    sessions = [each for each in overview.sessions if each.iteration in numbers]
    return Effort(
        cost_usd=cost_usd,
        tokens=sum(each.input_tokens + each.output_tokens for each in sessions),
        model_calls=sum(each.model_calls for each in sessions),
        seconds=seconds,
    )


def _criteria(left: Side, right: Side, *, key: Callable[[Held], str]) -> Iterable[CriterionPair]:
    there = list(_held(right))
    for held in _held(left):
        other = next((each for each in there if key(each) == key(held)), None)
        if other is not None:
            there.remove(other)
        change = _change(held.status, other.status if other else None, good="met")
        yield CriterionPair(left=held, right=other, change=change)
    for other in there:
        yield CriterionPair(left=None, right=other, change="only right")


def _change(left: str | None, right: str | None, *, good: str) -> Change:
    if left is None or right is None:
        return "only right" if left is None else "only left"
    if left == right:
        return "same"
    if good not in (left, right):
        return "different"
    return "lost" if left == good else "gained"


def _words(held: Held) -> str:
    return " ".join(held.text.casefold().split())


def _held(side: Side) -> Iterable[Held]:
    overview, now = side.overview, side.iteration
    scenarios = [scenario for state in overview.criteria for scenario in state.scenarios]
    until = [each for each in overview.iterations if now and each.number <= now.number]
    verdicts = [verdict for each in until for verdict in each.verdicts]
    for state in overview.criteria:
        own = {scenario.id for scenario in state.scenarios}
        said = [each.status for each in (now.verdicts if now else ()) if each.check in own]
        criterion, commit = state.criterion, now.commit if now else None
        yield Held(
            id=criterion.id,
            text=criterion.text,
            priority=criterion.priority,
            status=status_of(criterion, scenarios=scenarios, verdicts=verdicts, commit=commit),
            passed=said.count("passed"),
            of=len(said),
        )


def _gates(left: Side, right: Side) -> Iterable[GatePair]:
    one, other = (
        {each.kind: each.status for each in side.iteration.verdicts if each.kind in GATES} if side.iteration else {}
        for side in (left, right)
    )
    for gate in GATES:
        if gate in one or gate in other:
            change = _change(one.get(gate), other.get(gate), good="passed")
            yield GatePair(gate=gate, left=one.get(gate), right=other.get(gate), change=change)


def _findings(left: Side, right: Side) -> Iterable[Noticed]:
    before, now = (list(side.iteration.findings) if side.iteration else [] for side in (left, right))
    for finding in now:
        match = next((each for each in before if _same(each, finding)), None)
        if match is not None:
            before.remove(match)
        yield Noticed(where="right" if match is None else "both", finding=finding)
    for finding in before:
        yield Noticed(where="left", finding=finding)


def _same(one: Finding, other: Finding) -> bool:
    """Of different commits: ids, steps and lines are of one commit only, what is said of a place is not."""
    places = ((each.category, each.page, each.element, each.file) for each in (one, other))
    return len(set(places)) == 1 and (one.title == other.title or alike(one.title, other.title))


def _screens(left: Side, right: Side) -> tuple[Screens, ...]:
    one, other = (
        {visit.persona: last_screen(visit) for visit in side.iteration.users} if side.iteration else {}
        for side in (left, right)
    )
    return tuple(
        Screens(persona=persona, left=one.get(persona), right=other.get(persona))
        for persona in dict.fromkeys((*other, *one))
        if one.get(persona) or other.get(persona)
    )
