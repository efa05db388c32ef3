"""Scenarios in a real browser: what holds passes, and what does not is said in words."""

from typing import Any

import pytest

from macrohard.domain import Command, Design, ProductKind, Scenario
from macrohard.errors import ToolError
from macrohard.product.scenarios import ScenarioResult, missing_for, mistyped, run_scenario
from tests.product.conftest import MakeCommit, OpenPod, Pod, user_visit

ADD_MILK: list[dict[str, Any]] = [
    {"do": "open", "path": "/tasks/new"},
    {"do": "fill", "name": "Title", "value": "Milk"},
    {"do": "fill", "name": "Due", "value": "{today+7d}"},
    {"do": "choose", "name": "Priority", "value": "High"},
    {"do": "click", "role": "button", "name": "Save"},
]


def scenario(*steps: dict[str, Any], title: str = "Tasks can be added") -> Scenario:
    return Scenario.model_validate({"id": "S-1", "criterion": "AC-1", "title": title, "steps": steps})


async def run(pod: Pod, *steps: dict[str, Any]) -> ScenarioResult:
    return await run_scenario(pod.browser, pod.service, scenario(*steps))


HOLDS: dict[str, list[dict[str, Any]]] = {
    "a saved task is listed": [
        *ADD_MILK,
        {"do": "see", "text": "Task saved."},
        {"do": "see_row", "texts": ["Milk", "{today+7d}", "High"]},
        {"do": "see_rows", "count": 1},
        {"do": "see", "text": "1 task"},
    ],
    "nothing is left of the scenario before": [
        {"do": "open", "path": "/"},
        {"do": "see", "text": "No tasks yet."},
        {"do": "see_rows", "count": 0},
        {"do": "see_row", "texts": ["Milk"], "present": False},
    ],
    "pages, requests and commands follow each other": [
        *ADD_MILK,
        {"do": "request", "path": "/tasks"},
        {"do": "see_status", "status": 200},
        {"do": "see_output", "text": "Milk"},
        {"do": "run", "command": "ls data"},
        {"do": "see_exit"},
        {"do": "restart"},
        {"do": "see_row", "texts": ["Milk"]},
    ],
    "a restart keeps the data": [
        *ADD_MILK,
        {"do": "restart"},
        {"do": "see_row", "texts": ["Milk"]},
        {"do": "reload"},
        {"do": "see_row", "texts": ["Milk"]},
    ],
    "what was typed is kept when it is wrong": [
        {"do": "open", "path": "/tasks/new"},
        {"do": "fill", "name": "Due", "value": "{today}"},
        {"do": "check", "name": "Done"},
        {"do": "see_value", "name": "Done", "value": "on"},
        {"do": "click", "role": "button", "name": "Save"},
        {"do": "see", "text": "Title is required."},
        {"do": "see_value", "name": "Due", "value": "{today}"},
        {"do": "see_value", "name": "Priority", "value": "Choose"},
    ],
    "somebody else sees it in a browser of their own": [
        *ADD_MILK,
        {"do": "new_browser"},
        {"do": "open", "path": "/tasks"},
        {"do": "see_row", "texts": ["Milk"]},
    ],
    "a part of an address leads back to it": [
        {"do": "open", "path": "/tasks"},
        {"do": "click", "role": "link", "name": "Add task"},
        {"do": "keep_address", "name": "page", "like": "/tasks/*"},
        {"do": "keep_address", "name": "whole"},
        {"do": "open", "path": "/tasks?from={kept:whole}"},
        {"do": "keep_address", "name": "origin", "like": "from=/*/new"},
        {"do": "open", "path": "/{kept:origin}/{kept:page}"},
        {"do": "see_control", "role": "button", "name": "Save"},
    ],
    "it fits a phone": [
        {"do": "resize", "width": 375, "height": 667},
        {"do": "open", "path": "/tasks"},
        {"do": "see_fits"},
    ],
    "keys work": [
        {"do": "open", "path": "/tasks/new"},
        {"do": "fill", "name": "Title", "value": "By key"},
        {"do": "press", "key": "Enter"},
        {"do": "see_row", "texts": ["By key"]},
    ],
    "files go in and out": [
        {"do": "open", "path": "/tasks"},
        {
            "do": "upload",
            "name": "CSV file",
            "filename": "tasks.csv",
            "content": "Title,Due,Priority\nBread,2026-01-02,Low\nButter,,High\n",
        },
        {"do": "click", "role": "button", "name": "Import"},
        {"do": "see", "text": "2 tasks imported."},
        {"do": "see_order", "texts": ["Bread", "Butter"]},
        {"do": "download", "role": "link", "name": "Export CSV", "texts": ["Bread,2026-01-02"], "absent": ["Milk"]},
        {"do": "choose", "name": "Priority", "value": "Low"},
        {"do": "click", "role": "button", "name": "Show"},
        {"do": "see_rows", "count": 1},
        {"do": "see", "text": "Butter", "present": False},
        {"do": "open", "path": "/tasks"},
        {"do": "see_control", "role": "button", "name": "Delete", "row": "Bread"},
        {"do": "click", "role": "button", "name": "Delete", "row": "Bread"},
        {"do": "see_row", "texts": ["Bread"], "present": False},
        {"do": "see", "text": "High", "row": "Butter"},
        {"do": "see", "text": "Low", "row": "Butter", "present": False},
        {"do": "resize", "width": 375, "height": 667},
        {"do": "see_control", "role": "link", "name": "Add task"},
        {"do": "see_control", "role": "link", "name": "Add person", "present": False},
    ],
}


@pytest.mark.parametrize("steps", HOLDS.values(), ids=HOLDS.keys())
async def test_what_holds_passes(tasks: Pod, steps: list[dict[str, Any]]) -> None:
    result = await run(tasks, *steps)
    assert (result.status, result.summary) == ("passed", "Tasks can be added: holds")
    assert result.screenshot is not None
    assert result.screenshot.startswith(b"\xff\xd8")


async def test_two_links_to_the_same_place_are_one(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    twice = make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": '<h1>Tasks</h1><a href="/tasks/new">Add task</a>'}})
    other = make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": '<h1>Tasks</h1><a href="/tasks?new">Add task</a>'}})
    steps = [
        {"do": "open", "path": "/tasks"},
        {"do": "click", "role": "link", "name": "Add task"},
        {"do": "see_control", "role": "textbox", "name": "Title"},
    ]
    async with open_pod(twice) as pod:
        assert (await run(pod, *steps)).status == "passed"
    async with open_pod(other) as pod:
        assert '2 elements of the kind link with the name "Add task"' in (await run(pod, *steps)).summary


async def test_a_picture_is_seen_when_it_has_loaded(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    drawing = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E"
    pictures = f'<img alt="Here" src="{drawing}"><img alt="Nowhere" src="/no-such.svg">'
    commit = make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": f"<h1>Tasks</h1>{pictures}"}})
    opened: dict[str, Any] = {"do": "open", "path": "/tasks"}
    async with open_pod(commit) as pod:
        here = await run(pod, opened, {"do": "see_control", "role": "img", "name": "Here"})
        nowhere = await run(pod, opened, {"do": "see_control", "role": "img", "name": "Nowhere"})
    assert here.status == "passed", here.summary
    assert nowhere.status == "failed"
    assert 'a picture "Nowhere" that did not load' in nowhere.summary


async def test_a_page_that_is_wider_than_the_phone_does_not_fit(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    wide = make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": '<h1>Tasks</h1><p style="width: 500px">Wide</p>'}})
    steps: list[dict[str, Any]] = [
        {"do": "resize", "width": 375, "height": 667},
        {"do": "open", "path": "/tasks"},
        {"do": "see_fits"},
    ]
    async with open_pod(wide) as pod:
        result = await run(pod, *steps)
        assert (result.status, "pixels wider than the window" in result.summary) == ("failed", True)


FAILS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no such button": (
        [{"do": "open", "path": "/tasks/new"}, {"do": "click", "role": "button", "name": "Sav"}],
        'the page "Add task" (/tasks/new) has no button "Sav"; the nearest are "Save"',
    ),
    "of another kind": (
        [{"do": "open", "path": "/tasks"}, {"do": "click", "role": "button", "name": "Add task"}],
        '"Add task" there is of another kind: link',
    ),
    "no such field": (
        [{"do": "open", "path": "/tasks/new"}, {"do": "fill", "name": "Name", "value": "Milk"}],
        'has no field "Name"; there are "Title", "Due", "Priority", "Done"',
    ),
    "no such option": (
        [{"do": "open", "path": "/tasks/new"}, {"do": "choose", "name": "Priority", "value": "Urgent"}],
        'the list "Priority" does not offer "Urgent"; it offers "Choose", "High", "Low"',
    ),
    "text that is not there": (
        [{"do": "open", "path": "/tasks"}, {"do": "see", "text": "Welcome"}],
        'the page "Tasks" (/tasks) does not show "Welcome"; it shows: Tasks Tasks Add task',
    ),
    "text only within a word": (
        [*ADD_MILK, {"do": "see", "text": "Mil"}],
        'shows "Mil" only as a part of a longer word or number',
    ),
    "text that should not be there": (
        [*ADD_MILK, {"do": "see", "text": "Milk", "present": False}],
        'shows "Milk", but should not',
    ),
    "no such row": (
        [*ADD_MILK, {"do": "see_row", "texts": ["Milk", "Low"]}],
        'has no row with "Milk", "Low"; the rows are "Milk 20',
    ),
    "wrong number of rows": ([*ADD_MILK, {"do": "see_rows", "count": 2}], "has 1 rows, not 2"),
    "wrong value": (
        [{"do": "open", "path": "/tasks/new"}, {"do": "see_value", "name": "Priority", "value": "High"}],
        'holds "Choose", not "High"',
    ),
    "wrong order": (
        [*ADD_MILK, {"do": "see_order", "texts": ["High", "Milk"]}],
        'does not show in this order "High", "Milk"',
    ),
    "another address": (
        [{"do": "open", "path": "/tasks"}, {"do": "keep_address", "name": "id", "like": "/orders/*"}],
        "the page's address is /tasks, which is not like '/orders/*'",
    ),
    "nothing is downloaded": (
        [{"do": "open", "path": "/tasks"}, {"do": "download", "role": "link", "name": "Add task", "texts": []}],
        'the link "Add task" downloads no file; it leads to the page "Add task"',
    ),
}


@pytest.mark.parametrize(("steps", "complaint"), FAILS.values(), ids=FAILS.keys())
async def test_what_does_not_hold_fails_in_words(tasks: Pod, steps: list[dict[str, Any]], complaint: str) -> None:
    result = await run(tasks, *steps, {"do": "see", "text": "Tasks"})
    assert result.status == "failed"
    assert complaint in result.summary
    assert result.summary.startswith("Tasks can be added: ")
    assert f"✗ {len(steps)}. " in result.detail
    assert f"· {len(steps) + 1}. " in result.detail


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([{"do": "open", "path": "/"}], id="nothing asserted"),
        pytest.param([{"do": "see", "text": "{tomorrow}"}], id="unknown placeholder"),
        pytest.param([{"do": "press", "key": "Any"}, {"do": "see", "text": "x"}], id="unknown key"),
    ],
)
async def test_a_scenario_that_makes_no_sense_is_not_run(tasks: Pod, steps: list[dict[str, Any]]) -> None:
    assert (await run(tasks, *steps)).status == "not run"


async def test_a_product_that_forgets_fails(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    forgetful = make_commit(
        "tasks", {"app.py": {"    FILE.write_text(json.dumps(tasks))": "    global load\n    load = lambda: tasks"}}
    )
    async with open_pod(forgetful) as pod:
        kept = await run(pod, *ADD_MILK, {"do": "see_row", "texts": ["Milk"]})
        lost = await run(pod, *ADD_MILK, {"do": "restart"}, {"do": "see_row", "texts": ["Milk"]})
    assert kept.status == "passed"
    assert lost.status == "failed"
    assert 'has no row with "Milk"; it has no rows at all' in lost.summary


async def test_a_product_that_does_not_start_fails(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    async with open_pod(make_commit("tasks", {"app.py": {"import csv": "import nothing_of_this_name"}})) as pod:
        result = await run(pod, *ADD_MILK, {"do": "see_row", "texts": ["Milk"]})
    assert result.status == "failed"
    assert "the product does not start: the start command ended" in result.summary
    assert "No module named 'nothing_of_this_name'" in result.summary


@pytest.mark.parametrize(
    ("kind", "steps", "complaint"),
    [
        ("web", [{"do": "open", "path": "/"}, {"do": "run", "command": "ls"}, {"do": "restart"}], ""),
        ("api", [{"do": "request", "path": "/"}, {"do": "restart"}, {"do": "see_status", "status": 200}], ""),
        ("api", ADD_MILK, "a product of kind api has no pages for the steps open, fill"),
        ("cli", [{"do": "run", "command": "ls"}, {"do": "see_json", "at": ""}], ""),
        (
            "cli",
            [{"do": "see", "text": "x"}, {"do": "request", "path": "/"}],
            "no pages for the steps see and no service",
        ),
        ("library", [{"do": "restart"}], "no service for the steps restart: use it by run"),
    ],
)
def test_steps_that_a_kind_lacks_are_named_with_what_to_do_instead(
    kind: ProductKind, steps: list[dict[str, Any]], complaint: str
) -> None:
    said = missing_for(scenario(*steps), kind)
    assert complaint in said
    assert bool(said) == bool(complaint)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        pytest.param("sort a.txt | words", "in the product's folder it is typed ./words", id="without its path"),
        pytest.param("./words < a.txt", "", id="as it is typed"),
        pytest.param("diff <(words a.txt) <(./words a.txt)", "", id="two things"),
        pytest.param("echo words", "", id="only a word"),
    ],
)
def test_a_command_is_typed_as_the_design_has_it(command: str, complaint: str) -> None:
    design = Design(summary="", commands=(Command(usage="./words [FILE]", purpose=""),))
    said = mistyped(scenario({"do": "run", "command": command}), design)
    assert complaint in said
    assert bool(said) == bool(complaint)


GESTURES = """<h1>Tasks</h1>
<button id="cell">Cell</button><p id="said">-</p><p id="scheme"></p><p id="moved"></p><p id="late"></p>
<script>
let timer, moves = 0;
const tell = (text) => { said.textContent += `${text} - `; };
cell.onpointerdown = (event) => { timer = setTimeout(() => tell(`held by ${event.pointerType}`), 400); };
cell.onpointerup = () => clearTimeout(timer);
cell.oncontextmenu = (event) => { event.preventDefault(); if (event.button === 2) tell("flagged"); };
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => { scheme.textContent = dark.matches ? "night" : "day"; };
dark.onchange = paint; paint();
onkeydown = (event) => { if (event.key === "ArrowRight") moved.textContent = `moved ${++moves} times`; };
setTimeout(() => { late.textContent = "two seconds later"; }, 2000);
</script>"""
CELL = {"role": "button", "name": "Cell"}


async def test_a_board_is_played_by_mouse_finger_and_keys(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    board = GESTURES.replace("{", "{{").replace("}", "}}")
    commit = make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": board}})
    opened: dict[str, Any] = {"do": "open", "path": "/tasks"}
    async with open_pod(commit) as pod:
        played = await run(
            pod,
            opened,
            {"do": "see", "text": "day"},
            {"do": "click", **CELL, "button": "right"},
            {"do": "see", "text": "flagged"},
            {"do": "see_focus", **CELL},
            {"do": "click", **CELL},
            {"do": "see", "text": "held", "present": False},
            {"do": "click", **CELL, "hold_ms": 600},
            {"do": "see", "text": "held by mouse"},
            {"do": "press", "key": "ArrowRight*7"},
            {"do": "see", "text": "moved 7 times"},
            {"do": "wait", "seconds": 2.1},
            {"do": "see", "text": "two seconds later"},
            {"do": "resize", "width": 375, "height": 667, "colour_scheme": "dark"},
            {"do": "see", "text": "night"},
            {"do": "click", **CELL, "hold_ms": 600},
            {"do": "see", "text": "held by touch"},
            {"do": "open", "path": "/tasks", "colour_scheme": "light"},
            {"do": "see", "text": "day"},
        )
        unfocused = await run(
            pod, opened, {"do": "see_control", **CELL}, {"do": "press", "key": "Tab"}, {"do": "see_focus", **CELL}
        )
    assert played.status == "passed", played.summary
    assert "✗" not in played.detail
    assert "right-click the button" in played.detail
    assert unfocused.status == "failed"
    assert 'the button "Cell" on the page "Tasks" (/tasks) does not have the focus; link ' in unfocused.summary


async def test_a_person_plays_the_same(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    board = GESTURES.replace("{", "{{").replace("}", "}}")
    async with open_pod(make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": board}})) as pod:
        await pod.service.start()
        async with user_visit(pod, width=390, height=844) as visit:

            async def act(action: str, target: str = "", value: str = "") -> str:
                return await visit.act(intention="-", expectation="-", action=action, target=target, value=value)

            await act("open", value="/tasks")
            assert "flagged" in await act("right click", 'button "Cell"')
            assert "held by touch" in await act("hold", 'button "Cell"', "600")
            assert "moved 9 times" in await act("press", value="ArrowRight*9")
            assert "night" in await act("colours", value="dark")
            await act("wait", value="2")
            with pytest.raises(ToolError, match="wait takes a number of seconds as its value, at most 10"):
                await act("wait", value="an hour")
            assert "two seconds later" in await visit.look()
