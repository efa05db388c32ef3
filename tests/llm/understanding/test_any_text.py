"""Whatever is written, a reading comes out that holds together."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from macrohard.llm.builtin.blueprint import Reading
from macrohard.llm.builtin.understanding import consistent, read

_VOCABULARY = (
    "a the each customer can't be deleted when at most 5 open loans per pupil (x, y) [1..20] : ; - -> \n * # must"
    " should name e-mail date price total sum of month show list overdue unique required between 1 and if or not in"
    " future start end > < = | / as I want to so that book lend room . , ! ? app track tasks with is paid status open"
    " closed today search by filter sort export csv import only one at a time highlight low stock minimum quantity"
)
_WORDS = _VOCABULARY.split(" ")


def is_whole(reading: Reading) -> bool:
    if reading.decision == "refuse":
        return reading.blueprint is None and bool(reading.reason)
    return reading.blueprint is not None and consistent(reading.blueprint) == [] and len(reading.blueprint.claims) > 4


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.text(max_size=400))
def test_any_characters(text: str) -> None:
    assert is_whole(read(text))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(some.sampled_from(_WORDS), min_size=3, max_size=60).map(" ".join))
def test_any_words_of_requirements(text: str) -> None:
    assert is_whole(read(text))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.dictionaries(some.sampled_from(["Q-1", "Q-2", "Q-3", "Q-9"]), some.text(max_size=80)))
def test_any_answers(answers: dict[str, str]) -> None:
    for text in ("make the app like we talked about yesterday", "invoices: number, amount, status", "crm"):
        assert is_whole(read(text, answers))


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "word ",
        "- name: x\n",
        "name, ",
        "\n",
        "(",
        "[(",
        "a: ",
        "x and ",
        "\t",
        "open -> ",
        "send ",
        "As a user I want ",
    ],
)
def test_two_megabytes(piece: str) -> None:
    reading = read(piece * (2_000_000 // len(piece)))
    assert is_whole(reading)
    assert len(reading.model_dump_json()) < 100_000


@pytest.mark.parametrize("piece", ["very ", "very, ", "very old, ", "very very old or ", "a, b or c "])
def test_a_clause_that_goes_on_and_on(piece: str) -> None:
    assert is_whole(read("A list of tools: name, a state that is " + piece * 3000))


def test_the_same_text_is_read_alike() -> None:
    text = "visitors: name, company, time in, time out. a badge can be used by only one visitor at a time"
    assert read(text) == read(text)
