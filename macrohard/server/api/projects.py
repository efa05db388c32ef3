"""Projects: what runs belong to, who sees it, and how much it may take."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from macrohard.domain import Value
from macrohard.domain.people import RoleName
from macrohard.domain.project import Member, Project, ProjectName, ProjectUsage, Quotas
from macrohard.errors import Conflict, NotFound
from macrohard.server.access import Administrating, Asking, Leading, Principal
from macrohard.server.people.recording import note
from macrohard.server.service import Service, Serving

router = APIRouter(prefix="/projects", tags=["projects"])

Named = Annotated[ProjectName, Path(description="The project's name.")]


class NewProject(Value):
    """A project to be."""

    name: ProjectName
    quotas: Quotas = Quotas()


class ProjectShown(Value):
    """A project, and what its runs take now."""

    project: Project
    usage: ProjectUsage


class MemberWanted(Value):
    """What somebody is to do in a project."""

    role: RoleName


@router.get("")
async def list_projects(service: Serving, principal: Asking) -> tuple[Project, ...]:
    """List the projects that one sees, by name."""
    return await service.factory.store.projects.all(within=principal.within)


@router.post("", status_code=201)
async def add_project(
    wanted: NewProject, request: Request, service: Serving, principal: Administrating, response: Response
) -> Project:
    """Make a project; nobody but admins sees it until it has members."""
    note(request, project=wanted.name, **_noted(wanted.quotas))
    made = await service.factory.store.projects.add(wanted.name, wanted.quotas)
    response.headers["Location"] = f"/api/v1/projects/{made.name}"
    return made


@router.get("/{project}")
async def show_project(project: Named, service: Serving, principal: Asking) -> ProjectShown:
    """One project with its quotas, and what of them is taken."""
    store = service.factory.store.projects
    return ProjectShown(project=await store.one(project), usage=await store.usage(project))


@router.delete("/{project}", status_code=204)
async def remove_project(project: Named, service: Serving, principal: Administrating) -> Response:
    """Remove a project without runs, with its members and the tokens that are bound to it."""
    await service.factory.store.projects.remove(project)
    return Response(status_code=204)


@router.put("/{project}/quotas")
async def set_quotas(
    project: Named, quotas: Quotas, request: Request, service: Serving, principal: Administrating
) -> Project:
    """Say what its runs may take together; what is left out has no limit. What was begun goes on."""
    note(request, **_noted(quotas))
    return await service.factory.store.projects.limit(project, quotas)


@router.get("/{project}/members")
async def list_members(project: Named, service: Serving, principal: Asking) -> tuple[Member, ...]:
    """Who sees the project besides the admins of the installation."""
    return await service.factory.store.projects.members(project)


@router.put("/{project}/members/{user}")
async def put_member(
    project: Named, user: str, wanted: MemberWanted, request: Request, service: Serving, principal: Leading
) -> Member:
    """Let a user see the project, and do there what the role may; one who is a member gets another role."""
    _team(service)
    note(request, role=wanted.role)
    return await service.factory.store.projects.put_member(project, user, role=wanted.role)


@router.delete("/{project}/members/{user}", status_code=204)
async def drop_member(project: Named, user: str, service: Serving, principal: Leading) -> Response:
    """Have a user see nothing of the project any more; their open streams end within seconds."""
    _team(service)
    await service.factory.store.projects.drop_member(project, user)
    return Response(status_code=204)


async def seen(service: Service, principal: Principal, project: str | None) -> tuple[str, ...] | None:
    """The projects that are looked at: the one that is named, or all that one sees; None: all there are.

    Raises:
        NotFound: there is no such project, or one does not see it.
    """
    if project is None:
        return principal.within
    if principal.role_in(project) is None:
        raise NotFound(f"there is no project {project!r}")
    await service.factory.store.projects.one(project)
    return (project,)


def _team(service: Service) -> None:
    if not service.access.team:
        raise Conflict("this service is one person's, on their own machine; `macrohard serve --team` has members")


def _noted(quotas: Quotas) -> dict[str, str | int | None]:
    """As the audit log has it, of which numbers are whole."""
    usd = quotas.usd_per_month
    return {**quotas.model_dump(), "usd_per_month": None if usd is None else f"{usd:.2f}"}
