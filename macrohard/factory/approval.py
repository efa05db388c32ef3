"""Waiting for a person's yes, where the run was asked to: what is shown then can be changed before it is paid for."""

from datetime import UTC, datetime, timedelta

from langgraph.runtime import Runtime

from macrohard.domain import Plan, Specification
from macrohard.domain.approval import Awaited, Point, Ruling
from macrohard.events import ApprovalAwaited, Planned, Ruled, Specified
from macrohard.factory.context import FactoryContext
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
    if ruling.specification is not None:
        await context.emit(Specified(specification=ruling.specification))
        update["specification"] = await context.keep(ruling.specification)
    if ruling.plan is not None:
        await context.emit(Planned(iteration=1, plan=ruling.plan))
        update["plan"] = await context.keep(ruling.plan)
    return {**update, "decision": "build"}


async def approve_release(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Go on to the release if nobody is to be asked, or somebody said yes; else triage looks at what they said."""
    ruling, update = await _ruled(runtime.context, state, "release")
    if ruling is None:
        return update
    return {**update, "decision": "release" if ruling.approved else CHANGE}


async def _ruled(context: FactoryContext, state: State, point: Point) -> tuple[Ruling | None, State]:
    """The ruling that counts now; None: it is waited for. With what the graph is to remember."""
    number = state.get("ruled", {}).get(point, 0)
    if point not in context.approvals:
        return Ruling(point=point, approved=True, by="", at=datetime.now(UTC)), {}
    given = [ruling for ruling in context.rulings if ruling.point == point]
    if len(given) > number:
        ruling = given[number]
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
    await context.emit(
        Ruled(point=point, number=number, approved=ruling.approved, by=ruling.by, comment=ruling.comment)
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


def check_ruling(ruling: Ruling, shown: Specification, planned: Plan) -> str:
    """Why what a person changed cannot be worked with, in one sentence; empty: it can."""
    specification, plan = ruling.specification or shown, ruling.plan or planned
    known = [criterion.id for criterion in specification.criteria]
    if known != [f"AC-{number}" for number in range(1, len(known) + 1)]:
        return "criteria are numbered AC-1, AC-2, … without gaps; one that is not wanted any more is made not covered"
    if not any(criterion.priority == "MUST" and criterion.covered for criterion in specification.criteria):
        return "a product that is built has at least one MUST that is covered"
    if strangers := sorted({each for task in plan.tasks for each in task.criteria} - set(known)):
        return f"tasks serve {', '.join(strangers)}, which are no criteria"
    served = {each for task in plan.tasks for each in task.criteria}
    if missing := [each.id for each in specification.criteria if each.covered and each.id not in served]:
        return f"no task serves {', '.join(missing)}; name them in the task that is to bring them about"
    return ""
