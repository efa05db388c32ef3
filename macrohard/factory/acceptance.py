"""Scenarios are read by a second agent before they count: objections, one round of answers, and what is left over."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from macrohard.domain import Design, JsonObject, Scenario, ScenarioSet, Specification, Value
from macrohard.domain.review import Disputed, Objection
from macrohard.errors import AgentGaveUp, ToolError
from macrohard.factory.context import FactoryContext

WRITER, REVIEWER = "scenario-writer", "scenario-reviewer"


class ScenarioReview(Value):
    """Every scenario that was given, once: accepted, or objected to."""

    accepted: tuple[str, ...] = ()
    """Ids."""
    objections: tuple[Objection, ...] = ()


class ScenarioRevision(Value):
    """An answer to every objection: the scenario under its old id, or its withdrawal."""

    scenarios: tuple[Scenario, ...] = ()
    """Mended; one that stays word for word is one that you stand by, and it will not count."""
    withdrawn: tuple[str, ...] = ()
    """Ids of those that test nothing that another does not test."""


class Reviewed(NamedTuple):
    """What became of the scenarios."""

    counted: ScenarioSet
    disputed: tuple[Disputed, ...] = ()
    unreviewed: str = ""
    """Why they count without a second opinion; empty if they have one."""


async def reviewed(
    context: FactoryContext,
    specification: Specification,
    design: Design,
    written: ScenarioSet,
    *,
    check: Callable[[Sequence[Scenario]], None],
) -> Reviewed:
    """Have the scenarios reviewed: one call where nobody objects, and three more sessions at most.

    What the writer withdraws is gone. What is disputed after one round of answers does not count, so that no product
    fails by it. If the reviewer does not hand in, all count, and the run says so wherever it is shown.

    `check` raises a ToolError about scenarios that cannot be run.
    """
    contract: JsonObject = {
        "specification": specification.model_dump(mode="json"),
        "design": design.model_dump(mode="json"),
    }
    try:
        review = await _review(context, contract, written.scenarios, again=False)
    except AgentGaveUp as error:
        return Reviewed(written, unreviewed=str(error))
    if not review.objections:
        return Reviewed(written)
    objected = {objection.scenario: objection for objection in review.objections}
    before = {scenario.id: scenario for scenario in written.scenarios}
    try:
        revision = await _revision(context, contract, [(before[each], objected[each]) for each in objected], check)
    except AgentGaveUp:
        revision = ScenarioRevision(scenarios=tuple(before[each] for each in objected))
    mended = {scenario.id: scenario for scenario in revision.scenarios}
    changed = [scenario for scenario in revision.scenarios if scenario != before[scenario.id]]
    if changed:
        try:
            second = await _review(context, contract, changed, again=True)
        except AgentGaveUp:
            second = ScenarioReview()
        objected |= {objection.scenario: objection for objection in second.objections}
        for accepted in second.accepted:
            del objected[accepted]
    final = [
        mended.get(scenario.id, scenario) for scenario in written.scenarios if scenario.id not in revision.withdrawn
    ]
    return Reviewed(
        ScenarioSet(scenarios=tuple(scenario for scenario in final if scenario.id not in objected)),
        tuple(Disputed(scenario=each, objection=objected[each.id]) for each in final if each.id in objected),
    )


async def _review(
    context: FactoryContext, contract: JsonObject, scenarios: Sequence[Scenario], *, again: bool
) -> ScenarioReview:
    ids = sorted(scenario.id for scenario in scenarios)

    def check(report: ScenarioReview) -> None:
        said = sorted([*report.accepted, *(objection.scenario for objection in report.objections)])
        if said != ids:
            raise ToolError(f"name each of {', '.join(ids)} once, as accepted or in one objection; you named {said}")

    return await context.document(
        ScenarioReview,
        agent=REVIEWER,
        iteration=0,
        phase="scenarios",
        name=f"{REVIEWER}+1" if again else REVIEWER,
        task=f"Review {len(ids)} acceptance scenarios{' that were mended' if again else ''}.",
        material={**contract, "scenarios": [scenario.model_dump(mode="json") for scenario in scenarios]},
        check=check,
    )


async def _revision(
    context: FactoryContext,
    contract: JsonObject,
    objections: Sequence[tuple[Scenario, Objection]],
    check: Callable[[Sequence[Scenario]], None],
) -> ScenarioRevision:
    criteria = {scenario.id: scenario.criterion for scenario, _ in objections}

    def check_answers(report: ScenarioRevision) -> None:
        said = sorted([*(scenario.id for scenario in report.scenarios), *report.withdrawn])
        if said != sorted(criteria):
            raise ToolError(f"answer each of {', '.join(sorted(criteria))} once: mended or withdrawn; you named {said}")
        if moved := [each.id for each in report.scenarios if each.criterion != criteria[each.id]]:
            raise ToolError(f"{', '.join(moved)}: a mended scenario tests the criterion that it tested before")
        check(report.scenarios)

    return await context.document(
        ScenarioRevision,
        agent=WRITER,
        iteration=0,
        phase="scenarios",
        name=f"{WRITER}+1",
        task=f"Answer {len(criteria)} objections to your scenarios.",
        material={
            **contract,
            "objections": [
                {
                    "scenario": scenario.model_dump(mode="json"),
                    **objection.model_dump(mode="json", exclude={"scenario"}),
                }
                for scenario, objection in objections
            ],
        },
        check=check_answers,
    )
