"""Going on with a delivered product: what was agreed stays agreed, numbered and checked; only the change is new."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from pydantic import Field, JsonValue

from macrohard.domain import (
    Criterion,
    Decision,
    Design,
    Exclusion,
    JsonObject,
    ProductKind,
    Question,
    Scenario,
    ScenarioSet,
    Specification,
    Value,
)
from macrohard.domain.ground import Earlier
from macrohard.domain.review import Mended
from macrohard.domain.scenario import PutFile
from macrohard.domain.specification import Superseded
from macrohard.errors import ToolError
from macrohard.factory.context import FactoryContext
from macrohard.factory.reports import ReadingOfChange, TeamPlan
from macrohard.factory.steps import described, scenario_for, with_fields

ANALYST: Final = "change-analyst"
KEEPER: Final = "scenario-keeper"


class Withdrawal(Value):
    """A criterion that the change takes the place of."""

    criterion: str = Field(pattern=r"^AC-[1-9][0-9]*$")
    reason: str = Field(min_length=1)
    """The person's own words that are in contradiction to it, and what holds instead."""


class Amendment(Value):
    """What a person's change adds to an agreed specification, what it takes out of it, and the work that follows."""

    decision: Decision
    reason: str = ""
    """Why it is refused or asked back, in words for the person, with what they can do; empty when it is built."""
    title: str = Field(max_length=80)
    """Of the product, as it is called from now on."""
    summary: str = ""
    """Of the product as it will be."""
    stories: tuple[str, ...] = ()
    """New ones only."""
    criteria: tuple[Criterion, ...] = ()
    """New ones only, numbered on."""
    superseded: tuple[Withdrawal, ...] = ()
    assumptions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    design: Design | None = None
    """Of the whole product, as it will be; None only if the change is refused."""
    plan: TeamPlan | None = None
    """Of the change alone; None only if it is refused."""


class MendedScenario(Value):
    """An earlier scenario as it has to be from now on, under its id and for its criterion."""

    scenario: Scenario
    reason: str = Field(min_length=1)
    """Which words of specification or design no product could keep and pass the old one."""


class Upkeep(Value):
    """The earlier scenarios that the change has made impossible to pass, mended; all others stay as they are."""

    mended: tuple[MendedScenario, ...] = ()


def upkeep_for(kind: ProductKind) -> type[Upkeep]:
    """The same report with scenarios made of the steps that products of this kind know."""
    if kind == "web":
        return Upkeep
    mended = with_fields(MendedScenario, scenario=scenario_for(kind))
    return with_fields(Upkeep, mended=tuple[mended, ...])  # type: ignore[valid-type]  # made at run time


class Collected(NamedTuple):
    """The scenarios of a changed product, before they are reviewed."""

    untouched: tuple[Scenario, ...]
    """Of the earlier run; they counted before, and count now."""
    fresh: ScenarioSet
    """New or mended: to be reviewed."""
    mended: tuple[Mended, ...]


async def read_change(
    context: FactoryContext, earlier: Earlier, *, name: str, check: Callable[[Specification, Design, TeamPlan], None]
) -> ReadingOfChange:
    """One session for specification, design and plan of the change; what was agreed before is added by code.

    `check` raises a ToolError about a design or a plan that does not fit the specification.

    Raises:
        AgentGaveUp: it was not handed in.
    """
    assignable = {agent.name: agent.description for agent in context.catalogue.assignable}
    before = earlier.specification
    report = await context.document(
        Amendment,
        agent=ANALYST,
        iteration=0,
        phase="analyse",
        name=name,
        task=f"Read what is to change about {before.title}: what is new, what it takes the place of, and how it is "
        "made.",
        material={
            "requirement": context.requirement,
            "answers": dict(context.answers),
            "next_criterion": f"AC-{highest(before) + 1}",
            "earlier": {
                "requirements": list(earlier.requirements),
                "specification": before.model_dump(mode="json"),
                "design": earlier.design.model_dump(mode="json"),
                "tasks": [task.model_dump(mode="json") for task in earlier.tasks],
                "decisions": list(earlier.decisions.lines),
            },
            "agents": dict(assignable),
            "reviewers": {agent.name: agent.description for agent in context.catalogue.reviewers},
            **await context.libraries(),
        },
        check=lambda report: _check(report, earlier, check),
    )
    return ReadingOfChange(specification=amended(before, report), design=report.design, plan=report.plan)


def amended(before: Specification, change: Amendment) -> Specification:
    """The specification of the changed product: earlier criteria first, under their numbers, but for the superseded."""
    gone = {each.criterion: each.reason for each in change.superseded}
    if change.decision == "refuse":
        # Nothing is made, so nothing is to be checked: the earlier product stays what it is.
        return Specification(decision="refuse", reason=change.reason, title=change.title, kind=before.kind)
    return Specification(
        decision=change.decision,
        reason=change.reason,
        title=change.title,
        summary=change.summary or before.summary,
        kind=before.kind,
        stories=tuple(dict.fromkeys((*change.stories, *before.stories))),
        criteria=(*(each for each in before.criteria if each.id not in gone), *change.criteria),
        assumptions=tuple(dict.fromkeys((*change.assumptions, *before.assumptions))),
        questions=change.questions,
        exclusions=change.exclusions,
        superseded=(
            *before.superseded,
            *(Superseded(criterion=before.criterion(each), reason=reason) for each, reason in gone.items()),
        ),
    )


def agreed_before(earlier: Earlier | None) -> frozenset[str]:
    """The criteria that need no task, because the product keeps them already."""
    return frozenset(criterion.id for criterion in earlier.specification.criteria) if earlier else frozenset()


def met_before(specification: Specification, earlier: Earlier | None) -> list[str]:
    """What the product passed before the change, and still has to."""
    if earlier is None:
        return []
    gone = {each.criterion.id for each in specification.superseded}
    return sorted(set(earlier.met) - gone)


def of_the_change(specification: Specification, earlier: Earlier | None) -> Specification:
    """The same with the new criteria only."""
    known = agreed_before(earlier)
    new = tuple(criterion for criterion in specification.criteria if criterion.id not in known)
    return specification.model_copy(update={"criteria": new})


def design_of_the_change(design: Design, earlier: Earlier) -> Design:
    """The same with the screens, routes and commands only that are new or different."""
    before = earlier.design
    return design.model_copy(
        update={
            "screens": tuple(each for each in design.screens if each not in before.screens),
            "routes": tuple(each for each in design.routes if each not in before.routes),
            "commands": tuple(each for each in design.commands if each not in before.commands),
        }
    )


async def collected(
    context: FactoryContext,
    earlier: Earlier,
    specification: Specification,
    design: Design,
    written: ScenarioSet,
    *,
    check: Callable[[Sequence[Scenario]], None],
) -> Collected:
    """Put the earlier run's scenarios and those of the change together; the new ones are numbered on.

    What checked a superseded criterion is left out. Somebody looks through the others for those that no product could
    pass which keeps the new contract.

    `check` raises a ToolError about scenarios that cannot be run.

    Raises:
        AgentGaveUp: that was not handed in.
    """
    first = max((int(each.id.removeprefix("S-")) for each in earlier.scenarios), default=0) + 1
    new = tuple(
        each.model_copy(update={"id": f"S-{number}"}) for number, each in enumerate(written.scenarios, start=first)
    )
    known = {criterion.id for criterion in specification.criteria}
    standing = tuple(each for each in earlier.scenarios if each.criterion in known)
    if not standing:
        return Collected((), ScenarioSet(scenarios=new), ())
    given = shared_files(standing)
    report = await context.document(
        upkeep_for(specification.kind),
        agent=KEEPER,
        iteration=0,
        phase="scenarios",
        task=f"Look through {len(standing)} scenarios for what the change has made impossible to pass.",
        material={
            "steps": described(standing),
            "specification": specification.model_dump(mode="json"),
            "new_criteria": [criterion.id for criterion in of_the_change(specification, earlier).criteria],
            "design": design.model_dump(mode="json"),
            "earlier_design": earlier.design.model_dump(mode="json"),
            "files": _told_once(given),
            "scenarios": [_without(given.get(scenario.id, ()), scenario).as_told for scenario in standing],
        },
        check=lambda report: _check_upkeep(_read(report, given), standing, check),
    )
    upkeep = _read(report, given)
    mended = {each.scenario.id: each for each in upkeep.mended}
    return Collected(
        tuple(each for each in standing if each.id not in mended),
        ScenarioSet(scenarios=(*(each.scenario for each in mended.values()), *new)),
        tuple(Mended(scenario=each, reason=one.reason) for each, one in mended.items()),
    )


def place_of_things(earlier: Earlier) -> JsonObject:
    """What everybody who works on the product is told of it; the rest they read in it."""
    specification = earlier.specification
    return {
        "summary": f"{specification.title}: {specification.summary}",
        "kind": specification.kind,
        "places": [f"{', '.join(task.files)}: {task.title}" for task in earlier.tasks],
        "conventions": ["Specification, design and decisions of the earlier work hold, unless they say otherwise now."],
    }


def highest(specification: Specification) -> int:
    """The number of its last criterion, of those that do not hold any more, too; 0: it has none."""
    every = (*specification.criteria, *(each.criterion for each in specification.superseded))
    return max((int(criterion.id.removeprefix("AC-")) for criterion in every), default=0)


def _check(report: Amendment, earlier: Earlier, check: Callable[[Specification, Design, TeamPlan], None]) -> None:
    before = earlier.specification
    first, ids = highest(before) + 1, [criterion.id for criterion in report.criteria]
    if ids != [f"AC-{number}" for number in range(first, first + len(ids))]:
        raise ToolError(f"criteria: only new ones, numbered on from AC-{first} without gaps")
    gone = [each.criterion for each in report.superseded]
    if strangers := sorted(set(gone) - agreed_before(earlier)):
        raise ToolError(f"superseded: {', '.join(strangers)} are not among the earlier criteria")
    if len(set(gone)) != len(gone):
        raise ToolError("superseded: name each criterion once")
    if report.decision != "build" and not report.reason.strip():
        raise ToolError("reason: tell the person why, and what they can do")
    if report.decision == "ask" and not report.questions:
        raise ToolError("questions: asking back needs at least one question with its default")
    if report.decision == "refuse":
        return
    if not any(criterion.covered for criterion in report.criteria):
        raise ToolError("criteria: say what is different afterwards in at least one new criterion that is covered")
    if report.design is None or report.plan is None:
        raise ToolError("design and plan: nobody else makes them, hand in both")
    check(amended(before, report), report.design, report.plan)
    _check_nothing_is_gone(report.design, earlier.design, may=bool(gone))


def _check_nothing_is_gone(now: Design, before: Design, *, may: bool) -> None:
    """Refuse a design that leaves out what exists; `may`: something is superseded, and that may be it."""
    gone = sorted({screen.path for screen in before.screens} - {screen.path for screen in now.screens})
    routes = {(route.method, route.path) for route in now.routes}
    gone += [f"{each.method} {each.path}" for each in before.routes if (each.method, each.path) not in routes]
    if gone and not may:
        raise ToolError(
            f"design: {', '.join(gone)} of the earlier design are missing, and no criterion is superseded; hand in "
            "the whole design"
        )


def shared_files(scenarios: Sequence[Scenario]) -> dict[str, tuple[PutFile, ...]]:
    """By scenario: the files that it puts down before all else and that others put down as well."""
    begin = {each.id: tuple(takewhile(lambda step: isinstance(step, PutFile), each.steps)) for each in scenarios}
    times = Counter(step for steps in begin.values() for step in set(steps))
    found = {id: tuple(takewhile(lambda step: times[step] > 1, steps)) for id, steps in begin.items()}
    return {id: tuple(step for step in steps if isinstance(step, PutFile)) for id, steps in found.items() if steps}


def _told_once(given: Mapping[str, tuple[PutFile, ...]]) -> list[JsonValue]:
    """Each file with the scenarios that begin with it."""
    files = dict.fromkeys(step for steps in given.values() for step in steps)
    return [
        {"path": file.path, "content": file.content, "scenarios": [id for id, steps in given.items() if file in steps]}
        for file in files
    ]


def _without(files: tuple[PutFile, ...], scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"steps": scenario.steps[len(files) :]})


def _read(report: Upkeep, given: Mapping[str, tuple[PutFile, ...]]) -> Upkeep:
    """With the files of each scenario, and comparable with others, whatever kind of product it was handed in for."""
    upkeep = Upkeep.model_validate(report.model_dump())
    mended = []
    for each in upkeep.mended:
        scenario = each.scenario
        files = tuple(file for file in given.get(scenario.id, ()) if file not in scenario.steps)
        whole = scenario.model_copy(update={"steps": (*files, *scenario.steps)})
        mended.append(each.model_copy(update={"scenario": whole}))
    return Upkeep(mended=tuple(mended))


def _check_upkeep(report: Upkeep, standing: Sequence[Scenario], check: Callable[[Sequence[Scenario]], None]) -> None:
    by_id = {scenario.id: scenario for scenario in standing}
    ids = [each.scenario.id for each in report.mended]
    if strangers := sorted(set(ids) - set(by_id)):
        raise ToolError(f"mended: {', '.join(strangers)} are not among the scenarios; keep the ids")
    if len(set(ids)) != len(ids):
        raise ToolError("mended: name each scenario once")
    scenarios = [each.scenario for each in report.mended]
    if moved := [each.id for each in scenarios if each.criterion != by_id[each.id].criterion]:
        raise ToolError(f"{', '.join(moved)}: a mended scenario tests the criterion that it tested before")
    if same := [each.id for each in scenarios if each == by_id[each.id]]:
        raise ToolError(f"{', '.join(same)}: nothing is different; leave out what stays as it is")
    check(scenarios)
