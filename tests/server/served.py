"""The service in the test's own process, on a port and an event loop of its own: it is there at once."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
import uvicorn
from fastapi import FastAPI

from macrohard.assembly import Factory, Worker, open_factory
from macrohard.server import create_app
from macrohard.server.access import LocalAccess, local_token
from macrohard.server.people.access import TeamAccess
from macrohard.server.serving import Server
from macrohard.settings import load_settings

HOSTS = ("127.0.0.1", "localhost")
T = TypeVar("T")


@dataclass
class Served:
    """A service that answers."""

    base_url: str
    token: str
    home: Path
    factory: Factory
    loop: asyncio.AbstractEventLoop
    app: FastAPI

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request as a program on this machine does."""
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        return requests.request(method, self.base_url + path, headers=headers, timeout=60, **arguments)

    def within(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, in the service's own event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)


class _Server(Server):
    """Says when it answers."""

    def __init__(self, application: FastAPI, config: uvicorn.Config, *, answers: Callable[[], None]) -> None:
        super().__init__(application, config)
        self._answers = answers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._answers()


@contextmanager
def served(
    home: Path, *, url: str | None = None, slots: int = 0, port: int = 0, team: bool = False
) -> Iterator[Served]:
    """The service with a worker for so many runs, of one person or a team, until the context is left.

    Port 0: on one that is free.
    """
    ready: Future[tuple[uvicorn.Server, Served]] = Future()

    async def serve() -> None:
        settings = load_settings(home=home, database_url=url)
        with socket.create_server(("127.0.0.1", port)) as listening:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with open_factory(settings, sandbox="auto") as factory:
                worker = Worker(factory, slots=slots) if slots else None
                access = TeamAccess(factory.store.people) if team else LocalAccess(home)
                app = create_app(factory, settings, access=access, hosts=HOSTS, worker=worker)
                service = Served(address, local_token(home), home, factory, asyncio.get_running_loop(), app)
                config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
                server = _Server(app, config, answers=lambda: ready.set_result((server, service)))
                await server.serve(sockets=[listening])

    home.mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(asyncio.run, serve())
        begun: list[Future[Any]] = [ready, serving]
        wait(begun, return_when=FIRST_COMPLETED)
        if not ready.done():
            serving.result()
        server, service = ready.result(1)
        try:
            yield service
        finally:
            server.should_exit = True
            serving.result(60)
