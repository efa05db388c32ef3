"""What a model is told about calls that cannot be carried out, and about answers that were cut off."""

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from macrohard.agent.repair import LEFT_OUT, BadArguments, complaint, example, parameters_of, parsed
from macrohard.agent.tools import TOOLS
from macrohard.domain import Design, Plan, UserReport
from macrohard.factory.reports import WorkReport
from macrohard.llm import Reply
from tests.agent.scripted import (
    FINISH,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    calls,
    carry_out,
    cut_off,
    run,
    says,
)


def last_answer(model: ScriptedModel) -> str:
    return str(model.requests[-1][-1]["content"])


class Line(BaseModel):
    kind: Literal["income", "expense"]
    amount: int = Field(ge=0, description="In cents.")


class Book(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str = Field(min_length=3, pattern="^[A-Z]")
    lines: list[Line]
    note: str | None = None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(
            {"title": "Cash", "lines": [{"kind": "gift", "amount": 1}]},
            "- lines.0.kind: Input should be 'income' or 'expense'. "
            'Expected: one of "income", "expense" You wrote: "gift"',
            id="deep inside",
        ),
        pytest.param(
            {"title": "Cash", "lines": [{"kind": "income", "amount": "much"}]},
            'Expected: integer, at least 0 (In cents.) You wrote: "much"',
            id="with the field's description",
        ),
        pytest.param(
            {"titel": "Cash", "lines": []},
            "- titel: Extra inputs are not permitted. Expected: one of title, lines, note; did you mean 'title'?",
            id="a name that nearly is one",
        ),
        pytest.param({"lines": []}, "- title: Field required. Expected: string, characters at least 3", id="missing"),
        pytest.param(
            {"title": "Cash", "lines": "x" * 500}, f'You wrote: "{"x" * 79}… (502 characters)', id="a long text is cut"
        ),
    ],
)
def test_a_complaint_says_where_what_was_expected_and_what_came(given: dict[str, JsonValue], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Book.model_validate(given)
    assert told in str(complaint(raised.value, parameters_of(Book)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"path": "a" "content": ""}', '(line 1, column 14), at ⟦HERE⟧ in {"path": "a" ⟦HERE⟧"content": ""}'),
        ('{"path": "a', "⟦HERE⟧"),
        ("[1, 2]", "not a JSON object but [1, 2]"),
        (r'{"path": "\ud83d"}', "⟦HERE⟧"),
    ],
)
def test_text_that_is_no_object_is_told_with_its_place(arguments: str, told: str) -> None:
    with pytest.raises(BadArguments, match="are not a JSON object") as raised:
        parsed(arguments)
    assert told in str(raised.value)


def problems(model: type[BaseModel], value: JsonValue) -> set[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return {problem["type"] for problem in error.errors()}
    return set()


@pytest.mark.parametrize("model", [WorkReport, UserReport, Plan, Design, Book], ids=lambda model: model.__name__)
def test_an_example_of_a_report_has_its_form(model: type[BaseModel]) -> None:
    schema = parameters_of(model)
    # Texts of a form, and rules between fields, are not made up.
    assert problems(model, example(schema, schema)) <= {"string_pattern_mismatch", "string_too_short", "value_error"}


@pytest.mark.parametrize("name", TOOLS)
def test_an_example_of_a_tool_can_be_called(name: str) -> None:
    schema = TOOLS[name].parameters
    made = example(schema, schema)
    assert isinstance(made, dict)
    TOOLS[name].validated(made)


async def test_the_second_bad_call_in_a_row_is_answered_shorter_and_with_an_example(room: OpenBench) -> None:
    transcripts = MemoryTranscripts()
    wrong = calls(("read", {"paht": "x"}))
    result, model, _, _ = await run(
        room, wrong, calls(("search", {"pattern": "x"})), wrong, FINISH, transcripts=transcripts
    )
    first, _, second = [str(m["content"]) for m in model.requests[-1] if m["role"] == "tool"]
    assert "did you mean 'path'?" in first
    assert "nothing was done" in first
    assert "look like this" not in first
    assert second == (
        "Error: the arguments do not fit again: path: Field required; paht: Extra inputs are not permitted\n"
        'Arguments of the right form look like this, with your own values: {"path": "…"}'
    )
    assert result.outcome == "finished"
    # Also for a session that was killed in between.
    cut = MemoryTranscripts(transcripts.entries[:3])
    _, model, _, _ = await run(room, wrong, FINISH, transcripts=cut)
    assert last_answer(model) == second


@pytest.mark.parametrize(("name", "meant"), [("Shell", "shell"), ("write_file", "write"), ("serach", "search")])
async def test_an_unknown_tool_is_answered_with_the_nearest_name(room: OpenBench, name: str, meant: str) -> None:
    _, model, _, _ = await run(room, calls((name, {})), FINISH)
    assert last_answer(model).endswith(
        f"You have shell, background, read, write, edit, search, more, finish. Did you mean {meant!r}?".replace(
            "You", "you"
        )
    )


async def test_a_call_that_the_end_of_the_answer_cut_through_is_written_in_parts(room: OpenBench) -> None:
    begun = calls(("write", {"path": "a.txt", "content": "1\n"}), ("write", '{"path": "b.txt", "content": "tw'))
    result, model, _, _ = await run(
        room,
        cut_off(begun),
        calls(("write", {"path": "b.txt", "content": "two\n"})),
        calls(("write", {"path": "b.txt", "content": "three\n", "append": True})),
        calls(("read", {"path": "a.txt"}), ("read", {"path": "b.txt"})),
        FINISH,
    )
    whole, cut = [str(m["content"]) for m in model.requests[1][-2:]]
    assert whole == "wrote a.txt (1 lines)"
    assert cut.startswith("Error: your answer was cut off at 16,000 tokens in the middle of this call")
    assert "append=true" in cut
    assert [m["content"] for m in model.requests[4][-2:]] == [
        "(a.txt: 1 lines in all, 2 bytes)\n1\n",
        "(b.txt: 2 lines in all, 10 bytes)\ntwo\nthree\n",
    ]
    assert result.outcome == "finished"


async def test_words_that_were_cut_off_are_answered_with_the_reason(room: OpenBench) -> None:
    _, model, _, _ = await run(room, cut_off(says("I think that I should")), FINISH)
    assert (
        last_answer(model) == "Your answer was cut off at 16,000 tokens before it called a tool. Be brief and call one."
    )


@pytest.mark.parametrize("killed", [False, True])
async def test_a_refusal_ends_the_session_and_is_not_asked_for_again(room: OpenBench, killed: bool) -> None:
    transcripts = MemoryTranscripts()
    refusal = says("I cannot help with that.", finish="refused")
    result, model, _, _ = await run(room, refusal, transcripts=transcripts)
    assert len(model.requests) == 1
    if killed:
        cut = MemoryTranscripts(transcripts.entries[:2])
        result, model, _, _ = await run(room, transcripts=cut)
        assert model.requests == []
    assert result.outcome == "failed"
    assert result.problem == "the model refused: I cannot help with that."
    assert result.model_calls == 1


@pytest.mark.parametrize(
    "made",
    [
        ("write", {"path": "a.txt", "content": f"{LEFT_OUT}12 lines, 300 characters]"}),
        ("edit", {"path": "a.txt", "old": "1", "new": f"{LEFT_OUT}12 lines, 300 characters]"}),
    ],
    ids=["write", "edit"],
)
async def test_a_note_that_stands_for_a_text_is_not_taken_for_it(room: OpenBench, made: tuple[str, JsonValue]) -> None:
    _, model, _, _ = await run(room, calls(("write", {"path": "a.txt", "content": "1"})), calls(made), FINISH)
    assert last_answer(model).startswith("Error: that is the note which stands for a text")


@pytest.mark.parametrize(
    "reply", [calls(("shell", "{oops")), calls(("shell", "[1]")), calls(("finish", "nothing"))], ids=["a", "b", "c"]
)
async def test_no_garbled_call_ends_a_session(room: OpenBench, reply: Reply) -> None:
    model = ScriptedModel(reply, FINISH)
    assert (await carry_out(room, model)).outcome == "finished"
    assert "not a JSON object" in last_answer(model)


def test_design_schemas_are_walked_through_references() -> None:
    with pytest.raises(ValidationError) as raised:
        Design.model_validate({"screens": [{"controls": [{}]}]})
    assert "screens.0.path: Field required. Expected: string" in str(complaint(raised.value, parameters_of(Design)))
