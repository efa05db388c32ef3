"""The page where a team's people log in, and how a browser is let in, whatever showed who uses it."""

from datetime import timedelta

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from macrohard.server.forms import place_here
from macrohard.server.pages.rendering import page
from macrohard.server.people.access import cookie_name
from macrohard.server.service import Service


def login_page(
    request: Request,
    service: Service,
    *,
    status: int = 200,
    problem: str = "",
    name: str = "",
    to: str = "/",
    left: bool = False,
) -> Response:
    """The ways in, and what went wrong with one of them; `left`: somebody just logged out."""
    provider = service.provider
    return page(
        request, "people/login.html.jinja", status=status, to=to, name=name, problem=problem, left=left,
        provider=provider.title if provider else "", passwords=takes_passwords(service),
    )  # fmt: skip


def takes_passwords(service: Service) -> bool:
    """Whether one can log in by a password."""
    return service.provider is None or service.provider.settings.passwords


async def let_in(request: Request, service: Service, name: str, *, to: str, lasting: timedelta) -> Response:
    """Lead a browser of the user to the page it wants; it is known from now on."""
    response = RedirectResponse(to, status_code=303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        cookie_name(request), await service.factory.store.people.log_in(name, lasting=lasting),
        max_age=int(lasting.total_seconds()), httponly=True, samesite="lax", secure=request.url.scheme == "https",
        path="/",
    )  # fmt: skip
    return response


def local(to: str) -> str:
    """Only to a page of ours: the form could have been sent by anybody."""
    return (to.startswith("/") and place_here(to)) or "/"
