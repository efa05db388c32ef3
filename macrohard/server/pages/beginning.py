"""A new run, and what would be understood of it before it costs anything."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from macrohard.domain.approval import Point
from macrohard.domain.people import Role
from macrohard.domain.requirement import LIMIT_BYTES, text_of
from macrohard.llm.builtin.understanding import read
from macrohard.llm.models.known import BUILTIN
from macrohard.server.access import Operating
from macrohard.server.api.runs import Submission, submit
from macrohard.server.forms import Dollars, Hours, Iterations, understood
from macrohard.server.pages.rendering import Chosen, page
from macrohard.server.service import Serving

router = APIRouter()

MOST_CHARACTERS = 20_000
"""More is not read before it is submitted."""
READINGS_AT_ONCE = 2

_reading = asyncio.Semaphore(READINGS_AT_ONCE)


@router.get("/new")
async def new(
    request: Request,
    service: Serving,
    principal: Operating,
    requirement: str = "",
    improves: Annotated[str, Query(max_length=100)] = "",
    project: Chosen = "",
) -> Response:
    """A form for a requirement; `improves`: for what is to be different in that run's product, with what was said.

    `project`: the one that is chosen in it.
    """
    models = dict.fromkeys([service.settings.model, BUILTIN])
    base = None
    if improves:
        base = await service.factory.overview(improves)
        said = await service.factory.store.remarks.open(base.summary.id)
        requirement = requirement or "\n".join(f"- {each.text} (on {each.place})" for each in said)
    return page(
        request, "runs/new.html.jinja", settings=service.settings, models=list(models), builtin=BUILTIN,
        requirement=requirement[:MOST_CHARACTERS], base=base,
        mine=[name for name in request.state.projects if (principal.role_in(name) or 0) >= Role.OPERATOR],
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
    ask_hours: Hours = "",
    approve: Annotated[tuple[Point, ...], Form()] = (),
    plan_hours: Hours = "",
    release_hours: Hours = "",
    budget_hours: Hours = "",
    model: Annotated[str, Form(max_length=200)] = "",
    usd: Dollars = "",
    iterations: Iterations = "",
    improves: Annotated[str, Form(max_length=100)] = "",
    attachments: Annotated[list[UploadFile] | None, File()] = None,
    project: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Submit what the form says; what is left empty is as the settings say."""
    seconds = {"plan": _seconds(plan_hours), "release": _seconds(release_hours)}
    submission = understood(
        Submission,
        {
            "requirement": requirement,
            "attachments": [await _attachment(file) for file in attachments or () if file.filename],
            "improves": improves or None,
            "ask": ask,
            "answer_seconds": _seconds(ask_hours) if ask else None,
            "budget_seconds": _seconds(budget_hours),
            "approvals": {point: seconds[point] for point in approve},
            "model": model or None,
            "caps": {**service.settings.caps.model_dump(), "usd": float(usd)} if usd else None,
            "iterations": int(iterations) if iterations else None,
            "project": project or None,
        },
    )
    summary = await submit(submission, service, principal, Response())
    return RedirectResponse(f"/runs/{summary.id}", status_code=303)


def _seconds(hours: str) -> float | None:
    """None: as long as it takes."""
    return float(hours) * 3600 if hours else None


async def _attachment(file: UploadFile) -> dict[str, str]:
    name = str(file.filename)
    return {"name": name, "text": text_of(await file.read(LIMIT_BYTES + 1), name)}
