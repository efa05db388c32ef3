"""One person's windows on the product: a browser context, and everything that went wrong in it, written down."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Dialog,
    Download,
    Error,
    Page,
    Request,
    Response,
    Route,
)

from macrohard.product.guest.files import axe_source, text_of

ANSWER_SECONDS = 3.0
"""How long a page may take to show or accept something."""
LOAD_SECONDS = 8.0
QUIET_SECONDS = 1.0
"""A page without network traffic for so long will not change its mind any more."""
POLL_SECONDS = 0.03
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 100_000, "uploadThroughput": 40_000}
"""A phone's connection where there is little of it: milliseconds for each request, and bytes for each second."""
DIALOGS_AT_MOST = 10
LOADS_AT_MOST = 8
"""So many in one step are the page's own doing."""
WINDOWS_AT_MOST = 5
SNAPSHOT_CHARACTERS = 400_000
KEPT_AT_MOST = 20
TEXT_AT_MOST = 500
NARROW_PIXELS = 600

PAGE_SCRIPT = (Path(__file__).parent / "page.js").read_text()

# The network of a pod knows only its loopback, which makes browsers believe they are offline.
ONLINE_SCRIPT = "Object.defineProperty(Navigator.prototype, 'onLine', {get: () => true, configurable: true})"

# Streams stay open for as long as the page does; nobody waits for them, nor for pictures.
_NOT_AWAITED = frozenset({"eventsource", "websocket", "media", "image", "ping", "font", "manifest", "other"})


class Failed(Exception):
    """The page does not do or show what was asked; the text says what is there instead."""

    def __init__(self, said: str, *, late: bool = False) -> None:
        """`late`: the time was up, and nothing else says that more of it would not have helped."""
        super().__init__(said)
        self.late = late


class Malformed(Exception):
    """What was asked makes sense on no page."""


@dataclass
class Noticed:
    """What happened beside the page's content since it was last told."""

    server_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    outside_requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)


async def _without_pictures(route: Route) -> None:
    # As if the page itself had taken the request back: nobody complains about it.
    await (route.abort("aborted") if route.request.resource_type == "image" else route.continue_())


def _note(kept: list[str], text: str) -> None:
    if len(kept) < KEPT_AT_MOST:
        kept.append(text[:TEXT_AT_MOST])


class Window:
    """One page of a visit, with a JavaScript world of our own beside the page's."""

    def __init__(self, page: Page, session: CDPSession, frame: str) -> None:
        self.page = page
        self.session = session
        self.frame = frame
        self.loading = False
        self.loads = 0
        self.awaited: set[Request] = set()
        self.last_traffic = time.monotonic()
        self.changed = asyncio.Event()
        self._world: int | None = None

    @classmethod
    async def attach(cls, page: Page) -> "Window":
        session = await page.context.new_cdp_session(page)
        await session.send("Page.enable")
        tree = await session.send("Page.getFrameTree")
        window = cls(page, session, tree["frameTree"]["frame"]["id"])
        for event in ("frameRequestedNavigation", "frameStartedNavigating", "frameStartedLoading"):
            session.on(f"Page.{event}", lambda said: window._loads(said["frameId"], True))
        session.on("Page.frameStoppedLoading", lambda said: window._loads(said["frameId"], False))
        session.on("Page.frameNavigated", lambda said: window._navigated(said["frame"]["id"]))
        return window

    def _loads(self, frame: str, loading: bool) -> None:
        if frame == self.frame:
            self.loading = loading
            self.traffic()

    def _navigated(self, frame: str) -> None:
        if frame == self.frame:
            self.loads += 1

    def traffic(self) -> None:
        self.last_traffic = time.monotonic()
        self.changed.set()

    @property
    def quiet(self) -> bool:
        return not self.loading and not self.awaited

    async def turn(self) -> None:
        """Let one turn of the page's own loop pass: a navigation that it asked for has been announced after it.

        Raises:
            Error: the page is just being replaced, or gone.
        """
        # In the page's world, because making ours costs several times as much, and few pages are asked anything more.
        await self.session.send(
            "Runtime.evaluate", {"expression": "new Promise((done) => setTimeout(done))", "awaitPromise": True}
        )

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in our own world, where the page cannot have tampered with anything.

        Raises:
            Error: the page is just being replaced, or gone.
        """
        if self._world is not None:
            with contextlib.suppress(Error):
                return await self._evaluate(expression, self._world)
        created = await self.session.send("Page.createIsolatedWorld", {"frameId": self.frame, "worldName": "macrohard"})
        world: int = created["executionContextId"]
        await self._evaluate(PAGE_SCRIPT, world)
        self._world = world
        return await self._evaluate(expression, world)

    async def _evaluate(self, expression: str, world: int) -> Any:
        answer = await self.session.send(
            "Runtime.evaluate",
            {"expression": expression, "contextId": world, "returnByValue": True, "awaitPromise": True},
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")


class Visit:
    """A fresh browser context at one origin."""

    def __init__(self, context: BrowserContext, origin: str, *, slow: bool) -> None:
        self.origin, self.slow = origin, slow
        self.turn, self.noticed = asyncio.Lock(), Noticed()
        self.files: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.saving = 0
        """Files that have begun to come and are not in `files` yet."""
        self.status: int | None = None
        self.closed_by: str = ""
        self.acted_at: tuple[float, float, float, float] | None = None
        """Where the last act was done when it was: x, y, width and height in pixels of the window."""
        self._context = context
        self._windows: list[Window] = []
        self._dialogs = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.be_patient(1.0)

    @classmethod
    async def begin(
        cls,
        browser: Browser,
        *,
        origin: str,
        width: int,
        height: int,
        locale: str,
        touch: bool,
        slow: bool,
        pictures: bool,
    ) -> "Visit":
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            timezone_id="UTC",
            has_touch=touch,
            accept_downloads=True,
            service_workers="allow",
        )
        await context.add_init_script(ONLINE_SCRIPT)
        if not pictures:
            await context.route("**/*", _without_pictures)
        visit = cls(context, origin, slow=slow)
        page = await context.new_page()
        await visit._adopt(page)
        context.on("page", lambda popup: visit._later(visit._adopt(popup)))
        return visit

    async def end(self) -> None:
        await self._context.close()

    # --- windows ---------------------------------------------------------------------------------------------

    @property
    def window(self) -> Window:
        """The one on top: the newest that is still open."""
        while self._windows and self._windows[-1].page.is_closed():
            self._windows.pop()
        if not self._windows:
            raise Failed(f"the page was closed {self.closed_by or 'by itself'}")
        return self._windows[-1]

    @property
    def page(self) -> Page:
        return self.window.page

    @property
    def address(self) -> str:
        """The path and query of the page on top; the whole address when it is not the product's."""
        url = self.page.url
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            return url
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def be_patient(self, patience: float) -> None:
        """From now on pages may take so many times as long as usual."""
        self.answer_seconds, self.load_seconds = ANSWER_SECONDS * patience, LOAD_SECONDS * patience
        self._context.set_default_timeout(self.answer_seconds * 1000)
        self._context.set_default_navigation_timeout(self.load_seconds * 1000)

    @property
    def is_narrow(self) -> bool:
        """Whether the window is a phone's."""
        size = self.page.viewport_size
        return size is not None and size["width"] < NARROW_PIXELS

    async def resize(self, width: int, height: int) -> None:
        """Give the window another size; one as small as a phone's can be touched."""
        await self.page.set_viewport_size({"width": width, "height": height})
        touched = {"enabled": width < NARROW_PIXELS, "maxTouchPoints": 1}
        await self.window.session.send("Emulation.setTouchEmulationEnabled", touched)

    def _later(self, work: Any) -> None:
        async def bounded() -> None:
            # Whatever fails here fails again, and is told, at the next step.
            with contextlib.suppress(Error, TimeoutError):
                await asyncio.wait_for(work, self.load_seconds)

        task = asyncio.create_task(bounded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, page: Page) -> None:
        if len(self._windows) >= WINDOWS_AT_MOST:
            await page.close()
            return
        window = await Window.attach(page)
        if self.slow:
            await window.session.send("Network.enable")
            await window.session.send("Network.emulateNetworkConditions", SLOW)
        page.on("request", lambda request: self._requested(window, request))
        page.on("requestfinished", lambda request: self._answered(window, request))
        page.on("requestfailed", lambda request: self._unanswered(window, request))
        page.on("response", lambda response: self._responded(response))
        page.on("pageerror", lambda error: _note(self.noticed.page_errors, str(error)))
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("dialog", lambda dialog: self._later(self._asked(dialog)))
        page.on("download", lambda download: self._later(self._downloaded(download)))
        page.on("crash", lambda _: self._crashed(page))
        self._windows.append(window)

    # --- what pages do on their own ---------------------------------------------------------------------------

    def _requested(self, window: Window, request: Request) -> None:
        if not self._ours(request.url):
            _note(self.noticed.outside_requests, f"{request.method} {request.url}")
        if request.resource_type not in _NOT_AWAITED:
            window.awaited.add(request)
        window.traffic()

    def _answered(self, window: Window, request: Request) -> None:
        window.awaited.discard(request)
        window.traffic()

    def _unanswered(self, window: Window, request: Request) -> None:
        self._answered(window, request)
        reason = request.failure or "failed"
        if self._ours(request.url) and "ERR_ABORTED" not in reason:
            _note(self.noticed.failed_requests, f"{request.method} {urlsplit(request.url).path}: {reason}")

    def _responded(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request():
            self.status = response.status
        path = urlsplit(response.url).path
        if response.status >= 500:
            _note(self.noticed.server_errors, f"{request.method} {path} answered {response.status}")
        elif response.status >= 400 and not request.is_navigation_request() and path != "/favicon.ico":
            _note(self.noticed.failed_requests, f"{request.method} {path} answered {response.status}")

    def _said(self, kind: str, text: str) -> None:
        # What failed to load is known from the requests.
        if kind == "error" and not text.startswith("Failed to load resource"):
            _note(self.noticed.console_errors, text)

    def _ours(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme in ("data", "blob", "about"):
            return True
        return f"{parts.scheme.replace('ws', 'http')}://{parts.netloc}" == self.origin

    async def _asked(self, dialog: Dialog) -> None:
        self._dialogs += 1
        _note(self.noticed.dialogs, f"{dialog.type}: {dialog.message}")
        if self._dialogs > DIALOGS_AT_MOST:
            self.closed_by = "because it opens one dialog after the other"
            await self.page.close()
            return
        await dialog.accept()

    async def _downloaded(self, download: Download) -> None:
        self.saving += 1
        try:
            path = Path(await download.path())
            size, text = await asyncio.to_thread(text_of, path)
        finally:
            self.saving -= 1
        _note(self.noticed.downloads, f"{download.suggested_filename} ({size} bytes):\n{text}")
        self.files.put_nowait((download.suggested_filename, text))
        await download.delete()

    def _crashed(self, page: Page) -> None:
        self.closed_by = "because it crashed the browser's tab"
        self._later(page.close())

    # --- waiting ----------------------------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Every step has its own allowance of dialogs and loads."""
        self._dialogs = 0
        self.window.loads = 0

    async def settle(self) -> None:
        """Return when what the last action started has been answered, at the latest after the time a page may take."""
        end = time.monotonic() + self.load_seconds
        while time.monotonic() < end:
            window = self.window
            window.changed.clear()
            try:
                await asyncio.wait_for(window.turn(), self.answer_seconds)
            except (Error, TimeoutError):
                await asyncio.sleep(POLL_SECONDS)
                continue
            if window.loads > LOADS_AT_MOST:
                raise Failed(f"the page {self.address} loads again and again")
            if window.quiet:
                return
            if not window.loading and time.monotonic() > end - self.load_seconds + self.answer_seconds:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(window.changed.wait(), 0.2)

    async def until(self, complaint: Callable[[], Awaitable[str | None]]) -> None:
        """Ask until there is nothing to complain about.

        Raises:
            Failed: with the last complaint, when the page had its time or is quiet.
        """
        begin = time.monotonic()
        while True:
            try:
                said = await complaint()
            except Error as error:
                said = f"the page was being replaced all the time ({first_line(error)})"
            if said is None:
                return
            now, window = time.monotonic(), self.window
            silent = window.quiet and now - max(begin, window.last_traffic) > QUIET_SECONDS
            if silent or now - begin > self.answer_seconds:
                restless = window.loads > LOADS_AT_MOST
                raise Failed(
                    f"{said}; the page loads again and again" if restless else said, late=not silent and not restless
                )
            await asyncio.sleep(POLL_SECONDS)

    async def ask(self, expression: str) -> Any:
        """The value of an expression over `macrohard`, the page script's functions."""
        return await self.window.evaluate(expression)

    # --- going somewhere --------------------------------------------------------------------------------------

    async def open(self, path: str) -> None:
        if not path.startswith("/") or path.startswith("//"):
            raise Malformed(f"{path!r} is not a path of the product; it must begin with one slash")
        await self._load(lambda: self.page.goto(self.origin + path, wait_until="load"), path)

    async def reload(self) -> None:
        await self._load(lambda: self.page.reload(wait_until="load"), self.address)

    async def back(self) -> None:
        await self._load(lambda: self.page.go_back(wait_until="load"), "the page before")

    async def _load(self, load: Callable[[], Awaitable[Response | None]], what: str) -> None:
        try:
            await load()
        except Error as error:
            reason = first_line(error)
            if "ERR_TOO_MANY_REDIRECTS" in reason:
                raise Failed(f"{what} redirects without end") from error
            if "ERR_CONNECTION_REFUSED" in reason or "ERR_EMPTY_RESPONSE" in reason or "ERR_CONNECTION_RESET" in reason:
                raise Failed(f"the product does not answer at {what}") from error
            if "Timeout" in reason:
                raise Failed(f"{what} had not loaded after {self.load_seconds:g} seconds", late=True) from error
            if "Download is starting" not in reason and "ERR_ABORTED" not in reason:
                raise Failed(f"{what} could not be opened: {reason}") from error
        await self.settle()

    # --- what it looks like -----------------------------------------------------------------------------------

    async def look(self) -> dict[str, Any]:
        """The page as assistive technology tells it; references hold until the next look."""
        await self.ask("macrohard.drawn().then(() => null)")
        snapshot = await self.page.aria_snapshot(mode="ai")
        cut = snapshot[:SNAPSHOT_CHARACTERS].rpartition("\n")[0]
        return {
            "address": self.address,
            "title": (await self.page.title())[:TEXT_AT_MOST],
            "status": self.status,
            "snapshot": snapshot if len(snapshot) <= SNAPSHOT_CHARACTERS else cut,
            "required": await self.ask("macrohard.required()"),
            "described": await self.ask("macrohard.described()"),
            "bubble": await self.ask("macrohard.bubble()"),
            "overflow": await self.ask("macrohard.overflow()"),
            "blank": await self.ask("macrohard.blank()"),
            "measured": await self.ask("macrohard.measured()"),
            "is_drawn": await self.ask("macrohard.isDrawn()"),
        }

    async def screenshot(self) -> dict[str, Any]:
        picture = await self.page.screenshot(
            type="jpeg", quality=60, caret="initial", timeout=self.answer_seconds * 1000
        )
        return {"jpeg": base64.b64encode(picture).decode()}

    async def picture(self, long_side: int) -> dict[str, Any]:
        """The window as it is, scaled down so that neither side is longer; the page does not notice."""
        session = self.window.session
        view = (await session.send("Page.getLayoutMetrics"))["cssVisualViewport"]
        width, height = view["clientWidth"], view["clientHeight"]
        scale = min(1, long_side / max(width, height))
        clip = {"x": view["pageX"], "y": view["pageY"], "width": width, "height": height, "scale": scale}
        taking = session.send("Page.captureScreenshot", {"format": "jpeg", "quality": 60, "clip": clip})
        taken = await asyncio.wait_for(taking, self.answer_seconds)
        return {"jpeg": taken["data"], "width": round(width * scale), "height": round(height * scale)}

    async def axe(self) -> dict[str, Any]:
        """The accessibility audit of the page as it is now."""
        window = self.window
        await window.evaluate("0")
        await window.evaluate(f"globalThis.axe ?? (() => {{ {axe_source()} }})()")
        violations = await window.evaluate(
            """axe.run(document, {resultTypes: ["violations"], iframes: false}).then((result) =>
                 result.violations.map(({id, impact, help, nodes}) => ({
                   rule: id, impact, help, count: nodes.length,
                   elements: nodes.slice(0, 5).map(({html, failureSummary}) => ({
                     html: html.slice(0, 300), why: (failureSummary ?? "").slice(0, 500)})),
                 })))"""
        )
        return {"violations": violations}

    def tell(self) -> dict[str, Any]:
        """What was noticed since the last time; forgotten here when told."""
        noticed, self.noticed = self.noticed, Noticed()
        return asdict(noticed)


def first_line(error: Exception) -> str:
    """What Playwright says, without its log of the call."""
    return str(error).split("\n", maxsplit=1)[0]
