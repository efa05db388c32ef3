"""Clears away what dead processes left behind: before sandboxes are opened, and regularly while they are used."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.contract import SandboxProvider

EVERY_SECONDS: Final = 30.0


@asynccontextmanager
async def clearing_away(
    provider: SandboxProvider, *, tell: Callable[[str], None], every_seconds: float = EVERY_SECONDS
) -> AsyncIterator[None]:
    """Reap now, and again and again until the context ends; `tell` gets a line about each sandbox removed.

    Raises:
        SandboxUnavailable: the engine does not answer now. Later this is left to those who open sandboxes.
    """
    await _reap(provider, tell)
    task = asyncio.create_task(_reap_regularly(provider, tell, every_seconds), name="reaper")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _reap_regularly(provider: SandboxProvider, tell: Callable[[str], None], every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        with suppress(SandboxUnavailable):
            await _reap(provider, tell)


async def _reap(provider: SandboxProvider, tell: Callable[[str], None]) -> None:
    for name in await provider.reap():
        tell(f"removed sandbox {name}, which nobody uses any more")
