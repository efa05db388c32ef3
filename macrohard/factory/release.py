"""The last commit that was kept becomes the product; what does not hold is said first."""

from langgraph.runtime import Runtime

from macrohard.domain import Specification
from macrohard.factory.context import FactoryContext
from macrohard.factory.phases import phase
from macrohard.factory.state import State


async def release(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Deliver the good commit; delivered means that every MUST, and every gate, passed on it."""
    context = runtime.context
    commit = state.get("good") or state["base"]
    async with phase(context.emit, "release", state["iteration"]):
        specification = await context.load(Specification, state["specification"])
        await context.repository.set_branch("main", commit)
        path = await context.deliver(commit, specification.title)
    passed = set(state.get("met", []))
    failed = [gate for gate in ("manifest", "install", "start", "tests") if gate not in passed]
    unmet = [c for c in specification.criteria if c.priority == "MUST" and c.id not in passed]
    problem = ""
    if unmet or failed:
        parts = [f"{len(unmet)} MUST criteria are not met: {', '.join(c.id for c in unmet)}"] if unmet else []
        parts += [f"these checks did not pass: {', '.join(failed)}"] if failed else []
        problem = "; ".join([*parts, *([state["ended"]] if state.get("ended") else [])])
    return {
        "outcome": "partial" if problem else "delivered",
        "problem": problem,
        "good": commit,
        "product": path,
    }
