import re
from collections.abc import AsyncIterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from macrohard.domain import RunOverview, RunStatus
from macrohard.report import render, story
from tests.hostile import MARKUP, obeyed, poisoned
from tests.report.sample import HOSTILE, Cupboard, overview

AXE = Path(str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")))


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    opened = await browser.new_page()
    yield opened
    await opened.close()


async def written(folder: Path, run: RunOverview, cupboard: Cupboard) -> str:
    """The report as a file, and its address."""
    path = folder / "report.html"
    path.write_text(await render(run, cupboard), encoding="utf-8")
    return path.as_uri()


async def test_it_says_first_what_does_not_hold(tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    text = await page.locator("main").inner_text()
    told = [
        "The due date must be a date, and may be empty.",
        "the date was changed to 2 March without a word",
        "An e-mail is sent the day before a task is due.",
        "The table is cut off on a phone",
        "sandboxes are made with bubblewrap",
        "Partly delivered: 4 of the 5 that must hold do; the product is kept as it is.",
        "We need a simple to-do list for the office.",
        "because products have no way to send e-mail",
    ]
    positions = [text.index(part) for part in told]
    assert positions == sorted(positions)


async def test_every_criterion_leads_to_its_scenario_verdict_commit_and_screenshot(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    filtered = page.locator("#AC-3")
    assert "Choosing “open” hides the tasks that are done" in await filtered.inner_text()
    assert "passed" in await filtered.inner_text()
    assert "9c9c9c9c9c" in await filtered.inner_text()
    await filtered.get_by_role("link").click()
    figure = page.locator("figure:target .shot")
    width, image = await figure.evaluate("shot => [shot.offsetWidth, getComputedStyle(shot).backgroundImage]")
    assert width > 300
    assert image.startswith('url("data:image/jpeg;base64,')
    assert "none" in await page.locator("#AC-6").inner_text()


async def test_a_failed_check_shows_the_end_of_its_log(tmp_path: Path, page: Page, shots: Any) -> None:
    cupboard = Cupboard()
    log = await cupboard.put(b"x" * 9000 + b"\nValueError: day is out of range", media_type="text/plain")
    await page.goto(await written(tmp_path, overview(shots, log=log), cupboard))
    await page.locator("#AC-5").get_by_text("Log").click()
    shown = await page.locator("#AC-5 pre").inner_text()
    assert shown.endswith("ValueError: day is out of range")
    assert len(shown) <= 4000


async def test_a_check_of_the_whole_product_that_failed_is_told_with_its_log(
    tmp_path: Path, page: Page, shots: Any
) -> None:
    cupboard = Cupboard()
    log = await cupboard.put(b"FAILED (failures=1)", media_type="text/plain")
    run = overview(shots)
    failed = run.iterations[-1].verdicts[0].model_copy(
        update={
            "check": "tests", "kind": "tests", "criterion": None, "status": "failed", "summary": "1 of 9 tests failed",
            "evidence": (log,),
        }
    )  # fmt: skip
    last = run.iterations[-1].model_copy(update={"verdicts": (*run.iterations[-1].verdicts, failed)})
    met = tuple(state.model_copy(update={"status": "met"}) for state in run.criteria)
    run = run.model_copy(update={"iterations": (run.iterations[0], last), "criteria": met})
    await page.goto(await written(tmp_path, run, cupboard))
    assert "1 of 9 tests failed" in await page.locator(".holds").inner_text()
    await page.locator(".holds").get_by_text("Log").click()
    assert await page.locator(".holds pre").inner_text() == "FAILED (failures=1)"
    assert "all 5 that must hold do, but a check of the whole product" in await page.locator(".verdict").inner_text()


async def test_the_frames_of_a_user_can_be_played(tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    visit = page.locator(".visit").first
    shot = visit.locator(".stage .shot")
    first = await shot.get_attribute("class")
    await visit.get_by_role("button", name="Next step").click()
    assert await shot.get_attribute("class") != first
    assert await visit.locator(".at").inner_text() == "Step 2"
    await visit.get_by_role("button", name="Play").click()
    await expect(visit.locator(".at")).to_have_text("Step 6", timeout=30_000)
    await expect(visit.locator(".play")).to_have_text("Play", timeout=30_000)


async def test_where_users_stumbled_is_told_without_opening_anything(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    earlier = page.locator(".visit").nth(2)
    assert "click button “Save”: an error page “Everything I typed is gone!”" in await earlier.inner_text()


async def test_what_a_session_claimed_against_its_log_stands_beside_its_task(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    denied = page.locator("table.work .denied")
    assert await denied.all_inner_texts() == ["Reported “All tests pass.”, but by its own log it ran no tests."]


async def test_a_disputed_scenario_stands_with_its_criterion_and_why_it_does_not_count(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    said = await page.locator("#AC-2 .because").all_inner_texts()
    assert said == [
        "S-9 (It is quick) does not count. Its reviewer: not in the contract: "
        "Neither specification nor design says how quick."
    ]


async def test_iterations_tell_what_was_repaired(tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any) -> None:
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    second = await page.locator(".iteration").nth(1).inner_text()
    assert "S-2 passes now; before: Expected the message “Title is required.”; the empty task was saved." in second
    assert "Not noticed again: The search field has no label" in second
    assert "Gained AC-1, AC-3" in second
    assert "Not noticed again: The table is cut off on a phone" not in second


async def test_what_passes_on_an_unchanged_commit_was_not_repaired(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    run = overview(shots)
    first, second = run.iterations
    run = run.model_copy(update={"iterations": (first, second.model_copy(update={"commit": first.commit}))})
    await page.goto(await written(tmp_path, run, cupboard))
    told = await page.locator(".iteration").nth(1).inner_text()
    assert "S-2 passed on a second try; before: Expected the message" in told
    assert "Passed on a second try AC-1, AC-3" in told
    assert "Repaired" not in told
    assert "Gained" not in told


async def test_hostile_texts_stay_texts_and_nothing_is_loaded(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    address = await written(tmp_path, overview(shots, words=HOSTILE), cupboard)
    await page.goto(address)
    assert await page.title() == f"Office to-do list{HOSTILE[:40]} – report"
    assert await page.locator("img, iframe, object, embed, link, base, form").count() == 0
    assert await page.locator("script").count() == 1
    assert await page.locator(".requirement").inner_text() == overview(shots).summary.requirement + HOSTILE.replace(
        "\x1b", "·"
    )
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert "7*7" in await page.locator("main").inner_text()


async def test_no_text_of_a_run_becomes_anything_else(tmp_path: Path, page: Page, cupboard: Cupboard) -> None:
    await page.set_content(MARKUP)
    assert await page.locator("img, svg[onload]").count() == 2
    run = poisoned(overview({}))
    assert obeyed(run.summary.requirement)
    address = await written(tmp_path, run, cupboard)
    assert not obeyed((tmp_path / "report.html").read_text(encoding="utf-8"))
    await page.goto(address)
    assert await page.title() != "owned"
    assert await page.locator("img, svg[onload], iframe, object, embed, link, base, form").count() == 0
    assert await page.locator("script").count() == 1
    assert (
        await page.locator("*").evaluate_all(
            "all => all.flatMap(one => one.getAttributeNames()).filter(name => name.startsWith('on')).length"
        )
        == 0
    )


async def test_the_policy_stops_scripts_that_are_not_ours(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    path = tmp_path / "report.html"
    html = await render(overview(shots), cupboard)
    path.write_text(html.replace("</body>", "<script>document.title='owned'</script></body>"), encoding="utf-8")
    await page.goto(path.as_uri())
    assert await page.title() == "Office to-do list – report"


async def test_it_reads_without_scripts(tmp_path: Path, browser: Browser, cupboard: Cupboard, shots: Any) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    assert not await page.locator(".controls").first.is_visible()
    assert await page.locator(".step").first.is_visible()
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
async def test_it_is_accessible_and_fits(
    tmp_path: Path, browser: Browser, cupboard: Cupboard, shots: Any, scheme: Any, width: int
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto(await written(tmp_path, overview(shots), cupboard))
    await page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    await page.add_script_tag(path=AXE)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await context.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("delivered", "Delivered: all 5 that must hold do; of the 1 that should, 0 do."),
        ("refused", "Refused: nothing was built."),
        ("paused", "Paused: 4 of 6 criteria hold so far."),
        ("failed", "Failed: something of ours broke; what was finished is kept."),
        ("running", "Not finished: 4 of 6 criteria hold so far."),
    ],
)
async def test_every_outcome_has_its_sentence(status: RunStatus, said: str, shots: Any, cupboard: Cupboard) -> None:
    assert said in await render(overview(shots, status=status), cupboard)


async def test_what_was_checked_in_part_is_not_told_as_checked(
    tmp_path: Path, page: Page, cupboard: Cupboard, shots: Any
) -> None:
    run = overview(shots, status="delivered")
    met = [state.model_copy(update={"status": "met"}) for state in run.criteria]
    met[1] = met[1].model_copy(update={"open": ("a long press of the finger",)})
    await page.goto(await written(tmp_path, run.model_copy(update={"criteria": tuple(met)}), cupboard))
    assert await page.locator(".verdict").inner_text() == (
        "Delivered: all 6 criteria hold, as far as checks of our own can show. 1 of them was checked only in part."
    )
    assert await page.locator(".partly li").all_inner_texts() == ["AC-2 a long press of the finger"]
    assert (
        "Partly checked. Not shown: a long press of the finger"
        in await page.locator("#AC-2 .because").all_inner_texts()
    )


async def test_a_run_that_has_just_begun_has_a_report(cupboard: Cupboard, shots: Any) -> None:
    full = overview(shots, status="running")
    bare = full.model_copy(
        update={
            "specification": None, "criteria": (), "iterations": (), "sessions": (), "phases": (), "notices": (),
            "problem": "", "sandbox_tier": None, "product_commit": None, "budget_usd": None,
            "summary": full.summary.model_copy(update={"title": "", "iterations": 0}),
        }
    )  # fmt: skip
    html = await render(bare, cupboard)
    assert "Not finished: 0 of 0 criteria hold so far." in html
    assert "none was opened" in html


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ((), ""),
        (("AC-3",), "AC-3"),
        (("AC-1", "AC-2"), "AC-1, AC-2"),
        (("AC-10", "tests", "AC-1", "AC-2", "AC-3"), "AC-1 to AC-3, AC-10, tests"),
    ],
)
def test_lists_of_criteria_are_short(criteria: tuple[str, ...], said: str) -> None:
    assert story.in_short(criteria) == said


async def test_screenshots_that_are_gone_are_left_out() -> None:
    html = await render(overview({"list": "00" * 32, "form": "11" * 32}), Cupboard())
    assert "data:image" not in html
    assert "6 steps" in html


async def test_the_file_stays_small_and_says_what_it_left_out(cupboard: Cupboard, shots: Any) -> None:
    run = overview(shots)
    picture = await cupboard.get(shots["list"])
    many = Cupboard()
    frames = [await many.put(picture + bytes([n]) * 90_000, media_type="image/jpeg") for n in range(60)]
    visit = run.iterations[-1].users[0]
    step = visit.steps[0]
    long = visit.model_copy(
        update={"steps": tuple(step.model_copy(update={"number": n, "frame": f}) for n, f in enumerate(frames, 1))}
    )
    last = run.iterations[-1].model_copy(update={"users": (long,)})
    html = await render(run.model_copy(update={"iterations": (run.iterations[0], last)}), many)
    assert len(html) < 3_100_000
    left_out = re.search(r"(\d+) screenshots are left out", html)
    assert left_out is not None
    assert 20 <= int(left_out[1]) < 60
