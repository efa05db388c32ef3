"""What calls took, by day and model, over all runs; also of runs that were deleted since."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import Value
from macrohard.store.database import Database
from macrohard.store.money import to_usd
from macrohard.store.tables import RunRow, UsageRow

COUNTS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_ticks")


class UsageOfDay(Value):
    """What the calls of one day took at one endpoint's model."""

    day: date
    """In UTC."""
    endpoint: str
    model: str
    """Empty: attempts that failed and cost something all the same."""
    runs: int
    calls: int
    input_tokens: int
    cached_tokens: int
    """Of the input, what the endpoint had read before."""
    output_tokens: int
    reasoning_tokens: int
    """Of the output, what was thought and not said."""
    cost_usd: float


class Totals(Value):
    """Where all runs stand, and what all calls ever took at each endpoint's model."""

    runs: dict[str, int]
    """By status, as it was recorded last."""
    queued: int
    usage: tuple[tuple[str, str, int, int, int, float], ...]
    """Endpoint, model, calls, input tokens, output tokens, dollars."""


class Usage:
    """Sums over all runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_day(
        self, *, since: date | None, until: date | None, within: Collection[str] | None = None
    ) -> tuple[UsageOfDay, ...]:
        """One line for each day and model, both days included, the latest first; `within`: of these projects."""
        wanted = select(
            UsageRow.day,
            UsageRow.endpoint,
            UsageRow.model,
            func.count(UsageRow.run_id.distinct()).label("runs"),
            *(func.sum(getattr(UsageRow, name)).label(name) for name in COUNTS),
        )
        if within is not None:
            wanted = wanted.where(UsageRow.project.in_(within))
        if since is not None:
            wanted = wanted.where(UsageRow.day >= since)
        if until is not None:
            wanted = wanted.where(UsageRow.day <= until)
        keys = (UsageRow.day, UsageRow.endpoint, UsageRow.model)
        wanted = wanted.group_by(*keys).order_by(UsageRow.day.desc(), UsageRow.endpoint, UsageRow.model)
        async with self._database.read() as session:
            rows = await session.execute(wanted)
            return tuple(
                UsageOfDay(
                    day=row.day,
                    endpoint=row.endpoint,
                    model=row.model,
                    runs=row.runs,
                    **{name: int(getattr(row, name)) for name in COUNTS[:-1]},
                    cost_usd=to_usd(int(row.cost_ticks)),
                )
                for row in rows
            )

    async def totals(self, *, within: Collection[str] | None = None) -> Totals:
        """Of everything, or of these projects, for whoever watches the service."""
        statuses = select(RunRow.status, func.count()).group_by(RunRow.status)
        waiting = select(func.count()).where(RunRow.queued_at.is_not(None), RunRow.status != "running")
        sums = select(
            UsageRow.endpoint,
            UsageRow.model,
            func.sum(UsageRow.calls),
            func.sum(UsageRow.input_tokens),
            func.sum(UsageRow.output_tokens),
            func.sum(UsageRow.cost_ticks),
        ).group_by(UsageRow.endpoint, UsageRow.model)
        if within is not None:
            statuses = statuses.where(RunRow.project.in_(within))
            waiting = waiting.where(RunRow.project.in_(within))
            sums = sums.where(UsageRow.project.in_(within))
        async with self._database.read() as session:
            return Totals(
                runs={status: count for status, count in await session.execute(statuses)},  # noqa: C416 (rows are no pairs)
                queued=await session.scalar(waiting) or 0,
                usage=tuple(
                    (endpoint, model, int(calls), int(read), int(said), to_usd(int(ticks)))
                    for endpoint, model, calls, read, said, ticks in await session.execute(sums)
                ),
            )


async def count(
    session: AsyncSession, run: RunRow, *, day: date, endpoint: str, model: str, counts: Sequence[int]
) -> None:
    """Add to the day's sums in the caller's transaction, which has the run to itself; `counts` as in COUNTS."""
    key = {"day": day, "run_id": run.id, "endpoint": endpoint, "model": model}
    if (row := await session.get(UsageRow, key)) is None:
        row = UsageRow(**key, project=run.project, **dict.fromkeys(COUNTS, 0))
        session.add(row)
        # Else a second look in this transaction would not find it.
        await session.flush()
    for name, amount in zip(COUNTS, counts, strict=True):
        setattr(row, name, getattr(row, name) + amount)
