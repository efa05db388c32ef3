"""What a run is likely to take, from finished runs of the same model that began alike."""

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import Caps, Forecast
from macrohard.domain.provenance import FORKED_FROM
from macrohard.store.money import to_usd
from macrohard.store.tables import BudgetRow, EventRow, RunRow

FEWEST = 3
"""Runs that a forecast needs; with fewer it says that there is no history."""
NEAREST = 20
"""Runs that it is computed from at most, the most similar ones."""
LATEST = 200
"""Runs that are looked at, the latest ones: prompts and models change."""
ALIKE = 2.0
"""Sizes (length of the requirement; criteria; tasks) are alike within this factor."""


class _Features(NamedTuple):
    """What is known of a run by which others are compared with it; sizes are None as long as they are not known."""

    length: int
    kind: str | None = None
    criteria: int | None = None
    tasks: int | None = None

    def distance(self, other: "_Features") -> float | None:
        """How unlike the other is, 0 and up; None: not comparable."""
        if self.kind is not None and self.kind != other.kind:
            return None
        if self.criteria is None:
            ratios = [_ratio(self.length, other.length)]
        else:
            # What was read out of the text says more than its length.
            ratios = [_ratio(self.criteria, other.criteria), _ratio(self.tasks, other.tasks)]
        return sum(ratios) if max(ratios) <= math.log(ALIKE) + 1e-9 else None


def _ratio(one: int | None, other: int | None) -> float:
    return abs(math.log((one or 0) + 1) - math.log((other or 0) + 1)) if other is not None else math.inf


async def forecast(session: AsyncSession, *, model: str, requirement: str, caps: Caps, run_id: str) -> Forecast:
    """The middle (20th to 80th percentile) of what similar runs took; without enough of them, nothing up to the caps.

    Of a run that is planned its criteria and tasks are compared; else the requirement's length is.
    """
    # Not whole rows: this is asked with every submission.
    taken = func.coalesce(BudgetRow.spent_ticks, RunRow.cost_ticks).label("ticks")
    length = func.length(RunRow.requirement).label("length")
    known = select(RunRow.id, length, taken, RunRow.worked_seconds).outerjoin(BudgetRow, BudgetRow.run_id == RunRow.id)
    finished = known.where(
        RunRow.model == model,
        RunRow.status.in_(("delivered", "partial")),
        RunRow.id != run_id,
        RunRow.options["replay_of"].as_string().is_(None),  # replays cost nothing
        RunRow.options[FORKED_FROM].as_string().is_(None),  # another run paid for what a fork began with
    )
    latest = finished.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(LATEST)
    rows = (await session.execute(latest)).all()
    ids = [run.id for run in rows]
    sizes = await _sizes(session, [*ids, run_id])
    ours = _Features(len(requirement), *sizes.get(run_id, ()))
    alike = sorted(
        (distance, place)
        for place, run in enumerate(rows)
        if (distance := ours.distance(_Features(run.length, *sizes.get(run.id, ())))) is not None
    )
    nearest = [rows[place] for _, place in alike[:NEAREST]]
    after = "plan" if ours.tasks is not None else "requirement"
    if len(nearest) < FEWEST:
        return Forecast.model_validate(
            {
                "at": datetime.now(UTC), "after": after, "runs": 0, "cost_usd_low": 0.0, "cost_usd_high": caps.usd,
                "seconds_low": 0.0, "seconds_high": caps.seconds,
            }
        )  # fmt: skip
    costs = _middle([to_usd(run.ticks) for run in nearest])
    seconds = _middle([run.worked_seconds for run in nearest])
    return Forecast.model_validate(
        {
            "at": datetime.now(UTC), "after": after, "runs": len(nearest), "cost_usd_low": costs[0],
            "cost_usd_high": costs[1], "seconds_low": seconds[0], "seconds_high": seconds[1],
        }
    )  # fmt: skip


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """The 20th and the 80th percentile."""
    fifths = statistics.quantiles(values, n=5, method="inclusive")
    return fifths[0], fifths[-1]


async def _sizes(session: AsyncSession, run_ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """(kind, criteria, tasks of the first plan) of each of the runs that is planned."""
    told = select(EventRow.run_id, EventRow.type, EventRow.body)
    told = told.where(EventRow.run_id.in_(run_ids), EventRow.type.in_(("specified", "planned")))
    read: dict[str, tuple[str, int]] = {}
    planned: dict[str, int] = {}
    for run_id, kind, body in await session.execute(told.order_by(EventRow.run_id, EventRow.number)):
        if kind == "specified":
            specification = body["specification"]
            read[run_id] = specification["kind"], len(specification["criteria"])
        else:
            planned.setdefault(run_id, len(body["plan"]["tasks"]))
    return {run_id: (*read[run_id], tasks) for run_id, tasks in planned.items() if run_id in read}
