"""Runs: submit, list, show, steer."""

import asyncio
import hashlib
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Response
from pydantic import AfterValidator, AwareDatetime, Field

from macrohard.domain import Caps, RunOverview, RunStatus, RunSummary, Value, Wish
from macrohard.domain.approval import Point
from macrohard.domain.feedback import Remark
from macrohard.domain.people import Role
from macrohard.domain.project import DEFAULT, ProjectName
from macrohard.domain.requirement import ATTACHMENTS, LIMIT_BYTES, Attachment, requirement_of
from macrohard.errors import Conflict, NotFound, RequestError
from macrohard.server.access import Asking, Operating, Principal
from macrohard.server.api.projects import seen
from macrohard.server.service import Service, Serving
from macrohard.store.submissions import Claim, Earlier

router = APIRouter(prefix="/runs", tags=["runs"])

MAX_PAGE = 200


class Limits(Value):
    """Limits of one run, or what is added to them; what is left out has none, or stays as it is."""

    usd: float | None = Field(default=None, gt=0, le=1_000_000, allow_inf_nan=False, examples=[5])
    tokens: int | None = Field(default=None, gt=0, le=10**15)
    """Input and output of all calls."""
    calls: int | None = Field(default=None, gt=0, le=10**9)
    """Of models, failed attempts included."""
    seconds: float | None = Field(default=None, gt=0, le=10**9, allow_inf_nan=False)
    """At work."""
    sessions: int | None = Field(default=None, gt=0, le=10**9)
    """Assignments of agents, in all."""
    fan_out: int | None = Field(default=None, gt=0, le=10**6)
    """Sessions of one phase in one iteration."""
    depth: int | None = Field(default=None, gt=0, le=100)
    """How far sessions may be started by sessions; 1: by the factory only."""

    @property
    def caps(self) -> Caps:
        """As the budget has them."""
        return Caps(**self.model_dump())


Patience = Annotated[float, Field(gt=0, le=10**8, allow_inf_nan=False)]


class Submission(Value):
    """A requirement, and how it is to be carried out; what is left out is as the settings say."""

    requirement: str = Field(min_length=1, max_length=LIMIT_BYTES, examples=["A to-do list with due dates and tags"])
    """In plain words."""
    project: ProjectName | None = None
    """To which it belongs; null: "default", if one may submit there, else the only one where one may."""
    attachments: tuple[Attachment, ...] = Field(
        default=(), max_length=ATTACHMENTS, examples=[[{"name": "prices.csv", "text": "article;price\nchair;49\n"}]]
    )
    """Text files that belong to it; 200 kB in all with the requirement."""
    improves: str | None = Field(default=None, max_length=100, examples=["r-20261122-3gtk"])
    """A delivered run of the same project whose product this is to change; null: it is made from nothing."""
    model: str | None = Field(default=None, max_length=200, examples=["grok-4"])
    caps: Limits | None = Field(default=None, examples=[{"usd": 5}])
    """What it may take at most; see `GET /runs/{run}/budget`."""
    iterations: int | None = Field(default=None, ge=1, le=50)
    approvals: dict[Point, Patience | None] = Field(default_factory=dict, examples=[{"plan": 3600}])
    """Where it waits for a person's yes, and for how many seconds at most; null: until it has it."""
    answer_seconds: float | None = Field(default=None, gt=0, le=31_536_000, allow_inf_nan=False)
    """How long it waits for answers to its questions before it takes the defaults; null: until there are some."""
    budget_seconds: float | None = Field(default=None, gt=0, le=31_536_000, allow_inf_nan=False)
    """How long it waits at a cap that is reached for somebody to allow more, before it puts out what was kept by then;
    null: until somebody does. It takes no more than the cap either way."""
    ask: bool = True
    """Whether it waits for answers to its questions, or takes their defaults."""


class Fork(Value):
    """Where a run is to go another way, and what is to be different; what is left out is as in the original."""

    iteration: int = Field(ge=1, examples=[2])
    """It goes on from what stood at the end of this one, before it was judged."""
    guidance: str = Field(default="", max_length=10_000, examples=["Keep it on one page"])
    """What the next iteration is to see to."""
    model: str | None = Field(default=None, max_length=200)
    caps: Limits | None = None
    iterations: int | None = Field(default=None, ge=1, le=50)


class RunPage(Value):
    """Some runs, the latest first."""

    runs: tuple[RunSummary, ...]
    before: str | None
    """Give this as `before` for the next page; null: there is none."""


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="A word of yours for this submission: sent again, it gets the same answer and makes no second run.",
        examples=["5f0c1e52-1a4e-4f0e-9a56-0f5a0f3f8d11"],
    ),
]


@router.post("", status_code=201, responses={201: {"headers": {"Location": {"schema": {"type": "string"}}}}})
async def submit(
    submission: Submission, service: Serving, principal: Operating, response: Response, key: Key = None
) -> RunSummary:
    """Submit a requirement; a worker begins as soon as one is free."""
    placed = await _placed(submission, service, principal)
    if key is None:
        summary = await service.factory.store.summary(await _begun(placed, service))
    else:
        # A key stands for what was sent, wherever it is put.
        digest = hashlib.sha256(submission.model_dump_json().encode()).hexdigest()
        summary = await _begun_once(placed, service, sender=principal.name, key=key, digest=digest)
        if principal.role_in(summary.project) is None:
            raise NotFound(f"there is no run {summary.id!r}")
    # Sent again after a crash of ours it may still have to be put there.
    if summary.status == "waiting" and not summary.queued:
        await service.factory.store.queue.put(summary.id)
        service.queued()
        summary = summary.model_copy(update={"queued": True})
    response.headers["Location"] = f"/api/v1/runs/{summary.id}"
    return summary


async def _placed(submission: Submission, service: Service, principal: Principal) -> Submission:
    """The submission with its project, where who asks may submit."""
    store, project, improves = service.factory.store, submission.project, submission.improves
    if improves is not None:
        if principal.within is not None:
            improves, _ = await store.place_of(improves, within=principal.within)
        earlier = await store.summary(improves)
        project = project or earlier.project
        if project != earlier.project:
            raise RequestError(f"run {earlier.id} is of project {earlier.project}; what improves it belongs there too")
    if principal.projects is not None:
        mine = [name for name, role in sorted(principal.projects.items()) if role >= Role.OPERATOR]
        if project is None and DEFAULT not in mine and len(mine) == 1:
            project = mine[0]
        if project is None and DEFAULT not in mine:
            raise RequestError(f"project: say which one; you may submit to {', '.join(mine)}")
        if (role := principal.projects.get(project or DEFAULT)) is None:
            raise NotFound(f"there is no project {project!r}")
        if role < Role.OPERATOR:
            raise HTTPException(403, f"this takes the role operator; yours in {project} is {role.name.lower()}")
    return submission.model_copy(update={"project": project or DEFAULT, "improves": improves})


async def _begun(submission: Submission, service: Service, claim: Claim | None = None) -> str:
    settings, factory = service.settings, service.factory
    model = submission.model or settings.model
    settings.targets(model)  # A model without a key or a price is the person's to mend before a run exists.
    requirement = requirement_of(submission.requirement, submission.attachments)
    return await factory.submit(
        requirement,
        model=model,
        caps=submission.caps.caps if submission.caps else settings.caps,
        iterations=submission.iterations or settings.iterations,
        ask=submission.ask,
        existing=await factory.delivered(submission.improves) if submission.improves else None,
        approvals=submission.approvals,
        answer_seconds=submission.answer_seconds,
        budget_seconds=submission.budget_seconds,
        claim=claim,
        project=submission.project or DEFAULT,
    )


async def _begun_once(submission: Submission, service: Service, *, sender: str, key: str, digest: str) -> RunSummary:
    """As it was answered first."""
    store = service.factory.store
    found = await store.submissions.begin(sender, key, digest=digest)
    if isinstance(found, Earlier) and found.answer is not None:
        now = await store.summary(found.run_id)
        return RunSummary.model_validate(found.answer) if now.queued or now.status != "waiting" else now
    if isinstance(found, Earlier):
        # Whoever made the run ended before there was an answer.
        run_id = found.run_id
        await store.forecast(run_id)
    else:
        try:
            run_id = await _begun(submission, service, found)
        except BaseException:
            await asyncio.shield(store.submissions.give_up(found))
            raise
    summary = await store.summary(run_id)
    queued = summary.model_copy(update={"queued": True})
    await store.submissions.finish(sender, key, run_id=run_id, answer=queued.model_dump(mode="json"))
    return summary


def _within_reach(moment: datetime) -> datetime:
    """Refuse what is another year, or none, in UTC."""
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError("no run was made then")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


@router.get("")
async def list_runs(
    service: Serving,
    principal: Asking,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    before: Annotated[str | None, Query(description="The id of a run: those made before it.", max_length=100)] = None,
    status: Annotated[RunStatus | None, Query()] = None,
    text: Annotated[str, Query(description="Looked for in id, title and requirement.", max_length=200)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    since: Annotated[Moment | None, Query(description="Those made then or later.")] = None,
    project: Annotated[ProjectName | None, Query(description="Those of this project.")] = None,
) -> RunPage:
    """List runs, the latest first."""
    found = await service.factory.store.runs(
        limit=limit + 1,
        before=before,
        status=status,
        text=text,
        model=model,
        since=since,
        within=await seen(service, principal, project),
    )
    return RunPage(runs=found[:limit], before=found[limit - 1].id if len(found) > limit else None)


@router.get("/{run}")
async def show(run: str, service: Serving, principal: Asking) -> RunOverview:
    """All of one run."""
    return await service.factory.overview(run)


@router.post("/{run}/fork", status_code=201)
async def fork(run: str, wanted: Fork, service: Serving, principal: Operating, response: Response) -> RunSummary:
    """Go another way from an iteration on, as a run of its own; the original stays as it is."""
    store = service.factory.store
    run_id = await service.factory.fork(
        run,
        iteration=wanted.iteration,
        model=wanted.model,
        caps=wanted.caps.caps if wanted.caps else None,
        iterations=wanted.iterations,
    )
    if wanted.guidance.strip():
        remark = Remark(text=wanted.guidance, about="iteration", iteration=wanted.iteration)
        await store.remarks.add(run_id, remark, by=principal.name)
    await store.queue.put(run_id)
    service.queued()
    response.headers["Location"] = f"/api/v1/runs/{run_id}"
    return await store.summary(run_id)


@router.delete("/{run}", status_code=204)
async def delete(run: str, service: Serving, principal: Operating) -> None:
    """Delete a run that is not at work, with all that is kept of it; what its calls took stays in the usage."""
    await service.factory.delete((await service.factory.store.summary(run)).id)


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
