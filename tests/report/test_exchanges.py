"""The proof of what has no pages: what our driver asked, and what was answered."""

from playwright.async_api import Browser

from macrohard.domain import RunOverview
from macrohard.domain.verdict import Exchange, Exchanges
from macrohard.report import render
from tests.report.sample import HOSTILE, Cupboard, overview

ASKED = (
    Exchange(asked="run ./tabs convert people.csv --to md", answered="exit code 0\n| name |\n| --- |\n"),
    Exchange(asked=f"run {HOSTILE}", answered=f"exit code 2\n{HOSTILE}"),
    Exchange(asked="GET /long", answered="200\n" + "x" * 3000),
    Exchange(asked=f"run {'z' * 254}", answered=f"{'y' * 4000}… (1000 more characters)"),
)


async def proven(cupboard: Cupboard, *exchanges: Exchange) -> RunOverview:
    """The sample, with what was asked in the first scenario."""
    run = overview({})
    digest = await cupboard.put(
        Exchanges(exchanges=exchanges).model_dump_json().encode(), media_type="application/json"
    )
    first = run.criteria[0]
    verdict = first.verdicts[0].model_copy(update={"exchanges": digest})
    state = first.model_copy(update={"verdicts": (verdict, *first.verdicts[1:])})
    return run.model_copy(update={"criteria": (state, *run.criteria[1:])})


async def test_each_scenario_shows_what_was_asked_and_answered(browser: Browser) -> None:
    cupboard = Cupboard()
    page = await browser.new_page()
    try:
        await page.set_content(await render(await proven(cupboard, *ASKED), cupboard))
        proof = page.locator("#AC-1 details.asked")
        assert await proof.count() == 1
        await proof.get_by_text("4 asked and answered").click()
        asked, answered = await proof.locator("li > p").all_inner_texts(), await proof.locator("pre").all_inner_texts()
        assert asked[0] == "run ./tabs convert people.csv --to md"
        assert answered[0] == "exit code 0\n| name |\n| --- |\n"
        assert "<script>" in answered[1]
        assert await page.title() == "Office to-do list – report"
        assert answered[2] == f"200\n{'x' * 1996}… (1004 more characters)"
        assert asked[3].endswith("… (98 more characters)")
        assert answered[3] == f"{'y' * 2000}… (3000 more characters)"
    finally:
        await page.close()


async def test_it_is_bounded_and_what_is_gone_is_a_dash() -> None:
    cupboard = Cupboard()
    many = await render(await proven(cupboard, *[ASKED[0]] * 30), cupboard)
    assert "30 asked and answered" in many
    assert many.count("people.csv") == 12
    assert "and 18 more" in many
    gone = await render(await proven(cupboard, *ASKED), Cupboard())
    assert "asked and answered" not in gone
