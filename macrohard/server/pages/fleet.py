"""Everything at work now, and what the rest is blocked on."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from macrohard.server.access import Asking
from macrohard.server.api import fleet as api
from macrohard.server.pages.rendering import Chosen, page
from macrohard.server.service import Serving

router = APIRouter()


@router.get("/fleet")
async def fleet(request: Request, service: Serving, principal: Asking, project: Chosen = "") -> Response:
    """Everything at work now, and what is blocked on what."""
    found = await api.fleet(service, principal, project or None)
    return page(
        request, "fleet.html.jinja", fleet=found, worker=service.worker,
        is_whole=not project and principal.projects is None,
    )  # fmt: skip


@router.get("/waiting")
async def waiting(request: Request, service: Serving, principal: Asking) -> Response:
    """How many runs wait for a person; a part of every page."""
    return page(request, "waiting.html.jinja", number=len(await api.for_you(service, within=principal.within)))
