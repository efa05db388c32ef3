"""Projects for people: what each may take and takes, and who is in it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from macrohard.domain import Value
from macrohard.domain.people import RoleName
from macrohard.domain.project import ProjectUsage, Quotas
from macrohard.server.access import Administrating, Asking, Leading
from macrohard.server.api import projects as api
from macrohard.server.api.fleet import words
from macrohard.server.api.runs import list_runs
from macrohard.server.forms import understood
from macrohard.server.pages.rendering import dollars, page
from macrohard.server.service import Serving

router = APIRouter(prefix="/projects")

RUNS = 20
GIGABYTE = 10**9

Amount = Annotated[str, Form(pattern=r"^(\d{1,8}(\.\d{1,2})?)?$")]
Count = Annotated[str, Form(pattern=r"^\d{0,6}$")]


class Meter(Value):
    """A quota, and how much of it is taken."""

    name: str
    taken: str
    allowed: str
    """Empty: no limit."""
    share: float
    """Of what is allowed; 0 without a limit."""
    detail: str = ""


@router.get("")
async def projects(request: Request, service: Serving, principal: Asking) -> Response:
    """All projects that one sees."""
    found = [
        (each, meters(each.quotas, await service.factory.store.projects.usage(each.name)))
        for each in await api.list_projects(service, principal)
    ]
    return page(request, "projects/list.html.jinja", found=found)


@router.post("")
async def add(
    request: Request, service: Serving, principal: Administrating, name: Annotated[str, Form(max_length=64)]
) -> Response:
    """One more."""
    wanted = understood(api.NewProject, {"name": name.strip().lower()})
    made = await api.add_project(wanted, request, service, principal, Response())
    return RedirectResponse(f"/projects/{made.name}", status_code=303)


@router.get("/{project}")
async def show(request: Request, project: api.Named, service: Serving, principal: Asking) -> Response:
    """One project: quotas, members, runs."""
    shown = await api.show_project(project, service, principal)
    users = (
        [each.name for each in await service.factory.store.people.all()]
        if service.access.team and principal.projects is None
        else []
    )
    runs = (await list_runs(service, principal, limit=RUNS, project=project)).runs
    return page(
        request, "projects/project.html.jinja", project=shown.project, meters=meters(shown.project.quotas, shown.usage),
        members=await api.list_members(project, service, principal), users=users, gigabyte=GIGABYTE,
        runs=runs, words=await words(service, runs),
    )  # fmt: skip


@router.post("/{project}/quotas")
async def limit(
    request: Request,
    project: api.Named,
    service: Serving,
    principal: Administrating,
    usd: Amount = "",
    at_work: Count = "",
    per_day: Count = "",
    gigabytes: Amount = "",
) -> Response:
    """Other quotas; what is left empty has no limit."""
    quotas = understood(
        Quotas,
        {
            "usd_per_month": float(usd) if usd else None,
            "runs_at_work": int(at_work) if at_work else None,
            "runs_per_day": int(per_day) if per_day else None,
            "artifact_bytes": round(float(gigabytes) * GIGABYTE) if gigabytes else None,
        },
    )
    await api.set_quotas(project, quotas, request, service, principal)
    return RedirectResponse(f"/projects/{project}", status_code=303)


@router.post("/{project}/members")
async def put_member(
    request: Request,
    project: api.Named,
    service: Serving,
    principal: Leading,
    user: Annotated[str, Form(max_length=64)],
    role: Annotated[RoleName, Form()],
) -> Response:
    """One more, or another role."""
    wanted = api.MemberWanted(role=role)
    await api.put_member(project, user.strip().lower(), wanted, request, service, principal)
    return RedirectResponse(f"/projects/{project}#members", status_code=303)


@router.post("/{project}/members/{user}/drop")
async def drop_member(project: api.Named, user: str, service: Serving, principal: Leading) -> Response:
    """One less."""
    await api.drop_member(project, user, service, principal)
    return RedirectResponse(f"/projects/{project}#members", status_code=303)


@router.post("/{project}/remove")
async def remove(project: api.Named, service: Serving, principal: Administrating) -> Response:
    """Remove it, without runs."""
    await api.remove_project(project, service, principal)
    return RedirectResponse("/projects", status_code=303)


def meters(quotas: Quotas, usage: ProjectUsage) -> tuple[Meter, ...]:
    """What a project takes of what it may."""
    money = usage.spent_usd + usage.reserved_usd
    return (
        _meter(
            "Dollars this month", money, quotas.usd_per_month, dollars,
            detail=f"{dollars(usage.spent_usd)} spent, {dollars(usage.reserved_usd)} set aside",
        ),
        _meter(
            "Runs at work", usage.runs_at_work, quotas.runs_at_work, _whole,
            detail=f"{usage.runs_waiting} waiting" if usage.runs_waiting else "",
        ),
        _meter("Runs begun today (UTC)", usage.runs_today, quotas.runs_per_day, _whole),
        _meter("Artifacts", usage.artifact_bytes, quotas.artifact_bytes, _bytes),
    )  # fmt: skip


def _meter(name: str, taken: float, allowed: float | None, words: Callable[[float], str], *, detail: str = "") -> Meter:
    share = 0.0 if allowed is None else taken / allowed
    return Meter(
        name=name, taken=words(taken), allowed="" if allowed is None else words(allowed), share=share, detail=detail
    )


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _bytes(number: float) -> str:
    for size, unit in ((GIGABYTE, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= size:
            return f"{number / size:,.1f} {unit}".replace(".0 ", " ")
    return f"{number:.0f} bytes"
