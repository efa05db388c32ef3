"""REST, version 1."""

from fastapi import APIRouter

from macrohard.server.api import events, evidence, installation, product, runs, sessions, steering, webhooks
from macrohard.server.problems import RESPONSES

router = APIRouter(responses=RESPONSES)
for part in (runs, steering, events, evidence, product, sessions, installation, webhooks):
    router.include_router(part.router)

__all__ = ["router"]
