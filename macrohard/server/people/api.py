"""A team's people by REST: who asks, their tokens, all users, and what everybody did."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field

from macrohard.domain import Value
from macrohard.domain.people import (
    ApiToken,
    AuditEntry,
    AuditVerdict,
    Password,
    Role,
    RoleName,
    User,
    UserName,
)
from macrohard.domain.project import ProjectName
from macrohard.errors import Conflict, NotFound, RequestError
from macrohard.server.access import Administrating, Asking, Principal, address_of
from macrohard.server.people.passwords import fits, hashed
from macrohard.server.people.recording import note
from macrohard.server.service import Service, Serving
from macrohard.store.people import People

router = APIRouter(tags=["people"])

MAX_PAGE = 500


_NAMES: dict[Role, RoleName] = {
    Role.VIEWER: "viewer", Role.REVIEWER: "reviewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"
}  # fmt: skip


class Me(Value):
    """Who asks."""

    name: str
    role: RoleName
    """The highest that they have anywhere; in a project, what `projects` says."""
    projects: Mapping[ProjectName, RoleName] | None
    """What they may do in each project that they see; null: they see all, and their role is the same in each."""
    token: ApiToken | None
    """What was shown; null: a browser, or one person's own machine."""


class NewUser(Value):
    """Somebody to be."""

    name: UserName
    role: RoleName
    password: Password


class UserChange(Value):
    """What is to be different about a user; what is left out stays."""

    role: RoleName | None = None
    password: Password | None = None
    active: bool | None = None
    """False: they are not let in, by any way, until it is true again."""


class NewPassword(Value):
    """Another password."""

    current: str = Field(max_length=1000)
    new: Password


class NewToken(Value):
    """A token to be."""

    label: str = Field(min_length=1, max_length=100, examples=["nightly build"])
    """What it is for."""
    role: RoleName
    """What it may be used for."""
    project: ProjectName | None = None
    """It is good for this one only; null: for all that one sees."""
    days: int = Field(default=90, ge=1, le=366)
    """How long it is good."""


class MadeToken(Value):
    """A token, which nobody is told again."""

    token: str
    about: ApiToken


class AuditPage(Value):
    """Some entries, the latest first."""

    entries: tuple[AuditEntry, ...]
    before: int | None
    """Give this as `before` for the next page; null: there is none."""


@router.get("/me")
async def me(principal: Asking) -> Me:
    """Say who asks, and what they may do."""
    seen = principal.projects
    projects = None if seen is None else {project: _NAMES[role] for project, role in seen.items()}
    return Me(name=principal.name, role=_NAMES[principal.role], projects=projects, token=principal.token)


@router.put("/me/password", status_code=204)
async def change_password(change: NewPassword, request: Request, service: Serving, principal: Asking) -> None:
    """Change one's own password; every browser must log in again."""
    people = people_of(service)
    await _spare(service, principal, request)
    if not await fits(change.current, await people.password_hash(principal.name)):
        raise HTTPException(403, "that is not your password")
    await people.change(principal.name, password_hash=await hashed(change.new))


@router.get("/tokens")
async def list_tokens(service: Serving, principal: Asking) -> tuple[ApiToken, ...]:
    """List one's own tokens, the latest first; not the tokens themselves, of which only hashes are kept."""
    return await people_of(service).tokens(principal.name)


@router.post("/tokens", status_code=201)
async def make_token(wanted: NewToken, request: Request, service: Serving, principal: Asking) -> MadeToken:
    """Make a token, which is shown this once; one that was made with a token may do no more than that, nor longer."""
    people = people_of(service)
    project = wanted.project or (principal.token.project if principal.token else None)
    roles = (principal.projects or {}).values()
    mine = principal.role_in(project) if project else max(roles, default=Role.VIEWER)
    if principal.projects is None:
        mine = principal.role
    if mine is None:
        raise NotFound(f"there is no project {project!r}")
    if Role.named(wanted.role) > mine:
        raise RequestError(f"the role {wanted.role} is more than yours")
    about, token = await people.make_token(
        principal.name,
        label=wanted.label,
        role=wanted.role,
        days=wanted.days,
        project=project,
        until=principal.token.expires_at if principal.token else None,
    )
    note(request, token=about.id, role=wanted.role, project=project)
    return MadeToken(token=token, about=about)


@router.delete("/tokens/{token}", status_code=204)
async def drop_token(token: str, service: Serving, principal: Asking) -> None:
    """Make one of one's own tokens good for nothing; with a token itself, or one that may do no more than it."""
    people = people_of(service)
    if principal.token is not None and token != principal.token.id:
        found = {each.id: Role.named(each.role) for each in await people.tokens(principal.name)}
        if (role := found.get(token)) is not None and role > Role.named(principal.token.role):
            raise HTTPException(403, f"that token is of the role {role.name.lower()}; with this one you may drop less")
    await people.drop_token(principal.name, token)


@router.get("/users")
async def list_users(service: Serving, principal: Administrating) -> tuple[User, ...]:
    """List all users, by name."""
    return await people_of(service).all()


@router.post("/users", status_code=201)
async def add_user(wanted: NewUser, request: Request, service: Serving, principal: Administrating) -> User:
    """Add a user with a first password, which they should change."""
    people = people_of(service)
    note(request, user=wanted.name, role=wanted.role)
    return await people.add(wanted.name, role=wanted.role, password_hash=await hashed(wanted.password))


@router.patch("/users/{name}")
async def change_user(
    name: str, change: UserChange, request: Request, service: Serving, principal: Administrating
) -> User:
    """Give a user another role or password, or deactivate them; every browser of theirs must log in again.

    Whom a provider knows has the role that goes with their groups as soon as they log in again.
    """
    people = people_of(service)
    active = {True: "yes", False: "no", None: None}[change.active]
    note(request, role=change.role, password="another" if change.password else None, active=active)
    kept = await hashed(change.password) if change.password else None
    return await people.change(name, role=change.role, password_hash=kept, active=change.active)


@router.delete("/users/{name}", status_code=204)
async def remove_user(name: str, service: Serving, principal: Administrating) -> None:
    """Remove a user with all that lets them in; what they did stays in the audit log."""
    await people_of(service).remove(name)


@router.get("/audit")
async def audit(
    service: Serving,
    principal: Administrating,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The number of an entry.")] = None,
) -> AuditPage:
    """List what was done and tried, the latest first."""
    people_of(service)
    entries = await service.factory.store.audit.page(limit=limit + 1, before=before)
    return AuditPage(entries=entries[:limit], before=entries[limit - 1].number if len(entries) > limit else None)


@router.get("/audit/verdict")
async def verify_audit(service: Serving, principal: Administrating) -> AuditVerdict:
    """Compute the audit log's hashes anew, and say whether it is as it was written."""
    people_of(service)
    return await service.factory.store.audit.verify()


def people_of(service: Service) -> People:
    """The team's users.

    Raises:
        Conflict: this is one person's machine.
    """
    if not service.access.team:
        raise Conflict("this service is one person's, on their own machine; `macrohard serve --team` has users")
    return service.factory.store.people


async def _spare(service: Service, principal: Principal, request: Request) -> None:
    """Passwords are not to be tried here instead of at the login."""
    address = address_of(request)
    if service.throttle is not None and (seconds := await service.throttle.login(principal.name, address)):
        raise HTTPException(429, f"ask again in {seconds} s", headers={"Retry-After": str(seconds)})
