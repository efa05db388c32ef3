"""What every request passes before anything else looks at it: host, origin, who asks, and what the answer may do."""

from base64 import b64decode
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from macrohard.server.access import Access
from macrohard.server.problems import Problem, as_json, problem_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 32 * 1024 * 1024
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
        "frame-src 'self' http://127.0.0.1:* http://localhost:*",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Of our own pages; what products and agents made is served with a policy of its own."""


class Gate:
    """Refuses what did not come from where it may come from, and says of every answer what a browser may do with it.

    A browser sends the cookie with whatever any page has it send, so a request that changes something must come from
    a page of ours (`Origin`, `Sec-Fetch-Site`); and a name that somebody else's DNS leads here is not ours (`Host`).
    """

    def __init__(self, app: ASGIApp, *, access: Access, hosts: Collection[str]) -> None:
        self._app, self._access, self._hosts = app, access, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
            await as_json(refusal)(scope, receive, send)
            return
        if scope["path"].startswith("/git/"):
            scope["headers"] = [_as_bearer(header) for header in scope["headers"]]
        request = Request(scope)
        principal = await self._access.principal(request)
        if principal is not None and principal.by_cookie and scope["method"] not in SAFE and not _ours(headers):
            await as_json(problem_of(403, "this request was not sent by a page of this service"))(scope, receive, send)
            return
        request.state.principal = principal

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.setdefault("Content-Security-Policy", CONTENT_POLICY)
                answered.setdefault("X-Content-Type-Options", "nosniff")
                answered.setdefault("Referrer-Policy", "no-referrer")
                answered.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                answered.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, with_policy)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if host not in self._hosts:
            return problem_of(
                400, f"this service is not {host!r}; start it with --host-name {host} if it is to answer to that name"
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return problem_of(413, f"a request may have {MAX_BODY_BYTES // 1024 // 1024} MB at most")
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


def _ours(headers: Headers) -> bool:
    """Whether a page of this service sent it, as far as the browser tells."""
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = urlsplit(headers.get("origin", "")).netloc
    return bool(origin) and origin == headers.get("host")
