"""The product under work, tried by the agent that writes it: its own tests, its service, its pages."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from macrohard.agent.outputs import as_left_on_screen, readable
from macrohard.agent.watch import TESTS_PASSED
from macrohard.domain import Value
from macrohard.errors import ToolError
from macrohard.product import PORT, Manifest, Service, read_manifest
from macrohard.product.browser import Noticed, PageView, StepFailed, StepMalformed, Visit
from macrohard.product.manifest import FILE
from macrohard.product.outline import outline_of
from macrohard.sandbox import Sandbox

TEST_SECONDS = 300
MANIFEST_BYTES = 64 << 10
FAILURES_SHOWN = 20
FAILURE_CHARACTERS = 4_000
NOTICED_SHOWN = 10
NOTICED_CHARACTERS = 300
WIDTH, HEIGHT, NARROW_PIXELS = 1280, 800, 640

_FAILURES = re.compile(
    r"^(?:FAILED |ERROR |FAIL: |ERROR: |not ok \d+|\s*[✖✗×] |--- FAIL: |\s*● |FAIL\s+\S).*$", re.MULTILINE
)
"""Lines that name a failed test: pytest, unittest, TAP, node, go, jest, mocha."""
_TOTALS = re.compile(
    r"^.*(?:\b\d+ (?:passed|failed|passing|failing|errors?)\b|^Ran \d+ tests?\b|^FAILED \(|^[#ℹ] (?:pass|fail) \d+).*$",
    re.MULTILINE,
)
_FIRST_DETAIL = re.compile(
    r"^(?:=+ (?:FAILURES|ERRORS) =+|={20,}|Traceback |\s*AssertionError|\s*Error: |E  ).*$", re.M
)


_NAMED = {"PYTEST_ADDOPTS": "-o verbosity_test_cases=1"}
"""Has pytest name each test when it begins: of a run that is killed, the last line names the one that it hung in."""
TOTALS_SHOWN = 6
"""Of several runners behind each other; node says passed and failed in two lines."""


class PageStep(Value):
    """One thing done on the page before it is looked at."""

    action: Literal[
        "click", "double click", "right click", "hold", "fill", "choose", "check", "uncheck", "press", "type", "reload",
        "back", "wait", "colours",
    ]  # fmt: skip
    target: str = Field(default="", description='e5, as the outline refers to it, or role "name"; empty for the page.')
    value: str = Field(
        default="",
        description="The text to fill in, the option to choose, or the key to press (ArrowRight*7: seven times); for "
        "hold the milliseconds (5000 at most), for wait the seconds (10 at most), for colours dark or light.",
    )


class TestAnswer(Value):
    """What the product's tests said, in short and whole."""

    __test__ = False  # not one of ours, whatever its name makes pytest think

    summary: str
    output: str


class Trial:
    """One product in one agent's sandbox, as it stands there now."""

    def __init__(
        self,
        sandbox: Sandbox,
        root: PurePosixPath,
        *,
        window: Callable[[int, int], Awaitable[Visit]] | None,
        environment: Mapping[str, str],
    ) -> None:
        """`window` opens a browser of so many pixels beside the sandbox, and closes the one before; None: none can.

        `environment` is what the product is started and tested with.
        """
        self._environment = environment
        self._sandbox, self._root, self._open_window = sandbox, root, window
        self._service: Service | None = None
        self._visit: Visit | None = None
        self._address = "/"
        """Of the page that was looked at last."""

    async def run_tests(self, arguments: str) -> TestAnswer:
        """Run the test command of `product.toml`; a running product is stopped for it, and then started again.

        Raises:
            ToolError: there is no such command yet.
        """
        command = (await self._manifest()).commands.test
        ran = self._service is not None
        await self.stop()
        result = await self._sandbox.run(
            f"{command} {arguments}".strip(),
            timeout_seconds=TEST_SECONDS,
            directory=self._root,
            environment={**self._environment, **_NAMED, "PORT": str(PORT)},
        )
        output = readable(as_left_on_screen(f"{result.stdout}\n{result.stderr}")).strip()
        ending = f"exit code {result.exit_code}"
        if result.timed_out:
            ending = killed(output)
        if result.limit_hit:
            ending = result.limit_hit
        totals = totals_of(output)
        told = "; ".join([*totals, ending])
        lines = [f"{TESTS_PASSED}{told}" if result.exit_code == 0 else f"failed: {told}"]
        if ran:
            lines.append(await self._started_after())
        if result.exit_code != 0:
            lines += _failures(output)
        elif not totals:
            lines.append("(the output does not say how many tests ran; the factory counts them and wants at least one)")
        return TestAnswer(summary="\n".join(lines), output=output)

    async def _started_after(self) -> str:
        """Start again what was stopped for the tests, and say so."""
        try:
            await self.start()
        except ToolError as error:
            return f"(the running product was stopped for it, and does not start any more: {error})"
        return "(the running product was stopped for it, and started again)"

    async def start(self) -> str:
        """Start the product, again if it runs, and wait until it is healthy.

        Raises:
            ToolError: it has no service, or does not become healthy; the text holds the end of its log.
        """
        manifest = await self._manifest()
        if manifest.kind not in ("web", "api"):
            raise ToolError(f"a product of kind {manifest.kind} has no service to start; try it with shell")
        restarted = await self.stop()
        if await self._listening():
            raise ToolError(f"something listens on port {PORT} already; stop it first, see `background` with list")
        service = Service(self._sandbox, manifest, root=self._root, environment=self._environment)
        try:
            await service.start()
        except ToolError as error:
            hint = (
                f" Was its install command run? It is: {manifest.commands.install}" if manifest.commands.install else ""
            )
            raise ToolError(f"{error}{hint}") from error
        self._service = service
        how = "started again" if restarted else "started"
        return "\n".join([
            f"{how}: {manifest.service.health} answers on http://127.0.0.1:{PORT}; it runs until stop_product",
            f"its log: {service.log() or '(empty)'}",
        ])  # fmt: skip

    async def stop(self) -> str | None:
        """Stop the product if it runs, and give the end of its log; None if it does not."""
        if self._service is None:
            return None
        log, ended = self._service.log(), self._service.ended
        await self._service.stop()
        self._service = None
        return f"{'it had ended by itself' if ended else 'stopped'}; its log: {log or '(empty)'}"

    async def look(self, path: str, steps: Sequence[PageStep], *, width: int) -> str:
        """Open a page of the running product, do the steps, and tell what is there and what went wrong meanwhile.

        Raises:
            ToolError: nothing runs, there is no browser, or the page cannot be opened.
        """
        if self._open_window is None:
            raise ToolError("there is no browser for this assignment; ask for pages with curl in shell")
        if not await self._listening():
            log = f" It ended; its log: {self._service.log()}" if self._service is not None else ""
            raise ToolError(f"nothing listens on 127.0.0.1:{PORT}: start_product first.{log}")
        if self._visit is None or self._visit.width != width:
            self._visit = await self._open_window(width, HEIGHT)
            path = path or self._address
        visit = self._visit
        failed: list[str] = []
        doing = f"opening {path}"
        try:
            if path:
                await visit.act("open", value=path)
            for number, step in enumerate(steps, 1):
                doing = f"step {number}, {step.action} {step.target}".rstrip()
                await visit.act(step.action, target=step.target, value=step.value)
        except (StepFailed, StepMalformed) as error:
            failed.append(f"{doing}, did not work, and nothing was done after it: {error}")
        view = await visit.look()
        self._address = view.address
        log = self._service.log() if self._service is not None and self._service.ended else ""
        ended = [f"The product ended by itself; its log: {log}"] if log else []
        return "\n".join([*failed, *ended, outline_of(view).text, *_noticed(visit.take_noticed(), view)])

    async def picture(self) -> tuple[bytes, int, int] | None:
        """The window as a JPEG with width and height; None where there is none."""
        if self._visit is None:
            return None
        try:
            return await self._visit.picture()
        except StepFailed:
            return None

    async def _manifest(self) -> Manifest:
        try:
            return read_manifest(await self._sandbox.read(self._root / FILE, limit_bytes=MANIFEST_BYTES))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ToolError(f"there is no {FILE} in the product's root yet; it names the commands") from error

    async def _listening(self) -> bool:
        try:
            stream = await self._sandbox.connect(PORT)
        except ConnectionRefusedError:
            return False
        await stream.close()
        return True


def totals_of(output: str) -> list[str]:
    """The lines in which runners say how many tests passed and failed, of each runner."""
    return [line.strip("= ")[:NOTICED_CHARACTERS] for line in _TOTALS.findall(output)][-TOTALS_SHOWN:]


def killed(output: str) -> str:
    """What is told of tests whose time was up: the last line names the test that was running, where the runner does."""
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "nothing")
    return f"killed after {TEST_SECONDS} s; the last thing it wrote: {last[:NOTICED_CHARACTERS]}"


def _failures(output: str) -> list[str]:
    """The names of what failed, and the beginning of the first failure, or else the end of the output."""
    names = list(dict.fromkeys(line.strip() for line in _FAILURES.findall(output)))
    lines = [name[:NOTICED_CHARACTERS] for name in names[:FAILURES_SHOWN]]
    if len(names) > FAILURES_SHOWN:
        lines.append(f"… and {len(names) - FAILURES_SHOWN} more")
    detail = _FIRST_DETAIL.search(output)
    if detail is not None and len(output) - detail.start() > FAILURE_CHARACTERS:
        shown = output[detail.start() :][:FAILURE_CHARACTERS].rpartition("\n")[0]
    else:
        shown = output[-FAILURE_CHARACTERS:]
        shown = shown.partition("\n")[2] if len(output) > FAILURE_CHARACTERS else shown
    return [*lines, "", shown or "(it wrote nothing)"]


def _noticed(noticed: Noticed, view: PageView) -> list[str]:
    lines = [
        f"{what}: {one[:NOTICED_CHARACTERS]}"
        for what, ones in (
            ("server error", noticed.server_errors),
            ("script error", noticed.page_errors),
            ("console error", noticed.console_errors),
            ("failed request", noticed.failed_requests),
            ("request to another host, refused", noticed.outside_requests),
            ("dialog, accepted", noticed.dialogs),
        )
        for one in dict.fromkeys(ones[:NOTICED_SHOWN])
    ]
    if view.overflow:
        lines.append(f"the page is {view.overflow} px wider than the window")
    return lines or ["No console errors, no failed requests."]
