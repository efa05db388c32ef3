"""One run: what stands where, and a page for each question that one may have about it."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from macrohard.domain import PHASES, IterationSummary, RunOverview, SessionSummary, Value
from macrohard.domain.approval import Point
from macrohard.domain.feedback import Remark
from macrohard.errors import NotFound, RequestError
from macrohard.server.access import Asking, Operating, Reviewing
from macrohard.server.api import evidence, runs, sessions, steering
from macrohard.server.api.runs import Limits
from macrohard.server.pages.diffs import diff_of
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs/{run}")

MESSAGES = 200


class Bar(Value):
    """A session on the timeline."""

    session: SessionSummary
    x: float
    """Where it begins, in percent of the whole."""
    width: float


@router.get("")
async def show(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """All of one run at a glance."""
    overview = await service.factory.overview(run)
    return page(
        request, "run/overview.html.jinja", overview=overview, tab="", bars=timeline(overview.sessions),
        reached=reached(overview), feedback=await service.factory.store.remarks.of(overview.summary.id),
    )  # fmt: skip


@router.get("/iterations")
async def iterations(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """Every iteration: what it was for, what it gained and lost."""
    overview = await service.factory.overview(run)
    return page(request, "run/iterations.html.jinja", overview=overview, tab="iterations")


@router.get("/iterations/{number}")
async def iteration(
    request: Request,
    run: str,
    number: int,
    service: Serving,
    principal: Asking,
    since: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """One iteration beside another: the code, the verdicts, and what users saw."""
    overview = await service.factory.overview(run)
    found = _iteration(overview, number)
    text = ""
    if found.commit is not None:
        text = bytes((await evidence.diff(run, number, service, principal, since)).body).decode()
    return page(
        request, "run/iteration.html.jinja", overview=overview, tab="iterations", iteration=found, since=since,
        diff=diff_of(text), scenarios={each.id: each for row in overview.criteria for each in row.scenarios},
    )  # fmt: skip


@router.get("/criteria")
async def criteria(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """The traceability matrix."""
    overview = await service.factory.overview(run)
    return page(request, "run/criteria.html.jinja", overview=overview, tab="criteria")


@router.get("/users")
async def users(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """Who used the product, and what they stumbled over."""
    overview = await service.factory.overview(run)
    return page(request, "run/users.html.jinja", overview=overview, tab="users")


@router.get("/users/{number}/{persona}")
async def visit(request: Request, run: str, number: int, persona: str, service: Serving, principal: Asking) -> Response:
    """One visit, step by step."""
    overview = await service.factory.overview(run)
    for each in _iteration(overview, number).users:
        if each.persona == persona:
            return page(request, "run/visit.html.jinja", overview=overview, tab="users", visit=each, number=number)
    raise NotFound(f"no {persona!r} visited iteration {number} of run {run}")


@router.get("/sessions")
async def all_sessions(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """Every agent's work."""
    overview = await service.factory.overview(run)
    return page(request, "run/sessions.html.jinja", overview=overview, tab="sessions")


@router.get("/sessions/{session:path}")
async def session(
    request: Request,
    run: str,
    session: str,
    service: Serving,
    principal: Asking,
    after: Annotated[int, Query(ge=-1)] = -1,
) -> Response:
    """What was said in one session."""
    overview = await service.factory.overview(run)
    found = await sessions.session_of(service, run, session)
    transcript = await sessions.transcript(run, session, service, principal, after, MESSAGES)
    return page(
        request, "run/session.html.jinja", overview=overview, tab="sessions", session=found, transcript=transcript
    )


@router.post("/sessions/{session:path}/messages")
async def write_to_session(
    run: str,
    session: str,
    service: Serving,
    principal: Operating,
    text: Annotated[str, Form(max_length=10_000)] = "",
    stop: Annotated[bool, Form()] = False,
) -> Response:
    """Say something to an agent at work, or have it end."""
    await sessions.write_to_session(run, session, sessions.Message(text=text, stop=stop), service, principal)
    return RedirectResponse(f"/runs/{run}/sessions/{session}", status_code=303)


@router.get("/budget")
async def budget(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """What it took, and where that went."""
    overview = await service.factory.overview(run)
    return page(request, "run/budget.html.jinja", overview=overview, tab="budget")


@router.post("/answers")
async def answer(request: Request, run: str, service: Serving, principal: Reviewing) -> Response:
    """Answers of the form on the run's page."""
    form = await request.form()
    answers = {str(name): str(text) for name, text in form.items() if str(text).strip()}
    await steering.answer(run, steering.Answers(answers=answers), service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/budget")
async def add_budget(
    run: str, service: Serving, principal: Operating, usd: Annotated[float, Form(gt=0, le=1_000_000)]
) -> Response:
    """Allow it so many dollars more."""
    await steering.add_budget(run, Limits(usd=usd), service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/approvals")
async def rule(
    run: str,
    service: Serving,
    principal: Reviewing,
    point: Annotated[Point, Form()],
    verdict: Annotated[Literal["approve", "change"], Form()],
    comment: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """A yes, or what is to be different."""
    given = steering.RulingGiven(point=point, approved=verdict == "approve", comment=comment)
    await steering.rule(run, given, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/feedback")
async def give_feedback(request: Request, run: str, service: Serving, principal: Reviewing) -> Response:
    """A remark of a form on one of the run's pages, to which it goes back."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    back = form.pop("back", "")
    try:
        remark = Remark.model_validate({name: value for name, value in form.items() if value})
    except ValidationError as error:
        raise RequestError(f"the remark is not understood: {error.errors()[0]['msg']}") from error
    await steering.give_feedback(run, remark, service, principal)
    # Only to a page of this run: the form could have been sent by anybody.
    tail = back if re.fullmatch(r"(/[\w/+.-]*)?(#[\w.-]*)?", back) else ""
    return RedirectResponse(f"/runs/{run}{tail}", status_code=303)


@router.post("/fork")
async def fork(
    run: str,
    service: Serving,
    principal: Operating,
    iteration: Annotated[int, Form(ge=1)],
    guidance: Annotated[str, Form(max_length=10_000)] = "",
    model: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Go another way from an iteration on."""
    wanted = runs.Fork(iteration=iteration, guidance=guidance, model=model.strip() or None)
    begun = await runs.fork(run, wanted, service, principal, Response())
    return RedirectResponse(f"/runs/{begun.id}", status_code=303)


@router.post("/pause")
async def pause(run: str, service: Serving, principal: Operating) -> Response:
    """Stop it where it stands."""
    await runs.pause(run, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/resume")
async def resume(run: str, service: Serving, principal: Operating) -> Response:
    """Go on with it."""
    await runs.resume(run, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/cancel")
async def cancel(run: str, service: Serving, principal: Operating) -> Response:
    """End it for good."""
    await runs.cancel(run, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


def timeline(sessions: Sequence[SessionSummary]) -> tuple[Bar, ...]:
    """Every session as a bar between the first one's beginning and the last one's end."""
    if not sessions:
        return ()
    first = min(session.started_at for session in sessions)
    begun = [(session.started_at - first).total_seconds() for session in sessions]
    whole = max(start + session.seconds for start, session in zip(begun, sessions, strict=True)) or 1.0
    return tuple(
        Bar(session=session, x=100 * start / whole, width=max(100 * session.seconds / whole, 0.4))
        for start, session in zip(begun, sessions, strict=True)
    )


def reached(overview: RunOverview) -> frozenset[str]:
    """The phases that the run has come to."""
    known = {session.phase for session in overview.sessions} | {each.phase for each in overview.phases}
    return frozenset(known & set(PHASES))


def _iteration(overview: RunOverview, number: int) -> IterationSummary:
    for each in overview.iterations:
        if each.number == number:
            return each
    raise NotFound(f"run {overview.summary.id} has no iteration {number}")
