"""Two runs, or two iterations, side by side."""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from macrohard.assembly import PLACE
from macrohard.domain import RunOverview, RunSummary, Value
from macrohard.errors import NotFound
from macrohard.server.access import Asking
from macrohard.server.api import comparing
from macrohard.server.pages.diffs import file_diff, first_files, outline_of
from macrohard.server.pages.rendering import page
from macrohard.server.service import Service, Serving

router = APIRouter(prefix="/compare")

Place = Annotated[str, Query(pattern=PLACE)]


class Choice(Value):
    """Something that can be compared."""

    place: str
    label: str


class Choices(Value):
    """What of one run can be compared."""

    run: RunSummary
    about: str
    """What it is to the run that one looks at."""
    choices: tuple[Choice, ...]


@router.get("")
async def compare(
    request: Request,
    service: Serving,
    principal: Asking,
    left: Place | None = None,
    right: Place | None = None,
    run: Annotated[tuple[str, ...], Query(max_length=50, description="What was ticked in the list of runs.")] = (),
) -> Response:
    """Both sides with what is different; as long as one of them is not chosen, the choice."""
    if len(run) == 2:
        return RedirectResponse(f"/compare?{urlencode({'left': run[0], 'right': run[1]})}", status_code=303)
    if left is None or right is None:
        chosen = left or right
        choices = await choices_beside(service, chosen.partition(":")[0]) if chosen else ()
        return page(request, "compare/choose.html.jinja", left=left, right=right, choices=choices, ticked=len(run))
    found = await comparing.compare(left, right, service, principal)
    choices = await choices_beside(service, *dict.fromkeys((found.left.run.id, found.right.run.id)))
    return page(
        request, "compare/sides.html.jinja", compared=found, left=found.left, right=found.right, choices=choices,
        outline=outline_of(found.diff), opened=first_files(found.diff),
    )  # fmt: skip


@router.get("/file")
async def file(
    request: Request,
    left: Place,
    right: Place,
    path: Annotated[str, Query(max_length=1000)],
    service: Serving,
    principal: Asking,
    part: bool = False,
) -> Response:
    """What is different in one file; `part`: that alone."""
    found = await comparing.compare(left, right, service, principal)
    if (changed := file_diff(found.diff, path)) is None:
        raise NotFound(f"{path!r} is the same in {found.left.name} and {found.right.name}")
    place = next(place for place, each in enumerate(outline_of(found.diff).files, 1) if each.path == path)
    template = "compare/file.html.jinja" if part else "compare/file_page.html.jinja"
    return page(request, template, left=found.left, right=found.right, file=changed, place=place)


async def choices_beside(service: Service, *runs: str) -> tuple[Choices, ...]:
    """What can be chosen beside these runs: their iterations, what they were forked from, and their forks."""
    found: dict[str, Choices] = {}
    for run in runs:
        overview = await service.factory.overview(run)
        found[overview.summary.id] = Choices(run=overview.summary, about="", choices=tuple(_iterations(overview)))
    for each in tuple(found.values()):
        origin = each.run.forked_from.partition("@")[0]
        for fork in await service.factory.store.forks(each.run.id):
            found.setdefault(fork.id, _whole(fork, "a fork of it"))
        if origin and origin not in found:
            try:
                found[origin] = _whole(await service.factory.store.summary(origin), "what it was forked from")
            except NotFound:
                continue  # It was deleted.
    return tuple(found.values())


def _iterations(overview: RunOverview) -> Iterable[Choice]:
    run = overview.summary.id
    if not overview.iterations:
        yield Choice(place=run, label="nothing is built yet")
    for each in overview.iterations:
        fate = "kept" if each.kept else "under way" if each.kept is None else "thrown away"
        yield Choice(place=f"{run}:{each.number}", label=f"iteration {each.number}, {fate}")


def _whole(run: RunSummary, about: str) -> Choices:
    label = f"last iteration kept, {run.status}" if run.iterations else f"nothing is built yet, {run.status}"
    return Choices(run=run, about=about, choices=(Choice(place=run.id, label=label),))
