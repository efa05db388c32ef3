"""What an attack is: a probe that looks for holes, tried where there must be none and first where there is one."""

import asyncio
import os
import shlex
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from subprocess import CalledProcessError
from typing import Any, Literal, Protocol

import docker
from docker.errors import DockerException, NotFound
from docker.utils import kwargs_from_env
from playwright.async_api import Error as BrowserError
from requests import RequestException

from macrohard.domain import Tier, Value
from macrohard.errors import MacrohardError
from macrohard.sandbox import WORKSPACE, CommandResult, SandboxProvider, SandboxSpec
from macrohard.sandbox import definition as definitions

EVERY_TIER: tuple[Tier, ...] = ("gvisor", "runc+userns", "runc", "bubblewrap")
ENGINE_TIERS: tuple[Tier, ...] = ("gvisor", "runc+userns", "runc")

Outcome = Literal["safe", "unsafe", "control failed", "not here"]


class ProbeFailed(Exception):
    """A probe did not come to its end, so what it found says nothing."""


BROKEN = (
    *(ProbeFailed, MacrohardError, DockerException, RequestException, BrowserError),
    *(AssertionError, OSError, ValueError, CalledProcessError),
)
"""How a probe may fail; anything else is a mistake in it that has to be seen at once."""


class Room(Protocol):
    """Where commands are run: a sandbox, or a container that is weak on purpose."""

    @property
    def id(self) -> str: ...

    async def run(
        self,
        command: str,
        *,
        timeout_seconds: float,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """As of a sandbox."""


class Ground(Protocol):
    """Where a probe is tried."""

    @property
    def folder(self) -> Path:
        """An empty folder of this machine, for the probe alone."""

    @property
    def provider(self) -> SandboxProvider | None:
        """None where the ground is weak."""

    def open(self, *, image: str = "base") -> AbstractAsyncContextManager[Room]:
        """A fresh room."""


Probe = Callable[[Ground], Awaitable[Sequence[str]]]
"""Looks for holes and gives those it found, in words; none is safe. Raises ProbeFailed if it could not look."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One row of the table."""

    id: str
    title: str
    probe: Probe
    control: Probe | None = None
    """Has to find a hole. None: the probe itself, in a weak room."""
    weakness: Mapping[str, Any] = field(default_factory=dict)
    """The weak room beyond what a plain `docker run` as root is: `HostConfig` of the engine's API."""
    tiers: tuple[Tier, ...] = EVERY_TIER
    elsewhere: str = ""
    """Why it says nothing of the other tiers."""
    everywhere: bool = False
    """Whether it is the same whatever the tier, so that it is tried once."""
    quick: bool = False
    """Whether it is part of `make test` too."""


@dataclass(frozen=True)
class Absent:
    """A row that cannot be tried, and why."""

    id: str
    title: str
    reason: str


class Finding(Value):
    """What came of one attack on one tier."""

    id: str
    title: str
    tier: str
    """Empty where it makes no difference."""
    outcome: Outcome
    detail: str
    seconds: float


def tries(holes: Mapping[str, str], *, images: Sequence[str] = ("base",)) -> Probe:
    """A probe of commands, each of which succeeds only where there is the hole it is named after.

    `$STARTER` is the process that started them all.
    """

    async def probe(ground: Ground) -> Sequence[str]:
        found = []
        script = "".join(
            f"if timeout --signal=KILL 20 bash -c {shlex.quote(command)} >/dev/null 2>&1; then echo {number}; fi\n"
            for number, command in enumerate(holes.values())
        )
        for image in images:
            async with ground.open(image=image) as room:
                result = await room.run(f"export STARTER=$PPID\n{script}echo ended", timeout_seconds=120)
            *numbers, last = result.stdout.splitlines() or [""]
            if last != "ended":
                raise ProbeFailed(f"it ended with {result.exit_code}: {result.stdout[-200:]}{result.stderr[-200:]}")
            found += [f"{list(holes)[int(number)]}" + (f" ({image})" if image != "base" else "") for number in numbers]
        return found

    return probe


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Set these variables, or with None remove them, for as long as this lasts."""
    before = {name: os.environ.get(name) for name in values}

    def take(given: Mapping[str, str | None]) -> None:
        for name, value in given.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    take(values)
    try:
        yield
    finally:
        take(before)


@contextmanager
def engine_client() -> Iterator[docker.APIClient]:
    """The engine, as anybody may use it: what a sandbox is must not be taken from the one who made it."""
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    try:
        yield engine
    finally:
        engine.close()


class Ours:
    """Sandboxes as the product uses them."""

    def __init__(self, provider: SandboxProvider, folder: Path) -> None:
        self.provider, self.folder = provider, folder

    def open(self, *, image: str = "base") -> AbstractAsyncContextManager[Room]:
        return self.provider.open(SandboxSpec(image=image))


class Weak:
    """Containers of the same images, made as a careless person would: `docker run`, root, and what a row adds."""

    provider = None

    def __init__(self, engine: docker.APIClient, folder: Path, weakness: Mapping[str, Any]) -> None:
        self.engine, self.folder, self._weakness = engine, folder, weakness

    @asynccontextmanager
    async def open(self, *, image: str = "base") -> AsyncIterator[Room]:
        name = f"weak-{uuid.uuid4().hex[:12]}"
        try:
            await asyncio.to_thread(
                self.engine.create_container,
                definitions.load(image).tag,
                name=name,
                # Ends by itself, should nobody be left to end it.
                entrypoint=["sleep", "300"],
                user="0:0",
                use_config_proxy=False,
                labels={"io.macrohard.attacks": "control"},
                host_config={"AutoRemove": True, **self._weakness},
            )
            await asyncio.to_thread(self.engine.start, name)
            yield WeakRoom(self.engine, name)
        finally:
            await asyncio.shield(asyncio.to_thread(self._remove, name))

    def _remove(self, name: str) -> None:
        # One that could not start is gone already.
        with suppress(NotFound):
            self.engine.remove_container(name, force=True, v=True)


class WeakRoom:
    """A weak container, through `docker exec`."""

    def __init__(self, engine: docker.APIClient, name: str) -> None:
        self.engine, self.id = engine, name

    async def run(
        self,
        command: str,
        *,
        timeout_seconds: float,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
    ) -> CommandResult:
        return await asyncio.to_thread(self._run, command, timeout_seconds, str(directory), dict(environment or {}))

    def _run(self, command: str, seconds: float, directory: str, environment: dict[str, str]) -> CommandResult:
        started = time.monotonic()
        limited = ["timeout", "--signal=KILL", str(seconds), "bash", "-c", command]
        made = self.engine.exec_create(self.id, limited, workdir=directory, environment=environment)
        stdout, stderr = self.engine.exec_start(made["Id"], demux=True)
        code = self.engine.exec_inspect(made["Id"])["ExitCode"]
        return CommandResult(
            exit_code=code,
            stdout=(stdout or b"").decode(errors="replace"),
            stderr=(stderr or b"").decode(errors="replace"),
            dropped_bytes=0,
            timed_out=code == 137 and time.monotonic() - started >= seconds,
            limit_hit=None,
            duration_seconds=time.monotonic() - started,
        )


class Attacker:
    """Tries attacks; a control is tried once, however many tiers are attacked."""

    def __init__(self, engine: docker.APIClient, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._address = os.environ.get("DOCKER_HOST")
        self._controls: dict[str, tuple[Sequence[str], str]] = {}

    async def attack(self, attack: Attack, provider: SandboxProvider) -> Finding:
        """Try it on sandboxes of this provider, and see that the next sandbox works and none is left."""
        started = time.monotonic()
        outcome, detail = await self._outcome(attack, provider)
        return Finding(
            id=attack.id,
            title=attack.title,
            tier="" if attack.everywhere else provider.tier,
            outcome=outcome,
            detail=detail,
            seconds=time.monotonic() - started,
        )

    async def _outcome(self, attack: Attack, provider: SandboxProvider) -> tuple[Outcome, str]:
        if provider.tier not in attack.tiers:
            return "not here", attack.elsewhere
        shown, problem = await self._control(attack)
        if not shown:
            return "control failed", problem or "the control found nothing where there is a hole"
        holes, problem = await _found(attack.probe, Ours(provider, self._fresh()))
        if not (holes or problem):
            holes, problem = await _found(_aftermath, Ours(provider, self._fresh()))
        if holes or problem:
            return "unsafe", "; ".join(holes) or f"the probe did not end: {problem}"
        return "safe", f"the control found: {', '.join(shown)}"

    async def _control(self, attack: Attack) -> tuple[Sequence[str], str]:
        if attack.id not in self._controls:
            ground = Weak(self._engine, self._fresh(), attack.weakness)
            # Weak containers are always the ordinary engine's, whichever is attacked.
            with environment(DOCKER_HOST=self._address):
                self._controls[attack.id] = await _found(attack.control or attack.probe, ground)
        return self._controls[attack.id]

    def _fresh(self) -> Path:
        folder = self._folder / uuid.uuid4().hex[:8]
        folder.mkdir()
        return folder


async def _found(probe: Probe, ground: Ground) -> tuple[Sequence[str], str]:
    try:
        return await probe(ground), ""
    except BROKEN as error:
        return (), f"{type(error).__name__}: {error}"


async def _aftermath(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        answered = (await room.run("echo ok; ls -A /workspace /tmp", timeout_seconds=20)).stdout
    return [] if answered == "ok\n/tmp:\n\n/workspace:\n" else [f"the next sandbox is not fresh: {answered!r}"]
