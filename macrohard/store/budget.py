"""What a run may spend: one durable budget for its whole tree of sessions, which parallel calls cannot overdraw."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from macrohard.domain import ADD_OPTIONS, BudgetState, Caps
from macrohard.errors import Cap, LimitExceeded
from macrohard.store.database import Database
from macrohard.store.lease import is_held
from macrohard.store.money import to_ticks, to_usd
from macrohard.store.quotas import admit_more
from macrohard.store.tables import AdmissionRow, BudgetRow, LeaseRow, ReservationRow, RunRow

ABANDONED_SECONDS = 3600.0
"""Reservations so old, of a run that no process carries out, count as spent: no call takes that long."""

COLUMNS: dict[Cap, str] = {
    "usd": "cap_ticks",
    "tokens": "cap_tokens",
    "calls": "cap_calls",
    "seconds": "cap_seconds",
    "sessions": "cap_sessions",
    "fan_out": "cap_fan_out",
    "depth": "cap_depth",
}

_BUDGET, _HELD = cast(Table, BudgetRow.__table__), cast(Table, ReservationRow.__table__)
# Made once: putting statements together takes longer than carrying them out.
_RUN: BindParameter[str] = bindparam("run")
_TICKS: BindParameter[int] = bindparam("ticks")
_TOKENS: BindParameter[int] = bindparam("tokens")
_WORKED = select(RunRow.worked_seconds).where(RunRow.id == _RUN).scalar_subquery()
_RESERVED = (
    update(_BUDGET)
    .where(
        _BUDGET.c.run_id == _RUN,
        _BUDGET.c.cap_ticks.is_(None)
        | (_BUDGET.c.spent_ticks + _BUDGET.c.reserved_ticks + _TICKS <= _BUDGET.c.cap_ticks),
        _BUDGET.c.cap_tokens.is_(None)
        | (_BUDGET.c.spent_tokens + _BUDGET.c.reserved_tokens + _TOKENS <= _BUDGET.c.cap_tokens),
        _BUDGET.c.cap_calls.is_(None) | (_BUDGET.c.calls < _BUDGET.c.cap_calls),
        _BUDGET.c.cap_seconds.is_(None) | (_BUDGET.c.cap_seconds > _WORKED),
    )
    .values(
        reserved_ticks=_BUDGET.c.reserved_ticks + _TICKS,
        reserved_tokens=_BUDGET.c.reserved_tokens + _TOKENS,
        calls=_BUDGET.c.calls + 1,
    )
)
"""One statement decides and books: whoever comes next sees it booked."""
_KEPT = insert(_HELD)
_FREED = (
    delete(_HELD)
    .where(_HELD.c.id == bindparam("reservation"), _HELD.c.run_id == _RUN)
    .returning(_HELD.c.ticks, _HELD.c.tokens)
)
_SPENT = (
    update(_BUDGET)
    .where(_BUDGET.c.run_id == _RUN)
    .values(
        reserved_ticks=_BUDGET.c.reserved_ticks - bindparam("freed_ticks"),
        reserved_tokens=_BUDGET.c.reserved_tokens - bindparam("freed_tokens"),
        spent_ticks=_BUDGET.c.spent_ticks + _TICKS,
        spent_tokens=_BUDGET.c.spent_tokens + _TOKENS,
    )
)


class BudgetLedger:
    """The budget of one run. Every method but `open` raises KeyError if the run has none."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database, self._run_id = database, run_id

    async def open(self, caps: Caps) -> None:
        """Give the run a budget; a run that has one keeps it as it stands."""
        try:
            async with self._database.write() as session:
                if await session.get(BudgetRow, self._run_id) is None:
                    session.add(opened(self._run_id, caps))
        except IntegrityError:
            await self.state()  # Another process opened it in between; else the run itself is unknown.

    async def reserve(self, *, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        """Set the worst case of one attempt at a call aside and give the reservation's id.

        Raises:
            LimitExceeded: a cap on money, tokens, calls or time leaves no room for it; nothing was reserved.
        """
        ticks, tokens = to_ticks(worst_case_usd), _tokens(worst_case_tokens)
        reservation = uuid.uuid4().hex
        asked = {"run": self._run_id, "ticks": ticks, "tokens": tokens}
        row = {"id": reservation, "run_id": self._run_id, "session_id": session_id, "ticks": ticks, "tokens": tokens}

        def book(connection: Connection) -> BudgetState | None:
            if connection.execute(_RESERVED, asked).rowcount == 0:
                with Session(connection) as session:
                    return _standing(session, self._run_id)
            connection.execute(_KEPT, {**row, "created_at": datetime.now(UTC)})
            return None

        while True:
            try:
                state = await self._database.write_shared(book)
            except asyncio.CancelledError:
                # It may have been booked in this moment, and nobody else knows of it.
                await self.settle(reservation, actual_usd=0.0, actual_tokens=0)
                raise
            if state is None:
                return reservation
            if (refusal := _refusal(self._run_id, state, ticks=ticks, tokens=tokens)) is not None:
                raise refusal
            # On PostgreSQL another process may have raised a cap between the two statements.

    async def settle(self, reservation: str, *, actual_usd: float, actual_tokens: int) -> None:
        """Replace the reservation by what was really spent, be it more or less.

        Settling twice, or after the reservation was released, changes nothing.
        """
        spent, tokens = to_ticks(actual_usd), _tokens(actual_tokens)

        def book(connection: Connection) -> None:
            held = connection.execute(_FREED, {"reservation": reservation, "run": self._run_id}).one_or_none()
            if held is not None:
                connection.execute(_SPENT, _spent(self._run_id, held.ticks, held.tokens, spent, tokens))

        await self._database.write_shared(book)

    async def begin_session(self, session_id: str, *, parent: str | None) -> None:
        """Count a session that begins, once, however often it goes on after that.

        Its depth is one more than that of the session that starts it, its fan-out the sessions of its phase in its
        iteration (`<run>/<iteration>/<phase>`).

        Raises:
            LimitExceeded: a cap on sessions, fan-out or depth leaves no room for it; nothing was counted.
        """
        stage = session_id.rpartition("/")[0]
        async with self._database.write() as session:
            # Locked first: whoever begins a session at the same time counts after us.
            budget = await session.get(BudgetRow, self._run_id, with_for_update=True)
            if budget is None:
                raise KeyError(self._run_id)
            if await session.get(AdmissionRow, (self._run_id, session_id)) is not None:
                return
            above = None if parent is None else await session.get(AdmissionRow, (self._run_id, parent))
            depth = 1 if parent is None else 2 if above is None else above.depth + 1
            beside = select(func.count()).where(AdmissionRow.run_id == self._run_id, AdmissionRow.stage == stage)
            fan_out = int(await session.scalar(beside) or 0)
            _check(self._run_id, "sessions", used=budget.sessions, allowed=budget.cap_sessions, what="sessions began")
            _check(
                self._run_id, "fan_out", used=fan_out, allowed=budget.cap_fan_out,
                what=f"sessions of {' in iteration '.join(reversed(stage.split('/')[1:]))} began",
            )  # fmt: skip
            _check(
                self._run_id, "depth", used=depth - 1, allowed=budget.cap_depth,
                what="levels of sessions that start sessions are taken",
            )  # fmt: skip
            budget.sessions += 1
            session.add(
                AdmissionRow(run_id=self._run_id, session_id=session_id, stage=stage, parent=parent, depth=depth)
            )

    async def release_all(self) -> int:
        """Take back what a dead process had reserved, when its run is taken over; gives how many reservations.

        What these calls cost is not known any more. They count as spent in full: the cap holds in any case.
        """
        async with self._database.write() as session:
            return await _release(session, self._run_id)

    async def raise_caps(self, more: Caps) -> None:
        """Allow so much more of each; what has no cap stays without one. A run that waits for it has no hour then.

        Raises:
            QuotaExceeded: the run's project has no room for it.
        """
        added = {COLUMNS[cap]: amount for cap, amount in _amounts(more).items()}
        async with self._database.write() as session:
            if more.usd is not None:
                await admit_more(session, self._run_id, ticks=to_ticks(more.usd), now=datetime.now(UTC))
            if added:
                raised = {name: getattr(BudgetRow, name) + amount for name, amount in added.items()}
                await session.execute(update(BudgetRow).where(BudgetRow.run_id == self._run_id).values(raised))
                await session.execute(update(RunRow).where(RunRow.id == self._run_id).values(wake_at=None))
        await self.state()

    async def state(self) -> BudgetState:
        """Where it stands."""
        async with self._database.read() as session:
            state = await read_state(session, self._run_id)
        if state is None:
            raise KeyError(self._run_id)
        return state


def opened(run_id: str, caps: Caps) -> BudgetRow:
    """The row of a budget of which nothing is spent."""
    return BudgetRow(run_id=run_id, **{COLUMNS[cap]: amount for cap, amount in _amounts(caps).items()})


async def read_state(session: AsyncSession, run_id: str) -> BudgetState | None:
    """Where the run's budget stands; None if it has none."""
    try:
        return await session.run_sync(_standing, run_id)
    except KeyError:
        return None


def _standing(session: Session, run_id: str) -> BudgetState:
    row, run = session.get(BudgetRow, run_id), session.get(RunRow, run_id)
    if row is None or run is None:
        raise KeyError(run_id)
    lease = session.get(LeaseRow, run_id)
    reserved = to_usd(row.reserved_ticks)
    caps = {cap: getattr(row, name) for cap, name in COLUMNS.items() if cap != "usd"}
    return BudgetState(
        caps=Caps(usd=None if row.cap_ticks is None else to_usd(row.cap_ticks), **caps),
        spent_usd=to_usd(row.spent_ticks),
        reserved_usd=reserved,
        lost_usd=0.0 if lease is not None and is_held(lease) else reserved,
        spent_tokens=row.spent_tokens,
        reserved_tokens=row.reserved_tokens,
        calls=row.calls,
        sessions=row.sessions,
        worked_seconds=run.worked_seconds,
    )


async def release_abandoned(database: Database) -> int:
    """Count as spent what processes that died had reserved for runs that nobody took over; gives how many calls."""
    before = datetime.now(UTC) - timedelta(seconds=ABANDONED_SECONDS)
    latest = func.max(ReservationRow.created_at)
    old = select(ReservationRow.run_id).group_by(ReservationRow.run_id).having(latest < before)
    async with database.read() as session:
        runs = list(await session.scalars(old))
        leases = {run_id: await session.get(LeaseRow, run_id) for run_id in runs}
    released = 0
    for run_id, lease in leases.items():
        if lease is None or not is_held(lease):
            async with database.write() as session:
                released += await _release(session, run_id)
    return released


async def _release(session: AsyncSession, run_id: str) -> int:
    held = delete(ReservationRow).where(ReservationRow.run_id == run_id)
    rows = (await session.execute(held.returning(ReservationRow.ticks, ReservationRow.tokens))).all()
    ticks, tokens = sum(row.ticks for row in rows), sum(row.tokens for row in rows)
    await session.execute(_SPENT, _spent(run_id, ticks, tokens, ticks, tokens))
    return len(rows)


def _spent(run_id: str, freed_ticks: int, freed_tokens: int, ticks: int, tokens: int) -> dict[str, object]:
    """The parameters of `_SPENT`."""
    return {
        "run": run_id, "freed_ticks": freed_ticks, "freed_tokens": freed_tokens, "ticks": ticks, "tokens": tokens,
    }  # fmt: skip


def _refusal(run_id: str, state: BudgetState, *, ticks: int, tokens: int) -> LimitExceeded | None:
    """Why such a call is refused; for good, if it would be without the calls that are under way, too."""
    caps, worst = state.caps, to_usd(ticks)
    spent, reserved = to_ticks(state.spent_usd), to_ticks(state.reserved_usd)
    cap = None if caps.usd is None else to_ticks(caps.usd)
    found = []
    if caps.calls is not None and state.calls >= caps.calls:
        found.append(_exceeded(run_id, "calls", state.calls, caps.calls, f"{state.calls:,} of {caps.calls:,} calls"))
    if caps.seconds is not None and state.worked_seconds >= caps.seconds:
        said = f"{state.worked_seconds / 60:,.1f} of {caps.seconds / 60:,.1f} minutes at work"
        found.append(_exceeded(run_id, "seconds", state.worked_seconds, caps.seconds, said))
    if cap is not None and spent + reserved + ticks > cap:
        under_way = f", {_dollars(state.reserved_usd)} reserved for calls under way" if reserved else ""
        said = (
            f"{_dollars(state.spent_usd)} of {_dollars(to_usd(cap))} spent{under_way}, "
            f"and the next call may cost up to {_dollars(worst)}"
        )
        used = to_usd(spent + reserved + ticks)
        found.append(_exceeded(run_id, "usd", used, to_usd(cap), said, passing=spent + ticks <= cap))
    if caps.tokens is not None and state.spent_tokens + state.reserved_tokens + tokens > caps.tokens:
        said = (
            f"{state.spent_tokens:,} of {caps.tokens:,} tokens used, {state.reserved_tokens:,} reserved, "
            f"and the next call may take up to {tokens:,}"
        )
        used = state.spent_tokens + state.reserved_tokens + tokens
        fits = state.spent_tokens + tokens <= caps.tokens
        found.append(_exceeded(run_id, "tokens", used, caps.tokens, said, passing=fits))
    return min(found, key=lambda error: error.passing, default=None)


LIMIT_NAMES: dict[Cap, str] = {
    "usd": "the budget",
    "tokens": "the limit on tokens",
    "calls": "the limit on model calls",
    "seconds": "the limit on time",
    "sessions": "the limit on sessions",
    "fan_out": "the limit on fan-out",
    "depth": "the limit on depth",
}


def _exceeded(run_id: str, cap: Cap, used: float, allowed: float, said: str, *, passing: bool = False) -> LimitExceeded:
    more = {"usd": max(1, round(allowed / 2)), "seconds": "1h", "tokens": max(1, round(allowed / 2))}
    amount = more.get(cap, max(1, round(allowed / 2)))
    return LimitExceeded(
        LIMIT_NAMES[cap], used=used, allowed=allowed, cap=cap, problem=f"{LIMIT_NAMES[cap]} is reached: {said}",
        remedy=f"macrohard resume {run_id} {ADD_OPTIONS[cap]} {amount}", passing=passing,
    )  # fmt: skip


def _check(run_id: str, cap: Cap, *, used: int, allowed: int | None, what: str) -> None:
    if allowed is not None and used >= allowed:
        raise _exceeded(run_id, cap, used, allowed, f"{used} of {allowed} {what}")


def _amounts(caps: Caps) -> dict[Cap, float]:
    """The amounts that are given, as the database holds them."""
    given = {cap: amount for cap in COLUMNS if (amount := getattr(caps, cap)) is not None}
    if "usd" in given:
        given["usd"] = to_ticks(given["usd"])
    return given


def _tokens(number: int) -> int:
    if number < 0:
        raise ValueError(f"not a number of tokens: {number!r}")
    return number


def _dollars(amount: float) -> str:
    return f"${amount:,.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}"
