"""The list of runs, and a new one."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import RedirectResponse, Response

from macrohard.assembly import catalogue
from macrohard.domain.approval import Point
from macrohard.server.access import Administrating, Asking, Operating
from macrohard.server.api.runs import Submission, submit
from macrohard.server.pages.diffs import colours
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter()

PAGE = 50
UNDER_WAY = ("running", "waiting", "paused")


@router.get("/")
async def runs(request: Request, service: Serving, principal: Asking, before: str | None = None) -> Response:
    """Every run, the latest first."""
    found = await service.factory.store.runs(limit=PAGE + 1, before=before)
    more = found[PAGE - 1].id if len(found) > PAGE else None
    template = "runs/rows.html.jinja" if before else "runs/list.html.jinja"
    return page(request, template, runs=found[:PAGE], more=more)


@router.get("/new")
async def new(request: Request, service: Serving, principal: Operating) -> Response:
    """A form for a requirement."""
    return page(request, "runs/new.html.jinja", settings=service.settings)


@router.post("/new")
async def begin(
    request: Request,
    service: Serving,
    principal: Operating,
    requirement: Annotated[str, Form()],
    ask: Annotated[bool, Form()] = False,
    approve: Annotated[tuple[Point, ...], Form()] = (),
) -> Response:
    """Submit what the form says."""
    response = Response()
    summary = await submit(
        Submission(requirement=requirement, ask=ask, approvals=dict.fromkeys(approve)), service, principal, response
    )
    return RedirectResponse(f"/runs/{summary.id}", status_code=303)


@router.get("/changes", response_class=EventSourceResponse)
async def changes(service: Serving, principal: Asking, run: str = "") -> AsyncIterable[ServerSentEvent]:
    """Says "changed" whenever something of the run, or of any, was recorded; parts of pages are then read anew."""
    async for _ in service.feed.changes(run):
        yield ServerSentEvent(event="changed", raw_data="1")


@router.get("/fleet")
async def fleet(request: Request, service: Serving, principal: Asking) -> Response:
    """Everything at work now, and what is blocked on what."""
    found = await service.factory.store.runs(limit=200)
    return page(request, "fleet.html.jinja", runs=[run for run in found if run.status in UNDER_WAY or run.queued])


@router.get("/agents")
async def agents(request: Request, service: Serving, principal: Asking) -> Response:
    """The specialists, the simulated users and the skills."""
    return page(request, "agents.html.jinja", catalogue=catalogue(service.settings))


@router.get("/settings")
async def settings(request: Request, service: Serving, principal: Administrating) -> Response:
    """Models and what works on this machine."""
    targets = await service.factory.installation.targets(service.settings.model)
    return page(request, "settings.html.jinja", settings=service.settings, targets=targets)


@router.get("/settings/doctor")
async def doctor(request: Request, service: Serving, principal: Administrating) -> Response:
    """What works on this machine; a part of a page, for looking takes a while."""
    return page(request, "doctor.html.jinja", rows=await service.factory.installation.diagnose())


@router.get("/code.css")
async def code_colours() -> Response:
    """The colours of code."""
    return Response(colours(), media_type="text/css", headers={"Cache-Control": "max-age=86400"})
