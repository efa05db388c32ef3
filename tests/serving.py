"""Serves a cassette over HTTP on loopback, so that whatever talks to endpoints can be tested with recorded answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from macrohard.llm.recording.cassette import Recorded, read_cassette

CASSETTES = Path(__file__).parent / "cassettes"


@dataclass
class Served:
    """An endpoint that gives a cassette's answers, one for each request, in order."""

    base_url: str
    left: list[Recorded]
    bodies: list[bytes] = field(default_factory=list)
    """Of the requests so far."""


ServeCassette = Callable[[str], Awaitable[Served]]


@asynccontextmanager
async def serving(name: str) -> AsyncIterator[Served]:
    """The endpoint; a request after the last answer is answered 500."""
    served = Served(base_url="", left=list(read_cassette(CASSETTES / f"{name}.jsonl").exchanges))

    async def answer(request: web.Request) -> web.StreamResponse:
        served.bodies.append(await request.read())
        if not served.left or request.path != f"/v1{served.left[0].exchange.path}":
            return web.Response(status=500, text="nothing is recorded for this")
        recorded = served.left.pop(0)
        response = web.StreamResponse(status=recorded.exchange.status or 500, headers=recorded.exchange.headers)
        await response.prepare(request)
        content, at = recorded.body(), 0
        for size in recorded.exchange.sizes or [len(content)]:
            await response.write(content[at : at + size])
            await asyncio.sleep(0)  # so that chunks are not put together
            at += size
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served.base_url = f"http://{host}:{port}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()
