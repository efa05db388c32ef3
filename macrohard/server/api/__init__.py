"""REST, version 1."""

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from macrohard.server.api import (
    comparing,
    events,
    evidence,
    fleet,
    installation,
    previews,
    product,
    projects,
    runs,
    sessions,
    steering,
    webhooks,
)
from macrohard.server.problems import RESPONSES

TOKEN = HTTPBearer(auto_error=False, description="The token that `macrohard serve token` prints.")

router = APIRouter(responses=RESPONSES, dependencies=[Depends(TOKEN)])
for part in (
    runs,
    fleet,
    steering,
    events,
    evidence,
    comparing,
    product,
    previews,
    sessions,
    projects,
    installation,
    webhooks,
):
    router.include_router(part.router)

__all__ = ["TOKEN", "router"]
