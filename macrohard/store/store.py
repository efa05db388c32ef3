"""All that is kept of runs, behind one door."""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import BudgetState, Caps, Forecast, JsonObject, RunOverview, RunStatus, RunSummary
from macrohard.domain.approval import Ruling
from macrohard.domain.project import DEFAULT
from macrohard.domain.provenance import FORKED_FROM
from macrohard.errors import Conflict, NotFound, RequestError, StoreUnavailable
from macrohard.store.artifacts import ArtifactStore
from macrohard.store.audit import AuditLog
from macrohard.store.budget import BudgetLedger, opened, read_state, release_abandoned
from macrohard.store.capabilities import CapabilityStore
from macrohard.store.database import Database
from macrohard.store.forecast import forecast
from macrohard.store.forking import copy_past
from macrohard.store.lease import Lease, hold
from macrohard.store.log import RunLog
from macrohard.store.money import to_ticks
from macrohard.store.overview import Recorded
from macrohard.store.overviews import Overviews
from macrohard.store.people import People
from macrohard.store.projects import Projects
from macrohard.store.queue import Queue
from macrohard.store.quotas import admit, full, take_place
from macrohard.store.reading import STANDING, recorded_of, summary_of
from macrohard.store.remarks import Remarks
from macrohard.store.removal import check_nothing_builds_on, remove
from macrohard.store.submissions import Claim, Submissions, redeem
from macrohard.store.tables import AnswerRow, BudgetRow, EventRow, LeaseRow, RulingRow, RunRow
from macrohard.store.transcripts import Transcripts
from macrohard.store.usage import Usage
from macrohard.store.webhooks import Webhooks

_CLOCKS_APART = timedelta(seconds=10)
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"

_Found = TypeVar("_Found")


class Store:
    """Runs with their events, transcripts, artifacts, budgets and answers, in one database and one folder.

    Every method raises StoreUnavailable when the database does not answer, and RequestError for an unknown run.
    """

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self.transcripts = Transcripts(database)
        self.artifacts = ArtifactStore(database, home / "artifacts")
        self.capabilities = CapabilityStore(database)
        self._overviews = Overviews(database)
        self.queue = Queue(database)
        self.remarks = Remarks(database)
        self.submissions = Submissions(database)
        self.webhooks = Webhooks(database)
        self.usage = Usage(database)
        self.people = People(database)
        self.projects = Projects(database)
        self.audit = AuditLog(database)

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

    async def create_run(
        self,
        requirement: str,
        *,
        options: JsonObject,
        model: str,
        project: str = DEFAULT,
        caps: Caps | None = None,
        claim: Claim | None = None,
        prepare: Callable[[str], None] = lambda run_id: None,
    ) -> str:
        """Begin a run, waiting to be carried out; gives its id, which sorts by day.

        `caps`: the budget that it begins with, for which its project has to have room; None: it has none so far, and
        can spend nothing. With a `claim`, its key stands for the run as soon as there is the run. `prepare` is called
        with the id before anybody can see the run.

        Raises:
            RequestError: the requirement cannot be kept as text.
            NotFound: there is no such project.
            QuotaExceeded: the project may take no more.
            Conflict: somebody else has the claim by now; there is no run.
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
                project=project,
            )  # fmt: skip
            try:
                async with self._database.write() as session:
                    ticks = 0 if caps is None else None if caps.usd is None else to_ticks(caps.usd)
                    await admit(session, project, ticks=ticks, now=now)
                    session.add(row)
                    await session.flush()
                    if caps is not None:
                        session.add(opened(run_id, caps))
                    if claim is not None:
                        await redeem(session, claim, run_id)
                    prepare(run_id)
                return run_id
            except IntegrityError:
                continue  # the id is taken

    async def delete(self, run_id: str, *, folder: Path) -> None:
        """Delete the run with its rows and its `folder`; what its calls took stays counted, artifacts stay.

        Can be repeated when it was interrupted.

        Raises:
            RunHeld: a process carries it out.
            Conflict: another run builds on it.
        """
        async with self.hold(run_id):
            async with self._database.read() as session:
                await check_nothing_builds_on(session, run_id)
            # The rows last: as long as they are there it can be asked for again.
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            async with self._database.write() as session:
                await remove(session, run_id)

    async def options(self, run_id: str) -> JsonObject:
        """What the run was created with."""
        async with self._database.read() as session:
            row = await session.get(RunRow, run_id)
        return _known(row, run_id).options

    async def runs(
        self,
        *,
        limit: int,
        before: str | None = None,
        status: RunStatus | None = None,
        text: str = "",
        model: str = "",
        since: datetime | None = None,
        within: Collection[str] | None = None,
    ) -> tuple[RunSummary, ...]:
        """The latest runs first, `limit` at most; with `before`, those that were made before that one.

        `text` is looked for in id, title and requirement, without regard to case; `since`: made then or later;
        `within`: of these projects, None: of all.
        """
        wanted = STANDING
        async with self._database.read() as session:
            if within is not None:
                wanted = wanted.where(RunRow.project.in_(within))
            if before is not None:
                start = await _found(session, before, within)
                wanted = wanted.where(tuple_(RunRow.created_at, RunRow.id) < (start.created_at, start.id))
            if text:
                columns = (RunRow.id, RunRow.title, RunRow.requirement)
                wanted = wanted.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
            if model:
                wanted = wanted.where(RunRow.model == model)
            if since is not None:
                wanted = wanted.where(RunRow.created_at >= since)
            if status is not None:
                # One that is recorded as running shows as paused when its process is gone.
                wanted = wanted.where(RunRow.status.in_((status, "running") if status == "paused" else (status,)))
            # No more rows than are recorded as running can turn out to be of the other status.
            at_work = select(func.count()).where(RunRow.status == "running")
            others = await session.scalar(at_work) or 0 if status in ("running", "paused") else 0
            latest = wanted.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(limit + others)
            rows, waits = await session.execute(latest), await full(session)
            shown = (
                summary_of(run, lease, budget.spent_ticks if budget else None, waits=waits)[0]
                for run, lease, budget in rows
            )
            return tuple(islice((each for each in shown if status in (None, each.status)), limit))

    async def summary(self, run_id: str) -> RunSummary:
        """The line of a list about one run; its id may be cut short as for `overview`."""
        async with self._database.read() as session:
            run = await _found(session, run_id)
            lease, budget = await session.get(LeaseRow, run.id), await session.get(BudgetRow, run.id)
            return summary_of(run, lease, budget.spent_ticks if budget else None, waits=await full(session))[0]

    async def forks(self, run_id: str) -> tuple[RunSummary, ...]:
        """The runs that go on from an iteration of this one, the latest first."""
        wanted = (
            select(RunRow, LeaseRow, BudgetRow)
            .outerjoin(LeaseRow, LeaseRow.run_id == RunRow.id)
            .outerjoin(BudgetRow, BudgetRow.run_id == RunRow.id)
            .where(RunRow.options[FORKED_FROM].as_string().startswith(f"{run_id}@", autoescape=True))
            .order_by(RunRow.created_at.desc(), RunRow.id.desc())
        )
        async with self._database.read() as session:
            rows, waits = await session.execute(wanted), await full(session)
            return tuple(
                summary_of(run, lease, budget.spent_ticks if budget else None, waits=waits)[0]
                for run, lease, budget in rows
            )

    async def place_of(self, run_id: str, *, within: Collection[str]) -> tuple[str, str]:
        """The whole id of a run of these projects, which may be cut short, and its project.

        Raises:
            NotFound: they have none; whether another project has one is not said.
        """
        async with self._database.read() as session:
            run = await _found(session, run_id, within)
        return run.id, run.project

    async def touched(self, *, since: datetime | None) -> dict[str, tuple[datetime, str]]:
        """The runs of which something was recorded lately, when last, and their projects: from a little before `since`.

        Without `since`, the last of all; empty where there is none.
        """
        latest = select(RunRow.id, RunRow.updated_at, RunRow.project).order_by(RunRow.updated_at.desc())
        wanted = latest.limit(1) if since is None else latest.where(RunRow.updated_at > since - _CLOCKS_APART)
        async with self._database.read() as session:
            return {row.id: (row.updated_at, row.project) for row in await session.execute(wanted)}

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
            run_id = (await _found(session, run_id)).id
        return _known((await self._overviews.of([run_id])).get(run_id), run_id)

    async def overviews(self, run_ids: Sequence[str]) -> tuple[RunOverview, ...]:
        """All of each of these runs, as `overview` gives it, in this order; without those that there are not."""
        found = await self._overviews.of(run_ids)
        return tuple(found[run_id] for run_id in run_ids if run_id in found)

    async def events(
        self, run_id: str, *, after: int = 0, limit: int = 1000, types: Collection[str] = ()
    ) -> tuple[Recorded, ...]:
        """The events of a run with numbers greater than `after`, in order, `limit` at most; of these types, if any."""
        told = select(EventRow).where(EventRow.run_id == run_id, EventRow.number > after)
        if types:
            told = told.where(EventRow.type.in_(types))
        async with self._database.read() as session:
            rows = await session.scalars(told.order_by(EventRow.number).limit(limit))
            return tuple(recorded_of(row) for row in rows)

    async def copy_past(self, original: str, fork: str, *, iteration: int) -> None:
        """Give a run all that happened in another one until this iteration was judged; see `store.forking`."""
        await copy_past(self._database, original, fork, iteration=iteration)

    def hold(self, run_id: str, *, at_work: bool = False) -> AbstractAsyncContextManager[Lease]:
        """Have a run to ourselves: `async with store.hold(run_id) as lease`; see `macrohard.store.lease`.

        `at_work`: to carry it out, which takes one of its project's places.

        Raises:
            RunHeld: another process that is alive has it, or no place is free. LeaseLost: another process took it over
                since.
        """
        return hold(self._database, run_id, check=take_place if at_work else None)

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

    async def rule(self, run_id: str, ruling: Ruling) -> None:
        """Keep what a person said where the run waits.

        Raises:
            Conflict: somebody else said something there meanwhile.
        """
        body = ruling.model_dump(mode="json")
        row = RulingRow(run_id=run_id, point=ruling.point, number=ruling.number, at=ruling.at, body=body)
        try:
            async with self._database.write() as session:
                _known(await session.get(RunRow, run_id), run_id)
                session.add(row)
        except IntegrityError as error:
            raise Conflict(f"somebody has already ruled on the {ruling.point} of run {run_id}") from error

    async def rulings(self, run_id: str) -> tuple[Ruling, ...]:
        """What people said where the run waited, in order."""
        said = select(RulingRow).where(RulingRow.run_id == run_id).order_by(RulingRow.at, RulingRow.number)
        async with self._database.read() as session:
            rows = await session.scalars(said)
            return tuple(Ruling.model_validate({**row.body, "number": row.number}) for row in rows)

    async def answers(self, run_id: str) -> dict[str, str]:
        """What the person said, by question."""
        async with self._database.read() as session:
            rows = await session.scalars(select(AnswerRow).where(AnswerRow.run_id == run_id))
            return {row.question_id: row.text for row in rows}


async def _found(session: AsyncSession, beginning: str, within: Collection[str] | None = None) -> RunRow:
    if not beginning.isascii():
        return _known(None, beginning)  # No id is like that, and halves of pairs cannot even be asked for.
    exact = await session.get(RunRow, beginning)
    if exact is not None and (within is None or exact.project in within):
        return exact
    alike = select(RunRow).where(RunRow.id.startswith(beginning, autoescape=True)).limit(2)
    if within is not None:
        alike = alike.where(RunRow.project.in_(within))
    rows = list(await session.scalars(alike)) if beginning else []
    if len(rows) > 1:
        raise Conflict(f"several runs begin with {beginning!r}; `macrohard runs` lists them")
    return _known(rows[0] if rows else None, beginning)


def _known(found: _Found | None, run_id: str) -> _Found:
    if found is None:
        raise NotFound(f"there is no run {run_id!r}; `macrohard runs` lists them")
    return found
