"""What is left to repair."""

from macrohard.domain import Criterion, Finding, Specification, Verdict, VerdictStatus
from macrohard.factory.problems import Problem, met, problems_after_a_drop, problems_of

SPECIFICATION = Specification(
    decision="build",
    title="Tasks",
    criteria=(
        Criterion(id="AC-1", text="Tasks can be added.", priority="MUST"),
        Criterion(id="AC-2", text="Tasks can be sorted.", priority="SHOULD"),
        Criterion(id="AC-3", text="Tasks are sent by mail.", priority="MUST", covered=False),
    ),
)


def scenario(check: str, criterion: str, status: VerdictStatus) -> Verdict:
    return Verdict(
        check=check,
        kind="scenario",
        criterion=criterion,
        commit="c" * 40,
        status=status,
        summary=f"{check} {status}",
        duration_seconds=0.1,
    )


def gate(kind: str, status: VerdictStatus) -> Verdict:
    return Verdict.model_validate(
        {
            "check": kind,
            "kind": kind,
            "commit": "c" * 40,
            "status": status,
            "summary": f"{kind} {status}",
            "duration_seconds": 0.1,
        }
    )


def finding(severity: int, category: str = "misleading", *, reproduced: bool | None = None) -> Finding:
    return Finding.model_validate(
        {
            "id": f"f-{severity}-{category}",
            "commit": "c" * 40,
            "found_by": "phone",
            "category": category,
            "severity": severity,
            "title": "odd",
            "detail": "odd",
            "reproduced": reproduced,
        }
    )


def test_failures_come_weightiest_first_and_wishes_not_at_all() -> None:
    problems = problems_of(
        SPECIFICATION,
        [scenario("S-2", "AC-2", "failed"), scenario("S-1", "AC-1", "failed"), gate("tests", "failed")],
        [finding(1), finding(2), finding(3, "wish"), finding(4, "crash", reproduced=False), finding(3, "crash")],
    )
    assert [problem.id for problem in problems] == ["tests", "AC-1:S-1", "AC-2:S-2", "f-3-crash", "f-2-misleading"]


def test_what_a_coder_is_told_holds_no_step_of_a_scenario() -> None:
    [problem] = problems_of(SPECIFICATION, [scenario("S-1", "AC-1", "failed")], [])
    assert problem.title == "Tasks can be added."
    assert problem.detail == "S-1 failed"


def test_changed_tests_are_weighed_once_and_gate_nothing() -> None:
    changed = gate("earlier tests", "failed")
    [problem] = problems_of(SPECIFICATION, [changed, gate("tests", "passed")], [])
    assert (problem.id, problem.kind) == ("earlier-tests", "finding")
    held = met(SPECIFICATION, scenarios=(), verdicts=[gate("earlier tests", "passed")], commit="c" * 40)
    assert held == set(), "nobody is to lose it with the next commit"


def test_after_a_dropped_attempt_each_problem_says_what_became_of_it() -> None:
    told = (
        *problems_of(SPECIFICATION, [scenario("S-1", "AC-1", "failed"), scenario("S-3", "AC-1", "failed")], []),
        *problems_of(SPECIFICATION, [], [finding(3, "crash")]),
        Problem(id="keep tests", kind="gate", title="tests", detail="An attempt before broke it."),
    )
    seen = [
        scenario("S-1", "AC-1", "passed"),
        scenario("S-2", "AC-2", "failed"),
        scenario("S-3", "AC-1", "failed").model_copy(update={"summary": "Nothing was shown."}),
        gate("tests", "passed"),
    ]
    for attempt in range(2):
        left = problems_after_a_drop(told, SPECIFICATION, seen, base="b" * 40, commit="c" * 40, lost=("AC-2",))
        assert left.dropped is not None
        assert (left.dropped.solved, left.dropped.lost) == (("AC-1:S-1",), ("AC-2",))
        assert {problem.id: problem.detail for problem in left.problems} == {
            "AC-1:S-1": "S-1 failed\nThe attempt that was thrown away solved this.",
            "AC-1:S-3": "S-3 failed\nThe attempt that was thrown away did not solve this; with it: Nothing was shown.",
            "f-3-crash": "odd",
            "keep AC-2": "This holds, and the attempt that was thrown away broke it: keep it. "
            "With that attempt was seen: S-2 failed",
        }, f"{attempt} times before"
        told = left.problems
