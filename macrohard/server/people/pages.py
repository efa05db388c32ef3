"""A team's people in a browser: the login, one's own account, and for admins all users and what everybody did."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from macrohard.domain.people import Role, RoleName
from macrohard.server.access import Administrating, Asking, Principal, address_of
from macrohard.server.forms import understood
from macrohard.server.pages.rendering import page
from macrohard.server.people import api
from macrohard.server.people.access import cookie_name
from macrohard.server.people.entering import let_in, local, login_page, takes_passwords
from macrohard.server.people.passwords import fits
from macrohard.server.service import Service, Serving
from macrohard.store.people import LOGIN

router = APIRouter()

Text = Annotated[str, Form(max_length=1000)]


@router.get("/login")
async def login_form(
    request: Request, service: Serving, to: Annotated[str, Query(max_length=500)] = "/", left: bool = False
) -> Response:
    """A form for name and password, the way through a provider, or both."""
    api.people_of(service)
    return login_page(request, service, to=local(to), left=left)


@router.post("/login")
async def log_in(request: Request, service: Serving, name: Text, password: Text, to: Text = "/") -> Response:
    """Let a browser in whose user knows the password."""
    people, name, to = api.people_of(service), name.strip().lower(), local(to)
    assert service.throttle is not None
    assert service.recorder is not None
    address = address_of(request)
    if seconds := await service.throttle.login(name, address):
        problem = f"too many tries; try again in {seconds} s"
        response = login_page(request, service, status=429, to=to, name=name, problem=problem)
        response.headers["Retry-After"] = str(seconds)
        return response
    succeeded = takes_passwords(service) and await fits(password, await people.password_hash(name))
    await service.recorder.login(name, through="password", address=address, succeeded=succeeded)
    if not succeeded:
        wrong = "no such name with this password" if takes_passwords(service) else "nobody logs in by a password here"
        return login_page(request, service, status=403, to=to, name=name, problem=wrong)
    return await let_in(request, service, name, to=to, lasting=LOGIN)


@router.post("/logout")
async def log_out(request: Request, service: Serving, principal: Asking) -> Response:
    """Forget the browser."""
    await api.people_of(service).log_out(request.cookies.get(cookie_name(request), ""))
    to = "/login" if service.provider is None else "/login?left=true"
    response = RedirectResponse(to, status_code=303, headers={"Clear-Site-Data": '"cache"'})
    secure = request.url.scheme == "https"
    response.delete_cookie(cookie_name(request), httponly=True, samesite="lax", secure=secure, path="/")
    return response


@router.get("/account")
async def account(request: Request, service: Serving, principal: Asking) -> Response:
    """One's own tokens and password."""
    return await _account(request, service, principal, made=None)


@router.post("/account/tokens")
async def make_token(
    request: Request,
    service: Serving,
    principal: Asking,
    label: Annotated[str, Form(min_length=1, max_length=100)],
    role: Annotated[RoleName, Form()],
    days: Annotated[int, Form(ge=1, le=366)],
    project: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """A token, shown this once."""
    wanted = understood(api.NewToken, {"label": label, "role": role, "days": days, "project": project or None})
    return await _account(request, service, principal, made=await api.make_token(wanted, request, service, principal))


@router.post("/account/tokens/{token}/drop")
async def drop_token(token: str, service: Serving, principal: Asking) -> Response:
    """Make a token good for nothing."""
    await api.drop_token(token, service, principal)
    return RedirectResponse("/account", status_code=303)


@router.post("/account/password")
async def change_password(request: Request, service: Serving, principal: Asking, current: Text, new: Text) -> Response:
    """Another password, with which to log in again."""
    change = understood(api.NewPassword, {"current": current, "new": new})
    await api.change_password(change, request, service, principal)
    return RedirectResponse("/login", status_code=303)


@router.get("/users")
async def users(request: Request, service: Serving, principal: Administrating) -> Response:
    """Everybody, and a form for one more."""
    return page(request, "people/users.html.jinja", users=await api.list_users(service, principal))


@router.post("/users")
async def add_user(
    request: Request,
    service: Serving,
    principal: Administrating,
    name: Text,
    role: Annotated[RoleName, Form()],
    password: Text,
) -> Response:
    """One more."""
    wanted = understood(api.NewUser, {"name": name.strip().lower(), "role": role, "password": password})
    await api.add_user(wanted, request, service, principal)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{name}")
async def change_user(
    name: str, request: Request, service: Serving, principal: Administrating, role: Annotated[RoleName, Form()]
) -> Response:
    """Another role."""
    await api.change_user(name, api.UserChange(role=role), request, service, principal)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{name}/active")
async def let_user_in(
    name: str, request: Request, service: Serving, principal: Administrating, active: Annotated[bool, Form()]
) -> Response:
    """Not let in any more, or again."""
    await api.change_user(name, api.UserChange(active=active), request, service, principal)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{name}/remove")
async def remove_user(name: str, service: Serving, principal: Administrating) -> Response:
    """One less."""
    await api.remove_user(name, service, principal)
    return RedirectResponse("/users", status_code=303)


@router.get("/audit")
async def audit(
    request: Request,
    service: Serving,
    principal: Administrating,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """What everybody did."""
    found = await api.audit(service, principal, 100, before)
    return page(request, "people/audit.html.jinja", audit=found)


@router.get("/audit/verdict")
async def verdict(request: Request, service: Serving, principal: Administrating) -> Response:
    """Whether the log is as it was written; a part of a page, for looking takes a while."""
    return page(request, "people/verdict.html.jinja", verdict=await api.verify_audit(service, principal))


async def _account(request: Request, service: Service, principal: Principal, *, made: api.MadeToken | None) -> Response:
    return page(
        request, "people/account.html.jinja", tokens=await api.list_tokens(service, principal), made=made,
        most=principal.role if principal.projects is None else max(principal.projects.values(), default=Role.VIEWER),
        password=takes_passwords(service) and await api.people_of(service).password_hash(principal.name) is not None,
    )  # fmt: skip
