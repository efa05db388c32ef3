"""What was agreed and what came of it: criteria, iterations, findings, and the blobs that prove them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import FileResponse, PlainTextResponse, Response

from macrohard.assembly import commit_of
from macrohard.domain import CriterionState, Finding, IterationSummary, Value
from macrohard.errors import NotFound
from macrohard.server.access import Asking
from macrohard.server.service import Serving

router = APIRouter()

HOSTILE = "default-src 'none'; sandbox"
"""The policy of what agents and products made: it may not load, run or send anything."""
SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm", "text/plain")
"""What a browser may show; all else is handed out as a file."""

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content.")]
Number = Annotated[int, Path(ge=1, description="The iteration's number.")]


class FoundIn(Value):
    """A finding, and the iteration in which it was found."""

    iteration: int
    finding: Finding


@router.get("/runs/{run}/criteria", tags=["evidence"])
async def criteria(run: str, service: Serving, principal: Asking) -> tuple[CriterionState, ...]:
    """The traceability matrix: criterion, scenarios, verdicts with their evidence, and the commit they are about."""
    return (await service.factory.overview(run)).criteria


@router.get("/runs/{run}/iterations", tags=["evidence"])
async def iterations(run: str, service: Serving, principal: Asking) -> tuple[IterationSummary, ...]:
    """Every iteration with its tasks, verdicts, findings and visits."""
    return (await service.factory.overview(run)).iterations


@router.get("/runs/{run}/iterations/{number}", tags=["evidence"])
async def iteration(run: str, number: Number, service: Serving, principal: Asking) -> IterationSummary:
    """One iteration."""
    for each in (await service.factory.overview(run)).iterations:
        if each.number == number:
            return each
    raise NotFound(f"run {run} has no iteration {number}")


@router.get(
    "/runs/{run}/iterations/{number}/diff",
    tags=["evidence"],
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/x-diff": {}}}},
)
async def diff(
    run: str,
    number: Number,
    service: Serving,
    principal: Asking,
    since: Annotated[
        int | None, Query(ge=0, description="Another iteration, 0 for what the run began from; else the last kept.")
    ] = None,
) -> Response:
    """What an iteration changed, as a unified diff."""
    overview = await service.factory.overview(run)
    repository = await service.factory.repository(overview.summary.id)
    tip = commit_of(overview, number)
    if since is None:
        since = overview.kept_before(number)
    if since:
        base = commit_of(overview, since)
    else:
        base = overview.provenance.base if overview.provenance else await repository.initial_commit()
    return PlainTextResponse(await repository.diff(base, tip), media_type="text/x-diff; charset=utf-8")


@router.get("/runs/{run}/findings", tags=["evidence"])
async def findings(run: str, service: Serving, principal: Asking) -> tuple[FoundIn, ...]:
    """What users, testers, reviewers and scanners noticed, in the order of the iterations."""
    overview = await service.factory.overview(run)
    return tuple(
        FoundIn(iteration=each.number, finding=finding) for each in overview.iterations for finding in each.findings
    )


@router.get(
    "/artifacts/{digest}",
    tags=["evidence"],
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, 206: {"description": "The range asked for."}},
)
async def artifact(digest: Digest, service: Serving, principal: Asking) -> Response:
    """A screenshot, log, film or document by its digest; ranges are answered."""
    artifacts = service.factory.store.artifacts
    try:
        if principal.within is not None and not await artifacts.is_within(digest, principal.within):
            raise KeyError(digest)
        path, media_type = artifacts.path(digest), await artifacts.media_type(digest)
    except KeyError as error:
        raise NotFound(f"there is no artifact {digest}") from error
    shown = media_type.partition(";")[0] in SHOWN
    headers = {
        "Content-Security-Policy": HOSTILE,
        # Content never changes under its digest.
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": "inline" if shown else f'attachment; filename="{digest[:12]}"',
    }
    return FileResponse(path, media_type=media_type if shown else "application/octet-stream", headers=headers)
