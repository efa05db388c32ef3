"""Two runs, or two iterations, side by side: finds what is meant, and what came of it in code."""

import re

from macrohard.assembly.intake import Intake
from macrohard.domain import IterationSummary, RunOverview, RunSummary
from macrohard.domain.comparison import Compared
from macrohard.errors import NotFound, RequestError
from macrohard.report.comparison import Side, compared

PLACE = r"^[^:\s]{1,100}(:[1-9][0-9]{0,4})?$"
"""RUN, or RUN:ITERATION."""


async def compare(factory: Intake, left: str, right: str) -> Compared:
    """Hold two places against each other: each RUN:ITERATION, or RUN for its last iteration that was kept.

    Raises:
        NotFound: there is no such run, or no such iteration; says which there are.
        RequestError: a place is not written like that.
    """
    one, other = await _side(factory, left), await _side(factory, right)
    diff, no_diff = await _diff(factory, one, other)
    mine, theirs = [await _origin(factory, side.overview.summary) for side in (one, other)]
    return compared(one, other, related=mine == theirs, diff=diff, no_diff=no_diff)


async def guidance(factory: Intake, run: RunSummary) -> str:
    """What a fork was told to do differently when it was begun; empty for other runs."""
    _, _, number = run.forked_from.partition("@")
    if not number:
        return ""
    # What the original was told is not the fork's, and what is said of later iterations is no reason for it.
    said = await factory.store.remarks.of(run.id)
    return next((each.text for each in said if each.about == "iteration" and each.iteration == int(number)), "")


async def _side(factory: Intake, place: str) -> Side:
    if not re.fullmatch(PLACE, place):
        raise RequestError(f"{place!r} names no run and no iteration of one; write RUN or RUN:ITERATION")
    run, _, number = place.partition(":")
    overview = await factory.overview(run)
    return Side(
        overview, _iteration(overview, int(number) if number else None), await guidance(factory, overview.summary)
    )


def _iteration(overview: RunOverview, number: int | None) -> IterationSummary | None:
    if number is None:
        kept = [each for each in overview.iterations if each.kept]
        return next(reversed(kept or overview.iterations), None)
    for each in overview.iterations:
        if each.number == number:
            return each
    there = ", ".join(str(each.number) for each in overview.iterations) or "none so far"
    raise NotFound(f"run {overview.summary.id} has no iteration {number}; it has {there}")


async def _diff(factory: Intake, left: Side, right: Side) -> tuple[str, str]:
    """What changed, or why that cannot be told."""
    commits = []
    for side in (left, right):
        run_id = side.overview.summary.id
        if side.iteration is None:
            return "", f"nothing was built in run {run_id} yet"
        if side.iteration.commit is None:
            return "", f"iteration {side.iteration.number} of run {run_id} has no commit"
        commits.append(side.iteration.commit)
    one = await factory.repository(left.overview.summary.id)
    other = await factory.repository(right.overview.summary.id)
    return await one.diff(commits[0], commits[1], to=other), ""


async def _origin(factory: Intake, run: RunSummary) -> str:
    """The id of the run that this one was forked from in the end, or its own."""
    while run.forked_from:
        parent = run.forked_from.partition("@")[0]
        try:
            run = await factory.store.summary(parent)
        except NotFound:
            return parent  # It was deleted; a fork has a copy of all it needs.
    return run.id
