"""Trying a product while the factory still has it."""

from fastapi import APIRouter, Response
from pydantic import Field

from macrohard.domain import Value
from macrohard.server.access import Asking, Operating
from macrohard.server.previews import PreviewShown
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs/{run}/preview", tags=["product"])


class PreviewWanted(Value):
    """What is to be tried."""

    iteration: int | None = Field(default=None, ge=1)
    """What stood at its end, kept or not; null: the product as it stands."""


@router.post("", status_code=201)
async def open_preview(run: str, wanted: PreviewWanted, service: Serving, principal: Operating) -> PreviewShown:
    """Start the product in its sandbox and give the address that leads to it; one that runs already is renewed.

    It ends ten minutes after it was asked for or renewed last.
    """
    return await service.previews.open(run, iteration=wanted.iteration)


@router.get("")
async def list_previews(run: str, service: Serving, principal: Asking) -> tuple[PreviewShown, ...]:
    """Those that run now."""
    return service.previews.of((await service.factory.store.summary(run)).id)


@router.post("/{preview}/renew")
async def renew_preview(run: str, preview: str, service: Serving, principal: Asking) -> PreviewShown:
    """Say that somebody looks at it: it goes on for ten minutes from now."""
    return service.previews.renew((await service.factory.store.summary(run)).id, preview)


@router.delete("/{preview}", status_code=204)
async def end_preview(run: str, preview: str, service: Serving, principal: Operating) -> Response:
    """Stop it now."""
    await service.previews.end((await service.factory.store.summary(run)).id, preview)
    return Response(status_code=204)
