"""The one budget of a run's whole tree of sessions: the worst case is reserved before a call and settled after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from macrohard.errors import LimitExceeded, MacrohardError, ModelUnavailable, SandboxUnavailable
from macrohard.llm.unbroken import unbroken


class Ledger(Protocol):
    """Durable; shared by everything that spends for one run."""

    async def reserve(self, *, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        """Set this much aside for one attempt at a call and give the reservation's id.

        Raises:
            LimitExceeded: a cap of the run leaves no room for it; nothing was reserved.
        """

    async def settle(self, reservation: str, *, actual_usd: float, actual_tokens: int) -> None:
        """Replace the reservation by what was really spent, be it more or less; settling twice changes nothing."""


class RunLedger(Ledger, Protocol):
    """A ledger that counts sessions, too."""

    async def begin_session(self, session_id: str, *, parent: str | None) -> None:
        """Count a session that begins, once, however often it goes on; `parent`: the session that starts it.

        Raises:
            LimitExceeded: there may be no more sessions, no more of this phase, or none so deep.
        """


class Budget:
    """One process's way to the ledger of the run that it carries out; itself a `Ledger`.

    A call for which there is only no room as long as others are under way waits for them: worst cases are many times
    what calls cost, and a run would stop far below its cap. The first call that is refused for good, and anything else
    for which the run has to pause, stops the run: no call begins any more, those under way end and are recorded, and
    sessions stop at their next call.
    """

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self._turn = asyncio.Lock()
        self._under_way: set[str] = set()
        self._room = asyncio.Event()
        """Something changed for the call that waits at the head of the queue."""
        self._at_work = 0
        self._idle = asyncio.Event()
        self._stopped_by: MacrohardError | None = None

    async def reserve(self, *, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        """See `Ledger.reserve`; first come, first served."""
        async with self._turn:
            while True:
                self._refuse_if_stopped()
                self._room.clear()
                try:
                    reservation = await self._booked(session_id, worst_case_usd, worst_case_tokens)
                except LimitExceeded as error:
                    if not error.passing or not (self._under_way or self._room.is_set()):
                        self._stop(error)
                        raise
                    await self._room.wait()
                else:
                    self._under_way.add(reservation)
                    return reservation

    async def _booked(self, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        booking = asyncio.ensure_future(
            self._ledger.reserve(
                session_id=session_id, worst_case_usd=worst_case_usd, worst_case_tokens=worst_case_tokens
            )
        )
        try:
            return await asyncio.shield(booking)
        except asyncio.CancelledError:
            # It may be in the books by now, and nobody else knows its name; nothing was sent for it.
            await unbroken(self._take_back(booking))
            raise

    async def _take_back(self, booking: asyncio.Future[str]) -> None:
        try:
            reservation = await booking
        except LimitExceeded:
            return
        await self._ledger.settle(reservation, actual_usd=0.0, actual_tokens=0)

    async def settle(self, reservation: str, *, actual_usd: float, actual_tokens: int) -> None:
        """See `Ledger.settle`."""
        try:
            await self._ledger.settle(reservation, actual_usd=actual_usd, actual_tokens=actual_tokens)
        finally:
            self._under_way.discard(reservation)
            self._room.set()

    @asynccontextmanager
    async def session(self, session_id: str, *, parent: str | None = None) -> AsyncIterator[None]:
        """A session at work: counted once, and ended cleanly when the run has to pause.

        What it has to pause for leaves this context only when no other session is at work any more: whoever cancels
        the rest then finds nothing to cut off. A session's own sessions do not wait for it.

        Raises:
            LimitExceeded: see `RunLedger.begin_session`; or the run was stopped while others were at work.
        """
        try:
            async with self._counted(parent):
                self._refuse_if_stopped()
                await self._ledger.begin_session(session_id, parent=parent)
                yield
        except (LimitExceeded, ModelUnavailable, SandboxUnavailable) as error:
            self._stop(error)
            if parent is None:
                await self._idle.wait()
            raise

    @asynccontextmanager
    async def _counted(self, parent: str | None) -> AsyncIterator[None]:
        if parent is not None:
            yield
            return
        self._at_work += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if self._at_work == 0:
                self._idle.set()

    def _stop(self, cause: MacrohardError) -> None:
        self._stopped_by = self._stopped_by or cause
        self._room.set()

    def _refuse_if_stopped(self) -> None:
        if self._stopped_by is not None:
            raise self._stopped_by
