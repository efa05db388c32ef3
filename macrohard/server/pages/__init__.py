"""The dashboard: pages for people, of the same reads that REST gives to machines."""

from fastapi import APIRouter

from macrohard.server.pages import entering, run, runs
from macrohard.server.pages.rendering import problem_page

router = APIRouter()
router.include_router(entering.router)
router.include_router(runs.router)
router.include_router(run.router)

__all__ = ["problem_page", "router"]
