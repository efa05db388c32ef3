"""Simulated users of products without pages: requests and answers, commands and screens, and what our code notes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from macrohard.domain import Design, Route
from macrohard.errors import ToolError
from macrohard.product import UserVisit, View, VisitRecord, open_visit, reproduce
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import Commit, MakeCommit, MemoryArtifacts

DESIGN = Design(
    summary="",
    routes=(
        Route(method="POST", path="/items", purpose="", answer="201 with the item; 409"),
        Route(method="GET", path="/items/<id>", purpose="", answer="200; 404"),
    ),
    conventions=("400: the body is not JSON.",),
)


@asynccontextmanager
async def visit_to(provider: SandboxProvider, commit: Commit) -> AsyncIterator[UserVisit]:
    async with open_visit(
        provider, bundle=commit.bundle, commit=commit.commit, artifacts=MemoryArtifacts(), visitor="integrator",
        view=View(), keyboard_only=False, design=DESIGN,
    ) as visit:  # fmt: skip
        yield visit


async def act(visit: UserVisit, action: str, target: str = "", value: str = "", **more: Any) -> str:
    return await visit.act(
        intention="to see", expectation="something", action=action, target=target, value=value, **more
    )


def body(value: object) -> str:
    return json.dumps({"json_body": value})


def noted(record: VisitRecord) -> dict[str, tuple[str, int, int]]:
    return {finding.title: (finding.category, finding.severity, finding.step) for finding in record.findings}


async def again(provider: SandboxProvider, commit: Commit, record: VisitRecord) -> dict[str, bool | None]:
    """By title, whether what was noted happened once more."""
    found = await reproduce(
        provider, record.findings, record.acts, bundle=commit.bundle, commit=commit.commit, view=View(),
        design=DESIGN,
    )  # fmt: skip
    return {finding.title: finding.reproduced for finding in found}


DRAWN = {
    "app.py": {
        "len(items()) + 1, **body}": '__import__("uuid").uuid4().hex, **body}',
        'f"/items/{len(kept)}"': "f\"/items/{kept[-1]['id']}\"",
    }
}
"""The service chooses numbers that nobody can foresee."""


async def test_a_developer_asks_a_service_and_what_it_gets_wrong_is_noted_and_happens_again(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    commit = make_commit("shelf", DRAWN)
    async with visit_to(provider, commit) as visit:
        first = await visit.look()
        assert await visit.picture() is None
        empty = await act(visit, "GET", "/items")
        added = await act(visit, "POST", "/items", body({"name": "Milk"}))
        number = json.loads(added.partition("\n\n")[2])["id"]
        there = await act(visit, "GET", f"/items/{number}")
        one = await act(visit, "GET", "/items", surprise=1, remark="There was no total before.")
        same = await act(visit, "GET", "/items")
        await act(visit, "POST", "/items", body({"name": "Eggs"}))
        two = await act(visit, "GET", "/items")
        missing = await act(visit, "POST", "/items", body({"name": ""}))
        broken = await act(visit, "POST", "/items", json.dumps({"text_body": "{"}))
        signed = await act(visit, "POST", "/login", json.dumps({"json_body": {"name": "Ada"}, "client": "ada"}))
        me = await act(visit, "GET", "/me", json.dumps({"client": "ada"}))
        plain = await act(visit, "GET", "/plain")
        crash = await act(visit, "GET", "/crash")
        silent = await act(visit, "POST", "/items", body([1]))
        with pytest.raises(ToolError, match="that is no request: path"):
            await act(visit, "GET", "items")
        record = UserVisit.read_record(visit.record())
    assert first.startswith("Shelf answers on 127.0.0.1:8000")
    assert empty.splitlines()[:3] == ["Step 1.", "200", "content-type: application/json"]
    assert "location: /items/" in added
    assert '"name": "Milk"' in there
    assert '"Milk"' in one
    assert "The body differs from the last time this was asked:" in two
    assert '+   "name": "Eggs"' in two
    assert "(the same body as the last time this was asked)" in same
    assert "422" in missing
    assert "400" in broken
    assert "204" in signed
    assert '"Ada"' in me
    assert "(no body)" in plain
    assert "The product broke: GET /crash answered 500" in crash
    assert "It did not work: POST /items was not answered" in silent
    assert noted(record) == {
        "POST /items answers 422, which nobody promised": ("misleading", 2, 8),
        "GET /plain says JSON and sends something else": ("misleading", 3, 12),
        "GET /crash answered 500": ("crash", 4, 13),
        "POST /items was not answered: the service closed the connection": ("crash", 4, 14),
    }
    assert [step.surprise for step in record.steps][:5] == [None, None, 1, None, None]
    assert [record.steps[place].element for place in (1, 2)] == ["POST /items", "GET /items/…"]
    # The second visit gets another number for the same item, and goes on with that.
    assert set((await again(provider, commit, record)).values()) == {True}


async def test_answers_that_differ_are_no_second_time(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    good, bad = make_commit("shelf"), make_commit("shelf", {"app.py": {'answer(422, {"error"': 'answer(500, {"error"'}})
    async with visit_to(provider, bad) as visit:
        await act(visit, "POST", "/items", body({"name": ""}))
        record = UserVisit.read_record(visit.record())
    assert await again(provider, good, record) == {"POST /items answered 500": False}


async def test_a_slow_answer_is_measured_against_a_quick_one(
    provider: SandboxProvider, make_commit: MakeCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macrohard.product.calls.SLOW_SECONDS", 0.5)
    monkeypatch.setattr("macrohard.product.calls.SLOW_TIMES", 2.0)
    slow = 'if self.path == "/me":\n            __import__("time").sleep(1)'
    async with visit_to(provider, make_commit("shelf", {"app.py": {'if self.path == "/me":': slow}})) as visit:
        await act(visit, "GET", "/me")
        assert list(noted(UserVisit.read_record(visit.record()))) == ["GET /me is slow"]


TOOL = """#!/usr/bin/env python3
import sys
match sys.argv[1:]:
    case ["ask"]:
        name = input("Your name? ")
        print(f"Hello {name}")
    case ["trace"]:
        {}["no"]
    case ["silent"]:
        sys.exit(3)
    case ["wrong"]:
        print("error: it is wrong")
    case ["keep", text]:
        open("kept.txt", "a").write(text + chr(10))
        print(len(open("kept.txt").read().splitlines()))
    case _:
        print("usage: tally ask|trace|silent|wrong|keep", file=sys.stderr)
        sys.exit(2)
"""


async def test_a_person_calls_a_tool_and_what_it_gets_wrong_is_noted_and_happens_again(
    provider: SandboxProvider, make_commit: MakeCommit, repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macrohard.product.console.LONG_SECONDS", 0.2)
    tally = (repository_root / "tests/product/products/tally/tally").read_text()
    commit = make_commit("tally", {"tally": {tally: TOOL}})
    async with visit_to(provider, commit) as visit:
        first = await visit.look()
        usage = await act(visit, "run", value="./tally")
        asked = await act(visit, "run", value="./tally ask")
        greeted = await act(visit, "type", value="Ada")
        with pytest.raises(ToolError, match="run a command"):
            await act(visit, "type", value="Bob")
        kept = await act(visit, "run", value="./tally keep Milk")
        trace = await act(visit, "run", value="./tally trace")
        await act(visit, "run", value="./tally silent")
        await act(visit, "run", value="./tally wrong")
        with pytest.raises(ToolError, match="there already and not yours"):
            await act(visit, "write", "tally", "x")
        await act(visit, "write", "my list.txt", "Milk\n")
        counted = await act(visit, "run", value="wc -l < 'my list.txt'; ./tally trace 2>/dev/null")
        record = UserVisit.read_record(visit.record())
    assert "is called in this folder as: ./tally" in first
    assert usage.splitlines()[1:] == ["$ ./tally", "usage: tally ask|trace|silent|wrong|keep", "exit code 2"]
    assert "Your name?" in asked
    assert "it still runs" in asked
    assert "Hello Ada" in greeted
    assert "exit code 0" in greeted
    assert "1\nexit code 0" in kept
    assert 'The product broke: command "trace" ends in a trace' in trace
    assert "1\nexit code 1" in counted
    assert noted(record) == {
        'command "trace" ends in a trace': ("crash", 4, 5),
        'command "silent" fails without a word': ("misleading", 2, 6),
        'command "wrong" says an error and ends with 0': ("misleading", 2, 7),
    }
    assert [step.element for step in record.steps][:4] == [
        'command "./tally"', 'command "ask"', 'command "ask"', 'command "keep"',
    ]  # fmt: skip
    # What the first visit kept is not there in the second.
    assert set((await again(provider, commit, record)).values()) == {True}


async def test_a_library_may_raise_and_going_in_circles_is_noticed(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    commit = make_commit("tally", {"product.toml": {'kind = "cli"': 'kind = "library"'}})
    async with visit_to(provider, commit) as visit:
        await act(visit, "write", "mine.py", "raise ValueError('as promised')\n")
        for _ in range(4):
            said = await act(visit, "run", value="python3 mine.py")
        record = UserVisit.read_record(visit.record())
    assert "ValueError: as promised" in said
    assert "You are stuck: the same action where nothing was different, 3 times" in said
    assert [finding.title for finding in record.findings] == ["A user gets stuck on /"]
