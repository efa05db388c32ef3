"""The circuit breaker, told what happened and what time it is."""

import random

import pytest

from macrohard.llm.limits.health import Health


@pytest.fixture
def health() -> Health:
    return Health(
        failures=3, outage_seconds=30, cool_down_seconds=8, longest_cool_down_seconds=20, dice=random.Random(1)
    )


def fail(health: Health, times: int, *, now: float) -> list[bool]:
    return [health.failed(round=health.round, now=now) for _ in range(times)]


def test_it_opens_at_the_third_failure_in_a_row(health: Health) -> None:
    assert fail(health, 2, now=1.0) == [False, False]
    assert health.state(1.0) == "closed"
    assert fail(health, 1, now=1.0) == [True]
    assert health.state(1.0) == "open"


def test_an_answer_between_failures_begins_the_row_anew(health: Health) -> None:
    fail(health, 2, now=1.0)
    assert health.answered(round=health.round) is False
    assert fail(health, 2, now=2.0) == [False, False]


def test_two_failures_far_apart_without_an_answer_are_an_outage(health: Health) -> None:
    fail(health, 1, now=100.0)
    assert fail(health, 1, now=129.0) == [False]
    health.answered(round=health.round)
    fail(health, 1, now=200.0)
    assert fail(health, 1, now=230.0) == [True]


def test_after_the_cool_down_it_is_half_open_and_an_answer_closes_it(health: Health) -> None:
    fail(health, 3, now=0.0)
    assert health.until is not None
    assert 4.0 <= health.until <= 8.0
    assert health.state(health.until - 0.01) == "open"
    assert health.state(health.until) == "half-open"
    assert health.answered(round=health.round) is True
    assert health.state(health.until or 0.0) == "closed"
    assert fail(health, 2, now=9.0) == [False, False]


def test_each_probe_that_fails_makes_the_cool_down_longer_up_to_the_longest(health: Health) -> None:
    fail(health, 3, now=0.0)
    bounds, now = [(8.0, 16.0), (10.0, 20.0), (10.0, 20.0)], 0.0
    for least, most in bounds:
        now = health.until or 0.0
        assert fail(health, 1, now=now) == [True]
        assert health.until is not None
        assert least <= health.until - now <= most


def test_after_it_was_well_the_cool_down_is_short_again(health: Health) -> None:
    fail(health, 3, now=0.0)
    fail(health, 1, now=health.until or 0.0)
    health.answered(round=health.round)
    fail(health, 3, now=100.0)
    assert health.until is not None
    assert health.until <= 108.0


def test_calls_that_were_under_way_when_it_opened_say_nothing_more(health: Health) -> None:
    old = health.round
    fail(health, 3, now=0.0)
    until = health.until
    assert health.failed(round=old, now=1.0) is False
    assert health.answered(round=old) is False
    assert health.until == until
