"""From stumbles to findings, and from several users' findings to one."""

import pytest

from macrohard.domain import Finding, UserReport, UserStep
from macrohard.factory.panel import clustered, rated, stumbles

COMMIT = "c" * 40


def step(number: int, surprise: int | None, remark: str = "", *, action: str = 'click button "Save"') -> UserStep:
    return UserStep(
        number=number,
        intention="to keep it",
        expectation="the list with Milk in it",
        action=action,
        element=action.removeprefix("click "),
        result="nothing changed",
        surprise=surprise,
        remark=remark,
        page="/tasks/12",
        frame=None,
        at_seconds=1.0,
    )


def report(*, reached: bool, wishes: tuple[str, ...] = ()) -> UserReport:
    return UserReport(goal_reached=reached, summary="", wishes=wishes)


def found(visitor: str, surprises: list[int | None], *, reached: bool = True) -> tuple[Finding, ...]:
    steps = [step(number, surprise, "Milk is gone") for number, surprise in enumerate(surprises, 1)]
    return stumbles(visitor, COMMIT, steps, report(reached=reached))


def test_what_nobody_rated_is_no_stumble_and_what_is_odd_is_cosmetic() -> None:
    assert found("phone", [None, 0]) == ()
    (odd,) = found("phone", [1])
    assert (odd.severity, odd.title, odd.element, odd.expected, odd.page) == (
        1,
        "Milk is gone",
        'button "Save"',
        "the list with Milk in it",
        "/",
    )
    assert stumbles("phone", COMMIT, [step(1, 1)], report(reached=True)) == ()


def test_what_ended_a_task_weighs_most() -> None:
    assert [one.severity for one in found("phone", [2, 3], reached=False)] == [2, 4]
    assert [one.severity for one in found("phone", [2, 3], reached=True)] == [2, 2]


def test_a_wish_is_no_defect() -> None:
    (wish,) = stumbles("phone", COMMIT, [], report(reached=True, wishes=("A dark mode",)))
    assert (wish.category, wish.severity, wish.title) == ("wish", 1, "A dark mode")


@pytest.mark.parametrize(
    ("visitors", "panel", "severity"),
    [
        pytest.param(["phone"], 5, 2, id="one of five"),
        pytest.param(["phone"], 1, 2, id="one alone is not many"),
        pytest.param(["phone", "impatient"], 5, 2, id="two of five"),
        pytest.param(["phone", "impatient", "returning"], 5, 3, id="three of five"),
    ],
)
def test_what_several_noticed_is_one_finding(visitors: list[str], panel: int, severity: int) -> None:
    findings = [one for visitor in visitors for one in found(visitor, [2])]
    (one,) = clustered(findings, panel=panel)
    assert (one.seen_by, one.severity) == (tuple(visitors), severity)


def test_more_than_two_detours_are_serious() -> None:
    (one,) = clustered(found("phone", [0, 2, 2, 2]), panel=5)
    assert (one.severity, one.seen_by) == (3, ("phone",))
    (one,) = clustered(found("phone", [0, 2, 2]), panel=5)
    assert one.severity == 2


def test_other_expectations_and_other_elements_stay_apart() -> None:
    (one,) = found("phone", [2])
    other = one.model_copy(update={"id": "other", "expected": "a message that says what is missing"})
    elsewhere = one.model_copy(update={"id": "elsewhere", "element": 'button "Cancel"'})
    assert len(clustered([one, other, elsewhere], panel=5)) == 3


def test_a_note_takes_nothing_along_that_happens_again() -> None:
    (one,) = found("phone", [2])
    note = one.model_copy(update={"id": "note", "found_by": "impatient", "reproduced": False})
    again = one.model_copy(update={"reproduced": True})
    assert [each.reproduced for each in clustered([note, again], panel=5)] == [False, True]


def test_what_a_scanner_found_keeps_its_weight() -> None:
    axe = Finding(
        id="F-1", commit=COMMIT, found_by="axe", category="accessibility", severity=2, title="Contrast", detail="low"
    )
    (one,) = clustered([axe] * 5, panel=5)
    assert (one.severity, one.seen_by) == (2, ("axe",))


def test_what_was_not_rated_was_as_expected_if_the_visit_came_to_its_end() -> None:
    steps = [step(1, None), step(2, 2, "Milk is gone"), step(3, None)]
    report = UserReport(goal_reached=True, summary="Added milk.", last_surprise=1, last_remark="odd")
    assert [(each.surprise, each.remark) for each in rated(steps, report)] == [(0, ""), (2, "Milk is gone"), (1, "odd")]
    assert [each.surprise for each in rated(steps, None)] == [None, 2, None]
    assert rated(steps, report.model_copy(update={"last_surprise": None}))[-1].surprise is None
