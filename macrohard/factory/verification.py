"""Checks by our code on a fresh clone in a fresh sandbox; the only thing that makes anything done."""

from langgraph.runtime import Runtime
from langgraph.types import Send

from macrohard.domain import ScenarioSet, Verdict
from macrohard.events import Verified
from macrohard.factory.context import FactoryContext
from macrohard.factory.phases import phase
from macrohard.factory.problems import Verdicts
from macrohard.factory.state import State, VisitInput
from macrohard.product import verify as run_checks

TESTER = "product-tester"


async def verify(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Install, start, test, then every hidden scenario, on the commit that integration left."""
    context, iteration, commit = runtime.context, state["iteration"], state["base"]
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios

    async def tell(verdict: Verdict) -> None:
        await context.emit(Verified(iteration=iteration, verdict=verdict))

    hearing = context.hearing_of_fetches(iteration, "verify", None)
    async with phase(context.emit, "verify", iteration):
        with hearing:
            verdicts = await run_checks(
                context.sandboxes,
                bundle=await context.repository.bundle(commit),
                commit=commit,
                scenarios=scenarios,
                artifacts=context.artifacts,
                on_verdict=tell,
                already={},
            )
    return {"verdicts": await context.keep(Verdicts(verdicts=verdicts))}


async def invite(state: State, runtime: Runtime[FactoryContext]) -> list[Send] | str:
    """Send the panel and the tester to a product that starts; one that does not start goes to triage at once."""
    context = runtime.context
    verdicts = (await context.load(Verdicts, state["verdicts"])).verdicts
    if not any(verdict.kind == "start" and verdict.status == "passed" for verdict in verdicts):
        return "triage"
    return [
        Send(
            "use",
            VisitInput(
                iteration=state["iteration"],
                specification=state["specification"],
                design=state["design"],
                commit=state["base"],
                visitor=visitor,
            ),
        )
        for visitor in (*context.personas, TESTER)
    ]
