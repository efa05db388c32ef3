"""An origin of its own on this machine, by an address nobody can guess, for what listens inside a sandbox."""

import asyncio
import errno
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus

import h11

from macrohard.errors import RequestError, SandboxUnavailable, ToolError
from macrohard.sandbox.contract import Sandbox, Stream

CHUNK_BYTES = 64 << 10
HEAD_LIMIT_BYTES = 64 << 10
"""Of one request's line and headers."""
CONNECTIONS = 256
"""Carried at once; more wait for one of them to end."""
FIRST_REQUEST_SECONDS = 60.0
"""Browsers open connections before they need them."""
CONNECT_SECONDS = 30.0
DYING_SECONDS = 10.0
"""A dying product lets go of its port before its end is known, on a busy machine for seconds."""
AGAIN_SECONDS = 0.1
SILENT_SECONDS = 60.0
"""How long a product that says nothing is waited for once the client has said that it sends no more."""
LINGER_SECONDS = 5.0
"""How long a client may go on after the answer has ended; hung up on at once, it could lose the answer's end."""

Revive = Callable[[], Awaitable[None]]


class Refused(Exception):
    """A request that the product must not see, or that it cannot answer; the text is for whoever sent it."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@contextmanager
def reserved(port: int) -> Iterator[tuple[socket.socket, ...]]:
    """A port of loopback, of both kinds of it, so that nobody else can have the other; 0 takes any that is free.

    Who connects before something is served there waits.

    Raises:
        RequestError: the port cannot be used.
    """
    listeners = _listeners(port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


@asynccontextmanager
async def open_origin(
    sandbox: Sandbox, listeners: Sequence[socket.socket], *, leads_to: int, revive: Revive
) -> AsyncIterator[str]:
    """Let this machine's browsers reach the sandbox's own port `leads_to`, and give the address: an origin and "/".

    The address is `http://<128 random bits>.localhost:<port>/`, which browsers and curl take for this machine without
    asking a name server. Its promises:

    - The sandbox publishes nothing: connections are carried over its channel, from `listeners` on loopback.
    - Nothing reaches the product without the random name in its `Host`, neither another user's guess of the port nor
      a page whose own name was bound to 127.0.0.1 (DNS rebinding).
    - Pages of other origins that have learnt the address can link to it and frame it, no more: what a browser marks
      as cross-site (`Sec-Fetch-Site`, `Origin`) is refused, WebSockets included.
    - Cookies and storage are shared with no other origin, not even with another port of this machine.
    - All else goes through unchanged, in both directions and with the pace of the slower side: answers are never
      parsed, and requests only as far as needed to see where each begins.

    `revive` is called when nothing listens inside, for all who wait at once: it starts again what has ended.
    """
    name = f"{secrets.token_hex(16)}.localhost"
    number = listeners[0].getsockname()[1]
    origin = _Origin(sandbox, host=f"{name}:{number}", leads_to=leads_to, revive=revive)
    servers = [await asyncio.start_server(origin.accept, sock=listener) for listener in listeners]
    try:
        yield f"http://{origin.host}/"
    finally:
        for server in servers:
            server.close()
        await origin.close()


def _listeners(port: int) -> tuple[socket.socket, ...]:
    for _ in range(20):
        try:
            ours = socket.create_server(("127.0.0.1", port), backlog=CONNECTIONS)
        except OSError as error:
            raise _unusable(port, error) from error
        number = ours.getsockname()[1]
        try:
            # Browsers try this one first: another user must not be the one who answers there.
            return ours, socket.create_server(("::1", number), family=socket.AF_INET6, backlog=CONNECTIONS)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return (ours,)  # this machine has no IPv6
            ours.close()
            if port != 0:
                raise _unusable(port, error) from error
    raise RequestError("no port of this machine is free on both 127.0.0.1 and ::1")


def _unusable(port: int, error: OSError) -> RequestError:
    return RequestError(f"port {port} cannot be used: {error.strerror}; --port 0 takes any free one")


class Requests:
    """The requests on one connection; of none is anything handed out before its head was seen and is allowed."""

    def __init__(self, host: str) -> None:
        self._host = host.encode()
        self._begin()
        self._held = b""
        self._unread = False
        """Whether the connection is something else than HTTP from here on."""

    def _begin(self) -> None:
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        self._request: h11.Request | None = None

    def admit(self, data: bytes) -> bytes:
        """What may go on to the product now, given what has come; the bytes are those that came.

        Raises:
            Refused: the product must not see this request, nor what follows.
        """
        if self._unread:
            return data
        try:
            return self._admitted(data)
        except h11.RemoteProtocolError as error:
            raise Refused(HTTPStatus(error.error_status_hint), f"this is not a request: {error}") from error

    def _admitted(self, data: bytes) -> bytes:
        admitted = b""
        self._held += data
        self._parser.receive_data(data)
        while True:
            match self._parser.next_event():
                case h11.Request() as request:
                    _judge(request, self._host)
                    self._request = request
                case h11.Data():
                    pass
                case h11.EndOfMessage():
                    if any(name == b"upgrade" for name, _ in self._headers()):
                        # A server that does not want to upgrade answers once more; browsers then hang up.
                        self._unread = True
                        break
                    rest, _ = self._parser.trailing_data
                    admitted += self._held[: len(self._held) - len(rest)]
                    self._held = rest
                    self._begin()
                    if rest:
                        self._parser.receive_data(rest)
                case _:
                    break
        if self._request is not None:
            admitted += self._held
            self._held = b""
        return admitted

    def _headers(self) -> list[tuple[bytes, bytes]]:
        assert self._request is not None
        return list(self._request.headers)


def _judge(request: h11.Request, host: bytes) -> None:
    headers = [(name, value.lower()) for name, value in request.headers]
    values = dict(headers)
    if [value for name, value in headers if name == b"host"] != [host]:
        raise Refused(
            HTTPStatus.MISDIRECTED_REQUEST, "a product's preview answers only to the address that was given for it"
        )
    if not request.target.startswith(b"/") and request.target != b"*":
        raise Refused(HTTPStatus.BAD_REQUEST, "this is not a proxy")
    upgrade = b"upgrade" in values
    # Browsers let no page choose these two.
    site, sender = values.get(b"sec-fetch-site", b"none"), values.get(b"origin")
    own_page = site in (b"none", b"same-origin")
    linked = (
        not upgrade
        and request.method == b"GET"
        and values.get(b"sec-fetch-mode") == b"navigate"
        and values.get(b"sec-fetch-dest") in (b"document", b"iframe")
    )
    # A page that hides its address sends "null", to itself as well; so do others' pages, and old browsers do not tell.
    itself = values.get(b"sec-fetch-site") == b"same-origin"
    known_sender = sender in (None, b"http://" + host) or (sender == b"null" and itself and not upgrade)
    if not (own_page and known_sender) and not (linked and sender is None):
        raise Refused(HTTPStatus.FORBIDDEN, "pages of other origins can link to a product's preview, and no more")


class _Origin:
    """The connections of one origin."""

    def __init__(self, sandbox: Sandbox, *, host: str, leads_to: int, revive: Revive) -> None:
        self.host = host
        self._sandbox, self._leads_to, self._revive = sandbox, leads_to, revive
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._open: set[asyncio.Task[None]] = set()
        self._reviving: asyncio.Future[None] | None = None

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._served(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        tasks: list[asyncio.Future[None]] = [*self._open, *([self._reviving] if self._reviving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # One side is gone, and the other learns it by what follows.
        try:
            with suppress(ConnectionError, TimeoutError, SandboxUnavailable):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests, first = Requests(self.host), b""
        try:
            async with asyncio.timeout(FIRST_REQUEST_SECONDS):
                while not first:
                    data = await reader.read(CHUNK_BYTES)
                    if not data:
                        return
                    first = requests.admit(data)
            async with self._places:
                stream = await self._connected()
                try:
                    await _carry(reader, writer, stream, requests, first)
                finally:
                    await stream.close()
        except Refused as refusal:
            writer.write(_answer(refusal))
            writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(CHUNK_BYTES):
                    pass

    async def _connected(self) -> Stream:
        until = time.monotonic() + DYING_SECONDS
        try:
            while True:
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        return await self._sandbox.connect(self._leads_to)
                except ConnectionRefusedError:
                    if time.monotonic() > until:
                        raise
                await self._revived()
                await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError as error:
            raise Refused(HTTPStatus.GATEWAY_TIMEOUT, "the product does not accept connections") from error
        except ConnectionRefusedError as error:
            raise Refused(HTTPStatus.BAD_GATEWAY, "the product runs, but does not listen on its port") from error
        except ToolError as error:
            raise Refused(HTTPStatus.BAD_GATEWAY, f"the product has ended and does not start again: {error}") from error
        except SandboxUnavailable as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}. Open the product again.") from error

    async def _revived(self) -> None:
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.ensure_future(self._revive())
        await asyncio.shield(self._reviving)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream, requests: Requests, first: bytes
) -> None:
    received = 0

    async def upstream() -> None:
        await stream.write(first)
        while data := await reader.read(CHUNK_BYTES):
            if passed := requests.admit(data):
                await stream.write(passed)
        await stream.end()

    async def downstream() -> None:
        nonlocal received
        while data := await stream.read():
            received += len(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    up, down = asyncio.create_task(upstream()), asyncio.create_task(downstream())
    try:
        await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        if down.done():
            down.result()
            await asyncio.wait([up], timeout=LINGER_SECONDS)
            return
        try:
            up.result()
        except Refused as refusal:
            if received == 0:
                raise
            # An answer may be under way, into which nothing else can be said.
            raise ConnectionAbortedError(str(refusal)) from refusal
        before = -1
        while not down.done() and received != before:
            before = received
            await asyncio.wait([down], timeout=SILENT_SECONDS)
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


def _answer(refusal: Refused) -> bytes:
    text = f"{refusal}\n".encode()
    return (
        f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text)}\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + text
