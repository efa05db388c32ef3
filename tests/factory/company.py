"""A model on a port that plays a whole team by heart: three coders, of whom one breaks the product, and two reviewers.

Run as a program by the tests. The product counts words; it says nothing about texts without any until a reviewer has
found that, which both do, and one of them quotes a line first that is not there. The first to mend it breaks the rest;
the second goes on from there.
"""

import sys

import uvicorn

from macrohard.domain import (
    Command,
    Criterion,
    Design,
    JsonObject,
    Plan,
    Scenario,
    ScenarioSet,
    Specification,
    Task,
)
from macrohard.llm.builtin import app
from macrohard.llm.builtin.conversation import Call, Conversation, Turn

MODELS = ("company",)
REVIEWERS = ("correctness-reviewer", "security-reviewer")
CALLS = 30
"""What all of it takes but visits, if no call is cut off."""
SPECIFICATION = Specification(
    decision="build",
    title="Words",
    summary="Counts words.",
    kind="cli",
    stories=("As a writer, I count the words of a text.",),
    criteria=(
        Criterion(id="AC-1", text="The number of words on standard input is printed.", priority="MUST"),
        # Too many for a small team.
        *(
            Criterion(id=f"AC-{number}", text="Something for later.", priority="SHOULD", covered=False)
            for number in range(2, 14)
        ),
    ),
)
DESIGN = Design(
    summary="One command.", commands=(Command(usage="python3 words", purpose="Counts", output="the number"),)
)
PLAN = Plan(
    tasks=(
        Task(
            id="T-1",
            title="Count",
            agent="cli-coder",
            instructions="",
            criteria=("AC-1",),
            files=("product.toml", "words", "test_words.py", ".gitignore"),
        ),
        Task(id="T-2", title="Explain", agent="release-writer", instructions="", files=("docs/",), depends_on=("T-1",)),
        Task(
            id="T-3", title="Test more", agent="test-author", instructions="", files=("test_more.py",),
            depends_on=("T-1",),
        ),
        Task(id="T-4", title="Draw", agent="media-artist", instructions="", files=("art/",), depends_on=("T-1",)),
    )
)  # fmt: skip
SCENARIOS = ScenarioSet.model_validate({
    "scenarios": [
        Scenario.model_validate({
            "id": "S-1", "criterion": "AC-1", "title": "Words are counted",
            "steps": [
                {"do": "run", "command": "python3 words", "input": "two words\n"},
                {"do": "see_output", "text": "2", "exactly": True},
            ],
        }).model_dump(mode="json")
    ]
})  # fmt: skip
TOOL = """\
#!/usr/bin/env python3
import sys
words = sys.stdin.read().split()
{last}
"""
SILENT, BROKEN, MENDED = "print(len(words) or '')", "print(len(words) + 1)", "print(len(words))"
MANIFEST = """\
kind = "cli"
name = "Words"
[commands]
test = "python3 -m unittest"
run = "python3 words"
"""
TESTS = """\
import subprocess, unittest

class Words(unittest.TestCase):
    def test_{name}(self):
        done = subprocess.run(["sh", "words.sh"] if {other} else ["python3", "words"], input="one two", text=True,
                              capture_output=True)
        self.assertEqual(done.stdout, "2\\n")
"""


def turn(conversation: Conversation, *, model: str) -> Turn:
    """The next answer, by phase."""
    match conversation.phase:
        case "analyse":
            return _finish({"specification": SPECIFICATION.model_dump(mode="json")})
        case "design":
            return _finish(DESIGN.model_dump(mode="json"))
        case "plan":
            assert set(REVIEWERS) <= set(_object(conversation.material["reviewers"]))
            return _finish({**PLAN.model_dump(mode="json"), "reviewers": list(REVIEWERS)})
        case "scenarios" if conversation.agent == "scenario-reviewer":
            return _finish({"accepted": ["S-1"]})
        case "scenarios":
            return _finish(SCENARIOS.model_dump(mode="json"))
        case "implement":
            return _coder(conversation)
        case "use":
            return _finish({"goal_reached": True, "summary": "I counted words."})
        case "review":
            return _reviewer(conversation)
        case "triage":
            return _manager(conversation)
        case _:
            raise AssertionError(f"nobody is there for {conversation.phase!r}")


def _coder(conversation: Conversation) -> Turn:
    task = _object(conversation.material["task"])
    if conversation.results("write") or conversation.results("shell"):
        return _finish({"summary": f"{task['title']}: done."})
    if conversation.agent == "bug-fixer":
        if (dropped := _object(conversation.material.get("dropped"))) == {}:
            return _write({"words": TOOL.format(last=BROKEN)})
        assert dropped["lost"] == ["AC-1", "tests"]
        assert f"+{BROKEN}" in str(dropped["patch"])
        taken = f"git restore --source={dropped['commit']} -- words && sed -i 's/ + 1)/)/' words"
        return Turn(calls=(Call(name="shell", arguments={"command": taken}),))
    match task["id"]:
        case "T-1":
            first = {
                "product.toml": MANIFEST,
                "words": TOOL.format(last=SILENT),
                "test_words.py": TESTS.format(name="words", other=False),
                ".gitignore": "__pycache__/\n",
            }
            return _write(first)
        case "T-3":
            broken = "returned" not in conversation.material
            return _write({"test_more.py": TESTS.format(name="more", other=broken)})
        case "T-4":
            assert set(_object(conversation.material["specification"])) == {"title", "summary"}
            assert not {"colleagues", "decisions"} & set(conversation.material)
            return Turn(calls=(Call(name="shell", arguments={"command": "mkdir art && echo Drawn > art/one.md"}),))
        case _:
            (folder,) = _list(task["files"])
            return _write({f"{folder}one.md": f"{task['title']}\n"})


def _reviewer(conversation: Conversation) -> Turn:
    assert conversation.tools == {"read", "search", "more", "finish"}
    assert "S-1" not in str(conversation.material)
    if not conversation.results("read"):
        return Turn(calls=(Call(name="read", arguments={"path": "words"}),))
    if MENDED in conversation.results("read")[-1]:
        assert conversation.material["changed"] == ["words"]
        assert f"-{SILENT}\n+{MENDED}" in str(conversation.material["diff"])
        assert "files" not in conversation.material
        (earlier,) = _list(conversation.material["earlier"])
        assert _object(earlier)["line"] == 4
        return _finish({"findings": []})
    first = conversation.agent == REVIEWERS[0] and not conversation.results("finish")
    found: JsonObject = {
        "title": f"No number for empty texts, says {conversation.agent}",
        "file": "words",
        "line": 2,
        "code": "print(len(words)) # never there" if first else SILENT,
        "detail": "Without words an empty line is printed instead of 0.",
        "category": "wrong result",
        "severity": 3,
    }
    return _finish({"findings": [found]})


def _manager(conversation: Conversation) -> Turn:
    told, *broken = [_object(problem) for problem in _list(conversation.material["problems"])]
    assert [problem["id"] for problem in broken] == (
        ["keep AC-1", "keep tests"] if "dropped" in conversation.material else []
    )
    assert told["kind"] == "finding"
    assert str(told["detail"]).startswith("words:4: print(")
    task = Task(
        id="T-1", title="Mend", agent="bug-fixer", instructions=str(told["detail"]), files=("words",)
    )  # fmt: skip
    return _finish({"tasks": [task.model_dump(mode="json")], "note": "Empty texts have a number."})


def _write(files: dict[str, str]) -> Turn:
    return Turn(
        calls=tuple(Call(name="write", arguments={"path": path, "content": text}) for path, text in files.items())
    )


def _finish(report: JsonObject) -> Turn:
    return Turn(calls=(Call(name="finish", arguments=report),))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


if __name__ == "__main__":
    # The stand-in speaks as the built-in model does.
    vars(app).update(turn=turn, MODELS=MODELS)
    uvicorn.run(app.application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
