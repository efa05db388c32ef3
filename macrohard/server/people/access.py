"""How a team's users are known: a browser by the cookie of its login, a program by a token."""

from fastapi import Request

from macrohard.domain.people import Role
from macrohard.server.access import COOKIE, Principal
from macrohard.store.people import Known, People


class TeamAccess:
    """Users with roles, whose logins and tokens are kept in the database."""

    team = True
    advice = "log in at /login, or send 'Authorization: Bearer TOKEN' with a token that /account gives"

    def __init__(self, people: People) -> None:
        self._people = people

    async def principal(self, request: Request) -> Principal | None:
        """The user; with a token, as far as the token goes and the user may still do it."""
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            known = await self._people.of_token(word.strip())
        else:
            word = request.cookies.get(cookie_name(request), "")
            known = await self._people.of_login(word) if word else None
        return None if known is None else _principal(known)

    async def enter(self, link: str) -> str | None:
        """Nobody comes by a link."""
        return None


def _principal(known: Known) -> Principal:
    token, projects = known.token, known.projects
    most = Role.ADMIN if token is None else Role.named(token.role)
    if token is not None and token.project is not None:
        role = Role.ADMIN if projects is None else projects.get(token.project)
        projects = {} if role is None else {token.project: role}
    if projects is not None:
        projects = {project: min(role, most) for project, role in projects.items()}
        # An admin of a project is none of the installation.
        most = min(max(projects.values(), default=Role.VIEWER), Role.OPERATOR)
    return Principal(
        name=known.user.name, role=most, by_cookie=token is None, token=token, team=True, projects=projects
    )


def cookie_name(request: Request) -> str:
    """That of a login; under https, browsers take one of this name from nobody but this host, and over https only."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE
