"""Overviews of runs: each event is read once, however often and by however many people the run is looked at."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import Costs, Forecast, RunOverview, SessionSummary
from macrohard.events import ModelCalled, Progress, ToolUsed
from macrohard.store.budget import read_state
from macrohard.store.costs import Curve, costs, phase_of
from macrohard.store.database import Database
from macrohard.store.money import to_ticks
from macrohard.store.overview import Fold
from macrohard.store.quotas import full
from macrohard.store.reading import STANDING, provenance_of, recorded_of, session_of, summary_of
from macrohard.store.tables import EventRow, LeaseRow, RunRow, SessionRow, SpendingRow

KEPT = 64
"""Runs whose facts stay in memory, those that were looked at last."""
BATCH = 500
"""Events that are taken in at a time; what else the process does goes on between two batches."""
COLUMNS = (EventRow.number, EventRow.at, EventRow.worked_seconds, EventRow.type, EventRow.body)
"""Of events; rows of a session would take twice as long."""
_UNSEEN = tuple(kind.model_fields["type"].default for kind in (ToolUsed, Progress))
"""Types of events that are shown as they come, but say nothing in an overview."""
_CALLED = ModelCalled.model_fields["type"].default
"""Far the most events, of which an overview only needs what they cost."""


class Overviews:
    """Gives overviews; knows of the runs that were looked at last what their events said so far."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts: OrderedDict[str, _Facts] = OrderedDict()

    async def of(self, run_ids: Collection[str]) -> dict[str, RunOverview]:
        """All of each run, by its id, as they stand in the database now; without those that there are not."""
        wanted = {run_id: self._facts_of(run_id) for run_id in run_ids}
        async with AsyncExitStack() as stack:
            # In one order, or two who look at the same runs wait for each other.
            for _, facts in sorted(wanted.items()):
                await stack.enter_async_context(facts.turn)
            try:
                async with self._database.read() as session:
                    # At once, and held: what asks for them one by one finds them in the session.
                    standing = (await session.execute(STANDING.where(RunRow.id.in_(wanted)))).all()
                    waits = await full(session)
                    return {run.id: await wanted[run.id].overview(session, run, waits) for run, _, _ in standing}
            except BaseException:
                # Half of what is new may have been taken in.
                for facts in wanted.values():
                    facts.forget()
                raise

    def _facts_of(self, run_id: str) -> "_Facts":
        facts = self._facts.setdefault(run_id, _Facts(run_id))
        self._facts.move_to_end(run_id)
        if len(self._facts) > KEPT:
            self._facts.popitem(last=False)
        return facts


class _Facts:
    """What the events of one run said up to a number, and the rows that follow from them."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.turn = asyncio.Lock()
        """Whoever reads on has it."""
        self.forget()

    def forget(self) -> None:
        """Begin again."""
        self._made_at: datetime | None = None
        self._number = 0
        self._fold = Fold()
        self._curve = Curve()
        self._rows: dict[str, SessionRow] = {}
        self._sessions: dict[str, SessionSummary] = {}
        self._spendings: dict[tuple[str, str, str], SpendingRow] = {}
        self._costs: tuple[int, Costs] | None = None
        """By the sum that they take apart; None: something was spent since."""
        self._last: tuple[Hashable, RunOverview] | None = None
        """The last overview, and all that it came from besides events; None: something happened since."""

    async def overview(self, session: AsyncSession, run: RunRow, waits: Mapping[str, str]) -> RunOverview:
        """All of the run as it stands in this transaction; `waits` as `summary_of` takes it."""
        if run.created_at != self._made_at:
            self.forget()  # It is another one than that which had this id before.
            self._made_at = run.created_at
        lease = await session.get(LeaseRow, self._run_id)
        budget = await read_state(session, self._run_id)
        await self._read_on(session)
        total = run.cost_ticks if budget is None else to_ticks(budget.spent_usd)
        summary, problem = summary_of(run, lease, total, waits=waits)
        forecast = None if run.forecast is None else Forecast.model_validate(run.forecast)
        if self._costs is None or self._costs[0] != total:
            split = costs(
                self._spendings.values(), self._rows.values(), total_ticks=total, over_time=self._curve.over_time()
            )
            self._costs = total, split
        came_from = (summary, problem, run.model_calls, budget, forecast)
        if self._last is None or self._last[0] != came_from:
            overview = self._fold.overview(
                summary,
                problem=problem,
                sessions=sorted(self._sessions.values(), key=lambda each: (each.started_at, each.id)),
                model_calls=run.model_calls,
                budget=budget,
                costs=self._costs[1],
                forecast=forecast,
                provenance=provenance_of(run),
            )
            self._last = came_from, overview
        return self._last[1]

    async def _read_on(self, session: AsyncSession) -> None:
        """Take in what was told since the last time, and the rows of the sessions that it was about."""
        known, about = self._number, set[str]()
        paid: list[tuple[float, str, int]] = []
        while True:
            told = select(*COLUMNS).where(
                EventRow.run_id == self._run_id, EventRow.number > self._number, EventRow.type.not_in(_UNSEEN)
            )
            batch = (await session.execute(told.order_by(EventRow.number).limit(BATCH))).all()
            for row in batch:
                about.add(row.body.get("session_id") or "")
                if row.type != _CALLED:
                    self._fold.take(recorded_of(row))
                if row.body.get("cost_usd"):
                    ticks = to_ticks(row.body["cost_usd"])
                    paid.append((row.worked_seconds, row.body.get("session_id") or "", ticks))
                self._number = row.number
            if len(batch) < BATCH:
                break
            await asyncio.sleep(0)
        if self._number == known:
            return
        sessions, spendings = select(SessionRow), select(SpendingRow)
        if known:
            sessions = sessions.where(SessionRow.id.in_(about))
            spendings = spendings.where(SpendingRow.session_id.in_(about))
        for each in await session.scalars(sessions.where(SessionRow.run_id == self._run_id)):
            self._rows[each.id] = each
            self._sessions[each.id] = self._fold.with_its_words(session_of(each))
        for spent in await session.scalars(spendings.where(SpendingRow.run_id == self._run_id)):
            self._spendings[spent.session_id, spent.endpoint, spent.model] = spent
        for worked_seconds, session_id, ticks in paid:
            self._curve.add(worked_seconds, phase_of(session_id, self._rows), ticks)
        self._costs = self._last = None
