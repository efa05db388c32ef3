"""The dashboard in a real browser: readable for everybody, of any width, by keys, without script, whatever it shows."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Dialog, FilePayload, Page, expect

from macrohard.domain import Caps, JsonObject
from macrohard.domain.approval import Awaited
from macrohard.events import (
    ApprovalAwaited,
    FeedbackAnswered,
    RunEnded,
)
from macrohard.server.access import local_link
from macrohard.store import Store
from tests.report.conftest import FORM, PRODUCT, TABLE
from tests.server.seeding import AXE, STARTED, ended, let_in, say, told
from tests.server.served import Served, served

LARGEST_BYTES = 60_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path_factory.mktemp("pages") / "home") as service:
        yield service


@pytest.fixture(scope="module")
async def runs(service: Served, browser: Browser) -> dict[str, str]:
    """Ids of runs by how they stand; what they show is hostile."""
    shots = {}
    page = await browser.new_page()
    for name, body in (("list", TABLE), ("form", FORM)):
        await page.set_content(PRODUCT.format(body=body))
        shots[name] = await page.screenshot(type="jpeg", quality=60)
    await page.close()
    return service.within(told(service.factory, shots))


@pytest.fixture
async def context(browser: Browser, service: Served) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await let_in(context, service)
    yield context
    await context.close()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


def addresses(runs: dict[str, str]) -> list[str]:
    over = f"/runs/{runs['over']}"
    parts = (
        "", "/criteria", "/criteria/AC-1", "/iterations", "/iterations/2",
        "/iterations/2/file?path=rules.py", "/users", "/users/1/wrong-input-first", "/sessions",
        "/sessions/1/implement/5", "/budget", "/product", "/plan",
    )  # fmt: skip
    others = [f"/runs/{runs[name]}" for name in ("under way", "refused", "budget", "waiting", "release")]
    both = f"left={runs['over']}:1&right={runs['over']}:2"
    to_come = f"left={runs['over']}&right={runs['waiting']}"
    comparing = [
        "/compare", f"/compare?left={runs['over']}", f"/compare?{both}", f"/compare/file?{both}&path=rules.py",
        f"/compare?{to_come}",
    ]  # fmt: skip
    general = ["/", "/new", "/fleet", "/agents", "/agents/backend-coder", "/settings", "/webhooks", "/nowhere"]
    return [*general, *comparing, *(over + part for part in parts), *others]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (375, "dark")], ids=["wide and light", "narrow and dark"]
)
async def test_every_page_is_readable_for_everybody_and_no_wider_than_the_window(
    browser: Browser, service: Served, runs: dict[str, str], width: int, scheme: Any
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 780}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    await let_in(context, service)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    wrong = []
    for address in addresses(runs):
        await page.goto(service.base_url + address)
        await page.evaluate(AXE)
        found = await page.evaluate("axe.run({resultTypes: ['violations']})")
        wrong += [(address, each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append((address, "wider than the window", ""))
        if await page.evaluate("document.title.includes('owned') || !!document.querySelector('img[src=x]')"):
            wrong.append((address, "obeys what it shows", ""))
    await context.close()
    assert wrong == []
    assert errors == []


def test_pages_are_small_enough_for_a_slow_link(service: Served, runs: dict[str, str]) -> None:
    sizes = {
        address: len(service.ask("GET", address, headers={"Accept": "text/html"}).content)
        for address in addresses(runs)
    }
    assert {address: size for address, size in sizes.items() if size > LARGEST_BYTES} == {}


async def test_a_line_of_a_diff_is_remarked_upon_where_it_stands_by_mouse_and_by_keys(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    address = f"{service.base_url}/runs/{runs['over']}/iterations/2"
    await page.goto(f"{address}#changes")
    await page.locator("#f1-L3 td > a").click()
    await page.keyboard.type("Why not? <b>")
    await page.get_by_role("button", name="Send to the agents").locator("visible=true").click()
    await expect(page).to_have_url(re.compile(r"/iterations/2/file\?path=rules\.py#f1-L3$"))
    await expect(page.locator("#f1-L3 + tr .remark")).to_contain_text("Why not? <b>")
    await page.goto(f"{address}#changes")
    await page.locator("#f1-L2 td > a").focus()
    await page.keyboard.press("c")
    await expect(page.get_by_label("Line", exact=True).locator("visible=true")).to_have_value("2")
    await page.keyboard.press("Escape")
    await expect(page.locator("#f1-L2 td > a")).to_be_focused()
    changed = page.locator(".code tr.added td > a")
    await changed.first.focus()
    await page.keyboard.press("j")
    await expect(changed.nth(1)).to_be_focused()
    await page.keyboard.press("k")
    await page.keyboard.press("k")
    await expect(page.locator(".code tr.removed td > a")).to_be_focused()
    await page.keyboard.press("k")
    await expect(page.locator("details.diff > summary").first).to_be_focused()
    said = service.ask("GET", f"/api/v1/runs/{runs['over']}/feedback").json()
    assert [(each["about"], each["file"], each["line"], each["iteration"]) for each in said] == [
        ("line", "rules.py", 3, 2)
    ]


async def test_a_visit_is_gone_through_step_by_step_and_has_an_address_at_every_step(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    address = f"{service.base_url}/runs/{runs['over']}/users/1/wrong-input-first"
    await page.goto(address)
    await expect(page.locator(".steps > li").locator("visible=true")).to_have_count(1)
    await page.keyboard.press("ArrowRight")
    await expect(page).to_have_url(f"{address}#s2")
    await page.reload()
    await expect(page.locator("[data-where]")).to_have_text(re.compile("^Step 2 of "))
    await page.keyboard.press("ArrowLeft")
    await expect(page).to_have_url(f"{address}#s1")


async def test_keys_lead_everywhere(page: Page, service: Served, runs: dict[str, str]) -> None:
    await page.goto(f"{service.base_url}/fleet")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("next, previous in a list")
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("r")
    await page.wait_for_url(f"{service.base_url}/")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    newest = service.ask("GET", "/api/v1/runs").json()["runs"][0]["id"]
    await expect(page.locator(f"#{newest} a")).to_be_focused()
    await page.keyboard.press("o")
    await page.wait_for_url(f"{service.base_url}/runs/{newest}")
    await page.keyboard.press("]")
    await expect(page).to_have_url(f"{service.base_url}/runs/{newest}/criteria")
    await page.goto(f"{service.base_url}/runs/{runs['over']}/criteria/AC-1")
    await page.keyboard.press(".")
    await page.wait_for_url("**/criteria/AC-2")
    await page.keyboard.press(",")
    await page.wait_for_url("**/criteria/AC-1")
    await page.get_by_label("Say what is wrong").fill("Shorter, please.")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".remark")).to_contain_text("Shorter, please.")


async def test_pictures_are_looked_at_one_after_the_other(page: Page, service: Served, runs: dict[str, str]) -> None:
    await page.goto(f"{service.base_url}/runs/{runs['over']}/iterations/2")
    shots = page.locator("a.shot")
    number = await shots.count()
    assert number > 1
    await shots.first.click()
    large = page.get_by_role("dialog", name="Picture")
    await expect(large).to_contain_text(f"1 of {number}")
    first = await large.locator("img").get_attribute("src")
    assert first == service.base_url + (await shots.first.get_attribute("href") or "")
    await page.keyboard.press("ArrowLeft")
    await expect(large).to_contain_text(f"{number} of {number}")
    await large.get_by_role("button", name="Next").click()
    await expect(large.locator("img")).to_have_attribute("src", first or "")
    await page.keyboard.press("Escape")
    await expect(shots.first).to_be_focused()


async def test_what_would_be_understood_is_shown_before_anything_begins(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    before = len(service.ask("GET", "/api/v1/runs").json()["runs"])
    await page.goto(f"{service.base_url}/new")
    await page.get_by_label("In plain words").fill("A list of plants: name (required), price, planted on (date).")
    # The first reading in a process begins with what all of them need.
    await expect(page.locator("#reading")).to_contain_text("Planted on", timeout=30_000)
    await expect(page.locator("#reading")).to_contain_text("AC-1")
    await page.get_by_label("In plain words").fill("A multiplayer first-person shooter with ray tracing.")
    await expect(page.locator("#reading")).to_contain_text("does not understand")
    assert len(service.ask("GET", "/api/v1/runs").json()["runs"]) == before


async def test_everything_but_what_is_live_works_without_script(
    browser: Browser, service: Served, runs: dict[str, str]
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    await let_in(context, service)
    page = await context.new_page()
    await page.goto(f"{service.base_url}/runs/{runs['over']}/users/1/wrong-input-first")
    assert await page.locator(".steps > li").locator("visible=true").count() > 1
    await page.goto(f"{service.base_url}/runs/{runs['under way']}")
    await page.get_by_label("Say what should be different").fill("Larger letters")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".remark")).to_contain_text("Larger letters")
    await page.goto(f"{service.base_url}/agents?q=backend")
    await page.get_by_role("link", name="backend-coder").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("backend-coder")
    await page.goto(f"{service.base_url}/runs/{runs['over']}/iterations/1/file?path=rules.py")
    await page.get_by_label("Line", exact=True).fill("1")
    await page.get_by_label("Remark", exact=True).fill("Name it better")
    await page.get_by_role("button", name="Send to the agents").click()
    await expect(page.locator("#f1-L1 + tr")).to_contain_text("Name it better")
    await context.close()


async def test_what_is_typed_and_unfolded_stays_while_the_page_follows_the_run(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    run = runs["under way"]
    await page.goto(f"{service.base_url}/runs/{run}")
    await page.get_by_label("Say what should be different").fill("half a sen")
    await page.locator("details.warned summary").click()
    service.ask("POST", f"/api/v1/runs/{run}/feedback", json={"text": "Somebody else speaks"})
    await expect(page.locator("#feedback")).to_contain_text("Somebody else speaks")
    await expect(page.get_by_label("Say what should be different")).to_have_value("half a sen")
    await expect(page.locator("details.warned")).to_have_attribute("open", "")


async def test_what_cannot_be_read_anew_stays_and_is_asked_for_again(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    run = runs["under way"]
    await page.goto(f"{service.base_url}/runs/{run}")
    await page.route(f"**/runs/{run}", lambda route: route.fulfill(status=503, body="<h1>503</h1>"))
    service.ask("POST", f"/api/v1/runs/{run}/feedback", json={"text": "Heard in the end"})
    await expect(page.locator("#connection")).to_contain_text("trying again. As of ", timeout=30_000)
    await expect(page.locator("#run h1")).to_be_visible()
    await page.unroute_all()
    await expect(page.locator("#feedback")).to_contain_text("Heard in the end", timeout=30_000)
    await expect(page.locator("#connection")).to_have_text("")

    await page.goto(f"{service.base_url}/new")
    await page.get_by_label("In plain words").fill("A list of plants: name (required), price.")
    await expect(page.locator("#reading")).to_contain_text("Price", timeout=30_000)
    await page.route("**/new/reading", lambda route: route.fulfill(status=503, body="<h1>503</h1>"), times=1)
    await page.get_by_label("In plain words").fill("A list of plants: name (required), colour.")
    await expect(page.locator("#reading")).to_contain_text("Colour", timeout=30_000)
    await expect(page.locator("#reading h1")).to_have_count(0)


async def test_a_page_without_its_service_says_of_when_it_is_until_it_is_back(browser: Browser, tmp_path: Path) -> None:
    context = await browser.new_context()
    with served(tmp_path / "home") as service:
        page = await context.new_page()
        await page.goto(local_link(service.home, service.base_url))
        await expect(page.get_by_role("heading", name="Nothing was asked for yet")).to_be_visible()
        await expect(page.locator("#connection")).to_have_text("")
    await expect(page.locator("#connection")).to_contain_text("Not connected; trying again. As of ", timeout=30_000)
    await expect(page.get_by_role("heading", name="Nothing was asked for yet")).to_be_visible()
    with served(tmp_path / "home", port=int(service.base_url.rpartition(":")[2])) as service:
        await service.factory.store.create_run("Came meanwhile", options={}, model="builtin")
        await expect(page.get_by_text("Came meanwhile")).to_be_visible(timeout=30_000)
        await expect(page.locator("#connection")).to_have_text("")
    await context.close()


@pytest.mark.parametrize(
    ("caps", "remedy", "headline", "label", "raised"),
    [
        (Caps(usd=0.5), "--add-budget 0.25", "($0.50 of $0.50)", "Dollars to add", {"usd": 0.75}),
        (Caps(tokens=900), "--add-tokens 450", "(900 of 900)", "Tokens to add", {"tokens": 1350}),
        (Caps(seconds=1800), "--add-time 15m", "for 30 min", "Minutes at work to add", {"seconds": 2700}),
        (Caps(sessions=8), "--add-sessions 4", "8 assignments", "Assignments to add", {"sessions": 12}),
    ],
    ids=["money", "tokens", "time", "sessions"],
)
async def test_whatever_limit_stopped_a_run_is_raised_on_its_page(
    page: Page, service: Served, caps: Caps, remedy: str, headline: str, label: str, raised: JsonObject
) -> None:
    async def stopped() -> str:
        store = service.factory.store
        run = await store.create_run("A list of stopped things", options={}, model="builtin")
        await store.budget(run).open(caps)
        problem = f"a limit is reached. How much more may it take? Go on with: macrohard resume {run} {remedy}"
        await say(store, run, STARTED, ended("paused", problem))
        return run

    run = service.within(stopped())
    await page.goto(f"{service.base_url}/runs/{run}")
    await expect(page.locator("#next h2")).to_contain_text(headline)
    await expect(page.locator("#next")).not_to_contain_text("macrohard resume")
    await page.goto(f"{service.base_url}/fleet")
    await expect(page.locator(f"#{run}")).to_contain_text(headline)
    await page.goto(f"{service.base_url}/runs/{run}")
    await expect(page.get_by_label(label)).to_be_visible()
    await page.get_by_role("button", name="Add and go on").click()
    await expect(page.locator("#next h2")).to_have_text("It waits for a worker to go on with it")
    now = service.ask("GET", f"/api/v1/runs/{run}/budget").json()["budget"]["caps"]
    assert {name: value for name, value in now.items() if value is not None} == raised


async def test_a_run_that_waits_is_begun_and_one_is_deleted_by_who_is_sure(page: Page, service: Served) -> None:
    run = service.within(service.factory.store.create_run("A list of boats", options={}, model="builtin"))
    address = f"{service.base_url}/runs/{run}"
    await page.goto(address)
    await page.get_by_role("button", name="Begin").click()
    await expect(page.locator("#next h2")).to_have_text("It waits for a worker")
    assert service.ask("GET", f"/api/v1/runs/{run}").json()["summary"]["queued"] is True
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.get_by_role("button", name="Delete this run").click()
    assert service.ask("GET", f"/api/v1/runs/{run}").status_code == 200
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete this run").click()
    await page.wait_for_url(f"{service.base_url}/")
    assert service.ask("GET", f"/api/v1/runs/{run}").status_code == 404


async def test_one_sees_on_every_page_how_many_runs_wait_for_somebody_and_in_the_list_for_what(
    browser: Browser, tmp_path: Path
) -> None:
    async def asked(store: Store) -> dict[str, str]:
        ids = {}
        for name in ("yes", "money", "queued", "later"):
            ids[name] = await store.create_run(f"A list of {name}", options={}, model="builtin")
        remedy = f"It may take no more. Go on with: macrohard resume {ids['money']} --add-budget 5"
        awaited = ApprovalAwaited(awaited=Awaited(point="plan", number=0, until=None))
        hour = RunEnded(
            outcome="paused", problem="it sleeps", commit=None, product_path=None,
            wake_at=datetime.now(UTC) + timedelta(hours=9),
        )  # fmt: skip
        await say(store, ids["yes"], STARTED, awaited, ended("paused", "it waits"))
        await say(store, ids["money"], STARTED, ended("paused", remedy))
        await say(store, ids["later"], STARTED, hour)
        await store.queue.put(ids["queued"])
        return ids

    context = await browser.new_context()
    with served(tmp_path / "home") as service:
        page = await context.new_page()
        await page.goto(local_link(service.home, service.base_url))
        await expect(page).to_have_title("Runs · Macrohard")
        ids = service.within(asked(service.factory.store))
        await expect(page.locator("#waiting .count")).to_have_text("2", timeout=30_000)
        await expect(page).to_have_title("(2) Runs · Macrohard")
        for name, word in (
            ("yes", "needs a yes"),
            ("money", "needs money"),
            ("queued", "queued"),
            ("later", "goes on later"),
        ):
            await expect(page.locator(f"#{ids[name]} .chip")).to_have_text(word)
        await page.get_by_role("link", name="waits for you").click()
        await expect(page.locator("ul.rows > li")).to_have_count(2)
        await page.goto(f"{service.base_url}/agents")
        await expect(page).to_have_title("(2) Agents · Macrohard")
        await page.goto(f"{service.base_url}/runs/{ids['yes']}")
        await expect(page.locator("h1 .chip")).to_have_text("needs a yes")
    await context.close()


async def test_a_release_is_judged_by_what_stands_beside_the_yes_and_nothing_written_is_lost(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    run = runs["release"]
    asked: list[str] = []
    await page.goto(f"{service.base_url}/runs/{run}")
    await expect(page.locator("#unmet li")).to_have_count(2)
    await expect(page.locator("#unmet")).to_contain_text("AC-5")
    await expect(page.locator("#next img").first).to_be_visible()
    await expect(page.locator("#next").get_by_role("button", name="Start a preview")).to_be_visible()
    await page.get_by_role("button", name="Ask for changes").click()
    await expect(page.get_by_label("What is to be different")).to_be_focused()
    await expect(page).to_have_url(f"{service.base_url}/runs/{run}")

    async def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    page.on("dialog", refuse)
    await page.get_by_label("What is to be different").fill("Larger letters")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_label("What is to be different")).to_have_value("Larger letters")
    assert asked == ["What you wrote is not sent with a yes. Approve all the same?"]
    await page.get_by_label("What is to be different").fill("")
    async with page.expect_response(lambda answer: answer.url.endswith(f"{run}/approvals")):
        await page.get_by_role("button", name="Approve").click()
    assert service.ask("GET", f"/api/v1/runs/{run}").json()["summary"]["queued"] is True


async def test_findings_and_lines_that_were_taken_out_are_remarked_upon_and_answers_lead_to_where_they_came_from(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    run = runs["release"]
    root = f"{service.base_url}/runs/{run}"
    await page.goto(f"{root}/iterations/2")
    await page.locator("#f1-O2 td > a").click()
    await page.keyboard.type("Keep it in one line")
    await page.get_by_role("button", name="Send to the agents").locator("visible=true").click()
    await expect(page).to_have_url(re.compile(r"file\?path=rules\.py#f1-O2$"))
    await expect(page.locator("#f1-O2 + tr .remark")).to_contain_text("rules.py:2 as it was before")

    await page.goto(f"{root}/iterations/1")
    finding = page.locator("#findings article.finding").first
    name = await finding.get_attribute("id")
    await finding.get_by_text("Remark", exact=True).click()
    await finding.get_by_label("What you say to it").fill("It is meant to be so")
    await finding.get_by_role("button", name="Send to the agents").click()
    await expect(page).to_have_url(f"{root}/iterations/1#{name}")
    await expect(page.locator(f"#{name} .remark")).to_contain_text("It is meant to be so")
    said = service.ask("GET", f"/api/v1/runs/{run}/feedback").json()
    told = [(each["about"], each["finding"], each["line"], each["side"], each["iteration"]) for each in said]
    assert told == [("line", "", 2, "old", 2), ("finding", name, 0, "new", 1)]

    async def answered() -> None:
        async with service.factory.store.hold(run) as lease:
            log = await service.factory.store.log(lease)
            await log(FeedbackAnswered(ids=(said[0]["id"],), text="It is one line", iteration=2))

    service.within(answered())
    await page.goto(root)
    await expect(page.locator(f"#{said[0]['id']} .answer a")).to_have_attribute("href", f"/runs/{run}/iterations/2")
    await page.locator(f"#{said[0]['id']} .by a").click()
    await expect(page.locator("#f1-O2")).to_be_in_viewport()


async def test_a_product_is_improved_from_its_page_by_what_was_said_of_it(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    run = runs["over"]
    service.ask("POST", f"/api/v1/runs/{run}/feedback", json={"text": "Larger letters, please"})
    await page.goto(f"{service.base_url}/runs/{run}/product")
    await page.get_by_role("link", name="Improve this product").click()
    await expect(page.get_by_label("In plain words")).to_have_value(re.compile("- Larger letters, please"))
    prices = FilePayload(name="prices.csv", mimeType="text/csv", buffer=b"article;price\nchair;49\n")
    await page.get_by_label("Text files that belong to it").set_input_files([prices])
    await page.get_by_label("In plain words").fill("Larger letters.")
    await page.get_by_label("Hours to wait for an answer").fill("2")
    await page.get_by_label("Show me criteria and plan").check()
    await page.get_by_label("Hours to wait for a yes to the plan").fill("3")
    await page.get_by_label("Hours to wait for more budget").fill("4")
    await page.get_by_role("button", name="Build it").click()
    await page.wait_for_url(re.compile(r"/runs/r-\d+-\w+$"))
    made = page.url.rpartition("/")[2]
    summary = service.ask("GET", f"/api/v1/runs/{made}").json()["summary"]
    assert summary["improves"] == run
    assert summary["requirement"].startswith("Larger letters.")
    assert "chair;49" in summary["requirement"]
    options = service.within(service.factory.store.options(made))
    assert (options["answer_seconds"], options["approvals"]) == (7200.0, {"plan": 10800.0})
    assert options["budget_seconds"] == 14400.0
