"""One run: what stands where, and a page for each question that one may have about it."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macrohard.assembly import guidance
from macrohard.domain import IterationSummary, RunOverview, SessionSummary, Value
from macrohard.domain.usage import UserStep
from macrohard.errors import NotFound
from macrohard.report.burn import HEIGHT, WIDTH, burn, cost_tables
from macrohard.report.comparison import last_screen
from macrohard.report.panel import panel_of
from macrohard.server.access import Asking
from macrohard.server.api import evidence, sessions
from macrohard.server.limits import UNITS
from macrohard.server.pages.comparing import choices_beside
from macrohard.server.pages.diffs import file_diff, first_files, outline_of
from macrohard.server.pages.matrix import changed_verdicts, matrix, shown
from macrohard.server.pages.remarks import of_files, on_lines
from macrohard.server.pages.rendering import page
from macrohard.server.pages.talk import turns
from macrohard.server.service import Service, Serving
from macrohard.server.standing import stages, standing, timeline

router = APIRouter(prefix="/runs/{run}")

ENTRIES = 40
"""Of a transcript on one page."""
SESSIONS = 300
"""On one page, unless one iteration alone had more."""
SCREENS = 4
"""Of users, where a release waits for a yes."""
PICTURES = 8
"""Of users' screens on the page of an iteration."""

Since = Annotated[int | None, Query(ge=0)]


class Pair(Value):
    """The same moment of the same user's visit to two iterations."""

    persona: str
    before: UserStep | None
    after: UserStep


@router.get("")
async def show(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """All of one run at a glance."""
    overview = await service.factory.overview(run)
    return page(
        request, "run/overview.html.jinja", overview=overview, tab="", standing=standing(overview),
        guidance=await guidance(service.factory, overview.summary),
        stages=stages(overview), timeline=timeline(overview), rows=matrix(overview),
        feedback=await service.factory.store.remarks.of(overview.summary.id),
        screens=pairs(overview.iterations[-1], None)[:SCREENS] if overview.iterations else (),
    )  # fmt: skip


@router.get("/iterations")
async def iterations(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """Every iteration: what it was for, what it gained and lost."""
    overview = await service.factory.overview(run)
    return page(request, "run/iterations.html.jinja", overview=overview, tab="iterations")


@router.get("/iterations/{number}")
async def iteration(
    request: Request, run: str, number: int, service: Serving, principal: Asking, since: Since = None
) -> Response:
    """One iteration beside another: the code, the verdicts, and what users saw."""
    overview = await service.factory.overview(run)
    found = _iteration(overview, number)
    base = overview.kept_before(number) if since is None else since
    before = next((each for each in overview.iterations if each.number == base), None)
    text = await _diff(run, found, service, principal, since)
    outline = outline_of(text)
    feedback = await service.factory.store.remarks.of(overview.summary.id)
    opened = first_files(text)
    return page(
        request, "run/iteration.html.jinja", overview=overview, tab="iterations", iteration=found, since=since,
        base=base, before=before, outline=outline, opened=opened,
        remarked_of={path: on_lines(feedback, file, iteration=number) for path, file in opened.items() if file},
        remarks=of_files(feedback, iteration=number),
        said=[each for each in feedback if each.iteration == number and each.about == "iteration"], feedback=feedback,
        verdicts=changed_verdicts(found.verdicts, before.verdicts if before else ()), pairs=pairs(found, before),
        scenarios={each.id: each for row in overview.criteria for each in row.scenarios},
        choices=await choices_beside(service, overview.summary.id),
    )  # fmt: skip


@router.get("/iterations/{number}/file")
async def file(
    request: Request,
    run: str,
    number: int,
    path: Annotated[str, Query(max_length=1000)],
    service: Serving,
    principal: Asking,
    since: Since = None,
    part: bool = False,
) -> Response:
    """What an iteration changed in one file, with what was said of its lines; `part`: that alone."""
    overview = await service.factory.overview(run)
    found = _iteration(overview, number)
    text = await _diff(run, found, service, principal, since)
    if (changed := file_diff(text, path)) is None:
        raise NotFound(f"iteration {number} of run {run} did not change {path!r}")
    feedback = await service.factory.store.remarks.of(overview.summary.id)
    place = next(place for place, each in enumerate(outline_of(text).files, 1) if each.path == path)
    template = "run/file.html.jinja" if part else "run/file_page.html.jinja"
    return page(
        request, template, overview=overview, tab="iterations", iteration=found, file=changed, since=since, place=place,
        remarked=on_lines(feedback, changed, iteration=number),
    )  # fmt: skip


@router.get("/criteria")
async def criteria(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """The traceability matrix."""
    overview = await service.factory.overview(run)
    return page(request, "run/criteria.html.jinja", overview=overview, tab="criteria", rows=matrix(overview))


@router.get("/criteria/{criterion}")
async def criterion(request: Request, run: str, criterion: str, service: Serving, principal: Asking) -> Response:
    """One criterion, and all that shows whether it holds."""
    overview = await service.factory.overview(run)
    rows = matrix(overview)
    for place, row in enumerate(rows):
        if row.state.criterion.id == criterion:
            feedback = await service.factory.store.remarks.of(overview.summary.id)
            return page(
                request, "run/criterion.html.jinja", overview=overview, tab="criteria", row=row,
                shown=await shown(overview, row.state, service.factory.store.artifacts),
                before=rows[place - 1].state.criterion.id if place else "",
                after=rows[place + 1].state.criterion.id if place + 1 < len(rows) else "",
                said=[each for each in feedback if each.about == "criterion" and each.criterion == criterion],
            )  # fmt: skip
    raise NotFound(f"run {overview.summary.id} has no criterion {criterion!r}")


@router.get("/users")
async def users(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """Who used the product, and what they stumbled over."""
    overview = await service.factory.overview(run)
    return page(
        request, "run/users.html.jinja", overview=overview, tab="users", panel=panel_of(overview),
        feedback=await service.factory.store.remarks.of(overview.summary.id),
    )  # fmt: skip


@router.get("/users/{number}/{persona}")
async def visit(request: Request, run: str, number: int, persona: str, service: Serving, principal: Asking) -> Response:
    """One visit, step by step."""
    overview = await service.factory.overview(run)
    found = _iteration(overview, number)
    for each in found.users:
        if each.persona == persona:
            return page(
                request, "run/visit.html.jinja", overview=overview, tab="users", visit=each, number=number,
                others=[other.persona for other in found.users],
                noticed=[one for one in found.findings if persona in (one.found_by, *one.seen_by)],
                feedback=await service.factory.store.remarks.of(overview.summary.id),
            )  # fmt: skip
    raise NotFound(f"no {persona!r} visited iteration {number} of run {run}")


@router.get("/sessions")
async def all_sessions(
    request: Request, run: str, service: Serving, principal: Asking, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Every agent's work: the last iterations, or those before one, as many as one can look through."""
    overview = await service.factory.overview(run)
    first = first_listed(overview.sessions, before)
    return page(
        request, "run/sessions.html.jinja", overview=overview, tab="sessions", before=before,
        sessions=[each for each in overview.sessions if first <= each.iteration < (before or sys.maxsize)],
        earlier=first if any(each.iteration < first for each in overview.sessions) else None,
    )  # fmt: skip


@router.get("/sessions/{session:path}")
async def session(
    request: Request,
    run: str,
    session: str,
    service: Serving,
    principal: Asking,
    after: Annotated[int | None, Query(ge=-1, le=2**53)] = None,
) -> Response:
    """What was said in one session; of one at work, what was said last."""
    overview = await service.factory.overview(run)
    found = await sessions.session_of(service, run, session)
    if after is None:
        told = 0 if found.outcome else await service.factory.store.transcripts.count(found.id)
        after = max(told - ENTRIES, 0) - 1
    transcript = await sessions.transcript(run, session, service, principal, after, ENTRIES)
    tasks = {task.id for each in overview.iterations if each.number == found.iteration for task in each.tasks}
    task = session.rpartition("/")[2]
    return page(
        request, "run/session.html.jinja", overview=overview, tab="sessions", session=found, name=session,
        turns=turns(transcript.entries), more=transcript.after, after=after, earlier=max(after - ENTRIES, -1),
        task=task if task in tasks else "",
    )  # fmt: skip


@router.get("/budget")
async def budget(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """What it took, and where that went."""
    overview = await service.factory.overview(run)
    caps = overview.budget.caps.model_dump(exclude_none=True) if overview.budget else {}
    return page(
        request, "run/budget.html.jinja", overview=overview, tab="budget", burn=burn(overview),
        tables=cost_tables(overview), width=WIDTH, height=HEIGHT, units=UNITS, limited=caps,
    )  # fmt: skip


@router.get("/product")
async def product(request: Request, run: str, service: Serving, principal: Asking) -> Response:
    """What came of it, and how to have it."""
    overview = await service.factory.overview(run)
    return page(request, "run/product.html.jinja", overview=overview, tab="product", base_url=request.base_url)


def first_listed(sessions: Sequence[SessionSummary], before: int | None) -> int:
    """The earliest iteration of a page that ends before that one, or with the last; there is one, however long."""
    counts = Counter(each.iteration for each in sessions if before is None or each.iteration < before)
    listed, first = 0, max(counts, default=0)
    for iteration in sorted(counts, reverse=True):
        listed += counts[iteration]
        if listed > SESSIONS:
            break
        first = iteration
    return first


def pairs(now: IterationSummary, before: IterationSummary | None) -> tuple[Pair, ...]:
    """The last screens of every user, beside the same user's of the iteration before."""
    earlier = {visit.persona: visit for visit in before.users} if before else {}
    found = []
    for visit in now.users:
        then = earlier.get(visit.persona)
        if (last := last_screen(visit)) is not None:
            found.append(Pair(persona=visit.persona, before=last_screen(then) if then else None, after=last))
    return tuple(found[:PICTURES])


async def _diff(run: str, found: IterationSummary, service: Service, principal: Asking, since: int | None) -> str:
    if found.commit is None:
        return ""
    return bytes((await evidence.diff(run, found.number, service, principal, since)).body).decode()


def _iteration(overview: RunOverview, number: int) -> IterationSummary:
    for each in overview.iterations:
        if each.number == number:
            return each
    raise NotFound(f"run {overview.summary.id} has no iteration {number}")
