"""Every route says who may ask it; what is not as its kind is said to be here, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.routing import iter_route_contexts

from macrohard.assembly import open_factory
from macrohard.domain.people import Role
from macrohard.server import create_app
from macrohard.server.access import LocalAccess, _asking, _AtLeast
from macrohard.settings import load_settings

SAFE = {"GET", "HEAD"}
FOR_ALL = {
    "/healthz", "/login", "/enter", "/static", "/code.css", "/api/v1/openapi.json",
    "/login/oidc", "/login/oidc/return", "/login/oidc/leave",
}  # fmt: skip
ASK_BY_THEMSELVES = {"/git/{run}.git/info/refs", "/git/{run}.git/git-upload-pack"}
"""git is asked for a password; see the tests of products."""
OF_ONES_OWN = {
    "/logout", "/account/password", "/account/tokens", "/account/tokens/{token}/drop", "/api/v1/me/password",
    "/api/v1/tokens", "/api/v1/tokens/{token}",
}  # fmt: skip
OF_WHO_LOOKS = {"/preview/{preview}/renew"}
"""Of a run: a preview stays open while somebody looks at it."""
OF_REVIEWERS = {"/answers", "/approvals", "/feedback", "/plan"}
"""Of a run."""
OF_ADMINS = ("/users", "/audit", "/webhooks", "/settings", "/doctor")
BEGINNING = {"/new", "/new/reading"}
"""What only those see who may submit."""


def asked(dependant: Any) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from asked(each)


def declared(route: Any) -> Role | None:
    """The least role that may ask; None: it says nothing."""
    if not hasattr(route, "dependant"):
        return None
    calls = list(asked(route.dependant))
    known = [Role.VIEWER] if _asking in calls else []
    return max([*known, *(call._role for call in calls if isinstance(call, _AtLeast))], default=None)


def expected(path: str, method: str) -> Role | None:
    below = path.removeprefix("/api/v1")
    of_a_run = below.removeprefix("/runs/{run}")
    if path in FOR_ALL | ASK_BY_THEMSELVES:
        return None
    if below.startswith(OF_ADMINS):
        return Role.ADMIN
    if below.startswith("/projects") and method not in SAFE:
        return Role.ADMIN
    if path in BEGINNING:
        return Role.OPERATOR
    if method in SAFE or path in OF_ONES_OWN or of_a_run in OF_WHO_LOOKS:
        return Role.VIEWER
    return Role.REVIEWER if of_a_run in OF_REVIEWERS else Role.OPERATOR


async def test_every_route_says_who_may_ask_it(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    async with open_factory(settings, sandbox="auto") as factory:
        app = create_app(factory, settings, access=LocalAccess(tmp_path), hosts=(), worker=None)
    found = {
        (method, str(route.path)): declared(route)
        for route in iter_route_contexts(app.routes)
        for method in route.methods or {"GET"}
    }
    assert len(found) > 100
    assert {path for _, path in found} >= FOR_ALL | ASK_BY_THEMSELVES | OF_ONES_OWN | BEGINNING
    wrong = {
        f"{method} {path}": (role, expected(path, method))
        for (method, path), role in found.items()
        if role != expected(path, method)
    }
    assert wrong == {}, "what it says, and what it should say"
