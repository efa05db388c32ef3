"""Where a run stood when an iteration was judged, so that another one can go on from there."""

import asyncio
from pathlib import Path
from typing import Any, cast

from macrohard.errors import Conflict
from macrohard.factory.graph import open_graph
from macrohard.factory.state import State

JUDGE = "triage"


async def state_at(checkpoints: Path, run_id: str, iteration: int) -> State:
    """What the graph remembered when the iteration was verified and used, and not judged for the first time yet.

    Raises:
        Conflict: the run has not come that far.
    """
    config: Any = {"configurable": {"thread_id": run_id}}
    refusal = Conflict(f"iteration {iteration} of run {run_id} was not judged yet; there is nothing to fork from")
    if not await asyncio.to_thread(checkpoints.exists):
        raise refusal
    found: State | None = None
    async with open_graph(checkpoints) as graph:
        async for snapshot in graph.aget_state_history(config):
            if snapshot.next == (JUDGE,) and snapshot.values.get("iteration") == iteration:
                # The latest come first; an iteration is judged again when somebody declines its release.
                found = cast(State, snapshot.values)
    if found is None:
        raise refusal
    return found


async def begin_from(checkpoints: Path, run_id: str, state: State) -> None:
    """Have a run that was never carried out begin by judging what it was given."""
    config: Any = {"configurable": {"thread_id": run_id}}
    async with open_graph(checkpoints) as graph:
        # As if the visitors had just left.
        await graph.aupdate_state(config, dict(state), as_node="use")
