"""Runs: submit, list, show, steer."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from macrohard.domain import Caps, RunOverview, RunStatus, RunSummary, Value, Wish
from macrohard.domain.approval import Approvals
from macrohard.domain.feedback import Remark
from macrohard.errors import Conflict
from macrohard.server.access import Asking, Operating
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs", tags=["runs"])

MAX_PAGE = 200


class Submission(Value):
    """A requirement, and how it is to be carried out; what is left out is as the settings say."""

    requirement: str = Field(min_length=1, max_length=100_000, examples=["A to-do list with due dates and tags"])
    """In plain words."""
    model: str | None = Field(default=None, examples=["grok-4"])
    caps: Caps | None = None
    """What it may take at most; see `GET /runs/{run}/budget`."""
    iterations: int | None = Field(default=None, ge=1, le=50)
    approvals: Approvals = Field(default_factory=dict, examples=[{"plan": 3600}])
    """Where it waits for a person's yes, and for how many seconds at most; null: until it has it."""
    answer_seconds: float | None = Field(default=None, gt=0, le=31_536_000)
    """How long it waits for answers to its questions before it takes the defaults; null: until there are some."""
    ask: bool = True
    """Whether it waits for answers to its questions, or takes their defaults."""


class Fork(Value):
    """Where a run is to go another way, and what is to be different; what is left out is as in the original."""

    iteration: int = Field(ge=1)
    """It goes on from what stood at the end of this one, before it was judged."""
    guidance: str = Field(default="", max_length=10_000, examples=["Keep it on one page"])
    """What the next iteration is to see to."""
    model: str | None = None
    caps: Caps | None = None
    iterations: int | None = Field(default=None, ge=1, le=50)


class RunPage(Value):
    """Some runs, the latest first."""

    runs: tuple[RunSummary, ...]
    before: str | None
    """Give this as `before` for the next page; null: there is none."""


@router.post("", status_code=201)
async def submit(submission: Submission, service: Serving, principal: Operating, response: Response) -> RunSummary:
    """Submit a requirement; a worker begins as soon as one is free."""
    settings = service.settings
    model = submission.model or settings.model
    settings.targets(model)  # A model without a key or a price is the person's to mend before a run exists.
    run_id = await service.factory.submit(
        submission.requirement,
        model=model,
        caps=submission.caps or settings.caps,
        iterations=submission.iterations or settings.iterations,
        ask=submission.ask,
        approvals=submission.approvals,
        answer_seconds=submission.answer_seconds,
    )
    await service.factory.store.queue.put(run_id)
    service.queued()
    response.headers["Location"] = f"/api/v1/runs/{run_id}"
    return await service.factory.store.summary(run_id)


@router.get("")
async def list_runs(
    service: Serving,
    principal: Asking,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    before: Annotated[str | None, Query(description="The id of a run: those made before it.")] = None,
    status: Annotated[RunStatus | None, Query()] = None,
) -> RunPage:
    """List runs, the latest first."""
    runs = await service.factory.store.runs(limit=limit + 1, before=before, status=status)
    return RunPage(runs=runs[:limit], before=runs[limit - 1].id if len(runs) > limit else None)


@router.get("/{run}")
async def show(run: str, service: Serving, principal: Asking) -> RunOverview:
    """All of one run."""
    return await service.factory.overview(run)


@router.post("/{run}/fork", status_code=201)
async def fork(run: str, wanted: Fork, service: Serving, principal: Operating, response: Response) -> RunSummary:
    """Go another way from an iteration on, as a run of its own; the original stays as it is."""
    store = service.factory.store
    run_id = await service.factory.fork(
        run, iteration=wanted.iteration, model=wanted.model, caps=wanted.caps, iterations=wanted.iterations
    )
    if wanted.guidance.strip():
        remark = Remark(text=wanted.guidance, about="iteration", iteration=wanted.iteration)
        await store.remarks.add(run_id, remark, by=principal.name)
    await store.queue.put(run_id)
    service.queued()
    response.headers["Location"] = f"/api/v1/runs/{run_id}"
    return await store.summary(run_id)


@router.post("/{run}/pause", status_code=202)
async def pause(run: str, service: Serving, principal: Operating) -> RunSummary:
    """Have it stop where it stands; nothing is lost, and it goes on when it is resumed."""
    return await _wish(run, service, "pause")


@router.post("/{run}/cancel", status_code=202)
async def cancel(run: str, service: Serving, principal: Operating) -> RunSummary:
    """End it for good; what was made by then is kept."""
    return await _wish(run, service, "cancel")


@router.post("/{run}/resume", status_code=202)
async def resume(run: str, service: Serving, principal: Operating) -> RunSummary:
    """Go on with a run that is paused or failed."""
    summary = await service.factory.store.summary(run)
    if summary.status == "running":
        raise Conflict(f"run {summary.id} is at work")
    await service.factory.store.queue.put(summary.id)
    service.queued()
    return await service.factory.store.summary(summary.id)


async def _wish(run: str, service: Serving, wish: Wish) -> RunSummary:
    run_id = (await service.factory.store.summary(run)).id
    await service.factory.store.queue.wish(run_id, wish)
    service.queued()
    return await service.factory.store.summary(run_id)
