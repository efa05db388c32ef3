"""The examples of the benchmark: what each states became claims, and the answers to questions count."""

import pytest

from benchmarks.understanding.reading import Example, examples, matched
from macrohard.llm.builtin.understanding import consistent, read

TUNED = [example for example in examples() if not example.held_out]
GIVEN = ("terse-todo", "typos-contacts", "spec-library", "injection-visitors", "kernel", "vague")


@pytest.mark.parametrize("example", [pytest.param(one, id=one.id) for one in examples()])
def test_the_decision_is_right_and_the_blueprint_whole(example: Example) -> None:
    reading = read(example.requirement)
    assert reading.decision == example.decision
    assert reading.blueprint is None or consistent(reading.blueprint) == []


@pytest.mark.parametrize("example", [pytest.param(one, id=one.id) for one in TUNED if one.id in GIVEN])
def test_all_that_the_given_examples_state_becomes_claims(example: Example) -> None:
    reading = read(example.requirement)
    assert [stated.item for stated in example.stated if matched(stated, reading) is None] == []
    excluded = " ".join(one.text for one in reading.exclusions)
    assert all(text in excluded for text in example.excluded)


def test_an_answer_replaces_what_was_assumed() -> None:
    text = "todo app. due dates. priorities. done/undone. filter."
    (question,) = read(text).questions
    reading = read(text, {question.id: "normal, urgent"})
    assert reading.blueprint is not None
    assert reading.blueprint.record("task").field("priority").choices == ("Normal", "Urgent")
    assert reading.questions == ()


def test_a_vague_text_is_built_from_the_answers() -> None:
    text = "make the app like we talked about yesterday, with the list and the button"
    asked = read(text)
    assert [one.id for one in asked.questions] == ["Q-1", "Q-2", "Q-3"]
    reading = read(text, {"Q-1": "loans of our tools: tool, borrower, due date", "Q-2": "it marks a loan as returned"})
    assert reading.decision == "build"
    assert reading.blueprint is not None
    labels = [one.label for one in reading.blueprint.records[0].fields]
    assert {"Tool", "Borrower", "Due date"} <= set(labels)
