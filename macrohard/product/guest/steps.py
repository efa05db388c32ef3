"""What a scenario's steps and a simulated user's actions do to a page, and what they say when they cannot."""

import asyncio
import difflib
import json
import mimetypes
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from playwright.async_api import Error, FilePayload, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from macrohard.product.guest.visit import ANSWER_SECONDS, POLL_SECONDS, Failed, Malformed, Visit, first_line

FIELD_ROLES = ("textbox", "searchbox", "combobox", "listbox", "spinbutton", "checkbox", "switch", "radio", "slider")
BOX_ROLES = ("checkbox", "switch", "radio")
_INPUTS = "input, select, textarea, [contenteditable=true], [role=textbox], [role=combobox], [role=radiogroup]"
_BOXES = "input[type=checkbox], input[type=radio], [role=checkbox], [role=switch], [role=radio]"
DATE_KINDS = frozenset({"date", "time", "datetime-local", "month", "week"})
KINDS_SCRIPT = """(elements) => elements.map((element) => ({
  kind: element.tagName === "INPUT" ? element.type : element.tagName.toLowerCase(),
  link: element.tagName === "A" ? element.href : "",
}))"""
_REPEATED = re.compile(r"^(.+)\*([1-9][0-9]?)$")
Button = Literal["left", "right"]
_MARKED_ROW = "[data-macrohard-row]"


def _quoted(texts: list[str]) -> str:
    shown = [f'"{text[:80]}"' for text in dict.fromkeys(texts)]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def _js(*arguments: object) -> str:
    return ", ".join(json.dumps(argument) for argument in arguments)


async def _where(visit: Visit) -> str:
    return f'the page "{(await visit.page.title())[:80]}" ({visit.address})'


async def _named(visit: Visit) -> list[tuple[str, str]]:
    """Role and name of everything on the page that has a name."""
    snapshot = await visit.page.locator("body").aria_snapshot()
    return [
        (role, json.loads(name))
        for role, name in re.findall(r"^\s*- '?([a-z]+) (\"(?:[^\"\\]|\\.)*\")", snapshot, re.M)
    ]


async def _instead(visit: Visit, roles: tuple[str, ...], name: str) -> str:
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
        return f"the nearest are {_quoted(close)}"
    return f"there are {_quoted(alike)}"


# --- finding -------------------------------------------------------------------------------------------------


def _role(scope: Page | Locator, role: str, name: str) -> Locator:
    return scope.get_by_role(cast(Any, role), name=name, exact=True)


def _labelled(page: Page, name: str, inputs: str = _INPUTS) -> Locator:
    return page.get_by_label(name, exact=True).and_(page.locator(inputs))


def _any_role(page: Page, roles: tuple[str, ...], name: str) -> Locator:
    found = _role(page, roles[0], name)
    for role in roles[1:]:
        found = found.or_(_role(page, role, name))
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
            return f'{await _where(visit)} has {count} elements of the kind {what} with the name "{name}"'
        return f'{await _where(visit)} has no {what} "{name}"; {await _instead(visit, roles, name)}'

    await visit.until(complaint)
    return found[-1]


async def _mark_row(visit: Visit, row: str) -> None:
    async def complaint() -> str | None:
        count = await visit.ask(f"macrohard.unmarkRow(), macrohard.markRow({_js(row)})")
        if count == 1:
            return None
        if count > 1:
            return f'{await _where(visit)} has {count} rows with "{row}"'
        return f'{await _where(visit)} has no row with "{row}"; {await _rows_there(visit)}'

    await visit.until(complaint)


async def _rows_there(visit: Visit) -> str:
    rows = await visit.ask("macrohard.allRows()")
    return f"the rows are {_quoted(rows)}" if rows else "it has no rows at all"


async def find(visit: Visit, role: str, name: str, row: str | None) -> Found:
    """The one element of this role and name, in the one row with that text."""
    if row is None:
        return await _one(visit, lambda: _role(visit.page, role, name), roles=(role,), name=name)
    await _mark_row(visit, row)
    try:
        return await _one(visit, lambda: _role(visit.page.locator(_MARKED_ROW), role, name), roles=(role,), name=name)
    except Failed as error:
        shown = next(iter(await visit.ask(f"macrohard.rowTexts({_js([row])})")), "")
        raise Failed(f'in the row with "{row}", which shows {_quoted([shown])}: {error}') from error


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


# --- doing ---------------------------------------------------------------------------------------------------


def explain(error: Error, what: str) -> str:
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
            return f"{what} {meaning}"
    if isinstance(error, PlaywrightTimeout):
        return f"{what} did not react within {ANSWER_SECONDS:g} seconds"
    return f"{what}: {first_line(error)}"


async def operate(visit: Visit, what: str, action: Callable[[], Awaitable[object]]) -> None:
    try:
        await action()
    except Error as error:
        if visit.closed_by:
            raise Failed(f"the page was closed {visit.closed_by}") from error
        raise Failed(explain(error, what)) from error
    await visit.settle()


async def click(
    visit: Visit, target: Found, what: str, *, times: int = 1, button: Button = "left", hold_ms: int = 0
) -> None:
    locator = target.locator
    if hold_ms and button == "left" and visit.is_narrow:
        await operate(visit, what, lambda: _touch(visit, locator, hold_ms))
        return
    timeout = ANSWER_SECONDS * 1000 + hold_ms
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
            raise Failed(f'{what} does not offer "{value}"; it offers {_quoted(options)}')
        await operate(visit, what, lambda: locator.select_option(label=value))
        return
    radio = locator.get_by_role("radio", name=value, exact=True)
    if await radio.count() == 1:
        await operate(visit, what, radio.check)
        return
    await operate(visit, what, locator.click)
    option = visit.page.get_by_role("option", name=value, exact=True)
    if await option.count() != 1:
        raise Failed(f'{what} does not offer "{value}"; {await _instead(visit, ("option",), value)}')
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
        raise Failed(explain(error, f"pressing {key}")) from error
    await visit.settle()


async def upload(visit: Visit, target: Found, filename: str, content: str, what: str) -> None:
    kind = mimetypes.guess_type(filename)[0] or "text/plain"
    file = FilePayload(name=filename, mimeType=kind, buffer=content.encode())
    await operate(visit, what, lambda: target.locator.set_input_files(file))


# --- the steps of scenarios ----------------------------------------------------------------------------------


async def _open(visit: Visit, step: Mapping[str, Any]) -> None:
    if step["colour_scheme"]:
        await show_in(visit, step["colour_scheme"])
    await visit.open(step["path"])


async def _click(visit: Visit, step: Mapping[str, Any]) -> None:
    target = await find(visit, step["role"], step["name"], step["row"])
    what = f'the {step["role"]} "{step["name"]}"'
    await click(visit, target, what, button=step["button"], hold_ms=step["hold_ms"])


async def _fill(visit: Visit, step: Mapping[str, Any]) -> None:
    await fill(visit, await find_field(visit, step["name"]), step["value"], f'the field "{step["name"]}"')


async def _choose(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]
    target = await _one(
        visit,
        lambda: _labelled(visit.page, name),
        lambda: _any_role(visit.page, (*FIELD_ROLES, "radiogroup", "group"), name),
        roles=FIELD_ROLES,
        name=name,
    )
    await choose(visit, target, step["value"], f'the list "{name}"')


async def _check(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]
    target = await _one(
        visit,
        lambda: _labelled(visit.page, name, _BOXES),
        lambda: _any_role(visit.page, BOX_ROLES, name),
        roles=BOX_ROLES,
        name=name,
    )
    await check(visit, target, step["on"], f'the box "{name}"')


async def _see_fits(visit: Visit, _: Mapping[str, Any]) -> None:
    async def complaint() -> str | None:
        if wider := await visit.ask("macrohard.overflow()"):
            return f"{await _where(visit)} is {wider} pixels wider than the window"
        return None

    await visit.until(complaint)


async def _press(visit: Visit, step: Mapping[str, Any]) -> None:
    await press(visit, step["key"])


async def _upload(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]
    target = await _one(
        visit,
        lambda: _labelled(visit.page, name, "input[type=file]"),
        lambda: _role(visit.page, "button", name).and_(visit.page.locator("input[type=file]")),
        roles=("file field",),
        name=name,
    )
    await upload(visit, target, step["filename"], step["content"], f'the file field "{name}"')


async def _reload(visit: Visit, _: Mapping[str, Any]) -> None:
    await visit.reload()


async def _resize(visit: Visit, step: Mapping[str, Any]) -> None:
    await visit.resize(step["width"], step["height"])
    if step["colour_scheme"]:
        await show_in(visit, step["colour_scheme"])
    await visit.settle()


async def _see(visit: Visit, step: Mapping[str, Any]) -> None:
    text, row, present = step["text"], step["row"], step["present"]

    async def complaint() -> str | None:
        if await visit.ask(f"macrohard.sees({_js(text, row)})") == present:
            return None
        where = await _where(visit)
        if row is not None:
            rows = await visit.ask(f"macrohard.rowTexts({_js([row])})")
            if not present:
                return f'the row with "{row}" on {where} shows "{text}", but should not: {_quoted(rows)}'
            if not rows:
                return f'{where} has no row with "{row}"; {await _rows_there(visit)}'
            return f'the row with "{row}" on {where} does not show "{text}"; it shows {_quoted(rows)}'
        if not present:
            return f'{where} shows "{text}", but should not'
        shown = await visit.ask("macrohard.text()")
        if text in shown:
            return f'{where} shows "{text}" only as a part of a longer word or number'
        return f'{where} does not show "{text}"; it shows: {shown[:600]}'

    await visit.until(complaint)


async def _see_row(visit: Visit, step: Mapping[str, Any]) -> None:
    texts, present = list(step["texts"]), step["present"]

    async def complaint() -> str | None:
        rows = await visit.ask(f"macrohard.rowTexts({_js(texts)})")
        if bool(rows) == present:
            return None
        where = await _where(visit)
        if not present:
            return f"{where} has a row with {_quoted(texts)}, but should not: {_quoted(rows)}"
        return f"{where} has no row with {_quoted(texts)}; {await _rows_there(visit)}"

    await visit.until(complaint)


async def _see_order(visit: Visit, step: Mapping[str, Any]) -> None:
    texts = list(step["texts"])

    async def complaint() -> str | None:
        if await visit.ask(f"macrohard.inOrder({_js(texts)})"):
            return None
        shown = await visit.ask("macrohard.mainText()")
        return f"{await _where(visit)} does not show in this order {_quoted(texts)}; it shows: {shown[:600]}"

    await visit.until(complaint)


async def _see_control(visit: Visit, step: Mapping[str, Any]) -> None:
    role, name, row, present = step["role"], step["name"], step["row"], step["present"]

    async def complaint() -> str | None:
        scope: Page | Locator = visit.page
        if row is not None:
            marked = await visit.ask(f"macrohard.unmarkRow(), macrohard.markRow({_js(row)})")
            if marked != 1:
                return f'{await _where(visit)} has {marked or "no"} rows with "{row}"; {await _rows_there(visit)}'
            scope = visit.page.locator(_MARKED_ROW)
        found = _role(scope, role, name)
        if bool(await found.count()) == present:
            if present and role in ("img", "image") and not await found.evaluate_all(LOADED_SCRIPT):
                return f'{await _where(visit)} has a picture "{name}" that did not load'
            return None
        where = f'the row with "{row}"' if row is not None else await _where(visit)
        if not present:
            return f'{where} has a {role} "{name}", but should not'
        return f'{where} has no {role} "{name}"; {await _instead(visit, (role,), name)}'

    await visit.until(complaint)


LOADED_SCRIPT = """(pictures) => pictures.some((one) => one.tagName !== "IMG" || (one.complete && one.naturalWidth))"""

VALUE_SCRIPT = """(field) => {
  if (field.matches("input[type=checkbox], input[type=radio]")) return field.checked ? "on" : "off";
  if (field.hasAttribute("aria-checked")) return field.getAttribute("aria-checked") === "true" ? "on" : "off";
  if (field.tagName === "SELECT") return [...field.selectedOptions].map((option) => option.label.trim()).join(", ");
  return field.value ?? field.textContent.trim();
}"""


async def _see_value(visit: Visit, step: Mapping[str, Any]) -> None:
    name, value = step["name"], step["value"]
    target = (await find_field(visit, name)).locator

    async def complaint() -> str | None:
        held = await target.evaluate(VALUE_SCRIPT)
        return None if held == value else f'the field "{name}" on {await _where(visit)} holds "{held}", not "{value}"'

    await visit.until(complaint)


FOCUS_SCRIPT = """(elements) => elements.some((one) => {
  const active = one.getRootNode().activeElement;
  return active === one || (one.id && active?.getAttribute("aria-activedescendant") === one.id);
})"""


async def _see_focus(visit: Visit, step: Mapping[str, Any]) -> None:
    role, name = step["role"], step["name"]

    async def complaint() -> str | None:
        found = _role(visit.page, role, name)
        if await found.evaluate_all(FOCUS_SCRIPT):
            return None
        if not await found.count():
            return f'{await _where(visit)} has no {role} "{name}"; {await _instead(visit, (role,), name)}'
        snapshot = await visit.page.locator("body").aria_snapshot(mode="ai")
        active = re.search(r"^\s*- '?([a-z]+(?: \"(?:[^\"\\]|\\.)*\")?)[^\n]* \[active\]", snapshot, re.M)
        there = active[1] if active else "nothing"
        return f'the {role} "{name}" on {await _where(visit)} does not have the focus; {there} has it'

    await visit.until(complaint)


async def _see_rows(visit: Visit, step: Mapping[str, Any]) -> None:
    async def complaint() -> str | None:
        count = await visit.ask("macrohard.countRows()")
        if count == step["count"]:
            return None
        return f"{await _where(visit)} has {count} rows, not {step['count']}; {await _rows_there(visit)}"

    await visit.until(complaint)


async def _download(visit: Visit, step: Mapping[str, Any]) -> None:
    while not visit.files.empty():
        visit.files.get_nowait()
    what = f'the {step["role"]} "{step["name"]}"'
    await click(visit, await find(visit, step["role"], step["name"], None), what)
    end = time.monotonic() + ANSWER_SECONDS
    while visit.files.empty():
        # What has begun to come is waited for: on a busy machine a document takes its time to be read.
        if time.monotonic() > end and not visit.saving:
            raise Failed(f"{what} downloads no file; it leads to {await _where(visit)}")
        await asyncio.sleep(POLL_SECONDS)
    filename, text = visit.files.get_nowait()
    if missing := [wanted for wanted in step["texts"] if wanted not in text]:
        raise Failed(f'the file "{filename}" does not contain {_quoted(missing)}; it begins: {text[:400]}')
    if unwanted := [there for there in step["absent"] if there in text]:
        raise Failed(f'the file "{filename}" contains {_quoted(unwanted)}, but should not')


STEPS: dict[str, Callable[[Visit, Mapping[str, Any]], Awaitable[None]]] = {
    "open": _open,
    "click": _click,
    "fill": _fill,
    "choose": _choose,
    "check": _check,
    "press": _press,
    "upload": _upload,
    "reload": _reload,
    "resize": _resize,
    "see": _see,
    "see_row": _see_row,
    "see_order": _see_order,
    "see_control": _see_control,
    "see_value": _see_value,
    "see_rows": _see_rows,
    "see_focus": _see_focus,
    "see_fits": _see_fits,
    "download": _download,
}
"""`restart`, `wait` and `new_browser` are not among them: the host does them."""
