"""An endpoint for pictures and clips on this machine, with the manners of xAI's and of OpenAI's."""

import base64
import struct
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.serving import on_loopback

Handler = Callable[[web.Request], web.StreamResponse]

TICKS = 10_000_000_000


def png(side: int = 8) -> bytes:
    """A real picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x25\x63\xeb" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
MP4 = b"\0\0\0\x18ftypisom" + bytes(64)


class Provider:
    """Answers from queues, the last answer again and again; keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.models: Any = {"data": [{"id": name} for name in ("grok-imagine-image-2.0", "grok-imagine-video")]}
        self.images: deque[Handler] = deque()
        self.videos: deque[Handler] = deque()
        self.polls: deque[Handler] = deque()
        self.files: dict[str, Handler] = {}
        self.asked: list[tuple[str, str, Any]] = []
        """Method, path and body of each request."""
        self.keys: list[tuple[str, str]] = []
        """Path and authorization of each request."""

    def times(self, method: str, path: str) -> int:
        """How often that was asked."""
        return sum(1 for asked in self.asked if asked[:2] == (method, path))

    def body(self, path: str) -> Any:
        """What was last sent there."""
        return next(body for method, where, body in reversed(self.asked) if (method, where) == ("POST", path))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path, body))
        self.keys.append((request.path, request.headers.get("Authorization", "")))
        if request.path in self.files:
            return self.files[request.path](request)
        if request.path == "/v1/models":
            return said(self.models)(request) if self.models is not None else web.Response(status=404)
        queue = {"/v1/images/generations": self.images, "/v1/videos/generations": self.videos}.get(
            request.path, self.polls
        )
        return (queue.popleft() if len(queue) > 1 else queue[0])(request)


@asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    """A provider at an address of this machine."""
    provider = Provider()
    async with on_loopback(provider.answer) as address:
        provider.url = address
        yield provider


def said(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """A JSON answer."""
    return lambda request: web.json_response(body, status=status, headers=headers)


def empty(status: int) -> Handler:
    """No body at all."""
    return lambda request: web.Response(status=status)


def file(content: bytes, *, kind: str = "application/octet-stream", status: int = 200) -> Handler:
    """A download, whatever the server says it is."""
    return lambda request: web.Response(body=content, content_type=kind, status=status)


def moved(target: str) -> Handler:
    """A redirect."""
    return lambda request: web.Response(status=302, headers={"Location": target})


def cut() -> Handler:
    """A connection that breaks before the answer."""

    def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return handler


def image(content: bytes = png(), *, ticks: int | None = 600_000_000, **extra: Any) -> Handler:
    """A picture as xAI answers it."""
    usage = {} if ticks is None else {"usage": {"cost_in_usd_ticks": ticks}}
    return said({"data": [{"b64_json": base64.b64encode(content).decode(), **extra}], **usage})
