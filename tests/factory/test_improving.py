"""Going on with a delivered product: the whole way with a model that knows one tool, and what the built-in one can."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import JsonValue

from macrohard.assembly import open_factory
from macrohard.domain import Caps, Command, Criterion, Design, JsonObject, Scenario, ScenarioSet, Specification, Step
from macrohard.domain.decisions import DecisionLog
from macrohard.domain.ground import Earlier
from macrohard.domain.provenance import Provenance
from macrohard.domain.scenario import PutFile, Run, SeeExit
from macrohard.domain.team import Team
from macrohard.errors import RequestError
from macrohard.events import RunEnded
from macrohard.execution.earlier import delivered
from macrohard.factory.improving import Amendment, Upkeep, amended, collected
from macrohard.factory.intake import analyse, design, plan
from macrohard.llm import Reply
from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.conversation import Conversation
from macrohard.llm.builtin.office import blueprint_of
from macrohard.llm.builtin.staff import turn
from macrohard.settings import load_settings
from macrohard.store import Store
from macrohard.workspace import Repository
from tests.agent.scripted import ScriptedModel, calls
from tests.factory import growing
from tests.factory.conftest import Killed, Macrohard
from tests.factory.test_acceptance import Transcripts, context_with
from tests.serving import program

REQUIREMENT = "A command-line tool that counts words. Unknown options are refused."


@pytest.fixture
def model(repository_root: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which the endpoint is the model that knows one tool and its change."""
    settings = tmp_path / "settings.toml"
    with program("tests.factory.growing", root=repository_root) as port:
        prices = "".join(f"[prices.{name}]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n" for name in growing.MODELS)
        settings.write_text(f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "steady"\n{prices}')
        yield {"MACROHARD_SETTINGS": str(settings)}


@pytest.mark.usefixtures("sandboxes")
def test_a_delivered_product_is_changed_and_keeps_what_was_agreed_though_it_is_killed(
    macrohard: Macrohard, killed: Killed, model: dict[str, str], tmp_path: Path
) -> None:
    before = macrohard("build", REQUIREMENT, "--yes", "--out", str(tmp_path / "words"), environment=model)
    assert before.code == 0, before.told[-3000:]
    (tmp_path / "words" / "README.md").write_text("Mine.\n")
    # Its coder counts letters for words at first.
    wish = ("improve", before.result["run"], growing.CHANGE, "--model", "forgetful", "--out", str(tmp_path / "new"))
    told = killed(*wish, "--yes", at="verify …", environment=model)
    assert "team: small, because of kind cli, 2 criteria (small is up to 12), 1 screens" in told
    run = told.partition("run ")[2].split()[0]
    after = macrohard("resume", run, "--yes", "--out", str(tmp_path / "new"), environment=model)
    assert after.code == 0, after.told[-3000:]
    assert [(each["id"], each["status"]) for each in after.result["criteria"]] == [
        ("AC-1", "met"), ("AC-3", "met"), ("AC-4", "met"),
    ]  # fmt: skip
    assert after.result["improves"] == before.result["run"]
    assert after.result["superseded"][0]["id"] == "AC-2"
    assert "end with 64" in after.result["superseded"][0]["reason"]
    assert after.result["assumed"] == [
        {
            "question": "Does a last line without a break count?",
            "assumed": "Yes, like any other.",
            "agent": "full-stack-coder",
        }
    ]

    shown = macrohard("show", run).result["overview"]
    work = [each["agent"] for each in shown["sessions"] if each["phase"] != "use"]
    assert sorted(work) == [
        "bug-fixer", "change-analyst", "full-stack-coder", "scenario-keeper", "scenario-reviewer", "scenario-writer",
    ]  # fmt: skip
    assert [scenario["id"] for row in shown["criteria"] for scenario in row["scenarios"]] == ["S-1", "S-3", "S-4"]
    assert shown["mended"] == [{"scenario": "S-1", "reason": "The design says words: N."}]
    first, second = shown["iterations"]
    assert "AC-1" in first["lost"], "what was there before the change and does not hold any more"
    assert "AC-3" in first["gained"]
    assert {"AC-1", "tests"} <= set(second["gained"])
    tests = [verdict["summary"] for verdict in second["verdicts"] if verdict["kind"] == "tests"]
    assert tests == [
        "2 passed; of the 2 that passed before, 1 is gone, while AC-2 does not hold any more: "
        "test_words.py::test_unknown"
    ]
    assert [(work["agent"], work["criteria"], work["files"]) for work in shown["works"]] == [
        ("full-stack-coder", ["AC-3", "AC-4"], ["test_words.py", "words"]),
        ("bug-fixer", ["AC-1"], ["README.md", "words"]),
    ]
    assert shown["provenance"]["kind"] == "run"
    assert "README.md" in shown["provenance"]["notes"][0], "what a person changed in the folder is named"

    def git(folder: str, *arguments: str) -> str:
        command = ["git", "-C", str(tmp_path / folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git("words", "rev-parse", "HEAD") == before.result["commit"], "the earlier product stays"
    assert git("new", "merge-base", "HEAD", before.result["commit"]) == before.result["commit"]
    assert git("new", "diff", "--name-only", before.result["commit"], "HEAD").split() == [
        "README.md", "test_words.py", "words",
    ]  # fmt: skip
    listed = macrohard("runs").result
    assert [each["improves"] for each in listed] == [before.result["run"], ""]


async def test_only_what_was_delivered_can_be_gone_on_with(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = load_settings(home=home)
    async with open_factory(settings, sandbox="auto") as factory, await Store.open(None, home=home) as store:
        run = await factory.submit("plants", model="builtin", caps=Caps(), iterations=1, ask=False)
        with pytest.raises(RequestError, match="is waiting, and has delivered nothing yet"):
            await factory.delivered(run)
        with pytest.raises(RequestError, match="there is no run"):
            await factory.delivered("r-none")
        async with store.hold(run) as lease:
            log = await store.log(lease)
            for outcome, words in (("paused", f"macrohard resume {run}"), ("refused", "has no product to improve")):
                await log(
                    RunEnded.model_validate({"outcome": outcome, "problem": "", "commit": None, "product_path": None})
                )
                with pytest.raises(RequestError, match=words):
                    await delivered(store, run, home=home)
        origin = Provenance(kind="repository", place="/somewhere", head="0" * 40, base="1" * 40)
        options: JsonObject = {"from": origin.model_dump(mode="json")}
        theirs = await store.create_run("plants", options=options, model="builtin")
        with pytest.raises(RequestError, match="macrohard build --repo /somewhere"):
            await delivered(store, theirs, home=home)
        with pytest.raises(RequestError, match="only one that began from nothing"):
            await factory.submit_solo(theirs, model="builtin", caps=Caps())


async def test_a_replay_begins_where_the_run_began_and_goes_back_to_no_repository(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = load_settings(home=home)
    async with open_factory(settings, sandbox="auto") as factory, await Store.open(None, home=home) as store:
        base = await (await Repository.create(tmp_path / "any.git")).initial_commit()
        origin = Provenance(kind="repository", place="/somewhere", head=base, base=base, publish=True)
        options: JsonObject = {"from": origin.model_dump(mode="json")}
        run = await store.create_run("plants", options=options, model="builtin")
        await (await Repository.create(home / "runs" / run / "repository.git")).initial_commit()
        replay = await factory.replays().begin(run, await store.overview(run))
        began = (await store.overview(replay)).provenance
        assert began == origin.model_copy(update={"publish": False})
        assert await (await Repository.create(home / "runs" / replay / "repository.git")).has(base)


def asked(agent: str, phase: str, material: JsonObject) -> JsonObject:
    """What the built-in model hands in."""
    conversation = Conversation(
        agent=agent, phase=phase, persona=None, material=material, tools=frozenset(), exchanges=()
    )
    (call,) = turn(conversation, model="builtin").calls
    assert call.name == "finish"
    return call.arguments


def changed(requirement: str, change: str) -> tuple[Specification, Design, Amendment]:
    """An agreed specification with its design, and what the built-in model makes of a change of it."""
    agreed = asked("analyst", "analyse", {"requirement": requirement})
    design = asked("designer", "design", {"requirement": requirement})
    earlier: JsonObject = {"requirements": [requirement], "specification": agreed, "design": design}
    report = asked("change-analyst", "analyse", {"requirement": change, "earlier": earlier})
    return Specification.model_validate(agreed), Design.model_validate(design), Amendment.model_validate(report)


def changes(count: int, *reviewers: str, stories: tuple[str, ...] = ()) -> Reply:
    """The change-analyst's report on so many new criteria, with whom it wants to read the change."""
    design = Design(summary="", commands=commands(count + 1))
    ids = [f"AC-{number}" for number in range(2, count + 2)]
    task: JsonObject = {"id": "T-1", "title": "Change it", "agent": "cli-coder", "instructions": "", "files": ["./"]}
    report: JsonObject = {
        "decision": "build", "title": "Words", "stories": list(stories),
        "design": design.model_dump(mode="json"),
        "criteria": [{"id": each, "text": "Something new.", "priority": "MUST"} for each in ids],
        "plan": {"tasks": [{**task, "criteria": list[JsonValue](ids)}], "reviewers": list(reviewers)},
    }  # fmt: skip
    return calls(("finish", report))


@pytest.mark.parametrize(
    ("criteria", "size", "readers"),
    [
        pytest.param(13, "full", ("security-reviewer",), id="a large change"),
        pytest.param(2, "small", (), id="a small one"),
    ],
)
async def test_a_change_is_read_by_whom_its_analyst_names_if_it_is_large(
    repository_root: Path, criteria: int, size: str, readers: tuple[str, ...]
) -> None:
    model = ScriptedModel(changes(criteria, "barber"), changes(criteria, "security-reviewer"))
    runtime = changing(repository_root, model)
    read = await analyse(cast(Any, {}), runtime)
    planned = await plan(cast(Any, {**read, **await design(cast(Any, read), runtime)}), runtime)
    team = await runtime.context.load(Team, planned["team"])
    assert (team.size, team.reviewers) == (size, readers)
    assert "there are no barber to choose from" in str(model.requests[1][-1]["content"])


@pytest.mark.parametrize(
    ("stories", "existing", "visited"),
    [
        pytest.param(("I count lines.",), 3, True, id="something that people do anew"),
        pytest.param(("I count words.",), 3, False, id="what they did before"),
        pytest.param(("I count lines.",), 1, False, id="a product that scenarios know in full"),
    ],
)
async def test_a_small_change_is_tried_where_people_do_something_anew(
    repository_root: Path, stories: tuple[str, ...], existing: int, visited: bool
) -> None:
    runtime = changing(repository_root, ScriptedModel(changes(max(existing - 1, 1), stories=stories)), existing)
    team = await runtime.context.load(Team, (await analyse(cast(Any, {}), runtime))["team"])
    assert (team.size, len(team.visitors)) == ("small", int(visited))


async def test_the_keeper_is_told_files_once_and_hands_scenarios_in_without_them(repository_root: Path) -> None:
    letters = PutFile(path="letters.txt", content="a b c")
    own = PutFile(path="own.txt", content="only here")
    run, good = Run(command="./words letters.txt"), SeeExit()
    steps: tuple[tuple[Step, ...], ...] = ((letters, run, good), (letters, own, run, good), (letters, run, letters))
    scenarios = tuple(
        Scenario(id=f"S-{n}", criterion="AC-1", title="It counts", steps=each) for n, each in enumerate(steps, 1)
    )
    mended = {**scenarios[1].model_dump(mode="json"), "steps": [own.as_told, {"do": "run", "command": "./words -l"}]}
    kept = {**scenarios[2].model_dump(mode="json"), "steps": [each.as_told for each in (letters, run)]}
    report: JsonObject = {"mended": [{"scenario": each, "reason": "“-l”"} for each in (mended, kept)]}
    model = ScriptedModel(calls(("finish", report)))
    context = changing(repository_root, model).context
    earlier = context.earlier.model_copy(update={"scenarios": scenarios})
    found = await collected(
        context, earlier, earlier.specification, earlier.design, ScenarioSet(scenarios=()), check=lambda scenarios: None
    )
    told = str(model.requests[0][1]["content"])
    assert (told.count("a b c"), told.count("only here")) == (2, 1), "what is not first stays where it is"
    assert [each.id for each in found.untouched] == ["S-1"]
    assert [each.steps for each in found.fresh.scenarios] == [
        (letters, own, Run(command="./words -l")), (letters, run),
    ]  # fmt: skip


def commands(count: int) -> tuple[Command, ...]:
    return tuple(Command(usage=f"./words {number}", purpose="") for number in range(count))


def changing(repository_root: Path, model: ScriptedModel, existing: int = 1) -> Any:
    """The surroundings of a run that changes a tool with so many commands."""
    counts = Criterion(id="AC-1", text="It counts.", priority="MUST")
    before = Specification(decision="build", title="Words", kind="cli", criteria=(counts,), stories=("I count words.",))
    earlier = Earlier(
        run="r-0", requirements=("Count words.",), specification=before, tasks=(), decisions=DecisionLog(),
        design=Design(summary="", commands=commands(existing)), scenarios=(), met=("AC-1",),
    )  # fmt: skip

    async def initial_commit() -> str:
        return "0" * 40

    context = replace(
        context_with(repository_root, model, Transcripts()),
        requirement="Count more.",
        answers={},
        seed="r",
        visitors=(),
        earlier=earlier,
        sandboxes=cast(Any, SimpleNamespace(installs=False, product_image="base")),
        repository=cast(Any, SimpleNamespace(initial_commit=initial_commit)),
    )
    return SimpleNamespace(context=context)


def test_the_built_in_model_adds_to_what_it_made() -> None:
    before, design, change = changed("A list of plants: name (required).", "also: price")
    after = amended(before, change)
    assert after.criteria[: len(before.criteria)] == before.criteria
    assert [criterion.text for criterion in change.criteria] == [
        "A plant has a name and price.", "Price must be an amount such as 12.50; “abc” is refused.",
        "Price must be at least 0; anything else is refused.",
    ]  # fmt: skip
    assert change.design is not None
    blueprint = blueprint_of({"design": change.design.model_dump(mode="json")})
    assert [claim.text for claim in blueprint.claims] == [criterion.text for criterion in after.criteria]
    material: JsonObject = {
        "specification": after.model_dump(mode="json"), "design": change.design.model_dump(mode="json"),
        "earlier_design": design.model_dump(mode="json"), "scenarios": [],
    }  # fmt: skip
    assert asked("scenario-keeper", "scenarios", material) == {"mended": []}


def test_the_built_in_model_mends_scenarios_that_leave_out_what_is_required_now() -> None:
    _, design, change = changed("A list of plants: name (required).", "also: price (required)")
    assert change.design is not None
    scenarios = written(blueprint_of({"design": design.model_dump(mode="json")})).scenarios
    material: JsonObject = {
        "design": change.design.model_dump(mode="json"), "earlier_design": design.model_dump(mode="json"),
        "scenarios": [scenario.model_dump(mode="json") for scenario in scenarios],
    }  # fmt: skip
    upkeep = Upkeep.model_validate(asked("scenario-keeper", "scenarios", material))
    by_id = {scenario.id: scenario for scenario in scenarios}
    assert {each.scenario.criterion for each in upkeep.mended} >= {"AC-1"}
    for each in upkeep.mended:
        assert by_id[each.scenario.id].criterion == each.scenario.criterion
        assert "Price" in json.dumps(each.scenario.model_dump(mode="json"))
    assert ScenarioSet(scenarios=tuple(each.scenario for each in upkeep.mended))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param("Add a height in cm.", "would be gone", id="it would lose fields"),
        pytest.param("Make it nicer.", "nothing in this that it knows", id="nothing it can check"),
    ],
)
def test_the_built_in_model_refuses_what_it_cannot_change(change: str, words: str) -> None:
    before, _, report = changed("A list of plants: name (required).", change)
    assert report.decision == "refuse"
    assert amended(before, report).criteria == (), "nothing was made that could fail to hold"
    assert words in report.reason
    assert "--model" in report.reason
