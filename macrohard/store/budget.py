"""What a run may spend: one durable budget for its whole tree of sessions, which parallel calls cannot overdraw."""

import uuid
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from macrohard.domain import Value
from macrohard.errors import LimitExceeded
from macrohard.store.database import Database
from macrohard.store.money import to_ticks, to_usd
from macrohard.store.tables import BudgetRow, ReservationRow


class BudgetState(Value):
    """Where a budget stands; amounts in USD."""

    cap_usd: float | None
    """None: no cap."""
    cap_calls: int | None
    spent_usd: float
    reserved_usd: float
    """For calls that are under way."""
    calls: int
    """Reservations made, whatever became of them."""


class BudgetLedger:
    """The budget of one run. Every method but `open` raises KeyError if the run has none."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database, self._run_id = database, run_id

    async def open(self, *, cap_usd: float | None, cap_calls: int | None) -> None:
        """Give the run a budget; a run that has one keeps it as it stands."""
        cap = None if cap_usd is None else to_ticks(cap_usd)
        try:
            async with self._database.write() as session:
                if await session.get(BudgetRow, self._run_id) is None:
                    session.add(BudgetRow(run_id=self._run_id, cap_ticks=cap, cap_calls=cap_calls))
        except IntegrityError:
            await self.state()  # Another process opened it in between; else the run itself is unknown.

    async def reserve(self, *, session_id: str, worst_case_usd: float) -> str:
        """Set the amount aside for one call and give the reservation's id.

        Raises:
            LimitExceeded: spent, reserved and this together are more than the cap; nothing was reserved.
        """
        ticks = to_ticks(worst_case_usd)
        within_cap = BudgetRow.cap_ticks.is_(None) | (
            BudgetRow.spent_ticks + BudgetRow.reserved_ticks + ticks <= BudgetRow.cap_ticks
        )
        within_calls = BudgetRow.cap_calls.is_(None) | (BudgetRow.calls < BudgetRow.cap_calls)
        # One statement decides and books: whoever comes next sees it booked.
        booked = (
            update(BudgetRow)
            .where(BudgetRow.run_id == self._run_id, within_cap, within_calls)
            .values(reserved_ticks=BudgetRow.reserved_ticks + ticks, calls=BudgetRow.calls + 1)
        )
        reservation = uuid.uuid4().hex
        async with self._database.write() as session:
            done = cast(CursorResult[object], await session.execute(booked))
            if done.rowcount == 1:
                session.add(
                    ReservationRow(
                        id=reservation, run_id=self._run_id, session_id=session_id, ticks=ticks,
                        created_at=datetime.now(UTC),
                    )
                )  # fmt: skip
                return reservation
        state = await self.state()
        if state.cap_calls is not None and state.calls >= state.cap_calls:
            raise LimitExceeded("model calls", used=state.calls, allowed=state.cap_calls)
        used = state.spent_usd + state.reserved_usd + worst_case_usd
        raise LimitExceeded("budget in USD, the next call at its worst included", used=used, allowed=state.cap_usd or 0)

    async def settle(self, reservation: str, *, actual_usd: float) -> None:
        """Replace the reservation by what was really spent.

        Settling twice, or after the reservation was released, changes nothing.
        """
        spent = to_ticks(actual_usd)
        async with self._database.write() as session:
            mine = (ReservationRow.id == reservation, ReservationRow.run_id == self._run_id)
            ticks = await session.scalar(delete(ReservationRow).where(*mine).returning(ReservationRow.ticks))
            if ticks is None:
                return
            await session.execute(
                update(BudgetRow)
                .where(BudgetRow.run_id == self._run_id)
                .values(
                    reserved_ticks=BudgetRow.reserved_ticks - ticks,
                    spent_ticks=BudgetRow.spent_ticks + spent,
                )
            )

    async def release_all(self) -> int:
        """Take back what a dead process had reserved, when its run is taken over; gives how many reservations.

        What these calls cost is not known any more. They count as spent in full: the cap holds in any case.
        """
        async with self._database.write() as session:
            held = select(func.count(), func.coalesce(func.sum(ReservationRow.ticks), 0))
            count, ticks = (await session.execute(held.where(ReservationRow.run_id == self._run_id))).one()
            await session.execute(delete(ReservationRow).where(ReservationRow.run_id == self._run_id))
            await session.execute(
                update(BudgetRow)
                .where(BudgetRow.run_id == self._run_id)
                .values(reserved_ticks=0, spent_ticks=BudgetRow.spent_ticks + int(ticks))
            )
        return int(count)

    async def raise_cap(self, add_usd: float) -> None:
        """Allow so much more; a budget without a cap stays without one."""
        async with self._database.write() as session:
            await session.execute(
                update(BudgetRow)
                .where(BudgetRow.run_id == self._run_id)
                .values(cap_ticks=BudgetRow.cap_ticks + to_ticks(add_usd))
            )
        await self.state()

    async def state(self) -> BudgetState:
        """Where it stands."""
        async with self._database.read() as session:
            row = await session.get(BudgetRow, self._run_id)
        if row is None:
            raise KeyError(self._run_id)
        return BudgetState(
            cap_usd=None if row.cap_ticks is None else to_usd(row.cap_ticks),
            cap_calls=row.cap_calls,
            spent_usd=to_usd(row.spent_ticks),
            reserved_usd=to_usd(row.reserved_ticks),
            calls=row.calls,
        )
