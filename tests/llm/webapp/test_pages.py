"""The pages in a real browser: every control that the design promises, on every screen, readable for everybody."""

from collections.abc import AsyncIterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Browser, Page, expect

from macrohard.domain import Screen
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.webapp import screens

from .blueprints import ALL, EXPENSES, INVENTORY, LIBRARY, TODO
from .conftest import Products
from .running import Running, day

AXE = Path(str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js"))).read_text()
SETTINGS = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 375, "height": 667}, "has_touch": True},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark", "reduced_motion": "reduce"},
}


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    yield await context.new_page()
    await context.close()


def filled(products: Products, blueprint: Blueprint) -> Running:
    """The product with a few records of every type, long and odd ones among them."""
    product = products(blueprint)
    long = "An unusually-long-word-without-any-break-" * 4 + " & <b>what</b> follows it 🎉"
    match blueprint.slug:
        case "to_do_list":
            product.post("/tasks/new", title=long[:200], due_date=day(-1), priority="High", notes=long * 3)
            product.post("/tasks/new", title="B", priority="Low", done="yes")
        case "school_library":
            product.post("/books/new", title=long[:200], author="A", isbn13="9780306406157", shelf="A1", year="1999")
            product.post("/books/new", title="B", author="A", isbn13="9783522202558")
            product.post("/pupils/new", {"name": "Ada", "class": "7b", "active": "yes"})
            product.post("/loans/new", book=1, pupil=1, out_date=day(-40))
            product.post("/loans/new", book=2, pupil=1, out_date=day(0))
        case "workshop_inventory":
            for number in range(12):
                product.post("/parts/new", name=f"Part {number}", price="12345678", minimum_stock="9")
            product.post("/movements/new", part=1, direction="In", quantity="5", at=f"{day(-1)}T09:30", weight="2.5")
        case "visitor_log":
            when = {"time_in": f"{day(0)}T00:00", "phone": "+49 30 123", "email": "ada@example.com"}
            product.post("/visitors/new", {"name": "Ada", "host": "M", "badge": "7", "company": long, **when})
        case "room_bookings":
            product.post("/rooms/new", name="Blue", seats="12")
            slot = {"day": day(1), "start": "09:00", "end": "10:00"}
            product.post("/bookings/new", {"purpose": "Choir", "room": "1", "status": "Booked", **slot})
            cancelled = {"status": "Cancelled", "reason": long}
            product.post("/bookings/new", {"purpose": "Choir", "room": "1", **slot, **cancelled})
        case "club_expenses":
            product.post(
                "/members/new", first_name="Ada", last_name=long, birthday=day(0), iban="DE89370400440532013000"
            )
            product.post("/expenses/new", what="Taxi", member=1, amount="5", on=day(0), category="Food")
    return product


def address(screen: Screen) -> str:
    return screen.path.replace("<id>", "1")


@pytest.mark.parametrize("name", ALL)
async def test_every_screen_has_the_controls_that_the_design_promises(
    products: Products, page: Page, name: str
) -> None:
    product = filled(products, ALL[name])
    for screen in screens(ALL[name]):
        # What depends on the record is asked of one that has it all: an action is offered only while it is possible.
        actions = {action.label for action in ALL[name].actions}
        await page.goto(f"http://127.0.0.1:{product.port}{address(screen)}")
        for control in screen.controls:
            if control.role == "term" or control.name in actions:
                continue
            if (
                control.role == "table"
                and screen.path.startswith("/views/")
                and "match" in await page.inner_text("main")
            ):
                continue
            found = page.get_by_role(cast(Any, control.role), name=control.name, exact=True)
            assert await found.count() > 0, f"{address(screen)}: {control.role} {control.name!r}"


@pytest.mark.parametrize(
    ("name", "setting"),
    [(name, setting) for name in ALL for setting in SETTINGS if setting != "dark" or name == "school_library"],
)
async def test_every_page_is_accessible_and_fits_its_window(
    products: Products, browser: Browser, name: str, setting: str
) -> None:
    product = filled(products, ALL[name])
    # Our own policy would not let the auditor in.
    context = await browser.new_context(**cast(Any, SETTINGS[setting]), bypass_csp=True)
    opened = await context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    for screen in screens(ALL[name]):
        await opened.goto(f"http://127.0.0.1:{product.port}{address(screen)}")
        await opened.evaluate(AXE)
        found = await opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
        assert told == [], f"{setting} {address(screen)}"
        width = await opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{setting} {address(screen)} is {width} px too wide"
    await context.close()
    assert complaints == []
    assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{product.port}"}


async def test_a_form_with_mistakes_is_accessible(products: Products, browser: Browser) -> None:
    product = products(LIBRARY)
    context = await browser.new_context(bypass_csp=True)
    opened = await context.new_page()
    await opened.goto(f"http://127.0.0.1:{product.port}/books/new")
    await opened.get_by_label("Year", exact=True).fill("1449")
    await opened.get_by_role("button", name="Save").click()
    await expect(opened.get_by_role("alert")).to_contain_text("Please correct")
    title = opened.get_by_label("Title", exact=True)
    await expect(title).to_have_accessible_description("Title is required.")
    await expect(title).to_be_focused()
    await expect(opened.get_by_label("Year", exact=True)).to_have_value("1449")
    await opened.evaluate(AXE)
    found = await opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [one["id"] for one in found["violations"]] == []
    await context.close()


async def test_lists_filter_while_typing_and_keep_the_focus(products: Products, page: Page) -> None:
    product = products(TODO)
    for title in ("Pay rent", "Buy milk", "Buy bread"):
        product.post("/tasks/new", title=title)
    await page.goto(f"http://127.0.0.1:{product.port}/tasks")
    search = page.get_by_role("searchbox", name="Search")
    await search.press_sequentially("bu")
    await expect(page.get_by_role("link", name="Pay rent")).to_have_count(0)
    await expect(page.get_by_text("2 tasks", exact=True)).to_be_visible()
    await search.press_sequentially("y m")
    await expect(page.get_by_text("1 task", exact=True)).to_be_visible()
    await expect(search).to_be_focused()
    await expect(search).to_have_value("buy m")
    assert page.url.endswith("/tasks?search=buy+m")
    await search.fill("zzz")
    await expect(page.get_by_text("No tasks match.")).to_be_visible()
    await page.get_by_role("link", name="Clear").click()
    await expect(page.get_by_text("3 tasks", exact=True)).to_be_visible()
    await page.get_by_label("Done", exact=True).select_option("Yes")
    await expect(page.get_by_text("No tasks match.")).to_be_visible()


async def test_everything_works_without_scripts_and_with_the_keyboard_alone(
    products: Products, browser: Browser
) -> None:
    product = products(TODO)
    context = await browser.new_context(java_script_enabled=False)
    opened = await context.new_page()
    await opened.goto(f"http://127.0.0.1:{product.port}/tasks/new")
    await opened.keyboard.type("Pay rent")
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("status")).to_have_text("Task saved.")
    await opened.get_by_role("searchbox", name="Search").focus()
    await opened.keyboard.type("zzz")
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_text("No tasks match.")).to_be_visible()
    await opened.get_by_role("link", name="Clear").press("Enter")
    await opened.get_by_role("button", name="Mark done").press("Space")
    await expect(opened.get_by_role("status")).to_have_text("Mark done: done.")
    await context.close()


async def test_a_date_follows_another_while_nobody_chose_it(products: Products, page: Page) -> None:
    product = products(LIBRARY)
    await page.goto(f"http://127.0.0.1:{product.port}/loans/new")
    due = page.get_by_label("Due date", exact=True)
    await expect(due).to_have_value(day(21))
    await page.get_by_label("Out date", exact=True).fill("2026-02-10")
    await expect(due).to_have_value("2026-03-03")
    await due.fill("2026-03-01")
    await page.get_by_label("Out date", exact=True).fill("2026-01-01")
    await expect(due).to_have_value("2026-03-01")


async def test_a_double_click_saves_once(products: Products, page: Page) -> None:
    product = products(TODO)
    await page.goto(f"http://127.0.0.1:{product.port}/tasks/new")
    await page.get_by_label("Title", exact=True).fill("Pay rent")
    await page.get_by_role("button", name="Save").dblclick()
    await expect(page.get_by_role("status")).to_have_text("Task saved.")
    assert len(product.get("/tasks").rows) == 1


@pytest.mark.parametrize("blueprint", [EXPENSES, INVENTORY])
async def test_printed_lists_leave_out_what_is_for_the_screen(
    products: Products, page: Page, blueprint: Blueprint
) -> None:
    product = filled(products, blueprint)
    await page.emulate_media(media="print")
    await page.goto(f"http://127.0.0.1:{product.port}{screens(blueprint)[1].path}")
    await expect(page.get_by_role("table").first).to_be_visible()
    for role, name in (("navigation", "Main"), ("search", None), ("link", "Edit")):
        await expect(page.get_by_role(cast(Any, role), name=name).locator("visible=true")).to_have_count(0)
