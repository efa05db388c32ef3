"""The beginning and the end of phases as events, with their wall time."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from macrohard.domain import Phase
from macrohard.events import Emit, PhaseEnded, PhaseStarted


@asynccontextmanager
async def phase(emit: Emit, name: Phase, iteration: int) -> AsyncIterator[None]:
    """Tell when a phase begins, and, unless it is cut off by an exception, when it ends."""
    await emit(PhaseStarted(phase=name, iteration=iteration))
    began = time.monotonic()
    yield
    await emit(PhaseEnded(phase=name, iteration=iteration, seconds=time.monotonic() - began))
