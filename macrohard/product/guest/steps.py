"""What a scenario's steps and a simulated user's actions do to a page, and what they say when they cannot."""

import asyncio
import difflib
import json
import mimetypes
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from playwright.async_api import Error, FilePayload, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from macrohard.product.guest.visit import ANSWER_SECONDS, POLL_SECONDS, Failed, Malformed, Visit, first_line

FIELD_ROLES = ("textbox", "searchbox", "combobox", "listbox", "spinbutton", "checkbox", "switch", "radio", "slider")
BOX_ROLES = ("checkbox", "switch", "radio")
_INPUTS = "input, select, textarea, [contenteditable=true], [role=textbox], [role=combobox], [role=radiogroup]"
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


def _field(page: Page, name: str) -> Locator:
    found = page.get_by_label(name, exact=True).and_(page.locator(_INPUTS))
    for role in FIELD_ROLES:
        found = found.or_(_role(page, role, name))
    return found


async def _one(visit: Visit, find: Callable[[], Locator], *, roles: tuple[str, ...], name: str) -> Locator:
    """The one visible element; waits for it as long as a page may take."""

    async def complaint() -> str | None:
        count = await find().count()
        if count == 1:
            return None
        what = "field" if len(roles) > 3 else " or ".join(roles)
        if count > 1:
            return f'{await _where(visit)} has {count} elements of the kind {what} with the name "{name}"'
        return f'{await _where(visit)} has no {what} "{name}"; {await _instead(visit, roles, name)}'

    await visit.until(complaint)
    return find()


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


async def find(visit: Visit, role: str, name: str, row: str | None) -> Locator:
    """The one element of this role and name, in the one row with that text."""
    if row is None:
        return await _one(visit, lambda: _role(visit.page, role, name), roles=(role,), name=name)
    await _mark_row(visit, row)

    async def complaint() -> str | None:
        count = await _role(visit.page.locator(_MARKED_ROW), role, name).count()
        if count == 1:
            return None
        text = next(iter(await visit.ask(f"macrohard.rowTexts({_js([row])})")), "")
        return f'the row with "{row}" has {count or "no"} elements of the kind {role} named "{name}"; it shows: {text}'

    await visit.until(complaint)
    return _role(visit.page.locator(_MARKED_ROW), role, name)


async def find_field(visit: Visit, name: str) -> Locator:
    """The one field with this label."""
    return await _one(visit, lambda: _field(visit.page, name), roles=FIELD_ROLES, name=name)


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


async def click(visit: Visit, target: Locator, what: str, *, times: int = 1) -> None:
    await operate(visit, what, lambda: target.click() if times == 1 else target.dblclick())


async def fill(visit: Visit, target: Locator, value: str, what: str) -> None:
    async def replace() -> None:
        await target.fill(value)
        # Such fields drop in silence what they do not understand.
        if value and await target.evaluate(EMPTY_DATE_SCRIPT):
            raise Failed(
                f"{what} takes a date or time only in a form such as 2026-11-22, 09:30 or 2026-11-22T09:30, "
                f"and {value!r} is none"
            )

    await operate(visit, what, replace)


async def choose(visit: Visit, target: Locator, value: str, what: str) -> None:
    """The option with this text, whether the list is a select, radio buttons, or made of scripts."""
    tag = await target.evaluate("(element) => element.tagName")
    if tag == "SELECT":
        options = [text.strip() for text in await target.locator("option").all_text_contents()]
        if value not in options:
            raise Failed(f'{what} does not offer "{value}"; it offers {_quoted(options)}')
        await operate(visit, what, lambda: target.select_option(label=value))
        return
    radio = target.get_by_role("radio", name=value, exact=True)
    if await radio.count() == 1:
        await operate(visit, what, radio.check)
        return
    await operate(visit, what, target.click)
    option = visit.page.get_by_role("option", name=value, exact=True)
    if await option.count() != 1:
        raise Failed(f'{what} does not offer "{value}"; {await _instead(visit, ("option",), value)}')
    await operate(visit, what, option.click)


async def press(visit: Visit, key: str) -> None:
    try:
        await visit.page.keyboard.press(key)
    except Error as error:
        if "Unknown key" in str(error):
            raise Malformed(
                f"{key!r} is not a key; keys are named Enter, Tab, Escape, ArrowDown, Control+A …"
            ) from error
        raise Failed(explain(error, f"pressing {key}")) from error
    await visit.settle()


async def upload(visit: Visit, target: Locator, filename: str, content: str, what: str) -> None:
    kind = mimetypes.guess_type(filename)[0] or "text/plain"
    file = FilePayload(name=filename, mimeType=kind, buffer=content.encode())
    await operate(visit, what, lambda: target.set_input_files(file))


# --- the steps of scenarios ----------------------------------------------------------------------------------


async def _open(visit: Visit, step: Mapping[str, Any]) -> None:
    await visit.open(step["path"])


async def _click(visit: Visit, step: Mapping[str, Any]) -> None:
    target = await find(visit, step["role"], step["name"], step["row"])
    await click(visit, target, f'the {step["role"]} "{step["name"]}"')


async def _fill(visit: Visit, step: Mapping[str, Any]) -> None:
    await fill(visit, await find_field(visit, step["name"]), step["value"], f'the field "{step["name"]}"')


async def _choose(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]

    def list_or_group() -> Locator:
        return _field(visit.page, name).or_(_role(visit.page, "radiogroup", name)).or_(_role(visit.page, "group", name))

    target = await _one(visit, list_or_group, roles=FIELD_ROLES, name=name)
    await choose(visit, target, step["value"], f'the list "{name}"')


async def _check(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]

    def box() -> Locator:
        found = _role(visit.page, BOX_ROLES[0], name)
        for role in BOX_ROLES[1:]:
            found = found.or_(_role(visit.page, role, name))
        return found

    target = await _one(visit, box, roles=BOX_ROLES, name=name)
    await operate(visit, f'the box "{name}"', lambda: target.set_checked(step["on"]))


async def _press(visit: Visit, step: Mapping[str, Any]) -> None:
    await press(visit, step["key"])


async def _upload(visit: Visit, step: Mapping[str, Any]) -> None:
    name = step["name"]

    def file_field() -> Locator:
        inputs = visit.page.locator("input[type=file]")
        return (
            visit.page.get_by_label(name, exact=True).and_(inputs).or_(_role(visit.page, "button", name).and_(inputs))
        )

    target = await _one(visit, file_field, roles=("file field",), name=name)
    await upload(visit, target, step["filename"], step["content"], f'the file field "{name}"')


async def _reload(visit: Visit, _: Mapping[str, Any]) -> None:
    await visit.reload()


async def _resize(visit: Visit, step: Mapping[str, Any]) -> None:
    await visit.page.set_viewport_size({"width": step["width"], "height": step["height"]})
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
        if bool(await _role(scope, role, name).count()) == present:
            return None
        where = f'the row with "{row}"' if row is not None else await _where(visit)
        if not present:
            return f'{where} has a {role} "{name}", but should not'
        return f'{where} has no {role} "{name}"; {await _instead(visit, (role,), name)}'

    await visit.until(complaint)


EMPTY_DATE_SCRIPT = """(field) => field.value === "" && field.matches(
  "input[type=date], input[type=time], input[type=datetime-local], input[type=month], input[type=week]")"""

VALUE_SCRIPT = """(field) => {
  if (field.matches("input[type=checkbox], input[type=radio]")) return field.checked ? "on" : "off";
  if (field.hasAttribute("aria-checked")) return field.getAttribute("aria-checked") === "true" ? "on" : "off";
  if (field.tagName === "SELECT") return [...field.selectedOptions].map((option) => option.label.trim()).join(", ");
  return field.value ?? field.textContent.trim();
}"""


async def _see_value(visit: Visit, step: Mapping[str, Any]) -> None:
    name, value = step["name"], step["value"]
    target = await find_field(visit, name)

    async def complaint() -> str | None:
        held = await target.evaluate(VALUE_SCRIPT)
        return None if held == value else f'the field "{name}" on {await _where(visit)} holds "{held}", not "{value}"'

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
        if time.monotonic() > end:
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
    "download": _download,
}
"""`restart` is not among them: the host does it."""
