"""The list of runs, and word of every change."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from macrohard.domain import RunStatus
from macrohard.server.access import Asking
from macrohard.server.api.fleet import for_you, words
from macrohard.server.api.projects import seen
from macrohard.server.api.runs import RunPage, list_runs
from macrohard.server.pages.rendering import Chosen, page
from macrohard.server.service import Serving

router = APIRouter()

PAGE = 50


async def _followed(service: Serving, principal: Asking, run: str = "") -> AsyncIterator[None]:
    """Looked at before the stream begins, which could not say any more that there is no such run."""
    within = principal.within
    if run and within is not None:
        run, _ = await service.factory.store.place_of(run, within=within)
    return service.feed.changes(run, within=within)


@router.get("/")
async def runs(
    request: Request,
    service: Serving,
    principal: Asking,
    before: str | None = None,
    status: Annotated[RunStatus | None, Query()] = None,
    q: Annotated[str, Query(max_length=200)] = "",
    waits: Literal["", "you"] = "",
    project: Chosen = "",
) -> Response:
    """Every run, the latest first; `waits`: those that only a person can have go on."""
    if waits:
        within = await seen(service, principal, project or None)
        found = RunPage(runs=await for_you(service, within=within), before=None)
    else:
        found = await list_runs(
            service, principal, limit=PAGE, before=before, status=status, text=q, project=project or None
        )
    is_part = before is not None and "hx-request" in request.headers
    template = "runs/rows.html.jinja" if is_part else "runs/list.html.jinja"
    return page(
        request, template, runs=found.runs, more=found.before, only=status, q=q, before=before, waits=waits,
        words=await words(service, found.runs),
    )  # fmt: skip


@router.get("/changes", response_class=EventSourceResponse)
async def changes(changed: Annotated[AsyncIterator[None], Depends(_followed)]) -> AsyncIterable[ServerSentEvent]:
    """Says "changed" whenever something of the run, or of any, was recorded; parts of pages are then read anew."""
    async for _ in changed:
        yield ServerSentEvent(event="changed", raw_data="1")
