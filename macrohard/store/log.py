"""Telling the facts of one run: numbered, durable, and projected onto rows in the same transaction."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.errors import LeaseLost, MacrohardError
from macrohard.events import (
    Event,
    FeedbackAnswered,
    FeedbackTaken,
    ModelCalled,
    ModelTroubled,
    RunEnded,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Specified,
)
from macrohard.store.artifacts import note_uses
from macrohard.store.database import BEFORE_WRITING, Database
from macrohard.store.lease import Lease
from macrohard.store.money import to_ticks
from macrohard.store.queue import OVER
from macrohard.store.remarks import answer, take
from macrohard.store.tables import AdmissionRow, EventRow, RunRow, SessionRow, SpendingRow
from macrohard.store.usage import count
from macrohard.store.webhooks import announce

BATCH = 500
"""Events written in one transaction at most."""


class _Entry(NamedTuple):
    event: Event
    at: datetime
    written: asyncio.Future[None]


class RunLog:
    """An `Emit` for one run. Facts told at the same time become durable together, in the order in which they were told.

    A fact is recorded even if who told it was cancelled meanwhile.
    """

    def __init__(self, database: Database, lease: Lease, *, number: int, worked_seconds: float) -> None:
        self._database, self._lease = database, lease
        self._number, self._worked_seconds = number, worked_seconds
        self._last_at: datetime | None = None
        """None: nothing was told by this process yet, so it is not known to have worked."""
        self._waiting: list[_Entry] = []
        self._writer: asyncio.Task[None] | None = None
        self._lost = False

    @classmethod
    async def open(cls, database: Database, lease: Lease) -> "RunLog":
        """Go on behind the last fact of the run."""
        last = select(EventRow).where(EventRow.run_id == lease.run_id).order_by(EventRow.number.desc()).limit(1)
        async with database.read() as session:
            row = await session.scalar(last)
        return cls(
            database, lease, number=row.number if row else 0, worked_seconds=row.worked_seconds if row else 0.0
        )  # fmt: skip

    async def __call__(self, event: Event) -> None:
        """Record the event; durable when this returns.

        Raises:
            LeaseLost: another process took the run over; nothing can be told any more.
            StoreUnavailable: the event was not recorded.
        """
        if self._lost:
            raise LeaseLost(self._lease.run_id)
        entry = _Entry(event, datetime.now(UTC), asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await entry.written

    async def _write_all(self) -> None:
        """Write until nobody waits; while one batch is on its way to the disk, the next one gathers."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                try:
                    await self._write(batch)
                except MacrohardError as error:
                    self._lost = isinstance(error, LeaseLost)
                    _settle(batch, error)
                except BaseException as error:
                    _settle(batch + self._waiting, error)
                    self._waiting = []
                    raise
                _settle(batch, None)
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[_Entry]) -> None:
        rows: list[dict[str, Any]] = []
        last_at, worked = self._last_at, self._worked_seconds
        for number, entry in enumerate(batch, self._number + 1):
            if last_at is not None:
                worked += max(0.0, (entry.at - last_at).total_seconds())
            last_at = entry.at
            rows.append(
                {
                    "run_id": self._lease.run_id,
                    "number": number,
                    "at": entry.at,
                    "type": entry.event.type,
                    "worked_seconds": worked,
                    "body": entry.event.model_dump(mode="json"),
                }
            )
        try:
            async with self._database.write() as session:
                await self._lease.confirm(session)
                await session.execute(insert(EventRow), rows)
                await note_uses(session, self._lease.run_id, (row["body"] for row in rows))
                await _project(session, self._lease.run_id, batch, worked_seconds=worked)
                for number, entry in enumerate(batch, self._number + 1):
                    await announce(session, self._lease.run_id, entry.event, number=number, at=entry.at)
        except IntegrityError as error:
            raise LeaseLost(self._lease.run_id) from error
        self._number, self._worked_seconds, self._last_at = self._number + len(batch), worked, last_at


def _settle(entries: Sequence[_Entry], problem: BaseException | None) -> None:
    """Let those who told the facts go on; who was cancelled meanwhile is left out."""
    for entry in entries:
        if entry.written.done():
            continue
        if problem is None:
            entry.written.set_result(None)
        else:
            entry.written.set_exception(problem)


async def _project(session: AsyncSession, run_id: str, batch: Sequence[_Entry], *, worked_seconds: float) -> None:
    """Bring the rows of the run and of its sessions up to date; one writer, so they are read, changed and written.

    Of the run's row, what people ask of it is written by others.
    """
    run = await session.get_one(RunRow, run_id, with_for_update=BEFORE_WRITING)
    run.updated_at, run.worked_seconds = batch[-1].at, worked_seconds
    named = {id_ for entry in batch if (id_ := getattr(entry.event, "session_id", None)) is not None}
    found = await session.scalars(select(SessionRow).where(SessionRow.run_id == run_id, SessionRow.id.in_(named)))
    sessions = {row.id: row for row in found}
    for entry in batch:
        event = entry.event
        run.iterations = max(run.iterations, getattr(event, "iteration", 0))
        match event:
            case RunStarted():
                run.status, run.problem, run.model, run.wake_at = "running", "", event.model, None
            case RunEnded():
                run.status, run.problem, run.product_path = event.outcome, event.problem, event.product_path
                run.wake_at = event.wake_at
                # Told while it was on its way to another end; the next worker does it.
                is_to_be_cancelled = run.wish == "cancel" and event.outcome not in OVER
                if event.wake_at is None and not event.interrupted and not is_to_be_cancelled:
                    # In this transaction, so that whoever has it go on because it ended is not undone by us.
                    run.queued_at, run.wish = None, None
            case Specified():
                original = run.options.get("replay_of")
                replayed = f"replay of {original}: " if original else ""
                run.title = replayed + event.specification.title
            case SessionStarted():
                if event.session_id not in sessions:
                    admitted = await session.get(AdmissionRow, (run_id, event.session_id))
                    sessions[event.session_id] = _begun(run_id, event, entry.at, admitted.parent if admitted else None)
                    session.add(sessions[event.session_id])
                elif event.resumed:
                    sessions[event.session_id].outcome = None
            case ModelCalled():
                run.model_calls += 1
                run.cost_ticks += to_ticks(event.cost_usd)
                if (row := sessions.get(event.session_id)) is not None:
                    row.model_calls += 1
                    row.input_tokens += event.input_tokens
                    row.cached_tokens += event.cached_tokens
                    row.output_tokens += event.output_tokens
                    row.reasoning_tokens += event.reasoning_tokens
                    row.cost_ticks += to_ticks(event.cost_usd)
                spending = await _spending(session, run_id, event.session_id, event.endpoint, event.model)
                spending.calls += 1
                spending.input_tokens += event.input_tokens
                spending.cached_tokens += event.cached_tokens
                spending.output_tokens += event.output_tokens
                spending.reasoning_tokens += event.reasoning_tokens
                spending.cost_ticks += to_ticks(event.cost_usd)
                took = (1, event.input_tokens, event.cached_tokens, event.output_tokens, event.reasoning_tokens)
                counts = (*took, to_ticks(event.cost_usd))
                await count(session, run, day=_day(entry), endpoint=event.endpoint, model=event.model, counts=counts)
            case ModelTroubled() if event.cost_usd > 0:
                run.cost_ticks += to_ticks(event.cost_usd)
                spending = await _spending(session, run_id, "", event.endpoint, "")
                spending.calls += 1
                spending.cost_ticks += to_ticks(event.cost_usd)
                counts = (1, 0, 0, 0, 0, to_ticks(event.cost_usd))
                await count(session, run, day=_day(entry), endpoint=event.endpoint, model="", counts=counts)
            case FeedbackTaken():
                await take(session, run_id, event.ids, iteration=event.iteration)
            case FeedbackAnswered():
                await answer(session, run_id, event.ids, text=event.text, iteration=event.iteration)
            case SessionEnded():
                if (row := sessions.get(event.session_id)) is not None:
                    row.outcome, row.problem, row.commit = event.outcome, event.problem, event.commit
                    # Of a session that is told again after a crash only the first time was long.
                    row.seconds = max(row.seconds, event.seconds)
            case _:
                continue  # it concerns no row; views read it from the events


def _day(entry: _Entry) -> date:
    return entry.at.astimezone(UTC).date()


async def _spending(session: AsyncSession, run_id: str, session_id: str, endpoint: str, model: str) -> SpendingRow:
    key = {"run_id": run_id, "session_id": session_id, "endpoint": endpoint, "model": model}
    if (row := await session.get(SpendingRow, key)) is None:
        row = SpendingRow(
            **key, calls=0, input_tokens=0, cached_tokens=0, output_tokens=0, reasoning_tokens=0, cost_ticks=0
        )
        session.add(row)
        # Else a second look in this transaction would not find it.
        await session.flush()
    return row


def _begun(run_id: str, event: SessionStarted, at: datetime, parent: str | None) -> SessionRow:
    return SessionRow(
        id=event.session_id, run_id=run_id, iteration=event.iteration, phase=event.phase, agent=event.agent,
        agent_hash=event.agent_hash, persona=event.persona, task=event.task, criteria=list(event.criteria),
        outcome=None, problem="", commit=None, model_calls=0, input_tokens=0, cached_tokens=0,
        output_tokens=0, reasoning_tokens=0, cost_ticks=0, started_at=at, seconds=0.0, parent=parent,
    )  # fmt: skip
