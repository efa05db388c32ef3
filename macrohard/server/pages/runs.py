"""The list of runs, and word of every change."""

from collections.abc import AsyncIterable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from macrohard.domain import RunStatus
from macrohard.server.access import Asking
from macrohard.server.api.fleet import for_you, words
from macrohard.server.api.runs import RunPage, list_runs
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter()

PAGE = 50


@router.get("/")
async def runs(
    request: Request,
    service: Serving,
    principal: Asking,
    before: str | None = None,
    status: Annotated[RunStatus | None, Query()] = None,
    q: Annotated[str, Query(max_length=200)] = "",
    waits: Literal["", "you"] = "",
) -> Response:
    """Every run, the latest first; `waits`: those that only a person can have go on."""
    if waits:
        found = RunPage(runs=await for_you(service), before=None)
    else:
        found = await list_runs(service, principal, limit=PAGE, before=before, status=status, text=q)
    is_part = before is not None and "hx-request" in request.headers
    template = "runs/rows.html.jinja" if is_part else "runs/list.html.jinja"
    return page(
        request, template, runs=found.runs, more=found.before, only=status, q=q, before=before, waits=waits,
        words=await words(service, found.runs),
    )  # fmt: skip


@router.get("/changes", response_class=EventSourceResponse)
async def changes(service: Serving, principal: Asking, run: str = "") -> AsyncIterable[ServerSentEvent]:
    """Says "changed" whenever something of the run, or of any, was recorded; parts of pages are then read anew."""
    async for _ in service.feed.changes(run):
        yield ServerSentEvent(event="changed", raw_data="1")
