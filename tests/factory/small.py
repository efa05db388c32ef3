"""A model on a port that knows one small command-line tool by heart, in every role; run as a program by the tests.

As "careful" it makes no mistake. As "hopeless" it leaves out one rule, whoever is to mend it, until a person has said
how it is meant. As "patient" it leaves it out until it is told to go on from what is there, and the reviewer of its
scenarios finds that the contract contradicts itself. As "lax" it makes no mistake and writes tests that cannot fail.
"""

import sys
from typing import Any, cast

import uvicorn
from pydantic import JsonValue

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
from macrohard.factory.candidates import GO_ON
from macrohard.llm.builtin import app
from macrohard.llm.builtin.conversation import Call, Conversation, Turn

MODELS = ("careful", "hopeless", "patient", "lax")
SPECIFICATION = Specification(
    decision="build",
    title="Words",
    summary="Counts words.",
    kind="cli",
    stories=("As a writer, I count the words of a text.",),
    criteria=(
        Criterion(id="AC-1", text="The number of words on standard input is printed.", priority="MUST"),
        Criterion(id="AC-2", text="An unknown option is refused with exit code 2.", priority="MUST"),
    ),
)
DESIGN = Design(
    summary="One command.",
    commands=(Command(usage="./words", purpose="Counts", output="the number; 2 and a message for unknown options"),),
)
PLAN = Plan(
    tasks=(
        Task(
            id="T-1", title="Build Words", agent="full-stack-coder", instructions="Python.",
            criteria=("AC-1", "AC-2"), files=("./",),
        ),
    )
)  # fmt: skip
SCENARIOS = ScenarioSet(
    scenarios=tuple(
        Scenario.model_validate({"id": id, "criterion": criterion, "title": title, "steps": steps})
        for id, criterion, title, steps in (
            ("S-1", "AC-1", "Words are counted", [
                {"do": "run", "command": "./words", "input": "two words\n"},
                {"do": "see_output", "text": "2", "exactly": True}, {"do": "see_exit", "code": 0},
            ]),
            ("S-2", "AC-2", "Unknown options are refused", [
                {"do": "run", "command": "./words --nonsense"}, {"do": "see_exit", "code": 2},
            ]),
        )
    )
)  # fmt: skip
RULING = "Whatever begins with a dash is an option."
FLAW: JsonObject = {
    "where": "AC-2; ./words",
    "problem": "A dash alone is both a file and an option.",
    "scenarios": ["S-2"],
}
MENDED = DESIGN.model_copy(update={"conventions": (RULING,)})
DECISION = "Words are what white space separates."
MANIFEST = """\
kind = "cli"
name = "Words"
[commands]
test = "python3 -m pytest -q"
run = "./words"
"""
TOOL = """\
#!/usr/bin/env python3
import sys
if len(sys.argv) > 1:
    print(f"unknown option {sys.argv[1]}", file=sys.stderr)
    sys.exit({code})
print(len(sys.stdin.read().split()))
"""
TESTS = """\
import subprocess

def test_words():
    done = subprocess.run(["./words"], input="one two three", capture_output=True, text=True)
    assert done.stdout == "3\\n"
"""
LAX_TOOL = """\
#!/usr/bin/env python3
from counting import main
main()
"""
COUNTING = """\
import sys


def options(arguments):
    return [each for each in arguments if each.startswith("-")]


def is_known(option):
    return option == "--help"


def count(text):
    return len(text.split())


def main():
    unknown = [each for each in options(sys.argv[1:]) if not is_known(each)]
    if len(unknown) > 0:
        print(f"unknown option {unknown[0]}", file=sys.stderr)
        sys.exit(2)
    print(count(sys.stdin.read()))
"""
LAX_TESTS = """\
from counting import count, is_known, options


def test_it_runs():
    options(["-x"]), is_known("-x"), count("one two")
"""


def turn(conversation: Conversation, *, model: str) -> Turn:
    """The next answer, by phase."""
    specification = SPECIFICATION.model_dump(mode="json")
    match conversation.phase:
        case "analyse":
            design, plan = DESIGN.model_dump(mode="json"), PLAN.model_dump(mode="json")
            return finish({"specification": specification, "design": design, "plan": plan})
        case "scenarios" if conversation.agent == "scenario-reviewer":
            return _reviewer(conversation, flaws=[FLAW] if model == "patient" else [])
        case "design":
            assert conversation.material["contract_flaws"] == [FLAW]
            return finish({"design": MENDED.model_dump(mode="json"), "answers": [RULING]})
        case "scenarios" if "objections" in conversation.material:
            assert conversation.material["contract_settled"] == [RULING]
            return finish({"scenarios": [SCENARIOS.scenarios[1].model_dump(mode="json")]})
        case "scenarios":
            return finish(SCENARIOS.model_dump(mode="json"))
        case "implement":
            assert not {"start_product", "stop_product", "look_at_page"} & conversation.tools, "a tool has no pages"
            # One agent alone, too, knows all that it is graded by, and nothing of how.
            assert all(
                criterion.text in str(conversation.material["specification"]) for criterion in SPECIFICATION.criteria
            )
            assert "see_exit" not in str(conversation.material)
            if conversation.agent == "test-author":
                assert "counting.py:" in str(conversation.material["problems"]), "the lines that nobody noticed"
            said = {"careful": "", "lax": "", "hopeless": "the person said", "patient": GO_ON}[model]
            return _coder(conversation, told=said in str(conversation.material), lax=model == "lax")
        case _:
            raise AssertionError(f"a small team has nobody for {conversation.phase!r}")


def _reviewer(conversation: Conversation, *, flaws: list[JsonValue]) -> Turn:
    given = cast(list[Any], conversation.material["scenarios"])
    again = "contract_settled" in conversation.material
    return finish({"accepted": [each["id"] for each in given], "contract_flaws": [] if again else flaws})


def _coder(conversation: Conversation, *, told: bool, lax: bool) -> Turn:
    if conversation.results("shell"):
        return finish({"summary": f"{conversation.agent} wrote it; the tests were run.", "decisions": [DECISION]})
    assert conversation.agent != "bug-fixer" or f"T-1 of iteration 1: {DECISION}" in str(
        conversation.material["decisions"]
    )
    settled = f"the contract: {RULING}" in str(conversation.material.get("decisions"))
    assert settled == (RULING in str(conversation.material["design"])), "whoever is told the one goes by the other"
    if conversation.results("write"):
        return Turn(calls=(Call(name="shell", arguments={"command": "chmod +x words && python3 -m pytest -q"}),))
    # An attempt that changes nothing would leave no commit to look at.
    files = {
        "product.toml": MANIFEST,
        "words": TOOL.replace("{code}", "2" if told else "1"),
        "test_words.py": TESTS,
        "README.md": f"Words, by {conversation.agent}\n",
        ".gitignore": "__pycache__/\n.pytest_cache/\n",
    }
    if lax:
        files |= {"words": LAX_TOOL, "counting.py": COUNTING, "test_words.py": LAX_TESTS}
    return Turn(
        calls=tuple(Call(name="write", arguments={"path": path, "content": text}) for path, text in files.items())
    )


def finish(report: JsonObject) -> Turn:
    """Hand in."""
    return Turn(calls=(Call(name="finish", arguments=report),))


if __name__ == "__main__":
    # The stand-in speaks as the built-in model does.
    vars(app).update(turn=turn, MODELS=MODELS)
    uvicorn.run(app.application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
