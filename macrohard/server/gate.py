"""What every request passes before anything else looks at it: host, origin, who asks, and what the answer may do."""

from base64 import b64decode
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from macrohard.errors import StoreUnavailable
from macrohard.server.access import Access, Principal, address_of
from macrohard.server.people.leaving import Leaving
from macrohard.server.people.recording import Recorder
from macrohard.server.people.throttle import Throttle
from macrohard.server.problems import RETRY_SECONDS, as_json, problem_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 32 * 1024 * 1024
TOO_LARGE = f"a request may have {MAX_BODY_BYTES // 1024 // 1024} MB at most"
HTTPS_SECONDS = 365 * 24 * 3600
"""How long a browser that came by https is to come by nothing else."""
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self' http://127.0.0.1:* http://localhost:* http://*.localhost:*",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Of our own pages; what products and agents made is served with a policy of its own."""


class Gate:
    """Refuses what did not come from where it may come from, and says of every answer what a browser may do with it.

    A browser sends the cookie with whatever any page has it send, so a request that changes something must come from
    a page of ours (`Origin`, `Sec-Fetch-Site`); and a name that somebody else's DNS leads here is not ours (`Host`).
    A team's requests are counted too, and those that change something recorded, before anything is done about them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        hosts: Collection[str],
        throttle: Throttle | None,
        recorder: Recorder | None,
    ) -> None:
        self._app, self._access, self._hosts = app, access, frozenset(hosts)
        self._throttle, self._recorder = throttle, recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith("/git/"):
            scope["headers"] = [_as_bearer(header) for header in scope["headers"]]
        request = Request(scope)
        send = _with_policy(send, https=scope["scheme"] == "https")
        try:
            refusal = await self._refusal(request)
            if refusal is None and self._recorder is not None and request.method not in SAFE:
                principal: Principal | None = request.state.principal
                if principal is not None:
                    send = await self._recorder.recorded(request, principal, send)
        except StoreUnavailable as error:
            refusal = as_json(problem_of(503, str(error)), {"Retry-After": str(RETRY_SECONDS)})
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        receive = _bounded(receive)
        asking: Principal | None = request.state.principal
        if asking is None or not self._access.team:
            await self._app(scope, receive, send)
            return
        leaving = Leaving(self._access, request, asking, receive, send)
        await self._app(scope, leaving.receive, leaving.send)
        await leaving.end()

    async def _refusal(self, request: Request) -> Response | None:
        host = _split(f"//{request.headers.get('host', '')}").hostname or ""
        if host not in self._hosts:
            return _refused(
                400, f"this service is not {host!r}; start it with --host-name {host} if it is to answer to that name"
            )
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return _refused(413, TOO_LARGE)
        if self._throttle and (seconds := await self._throttle.address(address_of(request))):
            return too_many(seconds)
        principal = request.state.principal = await self._access.principal(request)
        if self._throttle and principal and (seconds := await self._throttle.principal(principal.name)):
            return too_many(seconds)
        by_browser = _says_from_where(request.headers) if principal is None else principal.by_cookie
        if by_browser and request.method not in SAFE and not _ours(request.headers):
            return _refused(403, "this request was not sent by a page of this service")
        return None


def _as_bearer(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """git sends a token as the password that belongs to an address."""
    name, value = header
    scheme, _, given = value.partition(b" ")
    if name != b"authorization" or scheme.lower() != b"basic":
        return header
    try:
        _, _, password = b64decode(given, validate=True).partition(b":")
    except ValueError:
        return header
    return name, b"Bearer " + password


def too_many(seconds: int) -> Response:
    """The answer to somebody who may ask again after so many seconds."""
    problem = problem_of(429, f"too many requests; ask again in {seconds} s")
    return as_json(problem, {"Retry-After": str(seconds)})


def _refused(status: int, detail: str) -> Response:
    return as_json(problem_of(status, detail))


def _with_policy(send: Send, *, https: bool) -> Send:
    async def with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered = MutableHeaders(scope=message)
            answered.setdefault("Content-Security-Policy", CONTENT_POLICY)
            answered.setdefault("X-Content-Type-Options", "nosniff")
            answered.setdefault("Referrer-Policy", "no-referrer")
            answered.setdefault("Cross-Origin-Opener-Policy", "same-origin")
            answered.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            if https:
                answered.setdefault("Strict-Transport-Security", f"max-age={HTTPS_SECONDS}")
        await send(message)

    return with_policy


def _bounded(receive: Receive) -> Receive:
    """A body that does not say how long it is may not be longer either."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return bounded


def _says_from_where(headers: Headers) -> bool:
    """Whether it says from which page it comes, as only browsers do."""
    return "sec-fetch-site" in headers or "origin" in headers


def _ours(headers: Headers) -> bool:
    """Whether a page of this service sent it, as far as the browser tells."""
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = _split(headers.get("origin", "")).netloc
    return bool(origin) and origin == headers.get("host")


def _split(address: str) -> SplitResult:
    """An address that cannot be one has no parts, and is nobody's."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
