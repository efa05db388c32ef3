"""What a person says to a run by the forms of its pages."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from macrohard.domain.approval import Point
from macrohard.domain.feedback import Remark
from macrohard.errors import Cap, RequestError
from macrohard.server.access import Operating, Reviewing
from macrohard.server.api import runs, sessions, steering
from macrohard.server.api.runs import Limits
from macrohard.server.forms import Dollars, Iterations, place_here, understood
from macrohard.server.limits import UNITS
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs/{run}")


@router.post("/answers")
async def answer(request: Request, run: str, service: Serving, principal: Reviewing) -> Response:
    """Answers of the form on the run's page."""
    form = await request.form()
    answers = {str(name): str(text) for name, text in form.items() if str(text).strip()}
    if not answers:
        raise RequestError("nothing was answered; write something, or send the form as it stands to take the defaults")
    await steering.answer(run, understood(steering.Answers, {"answers": answers}), service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/budget")
async def add_budget(
    run: str,
    service: Serving,
    principal: Operating,
    cap: Annotated[Cap, Form()],
    amount: Annotated[float, Form(gt=0, le=10**15, allow_inf_nan=False)],
) -> Response:
    """Allow it so much more of one limit, in the unit in which people speak of it."""
    more = understood(Limits, {cap: amount * UNITS[cap][1]})
    await steering.add_budget(run, more, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/approvals")
async def rule(
    run: str,
    service: Serving,
    principal: Reviewing,
    point: Annotated[Point, Form()],
    verdict: Annotated[Literal["approve", "change"], Form()],
    number: Annotated[int, Form(ge=0)],
    comment: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """A yes, or what is to be different."""
    given = steering.RulingGiven(point=point, number=number, approved=verdict == "approve", comment=comment)
    await steering.rule(run, given, service, principal)
    return RedirectResponse(f"/runs/{run}", status_code=303)


@router.post("/feedback")
async def give_feedback(request: Request, run: str, service: Serving, principal: Reviewing) -> Response:
    """A remark of a form on one of the run's pages, to which it goes back."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    back = form.pop("back", "")
    remark = understood(Remark, {name: value for name, value in form.items() if value})
    await steering.give_feedback(run, remark, service, principal)
    return RedirectResponse(f"/runs/{run}{place_here(back)}", status_code=303)


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


@router.post("/fork")
async def fork(
    run: str,
    service: Serving,
    principal: Operating,
    iteration: Annotated[int, Form(ge=1)],
    guidance: Annotated[str, Form(max_length=10_000)] = "",
    model: Annotated[str, Form(max_length=200)] = "",
    usd: Dollars = "",
    iterations: Iterations = "",
) -> Response:
    """Go another way from an iteration on; what is left empty is as in the original."""
    caps = None
    if usd:
        budget = (await service.factory.overview(run)).budget
        caps = {**(budget.caps.model_dump() if budget else {}), "usd": float(usd)}
    wanted = understood(
        runs.Fork,
        {
            "iteration": iteration,
            "guidance": guidance,
            "model": model.strip() or None,
            "caps": caps,
            "iterations": int(iterations) if iterations else None,
        },
    )
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


@router.post("/delete")
async def delete(run: str, service: Serving, principal: Operating) -> Response:
    """Forget it with all that is kept of it."""
    await runs.delete(run, service, principal)
    return RedirectResponse("/", status_code=303)
