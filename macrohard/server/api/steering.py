"""What people say to a run: answers to its questions, and how much more it may take."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import Field

from macrohard.domain import BudgetState, Costs, Forecast, Plan, Question, RunSummary, Specification, Value
from macrohard.domain.approval import Point, Ruling
from macrohard.domain.feedback import Feedback, Remark
from macrohard.errors import Conflict, NotFound
from macrohard.server.access import Asking, Operating, Reviewing
from macrohard.server.api.runs import Limits
from macrohard.server.service import Service, Serving

router = APIRouter(prefix="/runs/{run}", tags=["steering"])


class Answers(Value):
    """What a person says to questions, by the question's id; what is left out stays open."""

    answers: dict[str, str] = Field(min_length=1, max_length=50, examples=[{"Q1": "Only the owner can delete"}])


class RulingGiven(Value):
    """A person's yes or no where the run waits for one."""

    point: Point = Field(examples=["plan"])
    number: int | None = Field(default=None, ge=0)
    """Of what was seen, as `awaited.number` of the run says it: refused where it waits with another by now; null: not
    compared."""
    approved: bool = Field(examples=[True])
    comment: str = Field(default="", max_length=10_000, examples=[""])
    """What is to be different; needed for a no."""
    specification: Specification | None = None
    """With criteria as they are to be; left out: as they were shown."""
    plan: Plan | None = None


class Spending(Value):
    """Where the run's budget stands."""

    budget: BudgetState
    forecast: Forecast | None
    costs: Costs
    """By phase, agent, endpoint and criterion, and how they grew."""


@router.get("/questions")
async def questions(run: str, service: Serving, principal: Asking) -> tuple[Question, ...]:
    """What the run waits for somebody to say; each question has a default."""
    return (await service.factory.overview(run)).open_questions


@router.post("/answers", status_code=202)
async def answer(run: str, answers: Answers, service: Serving, principal: Reviewing) -> RunSummary:
    """Answer questions; the run goes on when a worker is free."""
    overview = await service.factory.overview(run)
    asked = {question.id for question in overview.open_questions}
    if not asked:
        raise Conflict(f"run {overview.summary.id} is {overview.summary.status} and asks nothing")
    if unknown := sorted(set(answers.answers) - asked):
        raise NotFound(f"run {overview.summary.id} asks no {', '.join(unknown)}; it asks {', '.join(sorted(asked))}")
    await service.factory.answer(overview.summary.id, answers.answers)
    return await _go_on(service, overview.summary.id)


@router.post("/approvals", status_code=202)
async def rule(run: str, given: RulingGiven, service: Serving, principal: Reviewing) -> RunSummary:
    """Approve what the run waits with, changed or as it is; or say what is to be different."""
    run_id = (await service.factory.store.summary(run)).id
    said = {name: value for name, value in given if name != "number"}
    ruling = Ruling.model_validate({**said, "by": principal.name, "at": datetime.now(UTC)})
    await service.factory.rule(run_id, ruling, seen=given.number)
    return await _go_on(service, run_id)


@router.get("/feedback")
async def list_feedback(run: str, service: Serving, principal: Asking) -> tuple[Feedback, ...]:
    """What people said of the run, and what became of it."""
    return await service.factory.store.remarks.of((await service.factory.store.summary(run)).id)


@router.post("/feedback", status_code=201)
async def give_feedback(run: str, remark: Remark, service: Serving, principal: Reviewing) -> Feedback:
    """Say something of the run, an iteration, a criterion, a finding, or a line of its code.

    The next iteration sees to it. Of a run that is over nothing more comes: improve it, to have it seen to.
    """
    run_id = (await service.factory.store.summary(run)).id
    return await service.factory.store.remarks.add(run_id, remark, by=principal.name)


@router.get("/budget")
async def budget(run: str, service: Serving, principal: Asking) -> Spending:
    """What the run may take, has taken, and is expected to take."""
    overview = await service.factory.overview(run)
    if overview.budget is None:
        raise NotFound(f"run {overview.summary.id} has no budget")
    return Spending(budget=overview.budget, forecast=overview.forecast, costs=overview.costs)


@router.post("/budget", status_code=202)
async def add_budget(run: str, more: Limits, service: Serving, principal: Operating) -> RunSummary:
    """Allow the run so much more; one that is paused goes on when a worker is free."""
    summary = await service.factory.store.summary(run)
    await service.factory.raise_caps(summary.id, more.caps)
    return await _go_on(service, summary.id) if summary.status == "paused" else summary


async def _go_on(service: Service, run_id: str) -> RunSummary:
    await service.factory.store.queue.put(run_id)
    service.queued()
    return await service.factory.store.summary(run_id)
