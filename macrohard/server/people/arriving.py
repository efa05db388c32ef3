"""A browser on its way through an OpenID Connect provider: out, back, in, and out again."""

import hmac
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import RedirectResponse, Response

from macrohard.domain.printable import printable
from macrohard.errors import Conflict, LoginRefused
from macrohard.server.access import address_of, local_token
from macrohard.server.people.access import cookie_name
from macrohard.server.people.claims import Person, person_of
from macrohard.server.people.entering import let_in, local, login_page
from macrohard.server.people.oidc import ERRAND_SECONDS, RETURN, Errand, Provider, refusal_of
from macrohard.server.service import Service, Serving

NOBODY: Mapping[str, str] = {}

router = APIRouter(prefix="/login/oidc")
log = logging.getLogger("macrohard.server")

Word = Annotated[str, Query(max_length=4000)]


@router.get("")
async def begin(request: Request, service: Serving, to: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Send the browser to the provider."""
    provider, to = await _counted(request, service), local(to)
    try:
        way, errand = await provider.begin(f"{request.url.scheme}://{request.headers['host']}{RETURN}", to)
    except LoginRefused as refusal:
        return await _refused(request, service, refusal, to=to)
    response = RedirectResponse(way, status_code=303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        _errand_cookie(request), str(_errands(service).dumps(errand.model_dump())), max_age=ERRAND_SECONDS,
        httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/",
    )  # fmt: skip
    return response


@router.get("/return")
async def come_back(
    request: Request,
    service: Serving,
    state: Word = "",
    code: Word = "",
    error: Word = "",
    error_description: Word = "",
) -> Response:
    """Let in whom the provider sent back, if it is who left from here."""
    provider = await _counted(request, service)
    errand = _errand(request, service, provider, state)
    if errand is None:
        # Nothing of such an address is shown or believed: anybody could have made it up.
        stranger = LoginRefused(
            "this login was not begun in this browser, was begun more than ten minutes ago, or is over; log in again",
            status=400,
        )
        return await _refused(request, service, stranger, to="/")
    facts: dict[str, str] = {}
    try:
        if error or not code:
            raise refusal_of(provider.title, error, cause=error_description)
        claims = await provider.finish(errand, code)
        facts = {"subject": str(claims["sub"]), "email": str(claims.get("email") or "")}
        response = await _arrived(request, service, person_of(claims, provider.settings), errand.to)
    except LoginRefused as refusal:
        response = await _refused(request, service, refusal, to=errand.to, facts=facts)
    except Conflict as conflict:
        taken = LoginRefused(str(conflict), status=403)
        response = await _refused(request, service, taken, to=errand.to, facts=facts)
    secure = request.url.scheme == "https"
    response.delete_cookie(_errand_cookie(request), httponly=True, samesite="lax", secure=secure, path="/")
    return response


@router.get("/leave")
async def leave(request: Request, service: Serving) -> Response:
    """Send the browser to where it logs out of the provider too."""
    provider = await _counted(request, service)
    try:
        way = await provider.way_out()
    except LoginRefused as refusal:
        return await _refused(request, service, refusal, to="/")
    if way is None:
        problem = f"{provider.title} has no address for logging out; log out on its own pages"
        return login_page(request, service, status=404, problem=problem)
    return RedirectResponse(way, status_code=303, headers={"Cache-Control": "no-store"})


async def _counted(request: Request, service: Service) -> Provider:
    """The provider, for somebody who has not come too often."""
    if service.provider is None:
        raise HTTPException(404, "no OpenID Connect provider is set")
    assert service.throttle is not None
    if seconds := await service.throttle.arrival(address_of(request)):
        raise HTTPException(429, f"too many logins from there; try again in {seconds} s", {"Retry-After": str(seconds)})
    return service.provider


async def _arrived(request: Request, service: Service, person: Person, to: str) -> Response:
    assert service.recorder is not None
    assert service.provider is not None
    people, address = service.factory.store.people, address_of(request)
    known = await people.known(person.issuer, person.subject)
    if known is None:
        # Before it is done, as whatever is changed.
        await service.recorder.made(person.name, address=address, role=person.role, issuer=person.issuer,
                                    subject=person.subject)  # fmt: skip
    user = await people.arrive(person.issuer, person.subject, name=person.name, role=person.role, adopt=person.adopt)
    await service.recorder.login(
        user.name, through="oidc", address=address, succeeded=True, role=user.role, subject=person.subject,
        before=known.role if known else None,
    )  # fmt: skip
    return await let_in(request, service, user.name, to=to, lasting=timedelta(hours=service.provider.settings.hours))


async def _refused(
    request: Request, service: Service, refusal: LoginRefused, *, to: str, facts: Mapping[str, str] = NOBODY
) -> Response:
    assert service.recorder is not None
    log.warning("login by OpenID Connect: %s; %s", refusal, printable(refusal.cause)[:500])
    said = {name: value[:300] for name, value in {**facts, "why": str(refusal)}.items()}
    await service.recorder.login("", through="oidc", address=address_of(request), succeeded=False, **said)
    return login_page(request, service, status=refusal.status, problem=str(refusal), to=to)


def _errand(request: Request, service: Service, provider: Provider, state: str) -> Errand | None:
    """What the browser set out for, if it is back from there, for the first time, and in time."""
    try:
        kept = _errands(service).loads(request.cookies.get(_errand_cookie(request), ""), max_age=ERRAND_SECONDS)
    except BadSignature:
        return None
    errand = Errand.model_validate(kept)
    same = hmac.compare_digest(errand.state.encode(), state.encode())
    return errand if same and provider.used.first(errand.state) else None


def _errands(service: Service) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(local_token(service.settings.home), salt="errand")


def _errand_cookie(request: Request) -> str:
    return f"{cookie_name(request)}-errand"
