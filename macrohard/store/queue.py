"""Runs that wait for a worker, in an order that is fair to all projects, and what people ask of those at work."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import get_args

from sqlalchemy import Select, func, or_, select

from macrohard.domain import RunStatus, Wish
from macrohard.errors import Conflict, NotFound
from macrohard.store.database import BEFORE_WRITING, Database
from macrohard.store.lease import is_held
from macrohard.store.tables import LeaseRow, ProjectRow, RunRow

OVER: frozenset[RunStatus] = frozenset({"delivered", "partial", "refused", "cancelled"})
"""What nothing goes on with any more."""


class Queue:
    """Which runs workers are to carry out.

    A run stays in the queue while it is carried out, so that one whose worker was killed is found there by the next. It
    leaves the queue in the transaction that records its end, or a pause that a person has to end.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, run_id: str) -> None:
        """Have a worker carry the run out, or go on with it; it keeps its place if it is there already.

        Raises:
            NotFound: there is no such run.
            Conflict: it is over.
        """
        async with self._database.write() as session:
            row = await session.get(RunRow, run_id, with_for_update=BEFORE_WRITING)
            if row is None:
                raise NotFound(f"there is no run {run_id!r}")
            if row.status in OVER:
                raise Conflict(f"run {run_id} is {row.status}; improve it, or fork it, instead of going on with it")
            row.wish, row.wake_at, row.updated_at = None, None, datetime.now(UTC)
            row.queued_at = row.queued_at or row.updated_at

    async def free(self, *, besides: Collection[str], limit: int) -> tuple[str, ...]:
        """Runs that wait and that no live process has, in the order in which they are to be taken; `limit` at most.

        What is only to be ended comes first. Then always one of the project with the fewest runs at work, of equals
        the one that waits longest; none of a project that has as many at work as it may. Parked ones are free from
        their hour on. `besides`: what the caller has at work already.
        """
        now = datetime.now(UTC)
        async with self._database.read() as session:
            leases = await session.scalars(select(LeaseRow).where(LeaseRow.expires_at > now))
            taken = {*besides, *(lease.run_id for lease in leases if is_held(lease))}
            return tuple(await session.scalars(_fairly(taken, now).limit(limit)))

    async def wish(self, run_id: str, wish: Wish) -> None:
        """Ask whoever carries the run out, or the next worker that is free, to end it like this.

        Raises:
            NotFound: there is no such run.
            Conflict: it is over.
        """
        assert wish in get_args(Wish)
        async with self._database.write() as session:
            row = await session.get(RunRow, run_id, with_for_update=BEFORE_WRITING)
            if row is None:
                raise NotFound(f"there is no run {run_id!r}")
            if row.status in OVER:
                raise Conflict(f"run {run_id} is {row.status} already")
            if wish == "pause" and row.status == "paused" and row.queued_at is None:
                # What it waits for would be written over.
                raise Conflict(f"run {run_id} is paused already")
            row.wish, row.updated_at = wish, datetime.now(UTC)
            row.queued_at = row.queued_at or row.updated_at

    async def wishes(self, run_ids: Collection[str]) -> Mapping[str, Wish]:
        """What was asked of these runs and is not done yet."""
        asked = select(RunRow.id, RunRow.wish).where(RunRow.id.in_(run_ids), RunRow.wish.is_not(None))
        async with self._database.read() as session:
            return {run_id: "cancel" if wish == "cancel" else "pause" for run_id, wish in await session.execute(asked)}


def _fairly(taken: Collection[str], now: datetime) -> Select[tuple[str]]:
    """The runs that may be taken up beside these, in their turn.

    A run's place is how many its project would have at work with it and those before it, so that projects take turns
    however many runs each of them has waiting.
    """
    at_work = (
        select(RunRow.project, func.count().label("runs"))
        .where(RunRow.id.in_(taken))
        .group_by(RunRow.project)
        .subquery()
    )
    is_to_end = RunRow.wish.is_not(None)
    before = func.row_number().over(partition_by=(RunRow.project, is_to_end), order_by=(RunRow.queued_at, RunRow.id))
    waiting = (
        select(RunRow.id, RunRow.project, RunRow.queued_at, is_to_end.label("is_to_end"), before.label("place"))
        .where(
            RunRow.queued_at.is_not(None),
            RunRow.id.not_in(taken),
            or_(RunRow.wake_at.is_(None), RunRow.wake_at <= now, is_to_end),
        )
        .subquery()
    )
    place = waiting.c.place + func.coalesce(at_work.c.runs, 0)
    return (
        select(waiting.c.id)
        .join(ProjectRow, ProjectRow.name == waiting.c.project)
        .outerjoin(at_work, at_work.c.project == waiting.c.project)
        .where(or_(waiting.c.is_to_end, ProjectRow.runs_at_work.is_(None), place <= ProjectRow.runs_at_work))
        .order_by(waiting.c.is_to_end.desc(), place, waiting.c.queued_at, waiting.c.id)
    )
