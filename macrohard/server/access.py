"""Who asks, from where, and whether that is somebody: on one's own machine, whoever can read the service's folder."""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Protocol

from fastapi import Depends, HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from macrohard.domain import Value
from macrohard.domain.people import ApiToken, Role
from macrohard.errors import RequestError

COOKIE = "macrohard"
LINK_SECONDS = 600
"""How long a link is good for that lets a browser in."""
COOKIE_SECONDS = 30 * 24 * 3600


def address_of(request: Request) -> str:
    """From where the request came, as far as the service can tell."""
    return request.client.host if request.client else ""


class Principal(Value):
    """Who asks."""

    name: str
    role: Role
    by_cookie: bool
    """Whether a browser says so by itself, with every request to here, whoever had it sent."""
    token: ApiToken | None = None
    """What a program of a team's user showed."""
    team: bool = False
    """Whether there are others besides."""


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
    return principal


Asking = Annotated[Principal, Depends(_asking)]
"""Somebody who is known."""


class _AtLeast:
    """A dependency: somebody who may do what this role may."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def __call__(self, principal: Asking) -> Principal:
        if principal.role < self._role:
            wanted, has = self._role.name.lower(), principal.role.name.lower()
            raise HTTPException(403, f"this takes the role {wanted}; yours is {has}")
        return principal


Reviewing = Annotated[Principal, Depends(_AtLeast(Role.REVIEWER))]
Operating = Annotated[Principal, Depends(_AtLeast(Role.OPERATOR))]
Administrating = Annotated[Principal, Depends(_AtLeast(Role.ADMIN))]
