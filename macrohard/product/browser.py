"""A real browser beside a product: its own sandbox on the product's loopback, driven by the program in `guest/`."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

from macrohard.domain import JsonObject, Step, Value
from macrohard.domain.usage import Box
from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.product.service import PORT
from macrohard.sandbox.contract import WORKSPACE, Process, Sandbox, SandboxProvider, SandboxSpec

ORIGIN = f"http://127.0.0.1:{PORT}"
READY_SECONDS = 60.0
REPLY_SECONDS = 50.0
"""The program itself gives up after 15 seconds, on a busy machine after 45; this is for the case that it hangs."""
PICTURE_PIXELS = 1024
"""The longer side of what a model looks at: text of usual size is still read, and it costs few tokens."""
_PROGRAM = WORKSPACE / "driver"
_GUEST = Path(__file__).parent / "guest"
_NOTED_AT_MOST = 100


class StepFailed(ToolError):
    """The page does not do or show what was asked; the text says what is there instead."""

    def __init__(self, said: str, *, late: bool = False) -> None:
        """`late`: its time was up, and nothing else says that more of it would not have helped."""
        super().__init__(said)
        self.late = late


class StepMalformed(ToolError):
    """What was asked makes sense on no page."""


class BrowserBroke(StepFailed):
    """The browser itself ended or hung while it showed the product's page; the visit is over, others can begin."""


class Noticed(Value):
    """What happened beside the content of the pages."""

    server_errors: tuple[str, ...] = ()
    """Answers with a status of 500 or above."""
    page_errors: tuple[str, ...] = ()
    """Uncaught errors of the pages' scripts."""
    console_errors: tuple[str, ...] = ()
    failed_requests: tuple[str, ...] = ()
    outside_requests: tuple[str, ...] = ()
    """Attempts to reach anything but the product; none succeeds."""
    dialogs: tuple[str, ...] = ()
    """All were accepted."""
    downloads: tuple[str, ...] = ()
    """Name, size and text of each file."""

    def and_then(self, later: "Noticed") -> "Noticed":
        """Both, the earlier first."""
        return Noticed(
            **{name: (getattr(self, name) + getattr(later, name))[:_NOTED_AT_MOST] for name in Noticed.model_fields}
        )

    @property
    def breakdowns(self) -> tuple[str, ...]:
        """What no use of a product may ever cause."""
        return (*self.server_errors, *(f"script error: {error}" for error in self.page_errors))


class View(Value):
    """What somebody looks at pages with; sizes in CSS pixels."""

    width: int = 1280
    height: int = 800
    locale: str = "en-US"
    slow: bool = False
    """Whether the connection is that of a phone where there is little of it."""
    pictures: bool = True
    """Else the browser asks for none, and shows what pages say in their place."""


class Violation(Value):
    """One rule of axe that a page breaks."""

    rule: str
    impact: str | None
    help: str
    count: int
    elements: tuple[dict[str, str], ...]
    """At most five of them: `html` and `why`."""


class Measured(Value):
    """Something that one would have to see in order to mind it, measured in a small window."""

    kind: Literal["outside", "small", "cut", "overlap"]
    what: str
    """Its role or kind of element."""
    name: str
    pixels: int
    direction: Literal["high", "wide"] = "high"
    """Which side is small."""
    other: str = ""
    """What it overlaps."""


class PageView(Value):
    """A page as assistive technology tells it."""

    address: str
    title: str
    status: int | None
    snapshot: str
    """Playwright's aria snapshot, with references."""
    required: tuple[str, ...]
    """Labels of the fields that must be filled."""
    bubble: str
    """What the browser says over a field that it does not accept."""
    overflow: int
    """By how many CSS pixels the page is wider than the window."""
    described: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By label: the descriptions of the fields with it, in their order; empty where one has none."""
    blank: tuple[str, ...] = ()
    """Labels of the fields that hold blanks only."""
    measured: tuple[Measured, ...] = ()
    """Of windows as small as a phone's."""
    is_drawn: bool = False
    """Whether there is a canvas, whose changes no snapshot tells."""


class _Program:
    """The running guest program: requests out, replies in, in any order."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[JsonObject]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.alive = False
        self._lost: SandboxUnavailable | None = None
        """Why no browser can be started here any more."""

    @classmethod
    async def start(cls, sandbox: Sandbox) -> Self:
        process = await sandbox.spawn(("python3", "-m", "macrohard.product.guest", ORIGIN), directory=_PROGRAM)
        program = cls(process)
        try:
            ready = await asyncio.wait_for(process.receive_line(), READY_SECONDS)
        except TimeoutError:
            ready = None
        if ready is None:
            await process.kill()
            raise SandboxUnavailable(f"the browser does not start: {process.tail()[-2000:]}")
        program.alive = True
        program._reading = asyncio.create_task(program._read())
        return program

    async def ask(self, request: JsonObject) -> JsonObject:
        number = request["id"]
        assert isinstance(number, int)
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            if self.alive:
                await self._process.send(json.dumps(request).encode() + b"\n")
            else:
                self._lose()
            return await asyncio.wait_for(reply, REPLY_SECONDS)
        except TimeoutError as error:
            await self.stop()
            raise BrowserBroke("the browser hung while it showed the page") from error
        finally:
            self._waiting.pop(number, None)

    async def stop(self) -> None:
        self.alive = False
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        await self._process.kill()
        self._lose()

    async def _read(self) -> None:
        try:
            while line := await self._process.receive_line():
                reply = json.loads(line)
                waiting = self._waiting.get(reply["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        except SandboxUnavailable as error:
            self._lost = error
        self.alive = False
        self._lose()

    def _lose(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._lost or BrowserBroke("the browser broke down while it showed the page"))


class Visit:
    """A fresh browser context: no cookies, no storage, one window."""

    def __init__(self, browser: "Browser", number: int, *, width: int, height: int, patience: float) -> None:
        self._browser = browser
        self._patience = patience
        self.number = number
        self.width = width
        self.height = height
        self.noticed = Noticed()
        """Since the visit began, or since `take_noticed`."""

    async def step(self, step: Step) -> None:
        """Do one step of a scenario; placeholders must be filled, `restart` is not done here.

        Raises:
            StepFailed: the page does not do or show what the step says.
            StepMalformed: no page could do it.
            SandboxUnavailable: the sandbox was lost.
        """
        await self._ask({"do": "step", "step": step.model_dump(mode="json"), "patience": self._patience})

    async def act(self, action: str, *, target: str = "", value: str = "") -> Box | None:
        """Do one action of a person, and give where in the window, None if nowhere; raises as `step` does.

        Actions: click, double click, right click, hold (for so many milliseconds), fill, choose, check, uncheck, type,
        press (`Tab*3`: three times), upload, open, back, reload, wait (for so many seconds), colours (light or dark).
        The target is a reference of the last look (`e12`), or a role and a name (`button "Save"`).
        """
        box = await self._ask({"do": "act", "action": action, "target": target, "value": value})
        return None if box is None else Box(x=box[0], y=box[1], width=box[2], height=box[3])

    async def look(self) -> PageView:
        """The page as it is; raises as `step` does."""
        return PageView.model_validate(await self._ask({"do": "look"}))

    async def screenshot(self) -> bytes:
        """The window as a JPEG; raises as `step` does."""
        reply = await self._ask({"do": "screenshot"})
        return base64.b64decode(reply["jpeg"])

    async def picture(self) -> tuple[bytes, int, int]:
        """The window for a model to look at: a JPEG with its width and height in pixels; raises as `step` does.

        It is scaled in the sandbox: what a page shows is never decoded outside.
        """
        reply = await self._ask({"do": "picture", "long_side": PICTURE_PIXELS})
        return base64.b64decode(reply["jpeg"]), int(reply["width"]), int(reply["height"])

    async def audit(self) -> tuple[Violation, ...]:
        """What axe finds on the page as it is; raises as `step` does."""
        reply = await self._ask({"do": "axe"})
        return tuple(Violation.model_validate(violation) for violation in reply["violations"])

    def take_noticed(self) -> Noticed:
        """What happened since the last time this was called."""
        noticed, self.noticed = self.noticed, Noticed()
        return noticed

    async def _ask(self, request: JsonObject) -> Any:
        reply: Any = await self._browser.ask({**request, "visit": self.number})
        if "noticed" in reply:
            self.noticed = self.noticed.and_then(Noticed.model_validate(reply["noticed"]))
        if "failed" in reply:
            raise StepFailed(reply["failed"], late=reply.get("late", False))
        if "malformed" in reply:
            raise StepMalformed(reply["malformed"])
        return reply["ok"]


class Browser:
    """One browser in one sandbox; several visits can be open at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._numbers = itertools.count(1)
        self._program: _Program | None = None
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def visit(
        self,
        *,
        width: int = 1280,
        height: int = 800,
        locale: str = "en-US",
        touch: bool = False,
        slow: bool = False,
        pictures: bool = True,
        patience: float = 1.0,
    ) -> AsyncIterator[Visit]:
        """A fresh visit, closed with the context; for the words see `View`.

        In each `step` a page may take `patience` times as long as usual, three times at most.

        Raises:
            SandboxUnavailable: the browser does not start, or its sandbox was lost.
        """
        settings: JsonObject = {
            "width": width, "height": height, "locale": locale, "touch": touch, "slow": slow, "pictures": pictures
        }  # fmt: skip
        try:
            number = await self._begin(settings)
        except BrowserBroke:
            # It broke unnoticed, after the last visit; a new one is there now.
            try:
                number = await self._begin(settings)
            except BrowserBroke as error:
                raise SandboxUnavailable("the browser breaks whenever it is started") from error
        try:
            yield Visit(self, number, width=width, height=height, patience=patience)
        finally:
            # A browser that broke has no visits any more.
            with suppress(BrowserBroke):
                await self.ask({"do": "end", "visit": number})

    async def _begin(self, settings: JsonObject) -> int:
        await self.start()
        number = next(self._numbers)
        reply = await self._request({"id": number, "do": "begin", **settings})
        if "ok" not in reply:
            raise SandboxUnavailable(f"the browser opens no window: {reply}")
        return number

    async def start(self) -> None:
        """Start the browser if it is not running; `visit` does so by itself.

        Raises:
            SandboxUnavailable: it does not start.
        """
        async with self._starting:
            if self._program is None or not self._program.alive:
                self._program = await _Program.start(self._sandbox)

    async def stop(self) -> None:
        """End the browser and everything in it."""
        if self._program is not None:
            await self._program.stop()

    async def ask(self, request: JsonObject) -> JsonObject:
        """One request to the guest program; its reply holds `ok`, `failed` or `malformed`.

        Raises:
            BrowserBroke: the browser ended or hung.
            SandboxUnavailable: the sandbox was lost.
        """
        return await self._request({"id": next(self._numbers), **request})

    async def _request(self, request: JsonObject) -> JsonObject:
        assert self._program is not None
        return await self._program.ask(request)


@asynccontextmanager
async def open_browser(provider: SandboxProvider, *, beside: Sandbox) -> AsyncIterator[Browser]:
    """A browser in a sandbox of its own that shares the loopback of the product's sandbox.

    Raises:
        SandboxUnavailable: no sandbox, or the browser does not start in it.
    """
    async with provider.open(SandboxSpec(image="browser", join=beside.id)) as sandbox:
        browser = await started_browser(sandbox)
        try:
            yield browser
        finally:
            await browser.stop()


async def started_browser(sandbox: Sandbox) -> Browser:
    """The browser of an open sandbox of the image `browser`, with its program brought there and started.

    Raises:
        SandboxUnavailable: it does not start.
    """
    files = {
        _PROGRAM / "macrohard" / "product" / "guest" / file.name: file.read_bytes()
        for file in sorted(_GUEST.iterdir())
        if file.suffix in (".py", ".js")
    }
    await sandbox.write(files)
    browser = Browser(sandbox)
    await browser.start()
    return browser
