"""`macrohard agents try`: an agent of the person's own on a copy of a folder, with a scripted model."""

import asyncio
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import JsonValue
from rich.console import Console

from macrohard.assembly import Trial
from macrohard.cli.result import print_result
from macrohard.cli.staff import print_trial
from macrohard.domain import RunOverview
from tests.factory.conftest import Ended, Macrohard
from tests.serving import on_loopback

OWN = """\
---
description: Counts.
model: strong
sandbox: base
tools: [shell, read, write]
skills: [counting]
limits: {turns: 9, cost_usd: 1.0, seconds: 120}
---
You count.
"""
SKILL = "---\nname: counting\ndescription: How to count.\n---\nBegin with one.\n"
Round = list[tuple[str, JsonValue]]
"""What a model calls at once: tools, and with what."""
PRICES = '{"scripted": {"input": 1.0, "cached_input": 1.0, "output": 1.0}}'


def test_an_agent_of_ones_own_works_on_a_copy_of_a_folder_and_its_costs_are_booked(
    macrohard: Macrohard, tmp_path: Path
) -> None:
    for name, text in {
        "agents/counter.md": OWN,
        "agents/skills/counting/SKILL.md": SKILL,
        "given/words.txt": "one two three\n",
        "given/.git/config": "[core]\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "given/tool").write_text("#!/bin/sh\necho it runs\n")
    (tmp_path / "given/tool").chmod(0o755)
    rounds: list[Round] = [
        [("skill", {"name": "counting"}), ("shell", {"command": "wc -w words.txt; ls -A; ./tool"})],
        [("write", {"path": "count.txt", "content": "3\n"})],
        [("finish", {"summary": "Counted three words.", "open_points": []})],
    ]
    command = ("counter", "Count the words.", "--folder", "given", "--out", "left")
    ended, asked = tried(macrohard, *command, rounds=rounds, agents=tmp_path / "agents")
    trial = ended.result
    said, *done = ended.told.splitlines()
    assert said.startswith("How much scripted@127.0.0.1 reads at once is not known, so 32,000 tokens are assumed")
    assert said.endswith('and model = "scripted" in the settings, instead of --model.')
    assert [line.partition(":")[0] for line in done] == ["✓ skill", "✓ shell", "✓ write", "✓ finish"]
    assert "Begin with one." in asked[1]
    assert "3 words.txt" in asked[1]
    assert "it runs" in asked[1]
    assert trial["result"]["report"] == {
        "summary": "Counted three words.",
        "open_points": [],
        "decisions": [],
    }
    left = {path.name: path.read_text() for path in (tmp_path / "left").iterdir() if path.is_file()}
    assert left == {"words.txt": "one two three\n", "tool": "#!/bin/sh\necho it runs\n", "count.txt": "3\n"}
    assert os.access(tmp_path / "left/tool", os.X_OK)
    assert (tmp_path / "given/words.txt").read_text() == "one two three\n"
    assert not (tmp_path / "given/count.txt").exists()

    summary = macrohard("show", trial["run"]).result["overview"]["summary"]
    assert (summary["status"], summary["trial_of"]) == ("partial", "counter"), "nothing was verified"
    assert summary["cost_usd"] == pytest.approx(0.00006)
    again = macrohard("resume", trial["run"])
    assert again.code == 3
    assert len(asked) == 3, "nothing is built of a trial"


HANDY = """\
---
description: Tries everything.
model: strong
sandbox: base
tools: [background, run_tests, start_product, stop_product, ask_colleague, ask_person]
limits: {turns: 9, cost_usd: 1.0, seconds: 120}
---
You try everything.
"""
PRODUCT = {
    "product.toml": 'kind = "web"\nname = "Page"\n[commands]\ntest = "python3 -m unittest"\n'
    'start = "python3 -m http.server $PORT"\n[service]\nhealth = "/"\n',
    "index.html": "<title>Page</title><h1>Here it is</h1>",
    "test_sums.py": "import unittest\nclass Sums(unittest.TestCase):\n    def test_one(self): pass\n",
}


def test_what_can_be_done_in_a_run_can_be_tried(macrohard: Macrohard, tmp_path: Path) -> None:
    for name, text in {"agents/handy.md": HANDY, **{f"given/{path}": text for path, text in PRODUCT.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tools: list[tuple[str, JsonValue]] = [
        ("run_tests", {}),
        ("start_product", {}),
        ("stop_product", {}),
        ("background", {"action": "start", "command": "echo it runs; sleep 60"}),
        ("ask_person", {"question": "Which colour?", "default": "blue"}),
        ("ask_colleague", {"agent": "designer", "question": "Is it good?"}),
    ]
    rounds: list[Round] = [
        tools,
        [("finish", {"answer": "As good as it gets."})],
        [("finish", {"summary": "Tried."})],
    ]
    command = ("handy", "Try it.", "--folder", "given")
    ended, asked = tried(macrohard, *command, rounds=rounds, agents=tmp_path / "agents")
    # The colleague's answer comes before the round in which it was asked is over.
    steps = ["finish", *(name for name, _ in tools), "finish"]
    _, *done = ended.told.splitlines()
    assert [line.partition(":")[0] for line in done] == [f"✓ {step}" for step in steps]
    for said in ("Ran 1 test", "/ answers on http://127.0.0.1", "designer: As good as it gets.", "blue"):
        assert said in asked[2]
    sessions = macrohard("show", ended.result["run"]).result["overview"]["sessions"]
    assert {(each["agent"], each["parent"] is None) for each in sessions} == {("handy", True), ("designer", False)}


SERVICE = {
    "product.toml": 'kind = "api"\nname = "Doors"\n[commands]\ntest = "true"\nstart = "python3 serve.py"\n',
    "serve.py": """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        welcome = self.path == "/" or self.headers["Authorization"] == f"Bearer {os.environ['ADMIN_TOKEN']}"
        self.send_response(200 if welcome else 401)
        self.end_headers()
        self.wfile.write(b"come in\\n" * 1000 if welcome else b"stay out")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
""",
}


def test_a_service_is_tried_with_an_environment_and_what_was_not_expected_is_told(
    macrohard: Macrohard, tmp_path: Path
) -> None:
    for path, text in SERVICE.items():
        (tmp_path / "given" / path).parent.mkdir(exist_ok=True)
        (tmp_path / "given" / path).write_text(text)

    def get(**more: JsonValue) -> list[tuple[str, JsonValue]]:
        said: dict[str, JsonValue] = {"intention": "Come in.", "expectation": "A welcome.", "method": "GET"}
        return [("request", {**said, "path": "/door", **more})]

    report: JsonValue = {"goal_reached": True, "summary": "In.", "last_surprise": 1, "last_remark": "No comma."}
    rounds: list[Round] = [
        [("look", dict[str, JsonValue]())],
        get(),
        get(headers={"Authorization": "Bearer made-up"}, surprise=2, remark="Nobody said how."),
        [("more", {"output": "output-1", "first_line": 1_000})],
        [("finish", report)],
    ]
    command = ("simulated-developer", "Come in.", "--folder", "given", "--env", "ADMIN_TOKEN=made-up")
    ended, asked = tried(macrohard, *command, rounds=rounds)
    offered = {tool["function"]["name"] for tool in json.loads(asked[0])["tools"]}
    assert "request" in offered
    assert "command" not in offered, "a service has no terminal"
    told = "".join(json.loads(asked[0])["messages"][-1]["content"].split())
    assert '"kind":"api"' in told
    assert '"ADMIN_TOKEN":"made-up"' in told
    assert "come in" in asked[3]
    assert "(the whole output is output-1: read it with `more`)" in asked[3]
    assert "(output-1, lines 1,000 to 1,000 of 1,000)" in asked[4]
    said = io.StringIO()
    print_trial(Trial.model_validate(ended.result), Console(file=said, width=200))
    assert "step 1, surprise 2: GET /door: Nobody said how. (" in said.getvalue()
    assert "step 2, surprise 1: GET /door" in said.getvalue()
    run = macrohard("show", ended.result["run"]).result["overview"]
    shown = io.StringIO()
    print_result(RunOverview.model_validate(run), Console(file=shown, width=200))
    assert shown.getvalue().startswith("Tried")


LONG = "Say what is missing among the tests. " * 9


def test_a_reviewer_is_given_a_contract_and_quotes_what_stands_there(macrohard: Macrohard, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/test_sums.py").write_text(PRODUCT["test_sums.py"])
    (tmp_path / "contract.json").write_text('{"specification": {"title": "Sums of everything"}}')
    finding: dict[str, JsonValue] = {
        "title": "Nothing is tested", "file": "test_sums.py", "line": 3, "code": "def test_two(self): pass",
        "detail": "Whatever is wrong, it passes.", "category": "misleading", "severity": 2,
    }  # fmt: skip
    rounds: list[Round] = [
        [("finish", {"findings": [finding]})],
        [("finish", {"findings": [{**finding, "code": "def test_one(self): pass"}]})],
    ]
    command = ("test-reviewer", LONG, "--folder", "given", "--material", "contract.json")
    ended, asked = tried(macrohard, *command, rounds=rounds)
    opening = json.loads(asked[0])["messages"][1]["content"]
    assert "Sums of everything" in opening
    assert opening.count(LONG.strip()) == 1
    assert "test_sums.py does not hold 'def test_two(self): pass'; in line 3 stands 'def test_one(self)" in asked[1]
    assert ended.result["result"]["report"]["findings"][0]["code"] == "def test_one(self): pass"


def test_a_product_manager_hands_in_what_is_next_what_is_declined_and_what_is_asked(macrohard: Macrohard) -> None:
    report: dict[str, JsonValue] = {
        "next": [{"sentence": "Notes can be found by a word.", "gain": "Everybody, daily; small."}],
        "declined": ["Colours for notes: nobody who needs them."],
        "questions": ["How long are notes kept? For ever."],
    }
    coders: JsonValue = {"summary": "Done."}
    rounds: list[Round] = [[("finish", coders)], [("finish", report)]]
    ended, asked = tried(macrohard, "product-manager", "What is next?", rounds=rounds)
    assert "summary: Extra inputs are not permitted" in asked[1]
    assert ended.result["result"]["report"] == report


def test_what_nobody_can_play_is_said_before_anything_begins(macrohard: Macrohard) -> None:
    refused = macrohard("agents", "try", "game-coder", "A game of snakes.", "--model", "builtin")
    assert refused.code == 2
    assert "the built-in model plays game-coder only inside a build" in refused.told
    assert macrohard("runs").result == []


def tried(
    macrohard: Macrohard, *arguments: str, rounds: Sequence[Round], agents: Path | None = None
) -> tuple[Ended, list[str]]:
    """How a trial of an agent ended whose model plays these rounds, and what that was asked; `agents` of one's own."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(await request.text())
        return web.Response(text=_streamed(rounds[len(asked) - 1]), content_type="text/event-stream")

    async def served() -> Ended:
        async with on_loopback(answer) as address:
            environment = {"MACROHARD_BASE_URL": f"{address}/v1", "MACROHARD_PRICES": PRICES}
            if agents is not None:
                environment["MACROHARD_AGENTS_FOLDER"] = str(agents)
            command = ("agents", "try", *arguments, "--model", "scripted")
            return await asyncio.to_thread(macrohard, *command, environment=environment, timeout_seconds=120)

    ended = asyncio.run(served())
    assert ended.code == 0, ended.told
    return ended, asked


def _streamed(calls: Round) -> str:
    made = [
        {
            "index": number,
            "id": f"c{number}-{name}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for number, (name, arguments) in enumerate(calls)
    ]
    head = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    delta = {"role": "assistant", "content": None, "tool_calls": made}
    chunks: list[JsonValue] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},  # type: ignore[dict-item]
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": usage},  # type: ignore[dict-item]
    ]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
