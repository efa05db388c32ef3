"""The dashboard: pages for people, of the same reads that REST gives to machines."""

from fastapi import APIRouter

from macrohard.server.pages import (
    beginning,
    comparing,
    entering,
    fleet,
    installation,
    planning,
    previews,
    projects,
    run,
    runs,
    steering,
    webhooks,
)
from macrohard.server.pages.rendering import problem_page

router = APIRouter()
for part in (
    entering,
    runs,
    beginning,
    fleet,
    projects,
    installation,
    webhooks,
    previews,
    comparing,
    planning,
    run,
    steering,
):
    router.include_router(part.router)

__all__ = ["problem_page", "router"]
