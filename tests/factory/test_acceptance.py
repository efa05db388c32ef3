"""Scenarios count when a second reader accepts them; what stays disputed decides about no product."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import JsonValue, ValidationError

from macrohard.agent import Entry, load_catalogue
from macrohard.agent.repair import parameters_of
from macrohard.domain import Criterion, Design, JsonObject, ProductKind, Route, Scenario, ScenarioSet, Specification
from macrohard.domain.scenario import HelperFile, Run, SeeExit
from macrohard.errors import ToolError
from macrohard.factory.acceptance import Reviewed, reviewed
from macrohard.factory.context import FactoryContext
from macrohard.factory.improving import Upkeep, upkeep_for
from macrohard.factory.steps import described, report_for, told
from macrohard.llm import Reply
from macrohard.llm.builtin.conversation import Conversation
from macrohard.llm.builtin.staff import CAREFUL, turn
from tests.agent.scripted import MemoryArtifacts, ScriptedModel, calls, says

SPECIFICATION = Specification(
    decision="build",
    title="Tasks",
    criteria=(
        Criterion(id="AC-1", text="Tasks can be added.", priority="MUST"),
        Criterion(id="AC-2", text="Tasks can be sorted.", priority="SHOULD"),
    ),
)
DESIGN = Design(summary="One page.")


def scenario(number: int, *, of: int, see: str = "Milk") -> Scenario:
    return Scenario.model_validate(
        {"id": f"S-{number}", "criterion": f"AC-{of}", "title": "It works", "steps": [{"do": "see", "text": see}]}
    )


WRITTEN = ScenarioSet(scenarios=(scenario(1, of=1), scenario(2, of=1), scenario(3, of=2)))


def finish(report: JsonObject) -> Reply:
    return calls(("finish", report))


def accepts(*ids: str) -> Reply:
    return finish({"accepted": list(ids), "objections": []})


def objects(accepted: Sequence[str], *objected: str) -> Reply:
    objections: list[Any] = [
        {"scenario": each, "flaw": "not in the contract", "reason": "Nobody says Milk."} for each in objected
    ]
    return finish({"accepted": list(accepted), "objections": objections})


def answers(*scenarios: Scenario, withdrawn: Sequence[str] = ()) -> Reply:
    return finish({"scenarios": [each.model_dump(mode="json") for each in scenarios], "withdrawn": list(withdrawn)})


SILENCE = (says("hm"),) * 30
"""Longer than any session goes on without a tool call."""


class Transcripts:
    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}

    async def append(self, session_id: str, entry: Entry) -> None:
        self.entries.setdefault(session_id, []).append(entry)

    async def load(self, session_id: str) -> Sequence[Entry]:
        return list(self.entries.get(session_id, ()))


async def hears(event: object) -> None:
    """Nobody listens."""


def context_with(root: Path, model: ScriptedModel, transcripts: Transcripts) -> FactoryContext:
    """What sessions at a desk need of it, with the real agents."""
    needed: dict[str, Any] = {
        "run_id": "r",
        "catalogue": load_catalogue([root / "agents"], images=frozenset({"base", "web", "browser", "media"})),
        "model": model,
        "transcripts": transcripts,
        "artifacts": MemoryArtifacts(),
        "emit": hears,
        "budget": SimpleNamespace(session=lambda session_id, parent: nullcontext()),
    }
    rest = {name: None for name in FactoryContext.__dataclass_fields__ if name not in needed}
    return FactoryContext(**cast(Any, needed | rest))


def accept_all(scenarios: Sequence[Scenario]) -> None:
    """Every scenario can be run."""


def accept_design(design: Design) -> None:
    """Every design is one."""


async def review(
    root: Path,
    *replies: Reply,
    transcripts: Transcripts | None = None,
    written: ScenarioSet = WRITTEN,
    window: int = 128_000,
) -> tuple[Reviewed, ScriptedModel]:
    model = ScriptedModel(*replies)
    model.context_tokens = lambda role: window if role == "judge" else 128_000  # type: ignore[method-assign]
    context = context_with(root, model, transcripts or Transcripts())
    return await reviewed(context, SPECIFICATION, DESIGN, written, check=accept_all, check_design=accept_design), model


def counted(settled: Reviewed) -> list[str]:
    return [each.id for each in settled.counted.scenarios]


async def test_where_nobody_objects_it_is_one_call_that_shows_no_code(repository_root: Path) -> None:
    settled, model = await review(repository_root, accepts("S-1", "S-2", "S-3"))
    assert settled == Reviewed(WRITTEN)
    assert len(model.requests) == 1
    assert '"scenarios"' in str(model.requests[0][1])


async def test_a_mended_scenario_counts_as_it_is_now(repository_root: Path) -> None:
    mended = scenario(2, of=1, see="Bread")
    settled, model = await review(repository_root, objects(["S-1", "S-3"], "S-2"), answers(mended), accepts("S-2"))
    assert settled.counted.scenarios == (scenario(1, of=1), mended, scenario(3, of=2))
    assert settled.disputed == ()
    assert "Nobody says Milk." in str(model.requests[1][1])


@pytest.mark.parametrize(
    ("replies", "left", "disputed"),
    [
        pytest.param((answers(scenario(3, of=2)),), ["S-1", "S-2"], ["S-3"], id="the writer stands by it"),
        pytest.param(
            (answers(scenario(3, of=2, see="Bread")), objects([], "S-3")), ["S-1", "S-2"], ["S-3"],
            id="objected to again",
        ),
        pytest.param((answers(withdrawn=["S-3"]),), ["S-1", "S-2"], [], id="withdrawn"),
        pytest.param(SILENCE, ["S-1", "S-2"], ["S-3"], id="the writer hands in nothing"),
        pytest.param(
            (answers(scenario(3, of=2, see="Bread")), *SILENCE), ["S-1", "S-2"], ["S-3"],
            id="nobody accepts it in time",
        ),
    ],
)  # fmt: skip
async def test_what_is_left_disputed_does_not_count(
    repository_root: Path, replies: tuple[Reply, ...], left: list[str], disputed: list[str]
) -> None:
    settled, _ = await review(repository_root, objects(["S-1", "S-2"], "S-3"), *replies)
    assert counted(settled) == left
    assert [each.scenario.id for each in settled.disputed] == disputed


async def test_without_a_reviewer_all_count_and_it_is_said(repository_root: Path) -> None:
    settled, _ = await review(repository_root, *SILENCE)
    assert counted(settled) == ["S-1", "S-2", "S-3"]
    assert settled.unreviewed.startswith("scenario-reviewer did not hand in")


async def test_everybody_answers_for_each_scenario_once(repository_root: Path) -> None:
    settled, model = await review(
        repository_root,
        accepts("S-1", "S-2"),
        objects(["S-1", "S-2"], "S-3"),
        answers(scenario(3, of=1)),
        answers(scenario(3, of=2), withdrawn=["S-3"]),
        answers(withdrawn=["S-3"]),
    )
    assert counted(settled) == ["S-1", "S-2"]
    said = [str(request[-1]["content"]) for request in model.requests if request[-1]["role"] == "tool"]
    assert [" ".join(each.split()[:4]) for each in said] == [
        "Error: name each of", "Error: S-3: a mended", "Error: answer each of",
    ]  # fmt: skip


async def test_a_review_that_was_cut_off_goes_on_without_asking_again(repository_root: Path) -> None:
    transcripts = Transcripts()
    with pytest.raises(asyncio.CancelledError):
        await review(
            repository_root,
            objects(["S-1", "S-2"], "S-3"),
            cast(Any, asyncio.CancelledError()),
            transcripts=transcripts,
        )
    settled, model = await review(repository_root, answers(withdrawn=["S-3"]), transcripts=transcripts)
    assert counted(settled) == ["S-1", "S-2"]
    assert len(model.requests) == 1


def asked(agent: str, material: JsonObject, *, phase: str = "scenarios") -> JsonObject:
    conversation = Conversation(
        agent=agent, phase=phase, persona=None, material=material, tools=frozenset(), exchanges=()
    )
    [call] = turn(conversation, model=CAREFUL).calls
    return call.arguments


def test_the_built_in_model_shows_no_sentence_that_a_person_wrote_to_hold() -> None:
    wish: JsonObject = {"requirement": "A list of plants: name (required), price."}
    design, read = (
        asked("designer", wish, phase="design"),
        Specification.model_validate(asked("analyst", wish, phase="analyse")),
    )
    left_out, changed = read.criteria[1].id, read.criteria[0].id
    ruled = [
        each.model_copy(update={"text": f"{each.text} They are sent by e-mail."} if each.id == changed else {})
        if each.id != left_out
        else each.model_copy(update={"covered": False})
        for each in read.criteria
    ]
    settled = read.model_copy(update={"criteria": tuple(ruled)}).model_dump(mode="json")
    written = cast(list[Any], asked("scenario-writer", {"design": design, "specification": settled})["scenarios"])
    of = {each["id"]: each["criterion"] for each in written}
    assert changed in of.values()
    assert left_out not in of.values()
    said = asked("scenario-reviewer", {"design": design, "specification": settled, "scenarios": written})
    objected = cast(list[Any], said["objections"])
    assert {of[each["scenario"]] for each in objected} == {changed}
    assert {each["flaw"] for each in objected} == {"not its criterion"}
    assert changed not in {of[each] for each in cast(list[str], said["accepted"])}
    as_read = read.model_dump(mode="json")
    said = asked("scenario-reviewer", {"design": design, "specification": as_read, "scenarios": written})
    assert said["objections"] == []


def test_the_built_in_model_plays_both() -> None:
    idle = Scenario.model_validate({"id": "S-4", "criterion": "AC-1", "title": "Nothing", "steps": [{"do": "reload"}]})
    given: list[JsonValue] = [told(each) for each in (*WRITTEN.scenarios, idle)]
    said = asked("scenario-reviewer", {"specification": SPECIFICATION.model_dump(mode="json"), "scenarios": given})
    assert said["accepted"] == ["S-1", "S-2", "S-3"]
    assert [each["flaw"] for each in cast(list[Any], said["objections"])] == ["cannot fail"]
    objection: JsonObject = {"scenario": idle.model_dump(mode="json"), "reason": "No step asserts anything."}
    answered = asked("scenario-writer", {"objections": [objection]})
    assert answered == {"scenarios": [], "withdrawn": ["S-4"]}


async def test_the_check_of_scenarios_is_asked_about_the_answers(repository_root: Path) -> None:
    def refuse(scenarios: Sequence[Scenario]) -> None:
        if any("{oops}" in str(each.steps) for each in scenarios):
            raise ToolError("S-3: there is no placeholder {oops}")

    model = ScriptedModel(
        objects(["S-1", "S-2"], "S-3"), answers(scenario(3, of=2, see="{oops}")), answers(withdrawn=["S-3"])
    )
    context = context_with(repository_root, model, Transcripts())
    await reviewed(context, SPECIFICATION, DESIGN, WRITTEN, check=refuse, check_design=accept_design)
    assert "no placeholder" in str(model.requests[-1][-1]["content"])


def flawed(accepted: Sequence[str], *resting: str) -> Reply:
    flaws: list[Any] = [
        {
            "where": "AC-1: 'up to 5 characters'; conventions: 'Oat Milk' is added.",
            "problem": "Oat Milk has 8 characters.",
            "scenarios": list(resting),
        }
    ]
    return finish({"accepted": list(accepted), "objections": [], "contract_flaws": flaws})


MENDED = DESIGN.model_copy(update={"conventions": ("Tea is added.",)})
SETTLES = finish({"design": MENDED.model_dump(mode="json"), "answers": ["Tea is added."]})
STANDS = finish({"answers": ["Eight is up to five and more."]})


async def test_a_contract_that_cannot_be_kept_is_settled_once_before_the_writer_answers(repository_root: Path) -> None:
    mended = scenario(2, of=1, see="Tea")
    settled, model = await review(
        repository_root, flawed(["S-1", "S-2", "S-3"], "S-2"), SETTLES, answers(mended), accepts("S-2")
    )
    assert settled.counted.scenarios == (scenario(1, of=1), mended, scenario(3, of=2))
    assert (settled.design, settled.settled, settled.disputed) == (MENDED, ("Tea is added.",), ())
    asked = [str(request[1]["content"]) for request in model.requests]
    assert ["Oat Milk has 8" in each for each in asked] == [False, True, True, False]
    assert [each.count("Tea is added.") for each in asked] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("replies", "left"),
    [
        pytest.param((STANDS, answers(scenario(2, of=1)), accepts("S-2")), ["S-1", "S-2", "S-3"], id="right as it is"),
        pytest.param((STANDS, answers(scenario(2, of=1)), objects([], "S-2")), ["S-1", "S-3"], id="still wrong"),
        pytest.param((*SILENCE, answers(scenario(2, of=1))), ["S-1", "S-3"], id="nobody settles it"),
    ],
)
async def test_what_rests_on_a_contradiction_counts_only_once_it_is_accepted(
    repository_root: Path, replies: tuple[Reply, ...], left: list[str]
) -> None:
    settled, _ = await review(repository_root, flawed(["S-1", "S-2", "S-3"], "S-2"), *replies)
    assert counted(settled) == left
    assert settled.design is None


async def test_a_designer_who_settles_hands_in_the_whole_design(repository_root: Path) -> None:
    design = DESIGN.model_copy(update={"routes": (Route(method="GET", path="/", purpose="All."),)})
    whole = design.model_copy(update={"conventions": ("Tea is added.",)})
    model = ScriptedModel(
        flawed(["S-1", "S-2", "S-3"]),
        SETTLES,
        finish({"design": whole.model_dump(mode="json"), "answers": []}),
        finish({"design": whole.model_dump(mode="json"), "answers": ["Tea is added."]}),
    )
    context = context_with(repository_root, model, Transcripts())
    settled = await reviewed(context, SPECIFICATION, design, WRITTEN, check=accept_all, check_design=accept_design)
    assert (settled.design, settled.counted) == (whole, WRITTEN)
    said = [str(request[-1]["content"]) for request in model.requests if request[-1]["role"] == "tool"]
    assert "0 routes where there were 1" in said[0]
    assert "answers" in said[1]


async def test_what_a_window_does_not_hold_is_reviewed_by_criteria(repository_root: Path) -> None:
    settled, model = await review(
        repository_root, accepts("S-1", "S-2"), objects([], "S-3"), answers(withdrawn=["S-3"]), window=9_400
    )
    assert counted(settled) == ["S-1", "S-2"]
    assert ['"S-3"' in str(request[1]["content"]) for request in model.requests] == [False, True, True]
    partly, _ = await review(repository_root, *SILENCE, accepts("S-3"), window=9_400)
    assert counted(partly) == ["S-1", "S-2", "S-3"]
    assert partly.unreviewed.startswith("S-1, S-2: scenario-reviewer did not hand in")


async def test_files_of_all_scenarios_are_told_once_and_lie_where_commands_are_run(repository_root: Path) -> None:
    typed = scenario(3, of=2).model_copy(update={"steps": (Run(command="python3 try.py"), SeeExit())})
    written = WRITTEN.model_copy(
        update={"scenarios": (*WRITTEN.scenarios[:2], typed), "files": (HelperFile(path="try.py", content="x = 1"),)}
    )
    settled, model = await review(repository_root, accepts("S-1", "S-2", "S-3"), written=written)
    assert settled.counted.files == ()
    assert [each.steps[0].do for each in settled.counted.scenarios] == ["see", "see", "put_file"]
    told = str(model.requests[0][1]["content"])
    assert told.count("x = 1") == 1
    assert "Run a command as a person would" in told


@pytest.mark.parametrize(("kind", "refused"), [("web", ""), ("api", "click"), ("cli", "request"), ("library", "open")])
def test_a_writer_is_shown_the_steps_of_its_kind_of_product(kind: ProductKind, refused: str) -> None:
    whole, shown = (len(str(parameters_of(each))) for each in (ScenarioSet, report_for(kind, ScenarioSet)))
    assert shown < 0.6 * whole if refused else shown == whole
    steps: dict[str, JsonObject] = {
        "click": {"role": "button", "name": "Save"}, "request": {"path": "/"}, "open": {"path": "/"},
        "run": {"command": "true"},
    }  # fmt: skip
    for do, fields in steps.items():
        given = {"scenarios": [{"id": "S-1", "criterion": "AC-1", "title": "", "steps": [{"do": do, **fields}]}]}
        if do == refused:
            with pytest.raises(ValidationError, match="does not match any of the expected tags"):
                report_for(kind, ScenarioSet).model_validate(given)
    report = report_for(kind, ScenarioSet).model_validate(given)
    assert ScenarioSet.model_validate(report.model_dump()) == ScenarioSet.model_validate(given)


def test_a_keeper_is_shown_the_steps_of_its_kind_of_product() -> None:
    called, whole = (len(str(parameters_of(upkeep_for(kind)))) for kind in ("cli", "web"))
    assert called < 0.6 * whole
    assert whole == len(str(parameters_of(Upkeep)))


def test_a_reviewer_reads_steps_as_lines() -> None:
    steps = [
        {"do": "click", "role": "button", "name": "Save", "row": "Oat Milk"},
        {"do": "see", "text": ""},
        {"do": "run", "command": "./words", "input": "one\ntwo"},
        {"do": "see_exit", "code": None},
        {"do": "see", "text": "`ls`"},
        {"do": "request", "path": "/", "json_body": {}},
    ]
    written = Scenario.model_validate({"id": "S-1", "criterion": "AC-1", "title": "", "steps": steps})
    assert told(written)["steps"] == [
        "click role=`button` name=`Save` row=`Oat Milk`",
        "see text=``",
        "run command=`./words` input=`one\ntwo`",
        "see_exit code=null",
        *steps[4:],
    ]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        pytest.param({"do": "restart"}, {}, id="the environment of the design"),
        pytest.param({"do": "restart", "environment": {}}, {"environment": {}}, id="no environment"),
        pytest.param({"do": "see_exit", "code": None}, {"code": None}, id="any code but 0"),
        pytest.param({"do": "see_exit", "code": 0}, {}, id="success"),
        pytest.param({"do": "see_json", "at": "items", "value": []}, {"at": "items", "value": []}, id="an empty list"),
        pytest.param({"do": "see_json", "at": "a", "value": None}, {"at": "a", "value": None}, id="a null"),
        pytest.param({"do": "see_json", "at": "a"}, {"at": "a", "type": "any"}, id="anything"),
        pytest.param(
            {"do": "request", "path": "/", "json_body": {}}, {"path": "/", "json_body": {}}, id="an empty body"
        ),
        pytest.param(
            {"do": "together", "requests": [{"path": "/a"}, {"path": "/b"}], "statuses": [200, 200]},
            {
                "requests": [{"do": "request", "path": "/a"}, {"do": "request", "path": "/b"}],
                "statuses": [200, 200],
            },
            id="requests at once",
        ),
    ],
)
def test_a_step_is_told_by_what_does_not_hold_unsaid(step: JsonObject, told: JsonObject) -> None:
    written = Scenario.model_validate({"id": "S-1", "criterion": "AC-1", "title": "", "steps": [step]})
    assert written.as_told["steps"] == [{"do": step["do"], **told}]
    assert Scenario.model_validate(written.as_told) == written
    assert ("Left out: 0." in str(described([written]))) == (step["do"] == "see_exit"), "else its absence says nothing"
