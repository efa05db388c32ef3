"""Two iterations, a run and its fork, or any two runs, side by side: as JSON, in the browser, on the command line."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from typer.testing import CliRunner

from macrohard.assembly import Factory
from macrohard.cli.commands import app
from macrohard.client import Client
from macrohard.domain import Caps
from macrohard.domain.feedback import Remark
from macrohard.events import Event, Planned, Specified, Verified
from tests.report.sample import FIRST, SECOND, overview
from tests.server.seeding import events, let_in, say
from tests.server.served import Served, served

RULES = b"def add(title):\n    return save(title)\n"
STRICTER = b"def add(title):\n    if not title:\n        raise Refused()\n    return save(title)\n"
OTHERS = b"def add(title):\n    return keep(title)\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path_factory.mktemp("comparing") / "home") as service:
        yield service


@pytest.fixture(scope="module")
def runs(service: Served) -> dict[str, str]:
    """A run of two iterations, its fork, one that has nothing to do with them, and one that was not begun."""
    return service.within(made(service.factory))


async def made(factory: Factory) -> dict[str, str]:
    store = factory.store
    picture = await store.artifacts.put(b"\xff\xd8\xff no more than its name", media_type="image/jpeg")
    run = overview({"list": picture, "form": picture})
    ids: dict[str, str] = {}
    for name in ("original", "fork", "other", "waiting"):
        options = {"forked_from": f"{ids['original']}@1"} if name == "fork" else {}
        ids[name] = await store.create_run(run.summary.requirement, options=dict(options), model="builtin")
        await store.budget(ids[name]).open(Caps(usd=5.0))
    await store.remarks.add(ids["fork"], Remark(text="Keep it short", about="iteration", iteration=1), by="ada")
    repository = await factory.repository(ids["original"])
    first = await repository.with_file(await repository.initial_commit(), "rules.py", RULES, message="First")
    second = await repository.with_file(first, "rules.py", STRICTER, message="Second")
    await say(factory.store, ids["original"], *events(run, ids["original"], commits={FIRST: first, SECOND: second}))
    copy = await repository.copied(factory._settings.home / "runs" / ids["fork"] / "repository.git", without="none")
    forked = await copy.with_file(first, "rules.py", OTHERS, message="Another second")
    assert not await repository.has(forked)
    told = events(run, ids["fork"], commits={FIRST: first, SECOND: forked})
    await say(factory.store, ids["fork"], *(undone(each) for each in told))
    assert run.specification is not None
    some = run.specification.criteria[0]
    changed = some.model_copy(update={"id": "AC-1", "text": "Something else entirely."})
    same = some.model_copy(update={"id": "AC-2", "text": some.text.upper()})
    other = run.specification.model_copy(update={"criteria": (changed, same)})
    begun = next(each for each in told if isinstance(each, Planned))
    await say(factory.store, ids["other"], told[0], Specified(specification=other), begun)
    return ids


def undone(event: Event) -> Event:
    """The same, but for a check of the second iteration that fails."""
    if isinstance(event, Verified) and event.iteration == 2 and event.verdict.check == "S-3":
        return event.model_copy(update={"verdict": event.verdict.model_copy(update={"status": "failed"})})
    return event


def compared(service: Served, left: str, right: str) -> Any:
    answer = service.ask("GET", "/api/v1/compare", params={"left": left, "right": right})
    assert answer.status_code == 200, answer.text
    return answer.json()


def changes(found: Any) -> dict[str, str]:
    return {(pair["right"] or pair["left"])["id"]: pair["change"] for pair in found["criteria"]}


def test_two_iterations_say_what_was_gained_and_lost_and_what_changed(service: Served, runs: dict[str, str]) -> None:
    run = runs["original"]
    found = compared(service, f"{run}:1", f"{run}:2")
    assert changes(found) == {
        "AC-1": "gained", "AC-3": "gained", "AC-2": "same", "AC-4": "same", "AC-5": "same", "AC-6": "same",
    }  # fmt: skip
    assert list(changes(found))[:2] == ["AC-1", "AC-3"], "what is different comes first"
    first = found["criteria"][0]
    assert [(first[side]["status"], first[side]["passed"], first[side]["of"]) for side in ("left", "right")] == [
        ("unmet", 1, 2),
        ("met", 2, 2),
    ]
    assert "+    if not title:" in found["diff"]
    assert found["no_diff"] == ""
    assert (found["left"]["iteration"], found["right"]["iteration"]) == (1, 2)
    both = [found[side]["in_iteration"]["model_calls"] for side in ("left", "right")]
    assert sum(both) <= found["left"]["in_all"]["model_calls"]
    assert found["left"]["in_all"] == found["right"]["in_all"]
    back = compared(service, f"{run}:2", f"{run}:1")
    assert {each: change for each, change in changes(back).items() if change != "same"} == {
        "AC-1": "lost",
        "AC-3": "lost",
    }
    assert "-    if not title:" in back["diff"]
    assert compared(service, run, run)["left"]["iteration"] == 2, "without a number it is the last that was kept"
    assert compared(service, run, run)["diff"] == ""


def test_a_fork_is_compared_by_the_numbers_of_its_criteria_and_with_code_of_another_repository(
    service: Served, runs: dict[str, str]
) -> None:
    found = compared(service, f"{runs['original']}:2", runs["fork"])
    assert found["related"]
    assert found["right"]["guidance"] == "Keep it short"
    assert changes(found)["AC-2"] == "lost"
    assert set(changes(found).values()) == {"lost", "same"}
    assert "-    if not title:" in found["diff"]
    assert "+    return keep(title)" in found["diff"]


def test_what_nobody_noticed_on_the_other_side_is_told_apart_from_what_both_have(
    service: Served, runs: dict[str, str]
) -> None:
    run = overview({})
    titles = [{finding.title for finding in each.findings} for each in run.iterations]
    found = compared(service, f"{runs['original']}:1", f"{runs['original']}:2")
    told: dict[str, set[str]] = {"left": set(), "right": set(), "both": set()}
    for each in found["findings"]:
        told[each["where"]].add(each["finding"]["title"])
    assert told["left"] | told["right"] | told["both"] == titles[0] | titles[1]
    assert told["left"] <= titles[0]
    assert told["right"] <= titles[1]
    itself = compared(service, f"{runs['original']}:1", f"{runs['original']}:1")
    assert {each["where"] for each in itself["findings"]} == {"both"}
    assert {each["persona"] for each in itself["screens"]} <= {
        visit.persona.replace(" ", "-") for visit in run.iterations[0].users
    }
    assert all(each["left"] == each["right"] for each in itself["screens"])


def test_runs_that_have_nothing_to_do_with_each_other_are_matched_by_what_their_criteria_say(
    service: Served, runs: dict[str, str]
) -> None:
    found = compared(service, f"{runs['original']}:2", runs["other"])
    assert not found["related"]
    pairs = {(pair["left"] or {}).get("id", ""): (pair["right"] or {}).get("id", "") for pair in found["criteria"]}
    assert pairs["AC-1"] == "AC-2", "the same sentence under another number"
    assert pairs[""] == "AC-1", "what only the right one demands"
    assert pairs["AC-2"] == ""
    assert found["diff"] == ""
    assert found["no_diff"] == f"iteration 1 of run {runs['other']} has no commit"


def test_what_is_not_there_is_said_with_what_there_is(service: Served, runs: dict[str, str]) -> None:
    found = compared(service, runs["original"], runs["waiting"])
    assert found["right"]["iteration"] is None
    assert found["no_diff"] == f"nothing was built in run {runs['waiting']} yet"
    for place, status, words in (
        (f"{runs['original']}:7", 404, "has no iteration 7; it has 1, 2"),
        ("r-none", 404, "there is no run"),
        ("r-none:x", 422, "left"),
    ):
        answer = service.ask("GET", "/api/v1/compare", params={"left": place, "right": runs["original"]})
        assert answer.status_code == status
        assert words in answer.json()["detail"]


def test_the_client_and_the_command_line_say_the_same(
    service: Served, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(service.base_url, service.token) as client:
        found = client.compare(f"{runs['original']}:1", f"{runs['original']}:2")
    assert [pair.change for pair in found.criteria[:2]] == ["gained", "gained"]
    monkeypatch.setenv("MACROHARD_HOME", str(service.home))
    places = [f"{runs['original']}:1", f"{runs['original']}:2"]
    here = CliRunner().invoke(app, ["compare", *places, "--json"])
    there = CliRunner().invoke(app, ["compare", *places, "--json", "--server", service.base_url])
    assert here.exit_code == there.exit_code == 0, here.output + there.output
    assert json.loads(here.stdout) == json.loads(there.stdout) == found.model_dump(mode="json")
    table = CliRunner().invoke(app, ["compare", *places]).stdout
    assert re.search(r"gained +AC-1 +unmet +met", table)
    assert "4 criteria the same on both sides" in table
    assert "Code: +2 −0 lines" in table


@pytest.fixture
async def page(browser: Browser, service: Served) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await let_in(context, service)
    yield await context.new_page()
    await context.close()


async def test_two_runs_are_ticked_in_the_list_and_compared(page: Page, service: Served, runs: dict[str, str]) -> None:
    await page.goto(f"{service.base_url}/")
    await page.get_by_label(f"Compare {runs['original']}").check()
    await page.get_by_role("button", name="Compare two").click()
    await expect(page.get_by_role("heading", name="Choose a second one")).to_be_visible()
    await page.goto(f"{service.base_url}/")
    await page.get_by_label(f"Compare {runs['fork']}").check()
    # The list reads itself anew when something happens; what was ticked stays ticked.
    service.within(service.factory.store.create_run("Meanwhile somebody begins.", options={}, model="builtin"))
    await expect(page.locator("#runs")).to_contain_text("Meanwhile somebody begins.")
    await page.get_by_label(f"Compare {runs['original']}").check()
    await page.get_by_role("button", name="Compare two").click()
    await expect(page).to_have_url(f"{service.base_url}/compare?left={runs['fork']}&right={runs['original']}")
    await expect(page.locator("#criteria .gained")).to_contain_text("AC-2")
    await page.get_by_role("link", name="Swap").click()
    await expect(page.locator("#criteria .lost")).to_contain_text("AC-2")
    await expect(page.locator("#changes .code")).to_contain_text("return keep(title)")
    await page.locator("#equal summary").click()
    await expect(page.locator("#equal li")).to_have_count(5)


async def test_an_iteration_and_a_fork_lead_to_what_they_can_be_compared_with(
    page: Page, service: Served, runs: dict[str, str]
) -> None:
    await page.goto(f"{service.base_url}/runs/{runs['fork']}")
    await expect(page.locator("#fork-of")).to_contain_text("Keep it short")
    await page.get_by_role("link", name="Compare with the original").click()
    await expect(page.locator("#facts")).to_contain_text("Keep it short")
    await page.goto(f"{service.base_url}/runs/{runs['original']}/iterations/2")
    choice = page.get_by_label("Compare with")
    assert await choice.locator("option").evaluate_all("each => each.map(one => one.value)") == [
        f"{runs['original']}:1",
        runs["fork"],
    ]
    await choice.select_option(f"{runs['original']}:1")
    await page.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.locator("#criteria .gained")).to_have_count(2)
    await page.get_by_label("From").select_option(runs["fork"])
    await page.get_by_role("button", name="Compare", exact=True).click()
    await expect(page).to_have_url(re.compile(rf"left={runs['fork']}&right={runs['original']}%3A2$"))
    await page.goto(f"{service.base_url}/compare?left={runs['original']}&right={runs['waiting']}")
    await expect(page.locator("#changes")).to_contain_text(f"nothing was built in run {runs['waiting']} yet")
