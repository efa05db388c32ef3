"""Finding the controls of a page and operating them, and what is said when that cannot be done."""

import asyncio
import difflib
import json
import mimetypes
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from playwright.async_api import Error, FilePayload, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from macrohard.product.guest.visit import Failed, Malformed, Visit, first_line

FIELD_ROLES = ("textbox", "searchbox", "combobox", "listbox", "spinbutton", "checkbox", "switch", "radio", "slider")
BOX_ROLES = ("checkbox", "switch", "radio")
_INPUTS = "input, select, textarea, [contenteditable=true], [role=textbox], [role=combobox], [role=radiogroup]"
_BOXES = "input[type=checkbox], input[type=radio], [role=checkbox], [role=switch], [role=radio]"
_FILES = "input[type=file]"
DATE_KINDS = frozenset({"date", "time", "datetime-local", "month", "week"})
KINDS_SCRIPT = """(elements) => elements.map((element) => ({
  kind: element.tagName === "INPUT" ? element.type : element.tagName.toLowerCase(),
  link: element.tagName === "A" ? element.href : "",
}))"""
_REPEATED = re.compile(r"^(.+)\*([1-9][0-9]?)$")
_DONE = re.compile(r"^ *-? *[a-z ]+ action done$", re.M)
"""As Playwright logs it."""
Button = Literal["left", "right"]
MARKED_ROW = "[data-macrohard-row]"
"""What `macrohard.markRow` found last."""


def quoted(texts: list[str]) -> str:
    """The first twelve different ones, each cut at 80 characters, and how many more there are."""
    shown = [f'"{text[:80]}"' for text in dict.fromkeys(texts)]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def arguments(*values: object) -> str:
    """As a script is given them."""
    return ", ".join(json.dumps(value) for value in values)


async def place(visit: Visit) -> str:
    """Which page it is, for people."""
    return f'the page "{(await visit.page.title())[:80]}" ({visit.address})'


async def _named(visit: Visit) -> list[tuple[str, str]]:
    """Role and name of everything on the page that has a name."""
    snapshot = await visit.page.locator("body").aria_snapshot()
    return [
        (role, json.loads(name))
        for role, name in re.findall(r"^\s*- '?([a-z]+) (\"(?:[^\"\\]|\\.)*\")", snapshot, re.M)
    ]


async def instead(visit: Visit, roles: tuple[str, ...], name: str) -> str:
    """What there is in place of something that was not found."""
    named = await _named(visit)
    alike = [there for role, there in named if role in roles]
    elsewhere = [role for role, there in named if there == name and role not in roles]
    if elsewhere:
        return f'"{name}" there is of another kind: {", ".join(sorted(set(elsewhere)))}'
    if not alike:
        return f"there is no {' or '.join(roles[:1] if len(roles) > 3 else roles)} with a name at all"
    close = difflib.get_close_matches(name, alike, n=3, cutoff=0.6)
    if close:
        return f"the nearest are {quoted(close)}"
    return f"there are {quoted(alike)}"


# --- finding -------------------------------------------------------------------------------------------------


def with_role(scope: Page | Locator, role: str, name: str) -> Locator:
    """All of this role and accessible name, in any number."""
    return scope.get_by_role(cast(Any, role), name=name, exact=True)


def _labelled(page: Page, name: str, inputs: str = _INPUTS) -> Locator:
    return page.get_by_label(name, exact=True).and_(page.locator(inputs))


def _any_role(page: Page, roles: tuple[str, ...], name: str) -> Locator:
    found = with_role(page, roles[0], name)
    for role in roles[1:]:
        found = found.or_(with_role(page, role, name))
    return found


@dataclass(frozen=True)
class Found:
    """The one element that was meant."""

    locator: Locator
    kind: str
    """The tag, or for an input its type: select, textarea, text, date, checkbox, …"""


async def _one(visit: Visit, *ways: Callable[[], Locator], roles: tuple[str, ...], name: str) -> Found:
    """The one visible element that the first successful of these ways finds; waits as long as a page may take.

    Links to the same place count as one.
    """
    found: list[Found] = []

    async def complaint() -> str | None:
        count = 0
        for way in ways:
            locator = way()
            there = await locator.evaluate_all(KINDS_SCRIPT)
            places = {one["link"] for one in there}
            if len(there) == 1 or (len(places) == 1 and "" not in places):
                found.append(Found(locator.first if len(there) > 1 else locator, there[0]["kind"]))
                return None
            count = max(count, len(there))
        what = "field" if roles == FIELD_ROLES else " or ".join(roles)
        if count > 1:
            return f'{await place(visit)} has {count} elements of the kind {what} with the name "{name}"'
        return f'{await place(visit)} has no {what} "{name}"; {await instead(visit, roles, name)}'

    await visit.until(complaint)
    return found[-1]


async def _mark_row(visit: Visit, row: str) -> None:
    async def complaint() -> str | None:
        count = await visit.ask(f"macrohard.unmarkRow(), macrohard.markRow({arguments(row)})")
        if count == 1:
            return None
        if count > 1:
            return f'{await place(visit)} has {count} rows with "{row}"'
        return f'{await place(visit)} has no row with "{row}"; {await rows_there(visit)}'

    await visit.until(complaint)


async def rows_there(visit: Visit) -> str:
    """What rows there are in place of one that was not found."""
    rows = await visit.ask("macrohard.allRows()")
    return f"the rows are {quoted(rows)}" if rows else "it has no rows at all"


async def find(visit: Visit, role: str, name: str, row: str | None) -> Found:
    """The one element of this role and name, in the one row with that text."""
    if row is None:
        return await _one(visit, lambda: with_role(visit.page, role, name), roles=(role,), name=name)
    await _mark_row(visit, row)
    try:
        return await _one(
            visit, lambda: with_role(visit.page.locator(MARKED_ROW), role, name), roles=(role,), name=name
        )
    except Failed as error:
        shown = next(iter(await visit.ask(f"macrohard.rowTexts({arguments([row])})")), "")
        raise Failed(f'in the row with "{row}", which shows {quoted([shown])}: {error}') from error


async def find_field(visit: Visit, name: str) -> Found:
    """The one field with this label, or with this accessible name."""
    # Labels first, because most fields have one and asking for every role takes several times as long.
    return await _one(
        visit,
        lambda: _labelled(visit.page, name),
        lambda: _any_role(visit.page, FIELD_ROLES, name),
        roles=FIELD_ROLES,
        name=name,
    )


async def find_list(visit: Visit, name: str) -> Found:
    """The one field or group of radio buttons with this name, to choose from."""
    return await _one(
        visit,
        lambda: _labelled(visit.page, name),
        lambda: _any_role(visit.page, (*FIELD_ROLES, "radiogroup", "group"), name),
        roles=FIELD_ROLES,
        name=name,
    )


async def find_box(visit: Visit, name: str) -> Found:
    """The one box with this name, to tick."""
    return await _one(
        visit,
        lambda: _labelled(visit.page, name, _BOXES),
        lambda: _any_role(visit.page, BOX_ROLES, name),
        roles=BOX_ROLES,
        name=name,
    )


async def find_file_field(visit: Visit, name: str) -> Found:
    """The one field with this name that takes files."""
    return await _one(
        visit,
        lambda: _labelled(visit.page, name, _FILES),
        lambda: with_role(visit.page, "button", name).and_(visit.page.locator(_FILES)),
        roles=("file field",),
        name=name,
    )


# --- doing ---------------------------------------------------------------------------------------------------


def explained(visit: Visit, error: Error, what: str) -> Failed:
    """Why something could not be operated, in words for people."""
    text = str(error)
    for sign, meaning in (
        ("intercepts pointer events", "is covered by something else"),
        ("element is not enabled", "is disabled"),
        ("element is not editable", "cannot be edited"),
        ("element is outside of the viewport", "lies outside the window"),
        ("element is not stable", "keeps moving"),
        ("element is not visible", "is not visible"),
        ("Malformed value", "does not take this value"),
        ("Cannot type text into input[type=number]", "takes only a number"),
        ("did not find some options", "does not offer that option"),
        ("Unknown key", "is not a key"),
        ("Node is not a", "cannot be operated in this way"),
        ("Element is not a", "cannot be operated in this way"),
        ("is not an <input>", "cannot be operated in this way"),
    ):
        if sign in text:
            return Failed(f"{what} {meaning}")
    if isinstance(error, PlaywrightTimeout):
        return Failed(f"it took too long: {what} did not react within {visit.answer_seconds:g} seconds", late=True)
    return Failed(f"{what}: {first_line(error)}")


async def operate(visit: Visit, what: str, action: Callable[[], Awaitable[object]]) -> None:
    loads = visit.window.loads
    try:
        await action()
    except Error as error:
        if visit.closed_by:
            raise Failed(f"the page was closed {visit.closed_by}") from error
        if not (isinstance(error, PlaywrightTimeout) and _was_done(error, visit, loads)):
            raise explained(visit, error, what) from error
    await visit.settle()


def _was_done(error: PlaywrightTimeout, visit: Visit, loads: int) -> bool:
    """Whether only what followed took long: the action has its line in the log, or leads to another page."""
    return bool(_DONE.search(str(error))) or visit.window.loading or visit.window.loads > loads


async def click(
    visit: Visit, target: Found, what: str, *, times: int = 1, button: Button = "left", hold_ms: int = 0
) -> None:
    locator = target.locator
    if hold_ms and button == "left" and visit.is_narrow:
        await operate(visit, what, lambda: _touch(visit, locator, hold_ms))
        return
    timeout = visit.answer_seconds * 1000 + hold_ms
    await operate(
        visit,
        what,
        lambda: locator.click(button=button, delay=hold_ms, timeout=timeout) if times == 1 else locator.dblclick(),
    )


async def _touch(visit: Visit, locator: Locator, hold_ms: int) -> None:
    """Hold a finger on it."""
    await locator.click(trial=True)
    box = await locator.bounding_box()
    assert box is not None, "what can be clicked has a place"
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = visit.window.session
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    await asyncio.sleep(hold_ms / 1000)
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


async def show_in(visit: Visit, colour_scheme: str) -> None:
    """Have what the person sets for all pages: light or dark."""
    if colour_scheme not in ("light", "dark"):
        raise Malformed(f"{colour_scheme!r} is no colour scheme; there are light and dark")
    await visit.page.emulate_media(color_scheme=cast(Any, colour_scheme))


async def fill(visit: Visit, target: Found, value: str, what: str) -> None:
    async def replace() -> None:
        await target.locator.fill(value)
        # Such fields drop in silence what they do not understand.
        if value and target.kind in DATE_KINDS and not await target.locator.input_value():
            raise Failed(
                f"{what} takes a date or time only in a form such as 2026-11-22, 09:30 or 2026-11-22T09:30, "
                f"and {value!r} is none"
            )

    await operate(visit, what, replace)


async def choose(visit: Visit, target: Found, value: str, what: str) -> None:
    """The option with this text, whether the list is a select, radio buttons, or made of scripts."""
    locator = target.locator
    if target.kind == "select":
        options = await locator.evaluate("(select) => [...select.options].map((option) => option.label.trim())")
        if value not in options:
            raise Failed(f'{what} does not offer "{value}"; it offers {quoted(options)}')
        await operate(visit, what, lambda: locator.select_option(label=value))
        return
    radio = locator.get_by_role("radio", name=value, exact=True)
    if await radio.count() == 1:
        await operate(visit, what, radio.check)
        return
    await operate(visit, what, locator.click)
    option = visit.page.get_by_role("option", name=value, exact=True)
    if await option.count() != 1:
        raise Failed(f'{what} does not offer "{value}"; {await instead(visit, ("option",), value)}')
    await operate(visit, what, option.click)


async def check(visit: Visit, target: Found, on: bool, what: str) -> None:
    """Tick or untick a box."""
    await operate(visit, what, lambda: target.locator.set_checked(on))


async def press(visit: Visit, key: str) -> None:
    """Press a key, or with `ArrowRight*7` seven times."""
    repeated = _REPEATED.match(key)
    key, times = (repeated[1], int(repeated[2])) if repeated else (key, 1)
    try:
        for _ in range(times):
            await visit.page.keyboard.press(key)
    except Error as error:
        if "Unknown key" in str(error):
            raise Malformed(
                f"{key!r} is not a key; keys are named Enter, Tab, Escape, ArrowDown, Control+A …"
            ) from error
        raise explained(visit, error, f"pressing {key}") from error
    await visit.settle()


async def upload(visit: Visit, target: Found, filename: str, content: str, what: str) -> None:
    kind = mimetypes.guess_type(filename)[0] or "text/plain"
    file = FilePayload(name=filename, mimeType=kind, buffer=content.encode())
    await operate(visit, what, lambda: target.locator.set_input_files(file))
