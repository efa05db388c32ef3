"""Products by `git clone`, read-only: git's smart HTTP protocol on publications, which hold nothing but the product."""

import zlib
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from starlette.responses import Response, StreamingResponse

from macrohard.server.access import Principal, in_its_project
from macrohard.server.service import Serving

router = APIRouter(prefix="/git", tags=["product"])

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Of what a clone says it has and wants."""
FRESH = {"Cache-Control": "no-store"}


async def _cloning(request: Request) -> Principal:
    principal: Principal | None = request.state.principal
    if principal is None:
        # What makes git send what stands in the address, or ask for it.
        raise HTTPException(
            401,
            "say who you are: any name, and as the password an API token that is still good",
            headers={"WWW-Authenticate": 'Basic realm="Macrohard"'},
        )
    return await in_its_project(request, principal)


Cloning = Annotated[Principal, Depends(_cloning)]
Protocol = Annotated[str, Header(alias="Git-Protocol")]


@router.get("/{run}.git/info/refs")
async def advertise(
    run: str,
    service: Serving,
    principal: Cloning,
    wanted: Annotated[str, Query(alias="service")] = "",
    protocol: Protocol = "",
) -> Response:
    """What there is to be cloned."""
    if wanted != "git-upload-pack":
        raise HTTPException(403, "products can be cloned, and nothing can be pushed")
    publication = await service.factory.publication(run)
    media_type = "application/x-git-upload-pack-advertisement"
    return Response(await publication.advertise(protocol=protocol), media_type=media_type, headers=FRESH)


@router.post("/{run}.git/git-upload-pack")
async def upload(run: str, request: Request, service: Serving, principal: Cloning, protocol: Protocol = "") -> Response:
    """The commits that a clone asks for."""
    publication = await service.factory.publication(run)
    asked = await _body(request)
    answer = publication.upload(asked, protocol=protocol)
    return StreamingResponse(answer, media_type="application/x-git-upload-pack-result", headers=FRESH)


async def _body(request: Request) -> bytes:
    packed = request.headers.get("content-encoding", "") == "gzip"
    unpacking = zlib.decompressobj(wbits=31) if packed else None
    body = bytearray()
    async for chunk in request.stream():
        try:
            body += chunk if unpacking is None else unpacking.decompress(chunk, MAX_REQUEST_BYTES + 1)
        except zlib.error as error:
            raise HTTPException(400, "the body is not what gzip makes") from error
        if len(body) > MAX_REQUEST_BYTES or (unpacking is not None and unpacking.unconsumed_tail):
            raise HTTPException(413, f"a clone may ask in {MAX_REQUEST_BYTES // 1024 // 1024} MB at most")
    return bytes(body)
