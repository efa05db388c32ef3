"""What a project may take: checked in the transaction that takes it, so that two at once do not take the same."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.errors import Conflict, NotFound, QuotaExceeded, RequestError, RunHeld
from macrohard.store.lease import is_held
from macrohard.store.money import to_usd
from macrohard.store.queue import OVER
from macrohard.store.tables import (
    ArtifactRow,
    ArtifactUseRow,
    BudgetRow,
    LeaseRow,
    ProjectRow,
    RunRow,
    UsageRow,
    UserRow,
)

ADMINS_NAMED = 3


class Money(NamedTuple):
    """What of a project's month is taken, in ticks."""

    spent: int
    reserved: int


async def admit(session: AsyncSession, project: str, *, ticks: int | None, now: datetime) -> None:
    """Count a run that is submitted, whose budget is `ticks` (None: it has no limit), or refuse it.

    Until the transaction ends nobody else can take of this project.

    Raises:
        NotFound: there is no such project.
        QuotaExceeded: it may take no more.
        RequestError: the run needs a budget, because the project's money is limited.
    """
    today = now.astimezone(UTC).date()
    counted = (
        update(ProjectRow)
        .where(ProjectRow.name == project)
        .values(
            counted_runs=case((ProjectRow.counted_day == today, ProjectRow.counted_runs + 1), else_=1),
            counted_day=today,
        )
        .returning(ProjectRow)
        .execution_options(populate_existing=True)
    )
    row = (await session.scalars(counted)).one_or_none()
    if row is None:
        raise _unknown(project)
    if row.runs_per_day is not None and row.counted_runs > row.runs_per_day:
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
        said = f"project {project} may begin {row.runs_per_day} runs a day, and has begun as many today (UTC)"
        seconds = max(1, int((midnight - now).total_seconds()))
        raise QuotaExceeded(f"{said}; submit it tomorrow, or have {await _who_raises(session)}", retry_seconds=seconds)
    if row.artifact_bytes is not None and (kept := await artifact_bytes(session, project)) >= row.artifact_bytes:
        said = f"the runs of project {project} keep {kept:,} of {row.artifact_bytes:,} bytes of artifacts"
        raise QuotaExceeded(f"{said}; delete runs, or have {await _who_raises(session)}")
    if row.month_ticks is not None:
        if ticks is None:
            raise RequestError(f"project {project} has a quota of dollars a month, so a run of it needs a budget (usd)")
        await _check_money(session, row, ticks, now=now, what="this run may take")


async def admit_more(session: AsyncSession, run_id: str, *, ticks: int, now: datetime) -> None:
    """Make sure that a run's project can bear so much more, until the transaction ends.

    Raises:
        QuotaExceeded: it cannot.
    """
    of_run = select(RunRow.project).where(RunRow.id == run_id).scalar_subquery()
    row = await session.scalar(select(ProjectRow).where(ProjectRow.name == of_run).with_for_update())
    budget = await session.get(BudgetRow, run_id)
    if row is not None and row.month_ticks is not None and budget is not None and budget.cap_ticks is not None:
        await _check_money(session, row, ticks, now=now, what="it is to be allowed more by")


async def money(session: AsyncSession, project: str, *, now: datetime) -> Money:
    """What the project's calls cost this month, and what is set aside for its runs.

    A run that is not over has its budget set aside, without what its calls are known to have cost. Of one that ended
    this month there may be calls of which nobody knows any more what they cost; they count as the budget counts them.
    """
    month = now.astimezone(UTC).date().replace(day=1)
    paid = select(func.coalesce(func.sum(UsageRow.cost_ticks), 0)).where(
        UsageRow.project == project, UsageRow.day >= month
    )
    known, spent, cap = RunRow.cost_ticks, BudgetRow.spent_ticks, BudgetRow.cap_ticks
    most = case((and_(cap.is_not(None), cap > spent), cap), else_=spent)
    aside = case((RunRow.status.in_(OVER), _positive(spent - known)), else_=_positive(most - known))
    begun = datetime.combine(month, datetime.min.time(), UTC)
    reserved = (
        select(func.coalesce(func.sum(aside), 0))
        .join_from(RunRow, BudgetRow, BudgetRow.run_id == RunRow.id)
        .where(RunRow.project == project, or_(RunRow.status.not_in(OVER), RunRow.updated_at >= begun))
    )
    return Money(int(await session.scalar(paid) or 0), int(await session.scalar(reserved) or 0))


async def artifact_bytes(session: AsyncSession, project: str) -> int:
    """How much the artifacts are together that runs of the project name; each is counted once."""
    named = (
        select(ArtifactUseRow.digest)
        .join(RunRow, RunRow.id == ArtifactUseRow.run_id)
        .where(RunRow.project == project)
        .distinct()
    )
    return int(await session.scalar(select(func.sum(ArtifactRow.size)).where(ArtifactRow.digest.in_(named))) or 0)


async def check_all_have_budgets(session: AsyncSession, project: str) -> None:
    """Make sure that what the project's runs may still spend has an end.

    Raises:
        Conflict: it has none; names the run.
    """
    endless = (
        select(RunRow)
        .join(BudgetRow, BudgetRow.run_id == RunRow.id)
        .where(RunRow.project == project, RunRow.status.not_in(OVER), BudgetRow.cap_ticks.is_(None))
    )
    for run in await session.scalars(endless):
        if "replay_of" not in run.options:
            raise Conflict(
                f"run {run.id} of project {project} has no budget and could take more than any quota; cancel it first"
            )


async def take_place(session: AsyncSession, run: RunRow) -> None:
    """Make sure that one more run of the project may be at work, until the transaction ends.

    Raises:
        RunHeld: as many are as may be.
    """
    limit = select(ProjectRow.runs_at_work).where(ProjectRow.name == run.project)
    if await session.scalar(limit) is None:
        return
    allowed = await session.scalar(limit.with_for_update())
    others = [each for each in (await held(session, [run.project]))[run.project] if each != run.id]
    if allowed is not None and len(others) >= allowed:
        raise RunHeld(f"run {run.id} {_waits(run.project, len(others), allowed)}")


async def held(session: AsyncSession, projects: Sequence[str]) -> dict[str, list[str]]:
    """The runs of these projects that a live process has."""
    found: dict[str, list[str]] = {project: [] for project in projects}
    leases = (
        select(RunRow.project, LeaseRow)
        .join(LeaseRow, LeaseRow.run_id == RunRow.id)
        .where(RunRow.project.in_(projects), LeaseRow.expires_at > datetime.now(UTC))
    )
    for project, lease in await session.execute(leases):
        if is_held(lease):
            found[project].append(lease.run_id)
    return found


async def full(session: AsyncSession) -> Mapping[str, str]:
    """Why no run of a project is taken up now, by the names of those where it is so."""
    limited = select(ProjectRow.name, ProjectRow.runs_at_work).where(ProjectRow.runs_at_work.is_not(None))
    limits = {name: allowed or 0 for name, allowed in await session.execute(limited)}
    if not limits:
        return {}
    at_work = await held(session, list(limits))
    return {
        name: _waits(name, len(at_work[name]), allowed)
        for name, allowed in limits.items()
        if len(at_work[name]) >= allowed
    }


def _waits(project: str, at_work: int, allowed: int) -> str:
    return f"waits for a place in project {project}: {at_work} of {allowed} runs are at work"


async def _check_money(session: AsyncSession, row: ProjectRow, ticks: int, *, now: datetime, what: str) -> None:
    assert row.month_ticks is not None
    taken = await money(session, row.name, now=now)
    left = max(0, row.month_ticks - taken.spent - taken.reserved)
    if ticks > left:
        month = f"{now.astimezone(UTC):%B}"
        raise QuotaExceeded(
            f"project {row.name} has ${to_usd(left):,.2f} left of ${to_usd(row.month_ticks):,.2f} for {month} (UTC): "
            f"${to_usd(taken.spent):,.2f} spent, ${to_usd(taken.reserved):,.2f} set aside for runs that are not over; "
            f"{what} ${to_usd(ticks):,.2f}. Ask for less, cancel what is not needed, or have "
            f"{await _who_raises(session)}"
        )


async def _who_raises(session: AsyncSession) -> str:
    admins = select(UserRow.name).where(UserRow.role == "admin").order_by(UserRow.name).limit(ADMINS_NAMED)
    names = (await session.scalars(admins)).all()
    return (
        f"the quota raised by an admin ({', '.join(names)})" if names else "the quota raised: macrohard projects quota"
    )


def _positive(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((amount > 0, amount), else_=0)


def _unknown(project: str) -> NotFound:
    return NotFound(f"there is no project {project!r}")
