"""How a team's users are known: a browser by the cookie of its login, a program by a token."""

from fastapi import Request

from macrohard.domain.people import Role
from macrohard.server.access import COOKIE, Principal
from macrohard.store.people import People


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
            if (found := await self._people.of_token(word.strip())) is None:
                return None
            user, token = found
            role = min(Role.named(user.role), Role.named(token.role))
            return Principal(name=user.name, role=role, by_cookie=False, token=token, team=True)
        word = request.cookies.get(cookie_name(request), "")
        known = await self._people.of_login(word) if word else None
        return (
            None
            if known is None
            else Principal(name=known.name, role=Role.named(known.role), by_cookie=True, team=True)
        )

    async def enter(self, link: str) -> str | None:
        """Nobody comes by a link."""
        return None


def cookie_name(request: Request) -> str:
    """That of a login; under https, browsers take one of this name from nobody but this host, and over https only."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE
