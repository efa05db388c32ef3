"""Two runs, or two iterations, side by side."""

from typing import Annotated

from fastapi import APIRouter, Query

from macrohard.assembly import PLACE
from macrohard.assembly import compare as compared
from macrohard.domain.comparison import Compared
from macrohard.server.access import Asking
from macrohard.server.service import Serving

router = APIRouter(tags=["evidence"])

Place = Annotated[
    str,
    Query(
        pattern=PLACE,
        description="RUN:ITERATION, or RUN for its last iteration that was kept.",
        examples=["r-20261122-3gtk:2"],
    ),
]


@router.get("/compare")
async def compare(left: Place, right: Place, service: Serving, principal: Asking) -> Compared:
    """What is different between two iterations of a run, a run and its fork, or any two runs."""
    return await compared(service.factory, left, right)
