"""A product checked out in a sandbox: installed, tested, started on its port, stopped, and its data wiped."""

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from macrohard.domain import Value
from macrohard.domain.environment import NONE
from macrohard.errors import ToolError
from macrohard.product.manifest import FILE, Manifest, read_manifest
from macrohard.sandbox.contract import WORKSPACE, CommandResult, Process, Sandbox, Stream

PORT = 8000
ROOT = WORKSPACE / "product"
SLOWEST = 3.0
"""So many times as long as usual is waited at most."""
START_SECONDS = 60.0
"""How long a product may take from its start command until it is healthy: generous, because machines may be busy."""
INSTALL_SECONDS = 300.0
TEST_SECONDS = 300.0
_BUNDLE = WORKSPACE / "product.bundle"
_INITIAL_DATA = WORKSPACE / "initial-data"
_REMEMBERED = WORKSPACE / "remembered"
_MANIFEST_BYTES = 64 << 10
_POLL_SECONDS = 0.01
_KILLED = 137
_TAIL_CHARACTERS = 2000

_COUNTS = (
    re.compile(r"\b(\d+) passed\b"),  # pytest, vitest, jest, playwright
    re.compile(r"^Ran (\d+) tests?\b", re.M),  # unittest
    re.compile(r"^[#ℹ] pass (\d+)$", re.M),  # node --test
    re.compile(r"^\s*(\d+) passing\b", re.M),  # mocha
    re.compile(r"^1\.\.(\d+)$", re.M),  # TAP
    re.compile(r"^ok\s+\S+\s+[\d.]+s()", re.M),  # go test: one or more of a package
)
_UNREADABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours and other control characters, of which databases refuse some."""


class Load(Value):
    """How much the machine of a sandbox has to do."""

    load: float
    """Programs that were at work, or waiting to be, on average over the last minute."""
    processors: int

    @property
    def slowness(self) -> float:
        """How many times as long everything takes as with a processor for each program; 1 to `SLOWEST`."""
        return min(max(1.0, self.load / self.processors), SLOWEST)

    @property
    def told(self) -> str:
        """For a sentence."""
        return f"the machine's load was {self.load:g} on {self.processors} processor{'s' * (self.processors > 1)}"


class NotReached(ToolError):
    """The product could not be brought to where it is tried, and did not itself say no: nothing is known of it."""


class TestRun(Value):
    """What the product's own tests said."""

    __test__ = False  # not one of ours, whatever its name makes pytest think

    passed: bool
    """They exited with 0, and at least one ran."""
    count: int | None
    """How many passed; None if the output does not tell."""
    summary: str
    output: str


class Service:
    """One product in one sandbox; at most one process of it runs at a time."""

    def __init__(
        self,
        sandbox: Sandbox,
        manifest: Manifest,
        *,
        root: PurePosixPath = ROOT,
        environment: Mapping[str, str] = NONE,
    ) -> None:
        """`environment` is what it is started, tested and called with."""
        self.sandbox = sandbox
        self.manifest = manifest
        self.environment = environment
        self.root = root
        self._process: Process | None = None
        self._end: asyncio.Task[int] | None = None
        self._knows_initial_data = False
        self._remembers = False
        self._reviving = asyncio.Lock()

    async def install(self) -> CommandResult | None:
        """Run the install command, if there is one; a failure is a result.

        What runs afterwards has no way out any more, as it will have none where the product is used.
        """
        result = None
        if self.manifest.commands.install:
            result = await self.sandbox.run(
                self.manifest.commands.install, timeout_seconds=INSTALL_SECONDS, directory=self.root
            )
        await self.sandbox.seal()
        return result

    async def run_tests(self) -> TestRun:
        """Run the product's own tests; the service must not be running.

        Tests that change the product's data are undone by the next `wipe`.
        """
        await self._keep_initial_data()
        result = await self.sandbox.run(
            self.manifest.commands.test,
            timeout_seconds=TEST_SECONDS,
            directory=self.root,
            environment={**self.environment, "PORT": str(PORT)},
        )
        await self.sandbox.kill_all()
        output = readable(result.stdout + result.stderr)
        count = _count(output)
        return TestRun(
            passed=result.exit_code == 0 and bool(count),
            count=count,
            summary=_test_summary(result, count, output),
            output=output,
        )

    async def prepare(self) -> None:
        """Install, and start what is a service; of what is not, keep how it is now for `renew`.

        Raises:
            ToolError: the install command failed, or the service does not start.
            SandboxUnavailable: the sandbox was lost.
        """
        result = await self.install()
        if result is not None and result.exit_code != 0:
            raise ToolError(f"the install command failed: {why_not_installed(result)}")
        await (self.start() if self.manifest.is_served else self.remember())

    async def start(self, *, wiped: bool = False, environment: Mapping[str, str] | None = None) -> None:
        """Start the service and wait until it is healthy; with `wiped`, on the data a fresh checkout has.

        `environment` is for this time, instead of its own.

        Raises:
            ToolError: it ended by itself; the text holds the end of its log.
            NotReached: it was killed, was not healthy in time, or its data could not be put in place.
            SandboxUnavailable: the sandbox was lost.
        """
        assert self._process is None, "the service is running"
        await self._keep_initial_data()
        if wiped:
            await self.wipe()
        given = self.environment if environment is None else environment
        surroundings = {"PYTHONUNBUFFERED": "1", **given, "PORT": str(PORT), "HOST": "127.0.0.1"}
        # One stream for both, so that the log keeps their order.
        command = f"exec 1>&2; {self.manifest.commands.start}"
        self._process = await self.sandbox.spawn(command, directory=self.root, environment=surroundings)
        self._end = asyncio.create_task(self._process.wait())
        # Nobody may ask any more how it ended, e.g. when the sandbox closes first.
        self._end.add_done_callback(lambda end: end.cancelled() or end.exception())
        try:
            await self._until_healthy()
        except ToolError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill the service with everything it started, without warning: data it had not written is lost."""
        if self._process is None:
            return
        await self._process.kill()
        if self._end is not None:
            await self._end
        self._process = self._end = None
        if await self._answers():
            # Something left its process group and still holds the port.
            await self.sandbox.kill_all()

    async def restart(self, *, wiped: bool = False, environment: Mapping[str, str] | None = None) -> None:
        """Stop and start; as `start`, and raises as it does."""
        await self.stop()
        await self.start(wiped=wiped, environment=environment)

    async def revive(self) -> bool:
        """Start the service again if it has ended by itself, and say whether it had; raises as `start` does.

        Any number of users of one service may ask at the same time.
        """
        async with self._reviving:
            if not self.ended:
                return False
            await self.restart()
            return True

    @property
    def running(self) -> bool:
        """Whether the service was started, and has neither ended nor been stopped."""
        return self._end is not None and not self._end.done()

    @property
    def ended(self) -> bool:
        """Whether the service was started and has ended by itself."""
        return self._end is not None and self._end.done()

    async def require_sandbox(self) -> None:
        """Make sure that what went wrong was not the sandbox going away under the product.

        Raises:
            SandboxUnavailable: it was.
        """
        await self.sandbox.run(("true",), timeout_seconds=30)

    def log(self) -> str:
        """The end of what the running service has written."""
        return readable(self._process.tail())[-_TAIL_CHARACTERS:].strip() if self._process else ""

    async def wipe(self) -> None:
        """Put ./data back to what a fresh checkout has: in most products nothing; the service must not be running."""
        data = self.root / "data"
        await self._command(f"{_removing(data)} && if [ -d {_INITIAL_DATA} ]; then cp -a {_INITIAL_DATA} {data}; fi")

    async def remember(self) -> None:
        """Keep the product's folder and the home folder as they are now, for `renew`.

        Raises:
            ToolError: there is no room for a copy.
        """
        await self._command(
            f"mkdir {_REMEMBERED} && cp -a {self.root} {_REMEMBERED}/product && cp -a ~ {_REMEMBERED}/home"
        )
        self._remembers = True

    async def renew(self) -> None:
        """Put folder and home back to what they were at `remember`, and end whatever still runs.

        The service must not be running.

        Raises:
            NotReached: they could not be put back.
        """
        assert self._process is None, "the service is running"
        assert self._remembers, "nothing was remembered"
        await self.sandbox.kill_all()
        result = await self.sandbox.run(
            f"{_removing(self.root)} && cp -a {_REMEMBERED}/product {self.root} && {_emptying('~ /tmp')}"
            f" && cp -a {_REMEMBERED}/home/. ~",
            timeout_seconds=60,
        )
        if result.exit_code != 0:
            raise NotReached(f"the product's folder could not be put back: {_ending(result)}")

    async def now(self) -> datetime:
        """The sandbox's clock."""
        stamp = await self._command("date +%s.%N")
        return datetime.fromtimestamp(float(stamp), UTC)

    async def _keep_initial_data(self) -> None:
        if not self._knows_initial_data:
            await self._command(f"if [ -d data ]; then cp -a data {_INITIAL_DATA}; fi")
            self._knows_initial_data = True

    async def _command(self, command: str) -> str:
        result = await self.sandbox.run(command, timeout_seconds=30, directory=self.root)
        if result.exit_code != 0:
            raise NotReached(f"{command!r} failed in the product's folder: {_ending(result)}")
        return result.stdout

    async def _until_healthy(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        said = "nothing listens on the port"
        while time.monotonic() < deadline:
            if self._end is not None and self._end.done():
                code = self._end.result()
                if code == _KILLED:
                    raise NotReached(f"the start command was killed (exit code {code}). It wrote: {_tail(self.log())}")
                raise ToolError(
                    f"the start command ended; it must keep running. It wrote: {_tail(self.log())} (exit code {code})"
                )
            try:
                status = await asyncio.wait_for(self._status(), deadline - time.monotonic())
            except (ConnectionError, TimeoutError):
                status = None
            if status is not None:
                if 200 <= status < 400:
                    return
                said = f"{self.manifest.service.health} answers {status}"
            await asyncio.sleep(_POLL_SECONDS)
        raise NotReached(
            f"not healthy {START_SECONDS:g} seconds after the start: {said}. It must listen on 127.0.0.1:$PORT "
            f"and answer {self.manifest.service.health}. Its process was alive all the time, and "
            f"{(await self.load()).told}. It wrote: {_tail(self.log())}"
        )

    async def load(self) -> "Load":
        """How busy the machine is, so that who reads of something late can tell whose fault it is."""
        processors, load = (await self._command("nproc; cut -d' ' -f1 /proc/loadavg")).split()
        return Load(load=float(load), processors=int(processors))

    async def _status(self) -> int | None:
        """The status of the health path; None while the answer is not HTTP."""
        stream = await self.sandbox.connect(PORT)
        try:
            path = self.manifest.service.health
            await stream.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nConnection: close\r\n\r\n".encode())
            line = await _first_line(stream)
        finally:
            await stream.close()
        parts = line.split()
        return int(parts[1]) if len(parts) > 1 and parts[0].startswith(b"HTTP/") and parts[1].isdigit() else None

    async def _answers(self) -> bool:
        try:
            stream = await self.sandbox.connect(PORT)
        except ConnectionRefusedError:
            return False
        await stream.close()
        return True


async def checkout(sandbox: Sandbox, *, bundle: bytes, commit: str, environment: Mapping[str, str] = NONE) -> Service:
    """Clone the bundle inside the sandbox, check the commit out, and read its manifest.

    `environment` is what it will be started, tested and called with.

    Raises:
        ToolError: the commit is not in the bundle, or `product.toml` is missing or wrong.
        SandboxUnavailable: the sandbox was lost.
    """
    await sandbox.write({_BUNDLE: bundle})
    cloned = await sandbox.run(
        f"git clone --quiet --no-checkout {_BUNDLE} {ROOT} && git -C {ROOT} checkout --quiet --detach {commit}"
        f" && rm {_BUNDLE}",
        timeout_seconds=120,
    )
    if cloned.exit_code != 0:
        raise ToolError(f"the commit could not be checked out: {_tail(cloned.stderr)}")
    try:
        content = await sandbox.read(ROOT / FILE, limit_bytes=_MANIFEST_BYTES)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ToolError(f"there is no {FILE} in the product's root folder") from error
    return Service(sandbox, read_manifest(content), environment=environment)


async def _first_line(stream: Stream) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while b"\n" not in received and len(received) < 4096:
            more = await stream.read()
            if not more:
                break
            received += more
    return received.split(b"\n", 1)[0]


def _count(output: str) -> int | None:
    counts = [int(found) if found else 1 for pattern in _COUNTS for found in pattern.findall(output)]
    return max(counts, default=None)


def _test_summary(result: CommandResult, count: int | None, output: str) -> str:
    if result.limit_hit:
        return f"the tests were {result.limit_hit}"
    if result.timed_out:
        return f"the tests had not ended after {TEST_SECONDS:g} seconds"
    if result.exit_code != 0:
        return f"the tests failed (exit code {result.exit_code}): {_tail(output)}"
    if count is None:
        return (
            "the tests exited with 0, but did not say how many ran; "
            f"a line such as '12 passed' or 'Ran 12 tests' is needed. They wrote: {_tail(output)}"
        )
    return f"{count} tests passed" if count else "no test ran"


def why_not_installed(result: CommandResult) -> str:
    """What a failed install command said at its end, and what it could not fetch."""
    said = _tail(result.stdout + result.stderr)
    return f"{said}\n({result.hint})" if result.hint else said


def readable(output: str) -> str:
    """What a command wrote or a page shows, without colours and control characters."""
    return _UNREADABLE.sub("", output)


def _removing(path: PurePosixPath) -> str:
    """The command that removes it, also where the product has forbidden itself to write or look there."""
    again = f"chmod -f u+rwx {path.parent}; chmod -Rf u+rwX {path}; rm -rf {path}"
    return f"{{ rm -rf {path} || {{ {again}; }}; }}"


def _emptying(folders: str) -> str:
    """The same with everything in these folders."""
    delete = f"find {folders} -mindepth 1 -delete"
    return f"{{ {delete} || {{ chmod -Rf u+rwX {folders}; {delete}; }}; }}"


def _ending(result: CommandResult) -> str:
    """All that is known of why a command of our own failed."""
    why = result.limit_hit or ("timed out" if result.timed_out else f"exit code {result.exit_code}")
    return f"{why} after {result.duration_seconds:.1f} s; it wrote: {_tail(result.stderr)}"


def _tail(text: str) -> str:
    text = readable(text).strip()
    return ("… " + text[-_TAIL_CHARACTERS:]) if len(text) > _TAIL_CHARACTERS else (text or "nothing")
