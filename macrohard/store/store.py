"""All that is kept of runs, behind one door."""

import secrets
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from pydantic import TypeAdapter
from sqlalchemy import select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import BudgetState, Caps, Forecast, JsonObject, RunOverview, RunSummary, SessionSummary
from macrohard.domain.overview import TRIAL
from macrohard.domain.provenance import FROM, Provenance
from macrohard.errors import RequestError, StoreUnavailable
from macrohard.events import Event, ModelCalled, ModelTroubled, Progress, ToolUsed
from macrohard.store.artifacts import ArtifactStore
from macrohard.store.budget import BudgetLedger, read_state, release_abandoned
from macrohard.store.capabilities import CapabilityStore
from macrohard.store.costs import Call, costs
from macrohard.store.database import Database
from macrohard.store.forecast import forecast
from macrohard.store.lease import Lease, hold, is_held
from macrohard.store.log import RunLog
from macrohard.store.money import to_ticks, to_usd
from macrohard.store.overview import Fold, Recorded
from macrohard.store.tables import AnswerRow, BudgetRow, EventRow, LeaseRow, RunRow, SessionRow, SpendingRow
from macrohard.store.transcripts import Transcripts

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_UNSEEN = tuple(kind.model_fields["type"].default for kind in (ModelCalled, ModelTroubled, ToolUsed, Progress))
"""Types of events that are counted, or shown as they come, but say nothing in an overview."""
_PRICED = tuple(kind.model_fields["type"].default for kind in (ModelCalled, ModelTroubled))
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


class Store:
    """Runs with their events, transcripts, artifacts, budgets and answers, in one database and one folder.

    Every method raises StoreUnavailable when the database does not answer, and RequestError for an unknown run.
    """

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self.transcripts = Transcripts(database)
        self.artifacts = ArtifactStore(database, home / "artifacts")
        self.capabilities = CapabilityStore(database)

    @classmethod
    async def open(cls, url: str | None, *, home: Path) -> "Store":
        """The store in the folder `home`, made if need be.

        `url` names the database: `sqlite:///PATH`, `postgresql://…`, or None for the file `macrohard.db` in `home`.

        Raises:
            RequestError: the URL is not understood, or a newer Macrohard made the database.
            StoreUnavailable: the folder cannot be written, or the database does not answer.
        """
        try:
            home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 (before anything else runs)
        except OSError as error:
            raise StoreUnavailable(f"the folder {home} cannot be made ({error.strerror})") from error
        return cls(await Database.open(url, home=home), home)

    def describe(self) -> str:
        """The database, for people; without its password."""
        return self._database.describe()

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def __aenter__(self) -> "Store":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def create_run(self, requirement: str, *, options: JsonObject, model: str) -> str:
        """Begin a run, waiting to be carried out; gives its id, which sorts by day.

        Raises:
            RequestError: the requirement cannot be kept as text.
        """
        if "\0" in requirement or any("\ud800" <= character <= "\udfff" for character in requirement):
            raise RequestError("the requirement is not text; write it in plain words, as UTF-8")
        now = datetime.now(UTC)
        lines = requirement.strip().splitlines()
        while True:
            run_id = f"r-{now:%Y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"
            row = RunRow(
                id=run_id, requirement=requirement, options=dict(options), model=model,
                title=(lines[0] if lines else "")[:80], status="waiting", created_at=now, updated_at=now,
            )  # fmt: skip
            try:
                async with self._database.write() as session:
                    session.add(row)
                return run_id
            except IntegrityError:
                continue  # the id is taken

    async def options(self, run_id: str) -> JsonObject:
        """What the run was created with."""
        async with self._database.read() as session:
            row = await session.get(RunRow, run_id)
        return _known(row, run_id).options

    async def runs(self, *, limit: int, before: str | None = None) -> tuple[RunSummary, ...]:
        """The latest runs first; with `before`, those that were made before that one."""
        wanted = (
            select(RunRow, LeaseRow, BudgetRow)
            .outerjoin(LeaseRow, LeaseRow.run_id == RunRow.id)
            .outerjoin(BudgetRow, BudgetRow.run_id == RunRow.id)
        )
        async with self._database.read() as session:
            if before is not None:
                start = _known(await session.get(RunRow, before), before)
                wanted = wanted.where(tuple_(RunRow.created_at, RunRow.id) < (start.created_at, start.id))
            rows = await session.execute(wanted.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(limit))
            return tuple(_summary(run, lease, budget.spent_ticks if budget else None)[0] for run, lease, budget in rows)

    async def runs_due(self, now: datetime) -> tuple[str, ...]:
        """The parked runs whose hour has come, the longest waiting first."""
        due = select(RunRow.id).where(RunRow.status == "paused", RunRow.wake_at <= now)
        async with self._database.read() as session:
            return tuple(await session.scalars(due.order_by(RunRow.wake_at, RunRow.id)))

    async def overview(self, run_id: str) -> RunOverview:
        """All of one run, as it stands now; its id may be cut short as long as only one run begins like that.

        A run whose process died shows as paused: nothing goes on with it until it is resumed.
        """
        async with self._database.read() as session:
            run = await _found(session, run_id)
            run_id = run.id
            lease = await session.get(LeaseRow, run_id)
            budget = await read_state(session, run_id)
            told = select(EventRow).where(EventRow.run_id == run_id, EventRow.type.not_in(_UNSEEN))
            events = [_recorded(row) for row in await session.scalars(told.order_by(EventRow.number))]
            at_work = select(SessionRow).where(SessionRow.run_id == run_id)
            sessions = list(await session.scalars(at_work.order_by(SessionRow.started_at, SessionRow.id)))
            spendings = list(await session.scalars(select(SpendingRow).where(SpendingRow.run_id == run_id)))
            calls = await _calls(session, run_id)
        total = run.cost_ticks if budget is None else to_ticks(budget.spent_usd)
        summary, problem = _summary(run, lease, total)
        return Fold(events).overview(
            summary,
            problem=problem,
            sessions=[_session(row) for row in sessions],
            model_calls=run.model_calls,
            budget=budget,
            costs=costs(spendings, sessions, calls, total_ticks=total),
            forecast=None if run.forecast is None else Forecast.model_validate(run.forecast),
            provenance=_provenance(run),
        )

    async def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> tuple[Recorded, ...]:
        """The events of a run with numbers greater than `after`, in order, `limit` at most."""
        told = select(EventRow).where(EventRow.run_id == run_id, EventRow.number > after)
        async with self._database.read() as session:
            rows = await session.scalars(told.order_by(EventRow.number).limit(limit))
            return tuple(_recorded(row) for row in rows)

    def hold(self, run_id: str) -> AbstractAsyncContextManager[Lease]:
        """Have a run to ourselves: `async with store.hold(run_id) as lease`; see `macrohard.store.lease`.

        Raises:
            RequestError: another process that is alive has it. LeaseLost: another process took it over since.
        """
        return hold(self._database, run_id)

    async def log(self, lease: Lease) -> RunLog:
        """The `Emit` of the run that we hold."""
        return await RunLog.open(self._database, lease)

    def budget(self, run_id: str) -> BudgetLedger:
        """What the run may spend."""
        return BudgetLedger(self._database, run_id)

    async def forecast(self, run_id: str) -> Forecast:
        """What the run is likely to take in all, by what is known of it now; kept with the run."""
        async with self._database.write() as session:
            run = _known(await session.get(RunRow, run_id), run_id)
            budget = await read_state(session, run_id)
            found = await forecast(
                session,
                model=run.model,
                requirement=run.requirement,
                caps=budget.caps if budget else Caps(),
                run_id=run_id,
            )
            run.forecast = found.model_dump(mode="json")
        return found

    async def spending(self, run_id: str) -> tuple[BudgetState, Forecast | None]:
        """Where the run's budget stands, and the last forecast; KeyError if it has no budget."""
        async with self._database.read() as session:
            run = _known(await session.get(RunRow, run_id), run_id)
            state = await read_state(session, run_id)
        if state is None:
            raise KeyError(run_id)
        return state, None if run.forecast is None else Forecast.model_validate(run.forecast)

    async def release_abandoned(self) -> int:
        """Count as spent what dead processes had reserved an hour ago for runs that nobody took over; how many calls.

        A run that is taken over does this for itself at once; see `BudgetLedger.release_all`.
        """
        return await release_abandoned(self._database)

    async def save_answers(self, run_id: str, answers: Mapping[str, str]) -> None:
        """Keep what the person said, by question; a later answer replaces an earlier one."""
        async with self._database.write() as session:
            _known(await session.get(RunRow, run_id), run_id)
            for question_id, text in answers.items():
                await session.merge(
                    AnswerRow(run_id=run_id, question_id=question_id, text=text, at=datetime.now(UTC))
                )  # fmt: skip

    async def answers(self, run_id: str) -> dict[str, str]:
        """What the person said, by question."""
        async with self._database.read() as session:
            rows = await session.scalars(select(AnswerRow).where(AnswerRow.run_id == run_id))
            return {row.question_id: row.text for row in rows}


async def _found(session: AsyncSession, beginning: str) -> RunRow:
    if (exact := await session.get(RunRow, beginning)) is not None:
        return exact
    alike = select(RunRow).where(RunRow.id.startswith(beginning, autoescape=True)).limit(2) if beginning else None
    rows = list(await session.scalars(alike)) if alike is not None else []
    if len(rows) > 1:
        raise RequestError(f"several runs begin with {beginning!r}; `macrohard runs` lists them")
    return _known(rows[0] if rows else None, beginning)


def _known(row: RunRow | None, run_id: str) -> RunRow:
    if row is None:
        raise RequestError(f"there is no run {run_id!r}; `macrohard runs` lists them")
    return row


def _recorded(row: EventRow) -> Recorded:
    return Recorded(row.number, row.at, row.worked_seconds, _EVENT.validate_python(row.body))


async def _calls(session: AsyncSession, run_id: str) -> list[Call]:
    """Every call that cost something, in order."""
    told = select(EventRow).where(EventRow.run_id == run_id, EventRow.type.in_(_PRICED))
    rows = await session.scalars(told.order_by(EventRow.number))
    return [
        Call(row.worked_seconds, row.body.get("session_id"), to_ticks(row.body["cost_usd"]))
        for row in rows
        if row.body["cost_usd"]
    ]


def _summary(run: RunRow, lease: LeaseRow | None, spent_ticks: int | None) -> tuple[RunSummary, str]:
    """The line of a list, and the run's problem."""
    status, problem = run.status, run.problem
    if status == "running" and (lease is None or not is_held(lease)):
        status, problem = "paused", f"its process ended without finishing it; go on with: macrohard resume {run.id}"
    summary = RunSummary.model_validate(
        {
            "id": run.id,
            "title": run.title,
            "requirement": run.requirement,
            "status": status,
            "wake_at": run.wake_at,
            "model": run.model,
            "created_at": run.created_at,
            "seconds": run.worked_seconds,
            "iterations": run.iterations,
            "cost_usd": to_usd(run.cost_ticks if spent_ticks is None else spent_ticks),
            "trial_of": run.options.get(TRIAL, ""),
            "improves": origin.place if (origin := _provenance(run)) and origin.kind == "run" else "",
        }
    )
    return summary, problem


def _provenance(run: RunRow) -> Provenance | None:
    return Provenance.model_validate(run.options[FROM]) if FROM in run.options else None


def _session(row: SessionRow) -> SessionSummary:
    return SessionSummary.model_validate(
        {
            "id": row.id,
            "iteration": row.iteration,
            "phase": row.phase,
            "agent": row.agent,
            "persona": row.persona,
            "task": row.task,
            "criteria": row.criteria,
            "outcome": row.outcome,
            "problem": row.problem,
            "commit": row.commit,
            "model_calls": row.model_calls,
            "input_tokens": row.input_tokens,
            "cached_tokens": row.cached_tokens,
            "output_tokens": row.output_tokens,
            "reasoning_tokens": row.reasoning_tokens,
            "cost_usd": to_usd(row.cost_ticks),
            "started_at": row.started_at,
            "seconds": row.seconds,
            "parent": row.parent,
        }
    )
