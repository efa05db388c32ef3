"""The one budget of a run's whole tree of sessions: the worst case is reserved before a call and settled after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from macrohard.domain import BudgetState
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

    async def state(self) -> BudgetState:
        """Where it stands."""

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
        self._under_way: set[str] = set()
        self._asking = 0
        """How many of them the ledger has not answered yet."""
        self._unserved: dict[object, None] = {}
        """Calls that are not booked yet, in the order in which they came."""
        self._short_of_room = 0
        """How many of them wait for others to end."""
        self._changed = asyncio.Event()
        """Set, and replaced, when there may be room, or another one is the first in the row."""
        self._at_work = 0
        self._idle = asyncio.Event()
        self._stopped_by: MacrohardError | None = None

    async def reserve(self, *, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        """See `Ledger.reserve`; first come, first served."""
        me = object()
        straight = not self._short_of_room
        self._unserved[me] = None
        try:
            # While nobody waits for room, calls that come together are booked together, not one after the other.
            if straight:
                self._refuse_if_stopped()
                try:
                    return await self._booked(session_id, worst_case_usd, worst_case_tokens)
                except LimitExceeded as error:
                    if not error.passing:
                        self._stop(error)
                        raise
            self._short_of_room += 1
            try:
                return await self._waited(me, session_id, worst_case_usd, worst_case_tokens)
            finally:
                self._short_of_room -= 1
        finally:
            del self._unserved[me]
            self._change()

    async def _waited(self, me: object, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        while True:
            self._refuse_if_stopped()
            changed = self._changed
            if next(iter(self._unserved)) is me:
                try:
                    return await self._booked(session_id, worst_case_usd, worst_case_tokens)
                except LimitExceeded as error:
                    if not error.passing or not (self._under_way or self._asking or changed.is_set()):
                        self._stop(error)
                        raise
            await changed.wait()

    async def _booked(self, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        booking = asyncio.ensure_future(
            self._ledger.reserve(
                session_id=session_id, worst_case_usd=worst_case_usd, worst_case_tokens=worst_case_tokens
            )
        )
        self._asking += 1
        try:
            reservation = await asyncio.shield(booking)
        except asyncio.CancelledError:
            # It may be in the books by now, and nobody else knows its name; nothing was sent for it.
            await unbroken(self._take_back(booking))
            raise
        finally:
            self._asking -= 1
        self._under_way.add(reservation)
        return reservation

    async def _take_back(self, booking: asyncio.Future[str]) -> None:
        try:
            reservation = await booking
        except LimitExceeded:
            return
        await self._ledger.settle(reservation, actual_usd=0.0, actual_tokens=0)

    async def state(self) -> BudgetState:
        """Where the run's budget stands."""
        return await self._ledger.state()

    async def settle(self, reservation: str, *, actual_usd: float, actual_tokens: int) -> None:
        """See `Ledger.settle`."""
        try:
            await self._ledger.settle(reservation, actual_usd=actual_usd, actual_tokens=actual_tokens)
        finally:
            self._under_way.discard(reservation)
            self._change()

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
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _refuse_if_stopped(self) -> None:
        if self._stopped_by is not None:
            raise self._stopped_by
