"""Simulated users: what they see, what they may do, what is written down, and what comes to light beside it."""

import asyncio
import re
from typing import Any

import pytest

from macrohard.errors import ToolError
from macrohard.product import UserVisit, View, open_visit, reproduce
from macrohard.product.browser import StepFailed
from macrohard.product.outline import outline_of
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import Commit, MakeCommit, MemoryArtifacts, OpenPod, Pod, user_visit


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height, from the frame header of a JPEG."""
    place = 2
    while jpeg[place + 1] not in (0xC0, 0xC1, 0xC2):
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    height, width = (int.from_bytes(jpeg[place + at : place + at + 2], "big") for at in (5, 7))
    return width, height


async def act(visit: UserVisit, action: str, target: str = "", value: str = "", **more: Any) -> str:
    return await visit.act(
        intention="to see what happens", expectation="something", action=action, target=target, value=value, **more
    )


async def test_a_user_adds_something_and_the_log_tells_how(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    artifacts, commit = MemoryArtifacts(), make_commit("tasks")
    async with open_visit(
        provider,
        bundle=commit.bundle,
        commit=commit.commit,
        artifacts=artifacts,
        visitor="returning",
        view=View(),
        keyboard_only=False,
    ) as visit:
        first = await visit.look()
        picture = await visit.picture()
        moved = await act(visit, "click", 'link "Add task"')
        refused = await act(visit, "click", 'button "Save"')
        typed = await act(visit, "fill", 'textbox "Title"', "Milk", surprise=0, remark="It said what is missing.")
        saved = await act(visit, "click", 'button "Save"')
        record = UserVisit.read_record(visit.record())
    assert first.splitlines()[0] == 'page "Tasks" at /tasks'
    assert picture is not None
    assert (picture.width, picture.height) == (1024, 640)
    media_type, content = artifacts.kept[picture.artifact]
    assert media_type == picture.media_type == "image/jpeg"
    assert size_of(content) == (1024, 640)
    assert "[e1" in first
    assert 'page "Add task" at /tasks/new' in moved
    assert "the server answered 422" in refused
    assert "alert: · Please correct 1 field." in refused
    assert 'textbox "Title" (required, invalid)' in refused
    assert typed.splitlines()[:2] == ["Step 3.", "Changed on the page:"]
    assert 'textbox "Title" (required, invalid, focused) = "Milk"' in typed
    assert "status: · Task saved." in saved
    assert "· Milk | · – | – | · No | [" in saved
    assert [step.action for step in record.steps] == [
        'click link "Add task"',
        'click button "Save"',
        'fill textbox "Title" with "Milk"',
        'click button "Save"',
    ]
    assert record.steps[1].remark == "It said what is missing."
    assert record.steps[1].result.startswith("+ the server answered 422; ")
    assert "+ alert: · Please correct 1 field." in record.steps[1].result
    assert [step.surprise for step in record.steps] == [None, 0, None, None]
    assert [step.page for step in record.steps] == ["/tasks/new", "/tasks/new", "/tasks/new", "/tasks?said=Task+saved."]
    for step in record.steps:
        assert step.frame is not None
        assert artifacts.kept[step.frame][0] == "image/jpeg"
    boxes = [step.box for step in record.steps]
    assert all(box and 0 <= box.x < 1280 and 0 <= box.y < 800 and box.width > 20 and box.height > 10 for box in boxes)
    assert boxes[1] != boxes[2] != boxes[3], "a button and a field are at different places"
    assert record.findings == ()


async def test_how_a_product_looks_in_dark_colours_is_pictured_if_it_differs(
    make_commit: MakeCommit, open_pod: OpenPod
) -> None:
    dark = "<style>@media (prefers-color-scheme: dark) {{ body {{ background: black }} }}</style><h1>Tasks</h1>"
    async with open_pod(make_commit("tasks", {"app.py": {"<h1>Tasks</h1>": dark}})) as pod:
        await pod.service.start(wiped=True)
        async with user_visit(pod) as visit:
            await act(visit, "open", value="/tasks/new")
            looks = await visit.looks()
    assert looks is not None
    assert looks.light != looks.dark


async def test_without_a_mouse_nothing_is_clicked(tasks: Pod) -> None:
    await tasks.service.restart(wiped=True)
    async with user_visit(tasks, keyboard_only=True) as visit:
        await visit.look()
        with pytest.raises(ToolError, match="You have no mouse"):
            await act(visit, "click", 'link "Add task"')
        with pytest.raises(ToolError, match="You have no mouse"):
            await act(visit, "fill", 'searchbox "Search"', "Milk")
        first = await act(visit, "press", value="Tab")
        second = await act(visit, "press", value="Tab")
        form = await act(visit, "press", value="Enter")
        await act(visit, "press", value="Tab")
        title = await act(visit, "press", value="Tab")
        await act(visit, "type", value="By key")
        await act(visit, "press", value="Tab")
        date = await act(visit, "type", value="2026-12-01")
        saved = await act(visit, "press", value="Enter")
        assert await visit.looks() is None, "dark colours change nothing"
        steps = UserVisit.read_record(visit.record()).steps
    assert steps[0].box is None, "nothing had the focus"
    assert steps[1].box is not None, "the first link had it"
    assert steps[4].box is not None
    assert steps[5].box != steps[4].box, "the field that was typed into, and the one before"
    assert 'link "Tasks" (focused)' in first
    assert 'link "Add task" (focused)' in second
    assert 'page "Add task"' in form
    assert 'textbox "Title" (required, focused)' in title
    assert 'textbox "Due" (focused) = "2026-12-01"' in date
    assert "By key" in saved


@pytest.mark.parametrize(
    ("action", "target", "value", "answer"),
    [
        pytest.param("click", 'button "Sav"', "", 'no button "Sav"; the nearest are "Save"', id="not there"),
        pytest.param("click", "e999", "", "e999 is not on the page any more", id="unknown reference"),
        pytest.param("click", 'button "Send"', "", 'the button "Send" is disabled', id="disabled"),
        pytest.param("fill", 'textbox "Day"', "soon", "takes a date or time only in a form such as", id="no date"),
        pytest.param("fill", 'spinbutton "Amount"', "many", "takes only a number", id="no number"),
    ],
)
async def test_what_does_not_work_is_said_and_logged(
    hostile: Pod, action: str, target: str, value: str, answer: str
) -> None:
    async with user_visit(hostile) as visit:
        await act(visit, "open", value="/never")
        said = await act(visit, action, target, value)
        record = UserVisit.read_record(visit.record())
    assert said.splitlines()[1].startswith("It did not work: ")
    assert answer in said
    assert answer in record.steps[-1].result


@pytest.mark.parametrize(
    ("action", "target", "value"),
    [
        pytest.param("fly", "", "", id="unknown action"),
        pytest.param("click", "the big button", "", id="no element named"),
        pytest.param("press", "", "Any", id="unknown key"),
        pytest.param("open", "", "http://192.0.2.1/", id="another address"),
        pytest.param("open", "", "//192.0.2.1/", id="another host"),
        pytest.param("open", "", "file:///etc/passwd", id="a file"),
    ],
)
async def test_nonsense_is_refused_and_not_logged(hostile: Pod, action: str, target: str, value: str) -> None:
    async with user_visit(hostile) as visit:
        await visit.look()
        with pytest.raises(ToolError):
            await act(visit, action, target, value)
        assert UserVisit.read_record(visit.record()).steps == ()


async def test_what_is_only_slow_works(hostile: Pod) -> None:
    async with hostile.browser.visit() as visit:
        await visit.act("open", value="/busy")
        outline = outline_of(await visit.look())
        references = {called: reference for reference, called in outline.names.items()}
        await visit.act("click", target=references['button "Work"'])
        await asyncio.sleep(0.4)
        await visit.act("fill", target=references['textbox "Name"'], value="patience")
        assert 'textbox "Name" (focused) = "patience"' in outline_of(await visit.look()).text
    async with user_visit(hostile) as user:
        await act(user, "open", value="/busy")
        said = await act(user, "click", 'link "Slow"')
    assert "It did not work" not in said
    assert 'heading 1 "Slow"' in said


async def test_a_page_that_hangs_took_too_long_and_lost_nothing(hostile: Pod) -> None:
    async with hostile.browser.visit() as visit:
        await visit.act("open", value="/hang")
        await visit.look()
        with pytest.raises(StepFailed, match='it took too long: the button "Freeze" did not react'):
            await visit.act("click", target='button "Freeze"')
        with pytest.raises(StepFailed, match="it took too long: the page said nothing of e3 within"):
            await visit.act("click", target="e3")


async def test_who_is_sent_elsewhere_is_told(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        straight = await act(visit, "open", value="/odd#name")
        sent = await act(visit, "open", value="/moved")
        steps = UserVisit.read_record(visit.record()).steps
    assert "were sent" not in straight
    assert sent.splitlines()[1:] == [
        "You asked for /moved and were sent to /odd.", "The page was loaded again and shows the same.",
    ]  # fmt: skip
    assert steps[-1].result == "asked for /moved and were sent to /odd; nothing changed"


async def test_fields_are_told_with_what_describes_them(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        said = await act(visit, "open", value="/described")
    fields = [line.partition("] ")[2] for line in said.splitlines() if "textbox" in line]
    assert fields == [
        'textbox "Code" (invalid) = "" · described by "Four letters. Code is missing."', 'textbox "Code" = ""',
    ]  # fmt: skip


async def test_an_answer_of_500_is_a_crash_that_can_be_repeated(
    provider: SandboxProvider, make_commit: MakeCommit, hostile: Pod
) -> None:
    commit = make_commit("hostile")
    async with user_visit(hostile) as visit:
        await act(visit, "open", value="/odd")
        await act(visit, "fill", 'textbox "Name"', "🦊")
        said = await act(visit, "click", 'button "Save"')
        await act(visit, "back", surprise=0, remark="I must have done something wrong.")
        record = UserVisit.read_record(visit.record())
    crash = next(finding for finding in record.findings if finding.category == "crash")
    assert "The product broke: POST /odd answered 500" in said
    assert (crash.title, crash.severity, crash.page) == ("POST /odd answered 500", 4, "/odd")
    assert "cannot cope with emoji" in crash.detail
    assert (record.steps[2].surprise, record.steps[2].remark) == (3, "I must have done something wrong.")
    again = await reproduce(
        provider, record.findings, record.acts, bundle=commit.bundle, commit=commit.commit, view=View()
    )
    assert next(finding for finding in again if finding.id == crash.id).reproduced is True


async def test_a_script_error_is_a_crash(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        await act(visit, "open", value="/error")
        await act(visit, "click", 'button "Break"')
        titles = [finding.title for finding in UserVisit.read_record(visit.record()).findings]
    assert "script error: missing is not defined" in titles


async def test_a_product_that_ends_is_a_crash_and_started_again(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        await visit.look()
        said = await act(visit, "open", value="/stop")
        after = await act(visit, "open", value="/")
        record = UserVisit.read_record(visit.record())
    assert "The product broke: the product ended by itself and had to be started again" in said
    assert "· Welcome." in after
    assert record.findings[0].severity == 4


async def test_axe_finds_what_nobody_can_read(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        await act(visit, "open", value="/unlabelled")
        findings = UserVisit.read_record(visit.record()).findings
    found = {finding.detail.split(":")[0]: finding for finding in findings}
    assert {"label", "image-alt"} <= set(found)
    assert (found["label"].found_by, found["label"].severity, found["label"].category) == ("axe", 3, "accessibility")
    assert '<input name="name">' in found["label"].element


async def test_nobody_minds_the_empty_page_before_the_first(tasks: Pod) -> None:
    await tasks.service.restart(wiped=True)
    async with user_visit(tasks) as visit:
        await visit.look()
        await act(visit, "back")
        assert UserVisit.read_record(visit.record()).findings == ()


async def test_going_in_circles_is_noticed(hostile: Pod) -> None:
    async with user_visit(hostile) as visit:
        await visit.look()
        for _ in range(3):
            said = await act(visit, "reload")
        with pytest.raises(ToolError, match="You are stuck"):
            await act(visit, "reload")
        findings = UserVisit.read_record(visit.record()).findings
    assert "You are stuck: the same action where nothing was different, 3 times" in said
    assert [finding.category for finding in findings if finding.title.startswith("A user gets stuck")] == ["dead end"]


async def test_whoever_has_no_patience_left_goes_and_that_is_no_finding(hostile: Pod) -> None:
    async with user_visit(hostile, patience=2) as visit:
        await visit.look()
        assert "patience" not in await act(visit, "open", value="/confirm")
        assert "You are stuck: you did 2 things, and have no patience" in await act(visit, "open", value="/late")
        with pytest.raises(ToolError, match="no patience for another one"):
            await act(visit, "open", value="/")
        record = UserVisit.read_record(visit.record())
    assert len(record.steps) == 2
    assert [finding.title for finding in record.findings if "stuck" in finding.title] == []


CRAMPED = (
    "<p style='width: 900px'>Welcome.</p><button type=button style='font-size:8px;padding:0'>Idle</button>"
    "<p style='width:60px;overflow:hidden;white-space:nowrap'>A long text that cannot be read</p>"
    "<label>Name <input></label>"
)


async def test_what_only_eyes_would_mind_is_measured_and_what_does_nothing_is_noticed(
    provider: SandboxProvider, make_commit: MakeCommit, open_pod: Any
) -> None:
    cramped: Commit = make_commit("hostile", {"app.py": {"<p>Welcome.</p>": CRAMPED}})
    async with open_pod(cramped) as pod:
        await pod.service.start()
        async with user_visit(pod, width=375, height=667) as visit:
            page = await visit.look()
            blank = await act(visit, "fill", 'textbox "Name"', "  ")
            idle = await act(visit, "click", 'button "Idle"')
            record = UserVisit.read_record(visit.record())
    assert re.search(r'measured: text "Welcome\." reaches \d+ px beyond the window', page)
    assert re.search(r'measured: button "Idle" is 1\d px high', page)
    assert re.search(r'measured: text "A long text that cannot be read" is cut off: \d+ px', page)
    assert 'textbox "Name" (focused) = "" (blanks only)' in blank
    assert "[e" in idle
    assert {finding.category: finding.title for finding in record.findings if finding.severity == 2} == {
        "layout": "The page is wider than a window of 375 pixels",
        "dead end": 'Nothing happens: button "Idle"',
    }
    again = await reproduce(
        provider,
        record.findings,
        record.acts,
        bundle=cramped.bundle,
        commit=cramped.commit,
        view=View(width=375, height=667),
    )
    assert [one.reproduced for one in again if one.category == "dead end"] == [True]
