"""Services as a person starts them: `macrohard serve` and `macrohard worker`, each a process of its own."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.starting import ended, started

START_SECONDS = 180.0
LOOK_SECONDS = 0.25
"""Between two looks at whether something has come about: what is looked at is at work on the same processors."""
_OF_A_PERSON = ("MACROHARD_", "XAI_", "OPENAI_")


@dataclass
class Running:
    """A process of ours."""

    process: ForkServerProcess
    log: Path
    base_url: str = ""
    token: str = ""

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request as a program on this machine does."""
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        return requests.request(method, self.base_url + path, headers=headers, timeout=30, **arguments)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.join()

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        self.process.join(60)
        assert self.process.exitcode is not None, self.told()
        return self.process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def told(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8")


@dataclass
class Installation:
    """One home, and the processes that share it."""

    root: Path
    home: Path
    environment: dict[str, str]
    started: list[Running] = field(default_factory=list)

    def serve(self, *arguments: str, port: int = 0) -> Running:
        """Start a service and wait until it answers; 0: on a port that is free."""
        if port == 0:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        running = self._start("serve", "--port", str(port), *arguments)
        running.base_url = f"http://127.0.0.1:{port}"
        self._wait(running, lambda: requests.get(f"{running.base_url}/static/app.css", timeout=1).status_code == 200)
        token = self.home / "service-token"
        running.token = token.read_text(encoding="ascii").strip() if token.exists() else ""
        return running

    def work(self, *arguments: str) -> Running:
        """Start a worker and wait until it looks for runs."""
        running = self._start("worker", *arguments)
        self._wait(running, lambda: "waiting for runs" in running.told())
        return running

    def run(self, *arguments: str) -> str:
        """What a command prints."""
        said = ended("macrohard", *arguments, cwd=self.root, environment=self.environment)
        assert said.code == 0, said.told
        return said.out

    def _start(self, *arguments: str) -> Running:
        log = self.home.parent / f"log-{secrets.token_hex(4)}"
        log.touch()
        process = started("macrohard", *arguments, cwd=self.root, environment=self.environment, out=log, told=log)
        self.started.append(Running(process, log))
        return self.started[-1]

    def _wait(self, running: Running, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(requests.ConnectionError, requests.Timeout):
                if ready():
                    return
            assert running.process.is_alive(), running.told()
            assert time.monotonic() < deadline, running.told()
            time.sleep(0.05)


@contextmanager
def installed(folder: Path, root: Path) -> Iterator[Installation]:
    """An empty home in the folder with the built-in model; what was started from it is killed in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_PERSON)}
    home = folder / "home"
    home.mkdir()
    environment = {
        **kept,
        "PYTHONPATH": str(root),
        "MACROHARD_HOME": str(home),
        "MACROHARD_MEDIA": '{"film": false}',
    }
    installation = Installation(root, home, environment)
    yield installation
    for running in installation.started:
        if running.process.is_alive():
            running.signal(signal.SIGCONT)
            running.kill()


@pytest.fixture
def installation(tmp_path: Path, repository_root: Path) -> Iterator[Installation]:
    """An installation of the test's own."""
    with installed(tmp_path, repository_root) as installation:
        yield installation


def waited_for(what: Callable[[], bool], *, seconds: float = 120.0) -> None:
    """Return as soon as it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(LOOK_SECONDS)
