"""Servers on loopback: answers by a function, by a cassette, and by programs of their own."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from macrohard.llm.recording.cassette import Recorded, read_cassette
from tests.starting import started

CASSETTES = Path(__file__).parent / "cassettes"
START_SECONDS = 30.0

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def on_loopback(answer: Answer, *, path: str = "/{path:.*}") -> AsyncIterator[str]:
    """Answer requests of any method below the address given, "http://127.0.0.1:PORT", until the context is left.

    Requests for other paths than `path` are answered 404. Handlers are cancelled when their client goes away.
    """
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", path, answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def program(module: str, *arguments: str, root: Path, input: str = "") -> Iterator[int]:
    """Run `python -m module PORT arguments` in `root` until the context is left; gives the port once it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        given, told = Path(folder) / "given", Path(folder) / "told"
        given.write_text(input)
        server = started(
            module, str(port), *arguments, cwd=root, environment=os.environ, given=given, out=told, told=told
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except ConnectionRefusedError:
                    assert server.exitcode is None, f"{module} ended with {server.exitcode}: {told.read_text()}"
                    assert time.monotonic() < deadline, f"{module} does not listen"
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()
            server.join()


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

    async with on_loopback(answer) as address:
        served.base_url = f"{address}/v1"
        yield served
