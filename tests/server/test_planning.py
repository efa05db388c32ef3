"""The form in which a person changes criteria and tasks before anything is built."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.async_api import Browser, expect

from macrohard.assembly import Factory
from macrohard.domain import Caps, Criterion, Plan, Specification, Task
from macrohard.domain.approval import Awaited
from macrohard.events import ApprovalAwaited, Planned, RunEnded, RunStarted, Specified
from tests.report.sample import HOSTILE
from tests.server.conftest import waited_for
from tests.server.seeding import AXE, let_in, say
from tests.server.served import Served, served

FAR = '{"far": {"base_url": "http://127.0.0.1:9/v1"}}'
PRICES = '{"m": {"input": 1, "cached_input": 1, "output": 1}}'
"""Of a model that nobody asks anything."""


def specification() -> Specification:
    texts = {1: "Words are counted.", 2: f"Letters are counted. {HOSTILE}", 3: "Lines\nare counted."}
    criteria = tuple(
        Criterion(id=f"AC-{number}", text=text, priority="MUST" if number == 1 else "SHOULD")
        for number, text in texts.items()
    )
    return Specification(decision="build", title="Words", kind="cli", criteria=criteria)


def task(number: int, *criteria: str, after: tuple[str, ...] = (), files: str = "") -> Task:
    return Task(
        id=f"T-{number}", title=f"Count {number}", agent="cli-coder", instructions=f"Do it {number} times.",
        criteria=criteria, files=(files or f"{number}.py",), depends_on=after,
    )  # fmt: skip


PLAN = Plan(tasks=(task(1, "AC-1"), task(2, "AC-2", after=("T-1",)), task(3, "AC-3", after=("T-2",), files="1.py")))


async def waiting(factory: Factory, *, model: str) -> str:
    run = await factory.store.create_run("Count words.", options={}, model=model)
    await factory.store.budget(run).open(Caps(usd=5.0))
    await (await factory.repository(run)).initial_commit()
    awaited = Awaited(point="plan", number=0, until=None)
    await say(
        factory.store, run, RunStarted(model=model, sandbox_tier="bubblewrap", notices=()),
        Specified(specification=specification()), Planned(iteration=1, plan=PLAN), ApprovalAwaited(awaited=awaited),
        RunEnded(outcome="paused", problem="The plan waits.", commit=None, product_path=None),
    )  # fmt: skip
    return run


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MACROHARD_ENDPOINTS", FAR)
        environment.setenv("MACROHARD_PRICES", PRICES)
        with served(tmp_path_factory.mktemp("planning") / "home") as service:
            yield service


@pytest.fixture
def run(service: Served) -> str:
    """A run whose plan waits."""
    return service.within(waiting(service.factory, model="m@far"))


def sent(service: Served, run: str, **changed: str | None) -> requests.Response:
    """The form as a browser sends it, with these fields different; None: without it."""
    shown = service.ask("GET", f"/runs/{run}/plan", headers={"Accept": "text/html"}).text
    assert '<form class="stack" method="post"' in shown
    fields: dict[str, str | None] = {"number": "0", "verdict": "approve", "comment": ""}
    for criterion in specification().criteria:
        fields |= {f"{criterion.id}.text": criterion.text, f"{criterion.id}.priority": criterion.priority}
    for each in PLAN.tasks:
        fields |= {
            f"{each.id}.title": each.title,
            f"{each.id}.instructions": each.instructions.replace("\n", "\r\n"),
            f"{each.id}.serves": ", ".join(each.criteria),
        }
    fields |= {"new-1.text": "", "new-1.priority": "MUST", "new-1.task": "T-1"}
    fields |= changed
    data = {name: value for name, value in fields.items() if value is not None}
    return service.ask(
        "POST", f"/runs/{run}/plan", data=data, headers={"Accept": "text/html"}, allow_redirects=False
    )  # fmt: skip


def ruling(service: Served, run: str) -> Any:
    (kept,) = service.within(service.factory.store.rulings(run))
    return kept


def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(service: Served, run: str) -> None:
    answer = sent(service, run)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run}")
    kept = ruling(service, run)
    assert (kept.approved, kept.specification, kept.plan) == (True, None, None)


def test_criteria_and_tasks_are_changed_left_out_and_added(service: Served, run: str) -> None:
    answer = sent(
        service, run, comment="Keep it short.",
        **{
            "AC-1.text": "Words are counted\r\nas people do.", "AC-2.priority": "MUST", "AC-3.out": "on",
            "T-1.title": "Count all", "T-2.out": "on", "T-3.serves": "AC-2",
            "new-1.text": "An empty file has none.", "new-1.task": "T-3",
        },
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    kept = ruling(service, run)
    assert kept.comment == "Keep it short."
    assert [(each.id, each.text, each.priority, each.covered) for each in kept.specification.criteria] == [
        ("AC-1", "Words are counted\nas people do.", "MUST", True),
        ("AC-2", specification().criteria[1].text, "MUST", True),
        ("AC-3", "Lines\nare counted.", "SHOULD", False),
        ("AC-4", "An empty file has none.", "MUST", True),
    ]
    assert [(each.id, each.title, each.criteria, each.depends_on) for each in kept.plan.tasks] == [
        ("T-1", "Count all", ("AC-1",), ()),
        ("T-3", "Count 3", ("AC-2", "AC-4"), ("T-1",)),
    ], "who waited for a task that is left out waits for what that one waited for"


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        pytest.param({"AC-1.text": " "}, "AC-1.text", "Say what is to hold", id="an empty criterion"),
        pytest.param({"AC-1.text": "x" * 2001}, "AC-1.text", "2,000 characters at most", id="a long one"),
        pytest.param({"T-2.out": "on"}, "AC-2.text", "No task brings this about", id="nobody brings it about"),
        pytest.param({"T-1.serves": "AC-1, AC-9 x"}, "T-1.serves", "No criteria: AC-9, x", id="no such criterion"),
        pytest.param({"T-1.title": ""}, "T-1.title", "Say what is to be done", id="a task without a title"),
        pytest.param({"T-3.instructions": ""}, "T-3.instructions", "Say how", id="a task without instructions"),
        pytest.param({"AC-1.out": "on"}, "criteria", "has to be a MUST", id="no MUST"),
        pytest.param({f"T-{each}.out": "on" for each in (1, 2, 3)}, "tasks", "leave at least one", id="no task"),
        pytest.param(
            {"new-1.text": "More.", "new-1.task": "T-2", "T-2.out": "on", "T-1.serves": "AC-1, AC-2"},
            "new-1.task", "No task brings this about", id="for a task that is left out",
        ),
        pytest.param({"verdict": "change"}, "comment", "Say what is to be different", id="a no without a word"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field_and_nothing_that_was_written_is_lost(
    service: Served, run: str, changed: dict[str, str], field: str, problem: str
) -> None:
    more = {"new-2.text": "Half a sen", "new-2.priority": "SHOULD", "new-2.task": "T-1"}
    written = {"T-2.instructions": "As I say <b>.", **more}
    answer = sent(service, run, **{**written, **changed})
    assert answer.status_code == 422
    assert re.search(rf'id="{re.escape(field)}-problem">[^<]*{re.escape(problem)}', answer.text)
    assert "As I say &lt;b&gt;.</textarea>" in answer.text
    assert "Half a sen</textarea>" in answer.text
    assert service.within(service.factory.store.rulings(run)) == ()


def test_a_plan_that_was_ruled_on_or_made_anew_meanwhile_is_not_approved_by_an_old_form(
    service: Served, run: str
) -> None:
    other = sent(service, run, number="1", **{"AC-1.text": "Mine."})
    assert (other.status_code, "This plan waits no more" in other.text, "Mine.</textarea>" in other.text) == (
        409,
        True,
        True,
    )
    service.ask("POST", f"/api/v1/runs/{run}/approvals", json={"point": "plan", "approved": True})
    again = sent(service, run, **{"AC-1.text": "Mine."})
    assert (again.status_code, "already ruled" in again.text, "Mine.</textarea>" in again.text) == (409, True, True)


def test_what_the_built_in_model_cannot_build_is_listed_as_not_covered(service: Served) -> None:
    run = service.within(waiting(service.factory, model="builtin"))
    assert sent(service, run, **{"new-1.text": "Sing."}).status_code == 303
    kept = ruling(service, run)
    assert [(each.id, each.priority, each.covered) for each in kept.specification.criteria[3:]] == [
        ("AC-4", "SHOULD", False)
    ]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (375, "dark")], ids=["wide and light", "narrow and dark"]
)
async def test_the_form_is_readable_for_everybody_also_with_what_is_wrong(
    browser: Browser, service: Served, run: str, width: int, scheme: Any
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 780}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    await let_in(context, service)
    page = await context.new_page()
    wrong = []
    for step in ("shown", "one row more", "with problems"):
        if step == "shown":
            await page.goto(f"{service.base_url}/runs/{run}/plan")
        if step == "one row more":
            await page.get_by_role("button", name="Add one more row").click()
            await expect(page.locator("#new-2")).to_be_in_viewport()
        if step == "with problems":
            await page.get_by_label("AC-1: what is to hold").fill(" ")
            await page.get_by_label("Leave T-3 out").check()
            await page.get_by_role("button", name="Approve what stands here").click()
            await expect(page.get_by_role("alert")).to_contain_text("nothing of what you wrote is lost")
            await expect(page.get_by_label("Leave T-3 out")).to_be_checked()
        await page.evaluate(AXE)
        found = await page.evaluate("axe.run({resultTypes: ['violations']})")
        wrong += [(step, each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append((step, "wider than the window", ""))
        if await page.evaluate("document.title.includes('owned') || !!document.querySelector('img[src=x]')"):
            wrong.append((step, "obeys what it shows", ""))
    await context.close()
    assert wrong == []


@pytest.mark.usefixtures("sandboxes")
async def test_the_run_goes_on_with_what_the_person_made_of_the_plan_and_says_what_that_was(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with served(tmp_path_factory.mktemp("going-on") / "home", slots=1) as service:
        requirement = "Plants: name (required), price, planted on (date). Show only those without a price."
        given = {"requirement": requirement, "ask": False, "approvals": {"plan": None}}
        run = service.ask("POST", "/api/v1/runs", json=given).json()["id"]
        path = f"/api/v1/runs/{run}"
        waited_for(lambda: service.ask("GET", path).json()["awaited"] is not None)
        shown = service.ask("GET", path).json()
        first, *others = shown["iterations"][0]["tasks"]
        assert others, "there is a task to leave out"
        served_by_others = {each for other in others for each in other["criteria"]}
        last = others[-1]
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await let_in(context, service)
        page = await context.new_page()
        await page.goto(f"{service.base_url}/runs/{run}")
        await page.get_by_role("link", name="Read and change the plan").click()
        await page.get_by_label("AC-1: what is to hold").fill("A plant can be added, by its name.")
        await page.get_by_label(f"Leave {last['id']} out").check()
        await page.locator(f"[id='{first['id']}.serves']").fill(", ".join([*first["criteria"], *served_by_others]))
        await page.get_by_label("Besides").fill("Water them on Sundays.")
        await page.get_by_role("button", name="Approve what stands here").click()
        await expect(page).to_have_url(f"{service.base_url}/runs/{run}")
        settled = page.locator("#settled")
        await expect(settled).to_contain_text("What you changed before anything was built", timeout=60_000)
        await settled.locator("summary").click()
        await expect(settled.locator("ins").first).to_be_visible()
        await expect(settled).to_contain_text("A plant can be added, by its name.")
        await expect(settled.locator("del", has_text=last["title"])).to_be_visible()

        def begun() -> bool:
            return any(each["phase"] == "implement" for each in service.ask("GET", path).json()["sessions"])

        waited_for(begun)
        built = service.ask("GET", path).json()
        assert built["criteria"][0]["criterion"]["text"] == "A plant can be added, by its name."
        assert [each["id"] for each in built["iterations"][0]["tasks"]] == [
            each["id"] for each in [first, *others[:-1]]
        ]
        assert built["specification"]["assumptions"][-1] == "The person said of the plan: Water them on Sundays."
        changed = {(each["about"], each["field"]) for each in built["settled"]["changes"]}
        assert {("AC-1", "text"), (last["id"], ""), (first["id"], "criteria"), ("assumptions", "")} <= changed
        coder = next(each for each in built["sessions"] if each["phase"] == "implement")
        told = service.ask("GET", f"{path}/sessions/{coder['id'].partition('/')[2]}/transcript").text
        assert "A plant can be added, by its name." in told, "the contract is what the person made of it"
        await context.close()
        service.ask("POST", f"{path}/cancel")
        waited_for(lambda: service.ask("GET", path).json()["summary"]["status"] == "cancelled")
