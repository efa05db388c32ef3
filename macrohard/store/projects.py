"""Projects: what runs belong to, who sees them, and how much they may take."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.people import RoleName
from macrohard.domain.project import DEFAULT, Member, Project, ProjectUsage, Quotas
from macrohard.errors import Conflict, NotFound
from macrohard.store.database import Database
from macrohard.store.money import to_ticks, to_usd
from macrohard.store.quotas import artifact_bytes, check_all_have_budgets, held, money
from macrohard.store.tables import MemberRow, ProjectRow, RunRow, TokenRow, UserRow


class Projects:
    """All projects; there is always the one of the name "default"."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, *, within: Sequence[str] | None = None) -> tuple[Project, ...]:
        """Every project, or those of these names, by name."""
        wanted = select(ProjectRow).order_by(ProjectRow.name)
        if within is not None:
            wanted = wanted.where(ProjectRow.name.in_(within))
        async with self._database.read() as session:
            return tuple(_project(row) for row in await session.scalars(wanted))

    async def names(self) -> tuple[str, ...]:
        """The names of all projects."""
        async with self._database.read() as session:
            return tuple(await session.scalars(select(ProjectRow.name).order_by(ProjectRow.name)))

    async def one(self, name: str) -> Project:
        """The project of this name.

        Raises:
            NotFound: there is none.
        """
        async with self._database.read() as session:
            return _project(_known(await session.get(ProjectRow, name), name))

    async def add(self, name: str, quotas: Quotas) -> Project:
        """Make a project without members.

        Raises:
            Conflict: the name is taken.
        """
        row = ProjectRow(name=name, created_at=datetime.now(UTC), counted_day=None, counted_runs=0)
        _set(row, quotas)
        try:
            async with self._database.write() as session:
                session.add(row)
        except IntegrityError as error:
            raise Conflict(f"there is a project {name!r} already") from error
        return _project(row)

    async def limit(self, name: str, quotas: Quotas) -> Project:
        """Give the project these quotas instead of those it has; what was begun goes on.

        Raises:
            NotFound: there is no such project.
            Conflict: money is to be limited, and a run that is not over may spend without end.
        """
        async with self._database.write() as session:
            row = await _locked(session, name)
            if quotas.usd_per_month is not None and row.month_ticks is None:
                await check_all_have_budgets(session, name)
            _set(row, quotas)
            return _project(row)

    async def remove(self, name: str) -> None:
        """Remove a project that has no runs, with its members and what lets programs into it.

        Raises:
            NotFound: there is no such project.
            Conflict: it has runs, or is the one that is always there.
        """
        if name == DEFAULT:
            raise Conflict(f"the project {DEFAULT!r} is what runs belong to of which nobody says otherwise; it stays")
        async with self._database.write() as session:
            row = await _locked(session, name)
            runs = await session.scalar(select(func.count()).where(RunRow.project == name)) or 0
            if runs:
                raise Conflict(f"project {name} has {runs} runs; delete them first")
            await session.execute(delete(MemberRow).where(MemberRow.project == name))
            await session.execute(delete(TokenRow).where(TokenRow.project == name))
            await session.delete(row)

    async def members(self, name: str) -> tuple[Member, ...]:
        """Who sees the project besides admins, by name.

        Raises:
            NotFound: there is no such project.
        """
        wanted = select(MemberRow).where(MemberRow.project == name).order_by(MemberRow.user)
        async with self._database.read() as session:
            _known(await session.get(ProjectRow, name), name)
            return tuple(_member(row) for row in await session.scalars(wanted))

    async def put_member(self, name: str, user: str, *, role: RoleName) -> Member:
        """Let a user see the project, and do there what the role may.

        Raises:
            NotFound: there is no such project, or no such user.
        """
        async with self._database.write() as session:
            await _locked(session, name)
            if await session.get(UserRow, user) is None:
                raise NotFound(f"there is no user {user!r}")
            return _member(await session.merge(MemberRow(project=name, user=user, role=role)))

    async def drop_member(self, name: str, user: str) -> None:
        """Have a user see nothing of the project any more.

        Raises:
            NotFound: there is no such project, or they are no member.
        """
        async with self._database.write() as session:
            await _locked(session, name)
            row = await session.get(MemberRow, (name, user))
            if row is None:
                raise NotFound(f"{user} is no member of project {name}")
            await session.delete(row)

    async def usage(self, name: str) -> ProjectUsage:
        """What the project takes now.

        Raises:
            NotFound: there is no such project.
        """
        now = datetime.now(UTC)
        waiting = select(func.count()).where(RunRow.project == name, RunRow.queued_at.is_not(None))
        async with self._database.read() as session:
            row = _known(await session.get(ProjectRow, name), name)
            taken = await money(session, name, now=now)
            at_work = (await held(session, [name]))[name]
            return ProjectUsage(
                spent_usd=to_usd(taken.spent),
                reserved_usd=to_usd(taken.reserved),
                runs_at_work=len(at_work),
                runs_waiting=await session.scalar(waiting.where(RunRow.id.not_in(at_work))) or 0,
                runs_today=row.counted_runs if row.counted_day == now.date() else 0,
                artifact_bytes=await artifact_bytes(session, name),
            )


async def _locked(session: AsyncSession, name: str) -> ProjectRow:
    return _known(await session.get(ProjectRow, name, with_for_update=True), name)


def _known(row: ProjectRow | None, name: str) -> ProjectRow:
    if row is None:
        raise NotFound(f"there is no project {name!r}")
    return row


def _set(row: ProjectRow, quotas: Quotas) -> None:
    row.month_ticks = None if quotas.usd_per_month is None else to_ticks(quotas.usd_per_month)
    row.runs_at_work, row.runs_per_day = quotas.runs_at_work, quotas.runs_per_day
    row.artifact_bytes = quotas.artifact_bytes


def _project(row: ProjectRow) -> Project:
    quotas = Quotas(
        usd_per_month=None if row.month_ticks is None else to_usd(row.month_ticks),
        runs_at_work=row.runs_at_work,
        runs_per_day=row.runs_per_day,
        artifact_bytes=row.artifact_bytes,
    )
    return Project(name=row.name, created_at=row.created_at, quotas=quotas)


def _member(row: MemberRow) -> Member:
    return Member.model_validate({"user": row.user, "role": row.role})
