"""What came of a run, to be taken along: the product as a zip, its report and its film."""

import re
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from macrohard.domain import RunOverview
from macrohard.errors import NotFound
from macrohard.report import policy_of
from macrohard.server.access import Asking
from macrohard.server.api.evidence import artifact
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs/{run}", tags=["product"])

REPORT_POLICY = "sandbox allow-scripts allow-popups allow-downloads; frame-ancestors 'self'"
"""Besides what the report says itself: all of it is about what others wrote, so it gets no part of our origin."""


@router.get(
    "/product.zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def product(
    run: str,
    service: Serving,
    principal: Asking,
    iteration: Annotated[
        int | None, Query(ge=1, le=10_000, description="What stood at its end, kept or not; else the product.")
    ] = None,
) -> Response:
    """The product's files."""
    overview = await service.factory.overview(run)
    publication = await service.factory.publication(overview.summary.id, iteration=iteration)
    name = folder_name(overview)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(publication.archive(name), media_type="application/zip", headers=headers)


@router.get("/report", response_class=HTMLResponse)
async def report(run: str, service: Serving, principal: Asking) -> Response:
    """The run's report: one HTML page that needs nothing else, and may be kept."""
    page = await service.factory.report(run)
    return HTMLResponse(page, headers={"Content-Security-Policy": f"{policy_of(page)}; {REPORT_POLICY}"})


@router.get(
    "/film",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The range asked for."},
    },
)
async def film(run: str, service: Serving, principal: Asking) -> Response:
    """The simulated users at the product, as a film; ranges are answered."""
    overview = await service.factory.overview(run)
    if overview.film is None or overview.film.artifact is None:
        why = f": {overview.film.problem}" if overview.film is not None and overview.film.problem else ""
        raise NotFound(f"run {overview.summary.id} has no film{why}")
    return await artifact(overview.film.artifact, service, principal)


def folder_name(overview: RunOverview) -> str:
    """Such as `to-do-list-3gtk`."""
    slug = re.sub(r"[^a-z0-9]+", "-", overview.summary.title.lower()).strip("-")[:40].rstrip("-") or "product"
    return f"{slug}-{overview.summary.id.rpartition('-')[2]}"
