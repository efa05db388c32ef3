"""What a simulated user does to a page, with elements named by reference or by role and name."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from playwright.async_api import Error, Locator

from macrohard.product.guest import operating
from macrohard.product.guest.operating import DATE_KINDS, KINDS_SCRIPT, Found
from macrohard.product.guest.visit import Failed, Malformed, Visit

REFERENCE_MILLISECONDS = 1_000
HOLD_MS, HOLD_AT_MOST_MS = 800, 5_000
WAIT_AT_MOST_SECONDS = 10
_REFERENCE = re.compile(r"^(?:f\d+)?e\d+$")
_ROLE_AND_NAME = re.compile(r'^([a-z]+) "(.*)"$', re.S)
_FILENAME = re.compile(r"^[\w.-]+\.[a-z]{1,5}$")


async def _target(visit: Visit, target: str) -> tuple[Found, str]:
    found, what = await _found(visit, target)
    await _see_where(visit, found.locator)
    return found, what


async def _see_where(visit: Visit, locator: Locator) -> None:
    try:
        box = await locator.bounding_box(timeout=REFERENCE_MILLISECONDS)
    except Error:
        return  # Whether that matters is said by what is done to it.
    visit.acted_at = None if box is None else (box["x"], box["y"], box["width"], box["height"])


async def _found(visit: Visit, target: str) -> tuple[Found, str]:
    if _REFERENCE.match(target):
        locator = visit.page.locator(f"aria-ref={target}")
        end = time.monotonic() + visit.answer_seconds
        while True:
            try:
                # Not `evaluate_all`: it finds no references with a frame's number, as every page but the first has.
                there = await locator.evaluate(
                    f"(element) => ({KINDS_SCRIPT})([element])", timeout=REFERENCE_MILLISECONDS
                )
            except Error as error:
                if not await _is_there(visit, locator, target):
                    raise Failed(f"{target} is not on the page any more; look again") from error
                if time.monotonic() > end:
                    raise _too_long(visit, target) from error
                continue
            return Found(locator, there[0]["kind"]), target
    if not (parts := _ROLE_AND_NAME.match(target)):
        raise Malformed(
            f'{target!r} names no element: give a reference such as e12, or a role and a name: button "Save"'
        )
    return await operating.find(visit, parts[1], parts[2], None), f"the {target}"


async def _is_there(visit: Visit, locator: Locator, target: str) -> bool:
    """Whether a reference names something, which a page that is busy does not say in time."""
    try:
        return await asyncio.wait_for(locator.count(), visit.answer_seconds) > 0
    except TimeoutError as error:
        raise _too_long(visit, target) from error
    except Error:
        # The page is being replaced; what comes next will say.
        return True


def _too_long(visit: Visit, target: str) -> Failed:
    waited = f"the page said nothing of {target} within {visit.answer_seconds:g} seconds"
    return Failed(f"it took too long: {waited}", late=True)


async def _click(visit: Visit, target: str, value: str) -> None:
    await operating.click(visit, *await _target(visit, target))


async def _double_click(visit: Visit, target: str, value: str) -> None:
    await operating.click(visit, *await _target(visit, target), times=2)


async def _right_click(visit: Visit, target: str, value: str) -> None:
    await operating.click(visit, *await _target(visit, target), button="right")


async def _hold(visit: Visit, target: str, value: str) -> None:
    """The value is for how many milliseconds."""
    held = _number(value or str(HOLD_MS), "hold", "milliseconds", HOLD_AT_MOST_MS)
    await operating.click(visit, *await _target(visit, target), hold_ms=int(held))


async def _wait(visit: Visit, target: str, value: str) -> None:
    _without_target("wait", target)
    await asyncio.sleep(_number(value, "wait", "seconds", WAIT_AT_MOST_SECONDS))


async def _colours(visit: Visit, target: str, value: str) -> None:
    _without_target("colours", target)
    await operating.show_in(visit, value)
    await visit.settle()


def _number(value: str, action: str, unit: str, at_most: float) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) or not 0 < float(value) <= at_most:
        raise Malformed(f"{action} takes a number of {unit} as its value, at most {at_most:g}")
    return float(value)


async def _fill(visit: Visit, target: str, value: str) -> None:
    found, what = await _target(visit, target)
    await operating.fill(visit, found, value, what)


async def _choose(visit: Visit, target: str, value: str) -> None:
    found, what = await _target(visit, target)
    await operating.choose(visit, found, value, what)


async def _check(visit: Visit, target: str, value: str) -> None:
    await _set(visit, target, True)


async def _uncheck(visit: Visit, target: str, value: str) -> None:
    await _set(visit, target, False)


async def _set(visit: Visit, target: str, on: bool) -> None:
    found, what = await _target(visit, target)
    await operating.check(visit, found, on, what)


def _without_target(action: str, target: str) -> None:
    if target:
        why = ": bring the focus there first" if action in ("type", "press") else ""
        raise Malformed(f"{action} has no target: leave it empty{why}")


async def _type(visit: Visit, target: str, value: str) -> None:
    """Into whatever has the focus."""
    _without_target("type", target)
    focused = visit.page.locator("*:focus")
    if await focused.count() == 0:
        raise Failed("nothing has the focus, so the typed text goes nowhere; press Tab first")
    await _see_where(visit, focused)
    kind = (await focused.evaluate_all(KINDS_SCRIPT))[0]["kind"]
    if kind in DATE_KINDS:
        # Such fields take their parts in the order of the browser's language; the ISO form is what the person means.
        await operating.fill(visit, Found(focused, kind), value, "the field")
        return
    await visit.page.keyboard.type(value)
    await visit.settle()


async def _press(visit: Visit, target: str, value: str) -> None:
    _without_target("press", target)
    if await (focused := visit.page.locator("*:focus")).count():
        await _see_where(visit, focused)
    await operating.press(visit, value)


async def _upload(visit: Visit, target: str, value: str) -> None:
    """The value is the file's content; a first line such as `people.csv` is its name."""
    found, what = await _target(visit, target)
    first, _, rest = value.partition("\n")
    filename, content = (first, rest) if _FILENAME.match(first) else ("file.csv", value)
    await operating.upload(visit, found, filename, content, what)


async def _open(visit: Visit, target: str, value: str) -> None:
    await visit.open(value or target)


async def _back(visit: Visit, target: str, value: str) -> None:
    await visit.back()


async def _reload(visit: Visit, target: str, value: str) -> None:
    await visit.reload()


ACTS: Mapping[str, Callable[[Visit, str, str], Awaitable[None]]] = {
    "click": _click,
    "double click": _double_click,
    "right click": _right_click,
    "hold": _hold,
    "wait": _wait,
    "colours": _colours,
    "fill": _fill,
    "choose": _choose,
    "check": _check,
    "uncheck": _uncheck,
    "type": _type,
    "press": _press,
    "upload": _upload,
    "open": _open,
    "back": _back,
    "reload": _reload,
}


async def act(visit: Visit, action: str, target: str, value: str) -> tuple[float, float, float, float] | None:
    """Do it and wait for what follows; gives where, in pixels of the window: x, y, width, height. None: nowhere."""
    if action not in ACTS:
        raise Malformed(f"no action {action!r}; there are {', '.join(ACTS)}")
    visit.acted_at = None
    await ACTS[action](visit, target, value)
    return visit.acted_at
