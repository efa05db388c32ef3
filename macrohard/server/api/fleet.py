"""Everything at work now, and what the rest is blocked on."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from macrohard.domain import RunOverview, RunStatus, RunSummary, Value
from macrohard.domain.project import ProjectName
from macrohard.server.access import Asking
from macrohard.server.api.projects import seen
from macrohard.server.service import Service, Serving
from macrohard.server.standing import FOR_YOU, On, Standing, standing

router = APIRouter(tags=["runs"])

LOOKED_INTO = 24
"""Runs whose whole state is read; of more, only the line of the list is shown."""
LISTED = 100
"""Of each kind."""
GROUPS: tuple[tuple[str, tuple[On, ...]], ...] = (
    ("Waits for you", FOR_YOU),
    ("At work", ("nothing",)),
    ("Waits for a worker, or its hour", ("worker", "hour")),
)


class Line(Value):
    """One run of the fleet."""

    run: RunSummary
    standing: Standing | None
    """null: there are too many to look into all of them."""
    budget_usd: float | None = None
    criteria: int = 0
    met: int = 0


class Group(Value):
    """Runs that wait for the same kind of thing."""

    title: str
    lines: tuple[Line, ...]


class Fleet(Value):
    """All runs under way."""

    groups: tuple[Group, ...]
    """Those that have runs."""
    at_work: int
    """Agents, of the runs that were looked into."""
    spent_usd: float


@router.get("/fleet")
async def fleet(
    service: Serving,
    principal: Asking,
    project: Annotated[ProjectName | None, Query(description="Of its runs only.")] = None,
) -> Fleet:
    """Everything at work now, and what each run is blocked on: a person, a sandbox, an endpoint, its budget, its hour.

    100 runs of each status, the latest first; the first 24 are looked into.
    """
    store = service.factory.store
    within = await seen(service, principal, project)
    wanted: tuple[RunStatus, ...] = ("running", "paused", "waiting")
    found = await asyncio.gather(*(store.runs(limit=LISTED, status=status, within=within) for status in wanted))
    under_way = [run for runs in found for run in runs]
    overviews = await store.overviews([run.id for run in under_way[:LOOKED_INTO]])
    lines = [_line(overview) for overview in overviews]
    lines += [Line(run=run, standing=None) for run in under_way[LOOKED_INTO:]]
    groups = [
        Group(title=title, lines=tuple(line for line in lines if line.standing and line.standing.on in on))
        for title, on in GROUPS
    ]
    groups.append(Group(title="More under way", lines=tuple(line for line in lines if line.standing is None)))
    return Fleet(
        groups=tuple(group for group in groups if group.lines),
        at_work=sum(len(line.standing.at_work) for line in lines if line.standing),
        spent_usd=sum(line.run.cost_usd for line in lines),
    )


async def for_you(service: Service, *, within: Collection[str] | None) -> tuple[RunSummary, ...]:
    """The runs of these projects that only a person can have go on, the latest first; None: of all.

    Of each status those of the latest hundred.
    """
    store = service.factory.store
    wanted: tuple[RunStatus, ...] = ("paused", "waiting")
    found_of = (store.runs(limit=LISTED, status=each, within=within) for each in wanted)
    paused, begun = await asyncio.gather(*found_of)
    # Of all others, what their line says is enough.
    unclear = await store.overviews([run.id for run in paused if run.queued or run.wake_at])
    goes_on = {each.summary.id for each in unclear if standing(each).on not in FOR_YOU}
    found = [run for run in paused if run.id not in goes_on] + [run for run in begun if not run.queued]
    return tuple(sorted(found, key=lambda run: (run.created_at, run.id), reverse=True))


async def words(service: Service, runs: Sequence[RunSummary]) -> dict[str, str]:
    """What those of the runs wait for that are paused, by their ids; of the first that are, as many as in the fleet."""
    paused = [run.id for run in runs if run.status == "paused"][:LOOKED_INTO]
    return {each.summary.id: standing(each).word for each in await service.factory.store.overviews(paused)}


def _line(overview: RunOverview) -> Line:
    return Line(
        run=overview.summary,
        standing=standing(overview),
        budget_usd=overview.budget_usd,
        criteria=len(overview.criteria),
        met=sum(1 for row in overview.criteria if row.status == "met"),
    )
