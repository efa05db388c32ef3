"""As many agents as a task needs, and what happens when they go round in circles; the model knows one small tool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from macrohard.domain import Command, Criterion, Design, Specification
from macrohard.factory.stuck import ANSWERED, is_instruction, recovery
from macrohard.factory.team import team_for
from tests.factory.conftest import Macrohard
from tests.serving import program

REQUIREMENT = "A command-line tool that counts words. Unknown options are refused."


def specification(kind: str, criteria: int) -> Specification:
    made = [{"id": f"AC-{number}", "text": "Something.", "priority": "MUST"} for number in range(1, criteria + 1)]
    return Specification.model_validate(
        {"decision": "build", "title": "X", "kind": kind, "criteria": [Criterion.model_validate(one) for one in made]}
    )


def commands(count: int) -> Design:
    return Design(summary="", commands=tuple(Command(usage=str(number), purpose="") for number in range(count)))


@pytest.mark.parametrize(
    ("kind", "criteria", "design", "size", "visitors"),
    [
        pytest.param("cli", 12, commands(3), "small", ("phone",), id="a tool"),
        pytest.param("cli", 12, commands(2), "small", (), id="a tool that scenarios know in full"),
        pytest.param("cli", 13, commands(3), "full", ("phone", "impatient"), id="too many criteria"),
        pytest.param("library", 4, commands(13), "full", ("phone", "impatient"), id="too many functions"),
        pytest.param("web", 4, commands(0), "small", ("phone",), id="a page"),
        pytest.param("web", 11, None, "full", ("phone", "impatient", "product-tester"), id="pages"),
    ],
)
def test_the_team_is_as_large_as_the_specification_needs(
    kind: str, criteria: int, design: Design | None, size: str, visitors: tuple[str, ...]
) -> None:
    team = team_for(specification(kind, criteria), design, personas=("phone", "impatient"))
    assert (team.size, team.visitors) == (size, visitors)
    assert f"kind {kind}, {criteria} criteria" in team.reason


def test_the_same_failures_lead_to_another_approach_then_to_the_person_then_to_the_end() -> None:
    assert [recovery(repeats, asked="", ask=True) for repeats in range(3)] == ["go on", "another approach", "ask"]
    assert recovery(2, asked="", ask=False) == "give up"
    assert recovery(2, asked="Q-1", ask=True) == recovery(2, asked=ANSWERED, ask=True) == "give up"
    assert [is_instruction(said) for said in ("", " Release what holds ", "exit with 2")] == [False, False, True]


@pytest.fixture
def small(repository_root: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which the endpoint is the model that knows one tool."""
    settings = tmp_path / "settings.toml"
    with program("tests.factory.small", root=repository_root) as port:
        prices = "".join(
            f"[prices.{name}]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n"
            for name in ("careful", "hopeless", "patient")
        )
        settings.write_text(f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "careful"\n{prices}')
        yield {"MACROHARD_SETTINGS": str(settings)}


@pytest.mark.usefixtures("sandboxes")
def test_a_small_tool_is_made_by_a_coder_and_three_readers(
    macrohard: Macrohard, small: dict[str, str], tmp_path: Path
) -> None:
    ended = macrohard("build", REQUIREMENT, "--yes", "--out", str(tmp_path / "words"), environment=small)
    assert ended.code == 0, ended.told[-3000:]
    assert "team: small, because of kind cli, 2 criteria" in ended.told
    overview = macrohard("show", ended.result["run"]).result["overview"]
    sessions = {session["agent"]: session["model_calls"] for session in overview["sessions"]}
    assert sessions == {"reader": 1, "scenario-writer": 1, "scenario-reviewer": 1, "full-stack-coder": 3}
    assert {row["status"] for row in overview["criteria"]} == {"met"}
    assert [bool(each["summary"]) for each in overview["sessions"]] == [
        each["phase"] == "implement" for each in overview["sessions"]
    ]

    alone = macrohard("build", "--solo", ended.result["run"], "--out", str(tmp_path / "alone"), environment=small)
    assert alone.code == 0, alone.told[-3000:]
    solo = macrohard("show", alone.result["run"]).result["overview"]
    assert {session["agent"] for session in solo["sessions"]} == {"solo"}
    assert {row["status"] for row in solo["criteria"]} == {"met"}
    assert "team: solo, as asked: with criteria and design of run" in alone.told
    assert ended.result["run"] in solo["team"]["reason"]
    assert solo["criteria"][0]["scenarios"] == overview["criteria"][0]["scenarios"]
    assert overview["model_calls"] <= 3 * solo["model_calls"]
    tokens = [sum(each["input_tokens"] + each["output_tokens"] for each in run["sessions"]) for run in (overview, solo)]
    assert tokens[0] <= 3 * tokens[1]
    assert macrohard("build", "--solo", "r-none", environment=small).code == 2


@pytest.mark.usefixtures("sandboxes")
def test_who_is_stuck_is_replaced_then_the_person_is_asked_and_what_they_say_counts(
    macrohard: Macrohard, small: dict[str, str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "words"))
    paused = macrohard("build", REQUIREMENT, "--model", "hopeless", *out, environment=small)
    assert paused.code == 5, paused.told[-3000:]
    overview = macrohard("show", paused.result["run"]).result["overview"]
    repaired = [
        (session["iteration"], session["agent"]) for session in overview["sessions"] if session["iteration"] > 1
    ]
    assert sorted(repaired) == [(2, "bug-fixer"), (3, "bug-fixer"), (3, "full-stack-coder")]
    assert "An unknown option is refused with exit code 2." in overview["problem"]
    again = macrohard("resume", paused.result["run"], environment=small)
    assert again.code == 5, "nobody answered, so it waits on"
    assert again.result["model_calls"] == paused.result["model_calls"]
    finished = macrohard("resume", paused.result["run"], "--answer", "Q-1=exit with 2", *out, environment=small)
    assert finished.code == 0, finished.told[-3000:]
    assert {criterion["status"] for criterion in finished.result["criteria"]} == {"met"}
