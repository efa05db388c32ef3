"""A model on a port that makes a small command-line tool, and changes it when that is asked for; run as a program.

Its change adds an option, takes the place of one criterion, and makes one earlier scenario impossible to pass. As
"forgetful" it breaks what was there before, and mends it when it is told.
"""

import sys

import uvicorn

from macrohard.domain import JsonObject
from macrohard.llm.builtin import app
from macrohard.llm.builtin.conversation import Call, Conversation, Turn
from tests.factory import small

MODELS = ("steady", "forgetful")
CHANGE = "Count lines with --lines, say “words: 2” instead of 2, and end with 64 on unknown options."
TESTS = """\
import subprocess


def called(*options):
    return subprocess.run(["./words", *options], input="one two three\\n", capture_output=True, text=True)


def test_words():
    assert called().stdout == "{words}\\n"


def test_{unknown}():
    assert called("--nonsense").returncode == {code}
"""
GROWN = """\
#!/usr/bin/env python3
import sys
text, options = sys.stdin.read(), sys.argv[1:]
if options not in ([], ["--lines"]):
    print(f"unknown option {options[0]}", file=sys.stderr)
    sys.exit(64)
if options:
    print(f"lines: {len(text.splitlines())}")
else:
    print(f"words: {WORDS}")
"""
ASKS = Call(
    name="ask_person",
    arguments={"question": "Does a last line without a break count?", "default": "Yes, like any other."},
)
MENDED: JsonObject = {
    "id": "S-1", "criterion": "AC-1", "title": "Words are counted", "steps": [
        {"do": "run", "command": "./words", "input": "two words\n"},
        {"do": "see_output", "text": "words: 2", "exactly": True}, {"do": "see_exit", "code": 0},
    ],
}  # fmt: skip
REPORTS: dict[str, JsonObject] = {
    "change-analyst": {
        "decision": "build", "title": "Words", "summary": "Counts words and lines.",
        "criteria": [
            {"id": "AC-3", "text": "With --lines the number of lines is printed.", "priority": "MUST"},
            {"id": "AC-4", "text": "An unknown option is refused with exit code 64.", "priority": "MUST"},
        ],
        "superseded": [{"criterion": "AC-2", "reason": "“end with 64 on unknown options”, not with 2"}],
        "design": {
            "summary": "One command.",
            "commands": [{
                "usage": "./words [--lines]", "purpose": "Counts",
                "output": "words: N, with --lines lines: N; 64 and a message for unknown options",
            }],
        },
        "plan": {
            "tasks": [{
                "id": "T-1", "title": "Count lines as well", "agent": "full-stack-coder", "instructions": "Change it.",
                "criteria": ["AC-3", "AC-4"], "files": ["./"],
            }]
        },
    },
    "scenario-writer": {
        "scenarios": [
            {"id": "S-1", "criterion": "AC-3", "title": "Lines are counted", "steps": [
                {"do": "run", "command": "./words --lines", "input": "a b\nc\n"},
                {"do": "see_output", "text": "lines: 2", "exactly": True},
            ]},
            {"id": "S-2", "criterion": "AC-4", "title": "Unknown options end with 64", "steps": [
                {"do": "run", "command": "./words --nonsense"}, {"do": "see_exit", "code": 64},
            ]},
        ]
    },
    "scenario-keeper": {"mended": [{"scenario": MENDED, "reason": "The design says words: N."}]},
}  # fmt: skip


def turn(conversation: Conversation, *, model: str) -> Turn:
    """The next answer, by phase; nobody is asked about anything who does not belong to the change."""
    criteria = str(conversation.material.get("specification"))
    grown = "AC-3" in criteria or conversation.agent in ("change-analyst", "scenario-keeper")
    match conversation.phase:
        case "implement":
            return _coder(conversation, grown=grown, careful=model == "steady")
        case "scenarios" if conversation.agent == "scenario-reviewer":
            given = conversation.material["scenarios"]
            assert isinstance(given, list)
            return small.finish({"accepted": [each["id"] for each in given if isinstance(each, dict)]})
        case "use":
            return small.turn(conversation, model="careful")
        case _ if grown:
            return small.finish(REPORTS[conversation.agent])
        case _:
            return small.turn(conversation, model="careful")


def _coder(conversation: Conversation, *, grown: bool, careful: bool) -> Turn:
    if conversation.results("shell"):
        return small.finish({"summary": "Done, and tested.", "decisions": ["Lines end with a line break."]})
    if conversation.results("write"):
        return Turn(calls=(Call(name="shell", arguments={"command": "chmod +x words && python3 -m pytest -q"}),))
    careful = careful or conversation.agent == "bug-fixer"
    words = "len(text.split())" if careful else "len(text)"
    files = {
        "product.toml": small.MANIFEST,
        "words": GROWN.replace("WORDS", words) if grown else small.TOOL.replace("{code}", "2"),
        "test_words.py": TESTS.format(words="words: 3", unknown="refused", code=64)
        if grown
        else TESTS.format(words="3", unknown="unknown", code=2),
        "README.md": f"Words, by {conversation.agent}\n",
        ".gitignore": "__pycache__/\n.pytest_cache/\n",
    }
    assert "see_output" not in str(conversation.material), "scenarios are hidden from those who write code"
    assert not grown or "Lines end with a line break." in str(conversation.material["decisions"])
    writes = [Call(name="write", arguments={"path": path, "content": text}) for path, text in files.items()]
    return Turn(calls=(*writes, *([ASKS] if grown else [])))


if __name__ == "__main__":
    # The stand-in speaks as the built-in model does.
    vars(app).update(turn=turn, MODELS=MODELS)
    uvicorn.run(app.application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
