"""A product that runs, beside what it was to do."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from macrohard.server.access import Asking, Operating
from macrohard.server.api import previews
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs/{run}/preview")


@router.get("")
async def show(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """The product in a frame of its own origin, and the criteria beside it."""
    overview = await service.factory.overview(run)
    opened = await previews.list_previews(run, service, principal)
    return page(request, "run/preview.html.jinja", overview=overview, tab="product", previews=opened)


@router.post("")
async def open_preview(
    run: str, service: Serving, principal: Operating, iteration: Annotated[int | None, Form(ge=1)] = None
) -> Response:
    """Start it."""
    await previews.open_preview(run, previews.PreviewWanted(iteration=iteration), service, principal)
    return RedirectResponse(f"/runs/{run}/preview", status_code=303)


@router.post("/{preview}/renew")
async def renew(run: str, preview: str, service: Serving, principal: Asking) -> Response:
    """Its page is open."""
    await previews.renew_preview(run, preview, service, principal)
    return Response(status_code=204)


@router.post("/{preview}/end")
async def end(run: str, preview: str, service: Serving, principal: Operating) -> Response:
    """Stop it."""
    await previews.end_preview(run, preview, service, principal)
    return RedirectResponse(f"/runs/{run}/product", status_code=303)
