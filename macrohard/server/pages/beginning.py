"""A new run, and what would be understood of it before it costs anything."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from macrohard.domain.approval import Point
from macrohard.llm.builtin.understanding import read
from macrohard.llm.models.known import BUILTIN
from macrohard.server.access import Operating
from macrohard.server.api.runs import Submission, submit
from macrohard.server.forms import understood
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter()

MOST_CHARACTERS = 20_000
"""More is not read before it is submitted."""
READINGS_AT_ONCE = 2

_reading = asyncio.Semaphore(READINGS_AT_ONCE)


@router.get("/new")
async def new(request: Request, service: Serving, principal: Operating, requirement: str = "") -> Response:
    """A form for a requirement."""
    models = dict.fromkeys([service.settings.model, BUILTIN])
    return page(
        request, "runs/new.html.jinja", settings=service.settings, models=list(models), builtin=BUILTIN,
        requirement=requirement[:MOST_CHARACTERS],
    )  # fmt: skip


@router.post("/new/reading")
async def reading(
    request: Request, service: Serving, principal: Operating, requirement: Annotated[str, Form()] = ""
) -> Response:
    """What the built-in model reads in it: free, in this process, and the same for the same text."""
    text = requirement.strip()
    found = None
    if text and len(text) <= MOST_CHARACTERS:
        # Rules in a thread of their own: other requests go on meanwhile.
        async with _reading:
            found = await asyncio.to_thread(read, text)
    return page(
        request, "runs/reading.html.jinja", reading=found, text=text, builtin=BUILTIN, model=service.settings.model
    )


@router.post("/new")
async def begin(
    service: Serving,
    principal: Operating,
    requirement: Annotated[str, Form()],
    ask: Annotated[bool, Form()] = False,
    approve: Annotated[tuple[Point, ...], Form()] = (),
    hours: Annotated[str, Form(pattern=r"^\d{0,4}$")] = "",
    model: Annotated[str, Form(max_length=200)] = "",
    usd: Annotated[str, Form(pattern=r"^(\d{1,6}(\.\d{1,2})?)?$")] = "",
    iterations: Annotated[str, Form(pattern=r"^\d{0,2}$")] = "",
) -> Response:
    """Submit what the form says; what is left empty is as the settings say."""
    seconds = float(hours) * 3600 if hours else None
    submission = understood(
        Submission,
        {
            "requirement": requirement,
            "ask": ask,
            "approvals": dict.fromkeys(approve, seconds),
            "model": model or None,
            "caps": {**service.settings.caps.model_dump(), "usd": float(usd)} if usd else None,
            "iterations": int(iterations) if iterations else None,
        },
    )
    summary = await submit(submission, service, principal, Response())
    return RedirectResponse(f"/runs/{summary.id}", status_code=303)
