"""Shows a drawing to a browser in its sandbox, and says what is wrong with it before anybody else sees it."""

from contextlib import AsyncExitStack
from typing import Any, Final, Self

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.product.browser import Browser, started_browser
from macrohard.product.svg import SvgRefused, sanitised, size_of
from macrohard.sandbox.contract import WORKSPACE, Sandbox, SandboxProvider, SandboxSpec

LONGER_SIDE_PIXELS: Final = 1024
PNG_LIMIT_BYTES: Final = 16 << 20
BLANK_BELOW: Final = 0.004
"""Share of pixels that differ from the background; a thin line over the whole view has about so many."""
SMALL_BELOW: Final = 0.25
"""Of the view's width and height both: a sign that leaves so much empty was placed wrongly."""
CUT_FROM: Final = 0.004
_TARGET: Final = WORKSPACE / "drawing.png"


class Drawing(Value):
    """A drawing that is fit to be seen."""

    svg: str
    """Sanitised."""
    png: bytes
    """The same in pixels, its background transparent where nothing is drawn; made by the sandbox's browser."""
    width: int
    height: int


class DrawingTable:
    """Draws in a browser that is opened for the first drawing and closed with the context."""

    def __init__(self, provider: SandboxProvider) -> None:
        self._provider = provider
        self._stack = AsyncExitStack()
        self._browser: tuple[Sandbox, Browser] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def draw(self, source: str) -> Drawing:
        """Sanitise, render and check a drawing.

        Raises:
            SvgRefused: it is not let in, blank, or cut off; the text is for whoever drew it.
            SandboxUnavailable: no sandbox could be had, or it was lost.
        """
        svg = sanitised(source)
        wide, high = size_of(svg)
        scale = LONGER_SIDE_PIXELS / max(wide, high)
        width, height = max(round(wide * scale), 1), max(round(high * scale), 1)
        sandbox, browser = await self._opened()
        reply: Any = await browser.ask(
            {"do": "draw", "source": svg, "width": width, "height": height, "target": str(_TARGET)}
        )
        if "ok" not in reply:
            raise SvgRefused(f"the browser cannot draw it: {reply.get('failed') or reply.get('malformed')}")
        _judge(reply["ok"])
        return Drawing(
            svg=svg, png=await sandbox.read(_TARGET, limit_bytes=PNG_LIMIT_BYTES), width=width, height=height
        )

    async def _opened(self) -> tuple[Sandbox, Browser]:
        if self._browser is None:
            sandbox = await self._stack.enter_async_context(self._provider.open(SandboxSpec(image="browser")))
            browser = await started_browser(sandbox)
            self._stack.push_async_callback(browser.stop)
            self._browser = sandbox, browser
        return self._browser


def _judge(seen: Any) -> None:
    """Complain about what a person would see at once."""
    if not isinstance(seen, dict):
        raise SandboxUnavailable("the browser does not say how the drawing came out")
    share, box = float(seen["share"]), seen["box"]
    if box is None or share < BLANK_BELOW:
        raise SvgRefused(f"it comes out blank: {share:.1%} of its pixels differ from the background")
    left, top, right, bottom = (float(edge) for edge in box)
    if right - left < SMALL_BELOW and bottom - top < SMALL_BELOW:
        raise SvgRefused(
            f"it fills only {right - left:.0%} of the width and {bottom - top:.0%} of the height of its viewBox; "
            "fit the viewBox to it"
        )
    if seen["cut"]:
        raise SvgRefused(f"text is cut off at the side: {seen['cut'][0]!r}; make it shorter or smaller")
    if seen["free"] and float(seen["outside"]) > CUT_FROM:
        raise SvgRefused(
            f"it is cut off: it goes on outside of its viewBox (by {float(seen['outside']):.1%} of the view's area); "
            "its drawn part spans "
            f"{left:.0%} to {right:.0%} from the left and {top:.0%} to {bottom:.0%} from the top"
        )
