"""The steps of scenarios on a page, and what they say when the page does not do what was asked."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from playwright.async_api import Locator, Page

from macrohard.product.guest.operating import (
    MARKED_ROW,
    arguments,
    check,
    choose,
    click,
    fill,
    find,
    find_box,
    find_field,
    find_file_field,
    find_list,
    instead,
    place,
    press,
    quoted,
    rows_there,
    show_in,
    upload,
    with_role,
)
from macrohard.product.guest.visit import POLL_SECONDS, Failed, Visit


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
    target = await find_list(visit, step["name"])
    await choose(visit, target, step["value"], f'the list "{step["name"]}"')


async def _check(visit: Visit, step: Mapping[str, Any]) -> None:
    target = await find_box(visit, step["name"])
    await check(visit, target, step["on"], f'the box "{step["name"]}"')


async def _see_fits(visit: Visit, _: Mapping[str, Any]) -> None:
    async def complaint() -> str | None:
        if wider := await visit.ask("macrohard.overflow()"):
            return f"{await place(visit)} is {wider} pixels wider than the window"
        return None

    await visit.until(complaint)


async def _press(visit: Visit, step: Mapping[str, Any]) -> None:
    await press(visit, step["key"])


async def _upload(visit: Visit, step: Mapping[str, Any]) -> None:
    target = await find_file_field(visit, step["name"])
    await upload(visit, target, step["filename"], step["content"], f'the file field "{step["name"]}"')


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
        if await visit.ask(f"macrohard.sees({arguments(text, row)})") == present:
            return None
        where = await place(visit)
        if row is not None:
            rows = await visit.ask(f"macrohard.rowTexts({arguments([row])})")
            if not present:
                return f'the row with "{row}" on {where} shows "{text}", but should not: {quoted(rows)}'
            if not rows:
                return f'{where} has no row with "{row}"; {await rows_there(visit)}'
            return f'the row with "{row}" on {where} does not show "{text}"; it shows {quoted(rows)}'
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
        rows = await visit.ask(f"macrohard.rowTexts({arguments(texts)})")
        if bool(rows) == present:
            return None
        where = await place(visit)
        if not present:
            return f"{where} has a row with {quoted(texts)}, but should not: {quoted(rows)}"
        return f"{where} has no row with {quoted(texts)}; {await rows_there(visit)}"

    await visit.until(complaint)


async def _see_order(visit: Visit, step: Mapping[str, Any]) -> None:
    texts = list(step["texts"])

    async def complaint() -> str | None:
        if await visit.ask(f"macrohard.inOrder({arguments(texts)})"):
            return None
        shown = await visit.ask("macrohard.mainText()")
        return f"{await place(visit)} does not show in this order {quoted(texts)}; it shows: {shown[:600]}"

    await visit.until(complaint)


async def _see_control(visit: Visit, step: Mapping[str, Any]) -> None:
    role, name, row, present = step["role"], step["name"], step["row"], step["present"]

    async def complaint() -> str | None:
        scope: Page | Locator = visit.page
        if row is not None:
            marked = await visit.ask(f"macrohard.unmarkRow(), macrohard.markRow({arguments(row)})")
            if marked != 1:
                return f'{await place(visit)} has {marked or "no"} rows with "{row}"; {await rows_there(visit)}'
            scope = visit.page.locator(MARKED_ROW)
        found = with_role(scope, role, name)
        if bool(await found.count()) == present:
            if present and role in ("img", "image") and not await found.evaluate_all(LOADED_SCRIPT):
                return f'{await place(visit)} has a picture "{name}" that did not load'
            return None
        where = f'the row with "{row}"' if row is not None else await place(visit)
        if not present:
            return f'{where} has a {role} "{name}", but should not'
        return f'{where} has no {role} "{name}"; {await instead(visit, (role,), name)}'

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
        return None if held == value else f'the field "{name}" on {await place(visit)} holds "{held}", not "{value}"'

    await visit.until(complaint)


FOCUS_SCRIPT = """(elements) => elements.some((one) => {
  const active = one.getRootNode().activeElement;
  return active === one || (one.id && active?.getAttribute("aria-activedescendant") === one.id);
})"""


async def _see_focus(visit: Visit, step: Mapping[str, Any]) -> None:
    role, name = step["role"], step["name"]

    async def complaint() -> str | None:
        found = with_role(visit.page, role, name)
        if await found.evaluate_all(FOCUS_SCRIPT):
            return None
        if not await found.count():
            return f'{await place(visit)} has no {role} "{name}"; {await instead(visit, (role,), name)}'
        snapshot = await visit.page.locator("body").aria_snapshot(mode="ai")
        active = re.search(r"^\s*- '?([a-z]+(?: \"(?:[^\"\\]|\\.)*\")?)[^\n]* \[active\]", snapshot, re.M)
        there = active[1] if active else "nothing"
        return f'the {role} "{name}" on {await place(visit)} does not have the focus; {there} has it'

    await visit.until(complaint)


async def _see_rows(visit: Visit, step: Mapping[str, Any]) -> None:
    async def complaint() -> str | None:
        count = await visit.ask("macrohard.countRows()")
        if count == step["count"]:
            return None
        return f"{await place(visit)} has {count} rows, not {step['count']}; {await rows_there(visit)}"

    await visit.until(complaint)


async def _download(visit: Visit, step: Mapping[str, Any]) -> None:
    while not visit.files.empty():
        visit.files.get_nowait()
    what = f'the {step["role"]} "{step["name"]}"'
    await click(visit, await find(visit, step["role"], step["name"], None), what)
    end = time.monotonic() + visit.answer_seconds
    while visit.files.empty():
        # What has begun to come is waited for: on a busy machine a document takes its time to be read.
        if time.monotonic() > end and not visit.saving:
            raise Failed(f"{what} downloads no file; it leads to {await place(visit)}", late=True)
        await asyncio.sleep(POLL_SECONDS)
    filename, text = visit.files.get_nowait()
    if missing := [wanted for wanted in step["texts"] if wanted not in text]:
        raise Failed(f'the file "{filename}" does not contain {quoted(missing)}; it begins: {text[:400]}')
    if unwanted := [there for there in step["absent"] if there in text]:
        raise Failed(f'the file "{filename}" contains {quoted(unwanted)}, but should not')


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
"""`restart`, `wait`, `new_browser` and `keep_address` are not among them: the host does them."""
