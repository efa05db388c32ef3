"""Who asks, from where, and whether that is somebody: on one's own machine, whoever can read the service's folder."""

import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Protocol, cast

from fastapi import Depends, HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from macrohard.domain import Value
from macrohard.domain.people import ApiToken, Role
from macrohard.errors import NotFound, RequestError

COOKIE = "macrohard"
LINK_SECONDS = 600
"""How long a link is good for that lets a browser in."""
NAMING_RUNS = ("left", "right", "improves")
"""What of a query names a run, where the path does not."""
COOKIE_SECONDS = 30 * 24 * 3600


def address_of(request: Request) -> str:
    """From where the request came, as far as the service can tell."""
    return request.client.host if request.client else ""


class Principal(Value):
    """Who asks."""

    name: str
    role: Role
    """In the project that the address is about; elsewhere the highest that they have anywhere."""
    by_cookie: bool
    """Whether a browser says so by itself, with every request to here, whoever had it sent."""
    token: ApiToken | None = None
    """What a program of a team's user showed."""
    team: bool = False
    """Whether there are others besides."""
    projects: Mapping[str, Role] | None = None
    """What they may do in each project that they see; None: everything that the role allows, in all of them."""

    @property
    def within(self) -> tuple[str, ...] | None:
        """The projects that they see; None: all of them."""
        return None if self.projects is None else tuple(sorted(self.projects))

    def role_in(self, project: str) -> Role | None:
        """What they may do in it; None: they see nothing of it."""
        return self.role if self.projects is None else self.projects.get(project)

    def may_all_of(self, other: "Principal") -> bool:
        """Whether they may do all that the other one may."""
        if other.projects is None:
            return self.projects is None and self.role >= other.role
        return all((self.role_in(project) or 0) >= role for project, role in other.projects.items())


class Access(Protocol):
    """Knows people and programs by what they bring."""

    @property
    def team(self) -> bool:
        """Whether there are users, who log in."""

    @property
    def advice(self) -> str:
        """How one says who one is."""

    async def principal(self, request: Request) -> Principal | None:
        """Who sent the request; None: nobody that is known."""

    async def enter(self, link: str) -> str | None:
        """The cookie's value for the browser that followed this link; None: the link is not good, or used up."""


class LocalAccess:
    """One person's machine: a token in a file that only they can read, and links for their browsers.

    The token is for programs on this machine; a link lets one browser in, once.
    """

    team = False
    advice = "send 'Authorization: Bearer TOKEN', or follow a link that `macrohard serve link` prints"

    def __init__(self, home: Path) -> None:
        self._token = local_token(home)
        self._links = URLSafeTimedSerializer(self._token, salt="link")
        self._cookies = URLSafeTimedSerializer(self._token, salt="cookie")
        self._used: set[str] = set()

    async def principal(self, request: Request) -> Principal | None:
        """The person whose machine this is, or nobody."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            known = hmac.compare_digest(token.strip().encode(), self._token.encode())
            return Principal(name="you", role=Role.ADMIN, by_cookie=False) if known else None
        try:
            self._cookies.loads(request.cookies.get(COOKIE, ""), max_age=COOKIE_SECONDS)
        except BadSignature:
            return None
        return Principal(name="you", role=Role.ADMIN, by_cookie=True)

    async def enter(self, link: str) -> str | None:
        """A cookie for a link that was not followed before."""
        try:
            word = str(self._links.loads(link, max_age=LINK_SECONDS))
        except BadSignature:
            return None
        if word in self._used:
            return None
        self._used.add(word)
        return str(self._cookies.dumps(secrets.token_urlsafe(8)))


def local_token(home: Path) -> str:
    """The token of the service on this machine, made when there is none; its file can be read by its owner only.

    Raises:
        RequestError: the file is there, and empty.
    """
    path = home / "service-token"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        # It gets its name when it is whole: an empty one would be known to everybody.
        with NamedTemporaryFile("w", encoding="ascii", dir=home, prefix=f".{path.name}-") as made:
            made.write(secrets.token_urlsafe(32))
            made.flush()
            os.fsync(made.fileno())
            with suppress(FileExistsError):
                os.link(made.name, path)
    token = path.read_text(encoding="ascii").strip()
    if not token:
        raise RequestError(f"{path} is empty, so that anybody would be let in; remove it, and another one is made")
    return token


def local_link(home: Path, address: str) -> str:
    """An address that lets one browser in, once, within ten minutes."""
    word = URLSafeTimedSerializer(local_token(home), salt="link").dumps(secrets.token_urlsafe(8))
    return f"{address}/enter?link={word}"


async def _asking(request: Request) -> Principal:
    principal: Principal | None = request.state.principal
    if principal is None:
        advice = request.app.state.service.access.advice
        raise HTTPException(401, f"say who you are: {advice}", headers={"WWW-Authenticate": "Bearer"})
    if not request.url.path.startswith("/api/"):
        # The head of a page has them to choose from.
        names, store = principal.within, request.app.state.service.factory.store
        request.state.projects = await store.projects.names() if names is None else names
    return await in_its_project(request, principal)


async def in_its_project(request: Request, principal: Principal) -> Principal:
    """Who asks, with their role in the project that the address names, or whose run it names.

    Here and not with each operation, so that none can forget it.

    Raises:
        NotFound: they do not see it; the answer is the same as if there were no such thing.
    """
    if principal.projects is None:
        return principal
    project, store = request.path_params.get("project"), request.app.state.service.factory.store
    for side in filter(None, (request.query_params.get(name) for name in NAMING_RUNS)):
        await store.place_of(side.partition(":")[0], within=principal.projects)
    if (run := request.path_params.get("run")) is not None:
        run_id, project = await store.place_of(run, within=principal.projects)
        # What it begins with may be what other runs begin with that they do not see.
        request.path_params["run"] = run_id
    if project is None:
        return principal
    if (role := principal.role_in(project)) is None:
        raise NotFound(f"there is no project {project!r}")
    # Pages are shown as to somebody who may do this.
    request.state.principal = principal.model_copy(update={"role": role})
    return cast(Principal, request.state.principal)


Asking = Annotated[Principal, Depends(_asking)]
"""Somebody who is known, and who sees the run or the project that the address names."""


class _AtLeast:
    """A dependency: somebody who may do what this role may."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def __call__(self, principal: Asking) -> Principal:
        if principal.role < self._role:
            wanted, has = self._role.name.lower(), principal.role.name.lower()
            raise HTTPException(403, f"this takes the role {wanted}; yours is {has}")
        return principal


async def _administrating(principal: Annotated[Principal, Depends(_AtLeast(Role.ADMIN))]) -> Principal:
    if principal.projects is not None:
        raise HTTPException(403, "this takes an admin of the installation")
    return principal


Reviewing = Annotated[Principal, Depends(_AtLeast(Role.REVIEWER))]
Operating = Annotated[Principal, Depends(_AtLeast(Role.OPERATOR))]
Leading = Annotated[Principal, Depends(_AtLeast(Role.ADMIN))]
"""An admin of the project that the address names."""
Administrating = Annotated[Principal, Depends(_administrating)]
"""An admin of the whole installation."""
