"""Waiting for a person's yes, where the run was asked to: what is shown then can be changed before it is paid for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from langgraph.runtime import Runtime

from macrohard.agent import AgentDefinition
from macrohard.domain import Plan, Specification
from macrohard.domain.approval import Awaited, Changed, Point, Ruling, changes
from macrohard.domain.ground import Earlier
from macrohard.errors import RequestError, ToolError
from macrohard.events import ApprovalAwaited, Planned, Ruled, Specified
from macrohard.factory.context import FactoryContext
from macrohard.factory.heeding import is_new
from macrohard.factory.improving import agreed_before, highest
from macrohard.factory.intake import check_plan
from macrohard.factory.state import State

APPROVE = "approve"
"""The decision to wait for a person."""
CHANGE = "change"
"""The decision to begin again with what a person said."""


async def approve_plan(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Go on to build if nobody is to be asked, or somebody said yes; take over what they changed."""
    context = runtime.context
    ruling, update = await _ruled(context, state, "plan")
    if ruling is None:
        return update
    if not ruling.approved:
        return {**update, "decision": CHANGE}
    shown, planned = await _shown(context, state)
    specification, plan = settled(ruling, shown, planned)
    if specification != shown:
        await context.emit(Specified(specification=specification))
        update["specification"] = await context.keep(specification)
    if plan != planned:
        await context.emit(Planned(iteration=1, plan=plan))
        update["plan"] = await context.keep(plan)
    return {**update, "decision": "build"}


def settled(ruling: Ruling, shown: Specification, planned: Plan) -> tuple[Specification, Plan]:
    """What is built after this yes: as the person changed it, with what they said besides as a fact for everybody."""
    specification, plan = ruling.specification or shown, ruling.plan or planned
    if said := ruling.comment.strip():
        told = f"The person said of the plan: {said}"
        specification = specification.model_copy(update={"assumptions": (*specification.assumptions, told)})
    return specification, plan


async def _shown(context: FactoryContext, state: State) -> tuple[Specification, Plan]:
    return await context.load(Specification, state["specification"]), await context.load(Plan, state["plan"])


async def approve_release(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Go on to the release if nobody is to be asked, or somebody said yes; else triage looks at what they said.

    It also does if somebody said something meanwhile, and the release that this leads to is asked for anew.
    """
    ruling, update = await _ruled(runtime.context, state, "release")
    if ruling is None:
        return update
    return {**update, "decision": CHANGE if not ruling.approved or await is_new(runtime.context) else "release"}


async def _ruled(context: FactoryContext, state: State, point: Point) -> tuple[Ruling | None, State]:
    """The ruling that counts now; None: it is waited for. With what the graph is to remember."""
    number = state.get("ruled", {}).get(point, 0)
    if point not in context.approvals:
        return Ruling(point=point, approved=True, by="", at=datetime.now(UTC)), {}
    given = [ruling for ruling in context.rulings if (ruling.point, ruling.number) == (point, number)]
    if given:
        (ruling,) = given
    else:
        until = _until(context.approvals[point], state)
        if until is None or until > datetime.now(UTC):
            await context.emit(ApprovalAwaited(awaited=Awaited(point=point, number=number, until=until)))
            return None, {
                "decision": APPROVE,
                "outcome": "paused",
                "problem": _asked(point, until),
                "awaiting": point,
                "until": until.isoformat() if until else "",
            }
        ruling = Ruling(point=point, approved=True, by="", at=until)
    changed: tuple[Changed, ...] = ()
    if point == "plan" and ruling.approved:
        shown, planned = await _shown(context, state)
        specification, plan = settled(ruling, shown, planned)
        changed = changes(shown, planned, specification=specification, plan=plan)
    await context.emit(
        Ruled(
            point=point, number=number, approved=ruling.approved, by=ruling.by, comment=ruling.comment, changes=changed
        )
    )
    return ruling, {"ruled": {**state.get("ruled", {}), point: number + 1}, "until": ""}


def _until(seconds: float | None, state: State) -> datetime | None:
    """The end that was told when it was asked first holds, however often the run is taken up."""
    if told := state.get("until"):
        return datetime.fromisoformat(told)
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


def _asked(point: Point, until: datetime | None) -> str:
    what = {
        "plan": "The plan waits for your approval: criteria, design and tasks are there, and nothing is built yet.",
        "release": "The release waits for your approval: the product is there.",
    }[point]
    return f"{what} Without a word it goes on at {until:%Y-%m-%d %H:%M} UTC." if until else what


def check_ruling(
    ruling: Ruling,
    shown: Specification,
    planned: Plan,
    *,
    assignable: Sequence[AgentDefinition],
    earlier: Earlier | None,
) -> None:
    """See that what a person changed can be worked with; of a change of a product, `earlier` was agreed before.

    Raises:
        RequestError: it cannot; says why.
    """
    specification, plan = ruling.specification or shown, ruling.plan or planned
    agreed = agreed_before(earlier)
    if (problem := _renumbered(specification, shown)) or (problem := _rewritten(specification, shown, agreed)):
        raise RequestError(problem)
    if specification.kind != shown.kind:
        raise RequestError(f"the design is one of kind {shown.kind}: decline it, and say that you want another kind")
    if not any(criterion.priority == "MUST" and criterion.covered for criterion in specification.criteria):
        raise RequestError("criteria: a product that is built has at least one MUST that is covered")
    try:
        check_plan(plan, specification, frozenset(agent.name for agent in assignable), agreed=agreed)
    except ToolError as error:
        raise RequestError(f"the plan cannot be worked with: {error}") from error


def _renumbered(specification: Specification, shown: Specification) -> str:
    """What is wrong with the numbers of criteria: tasks, scenarios and remarks name them."""
    before, ids = [each.id for each in shown.criteria], [each.id for each in specification.criteria]
    first = highest(shown) + 1
    if ids == [*before, *(f"AC-{number}" for number in range(first, first + len(ids) - len(before)))]:
        return ""
    return (
        f"criteria keep their numbers and their order, and new ones are numbered on from AC-{first} without gaps; one "
        "that is not wanted any more is made not covered"
    )


def _rewritten(specification: Specification, shown: Specification, agreed: frozenset[str]) -> str:
    """What is wrong with criteria of the product that is changed: they are checked as they were."""
    rewritten = [each.id for each in specification.criteria if each.id in agreed and each not in shown.criteria]
    if not rewritten:
        return ""
    return (
        f"{', '.join(rewritten)}: agreed before and checked as it was then; say what you want instead as a new "
        "criterion, or decline the plan and say it there"
    )
