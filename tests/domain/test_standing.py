"""Over all combinations of verdicts and commits, nothing is delivered that was not shown to hold."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macrohard.domain import Criterion, CriterionStatus, Scenario, Specification, Verdict, VerdictStatus
from macrohard.domain.standing import gates_of, lacking, status_of

HERE, ELSEWHERE = "a" * 40, "b" * 40
STATUSES: tuple[VerdictStatus, ...] = ("passed", "failed", "not run")
COMMITS = st.sampled_from((HERE, ELSEWHERE))


def criterion(number: int, *, must: bool = True, covered: bool = True) -> Criterion:
    priority = "MUST" if must else "SHOULD"
    return Criterion.model_validate(
        {"id": f"AC-{number}", "text": "It works.", "priority": priority, "covered": covered}
    )


def scenario(number: int, of: int) -> Scenario:
    return Scenario.model_validate(
        {"id": f"S-{number}", "criterion": f"AC-{of}", "title": "It works", "steps": [{"do": "see", "text": "x"}]}
    )


def verdict(check: str, status: VerdictStatus, commit: str = HERE) -> Verdict:
    gate = not check.startswith("S-")
    return Verdict.model_validate(
        {"check": check, "kind": check if gate else "scenario", "commit": commit, "status": status, "summary": "",
         "duration_seconds": 0.1}
    )  # fmt: skip


def specification(*criteria: Criterion, kind: str = "web") -> Specification:
    return Specification.model_validate({"decision": "build", "title": "T", "kind": kind, "criteria": criteria})


def green(scenarios: tuple[Scenario, ...], *, kind: str = "web") -> list[Verdict]:
    gates = gates_of(specification(kind=kind).kind)
    return [verdict(check, "passed") for check in (*gates, *(each.id for each in scenarios))]


def test_of_all_that_two_scenarios_can_have_been_given_only_green_and_fresh_delivers() -> None:
    """Each scenario has nothing, or one of the three verdicts on this commit or on another one."""
    wanted = specification(criterion(1))
    scenarios = (scenario(1, of=1), scenario(2, of=1))
    gates = green(())
    can_have = [None, *product(STATUSES, (HERE, ELSEWHERE))]
    delivered = []
    for first, second in product(can_have, repeat=2):
        said = [verdict(f"S-{n}", *each) for n, each in enumerate((first, second), 1) if each is not None]
        if lacking(wanted, scenarios=scenarios, verdicts=[*gates, *said], commit=HERE).delivered:
            delivered.append((first, second))
    assert delivered == [(("passed", HERE), ("passed", HERE))]


@st.composite
def judged(draw: st.DrawFn) -> tuple[Specification, tuple[Scenario, ...], list[Verdict]]:
    """A contract, its scenarios, and any verdicts in any order, repeated ones and ones of other commits included."""
    kind = draw(st.sampled_from(("web", "api", "cli", "library")))
    count = draw(st.integers(1, 4))
    criteria = tuple(criterion(n, must=draw(st.booleans()), covered=draw(st.booleans())) for n in range(1, count + 1))
    scenarios = tuple(scenario(n, of=draw(st.integers(1, count))) for n in range(1, draw(st.integers(0, 5)) + 1))
    checks = (*gates_of("web"), *(each.id for each in scenarios))
    noise = draw(
        st.lists(
            st.builds(verdict, st.sampled_from(checks), st.sampled_from(STATUSES), COMMITS), max_size=12
        )
    )  # fmt: skip
    # Half of all start from green, or what is delivered would hardly ever come up.
    base = green(scenarios, kind=kind) if draw(st.booleans()) else []
    return specification(*criteria, kind=kind), scenarios, [*noise, *base, *draw(st.permutations(noise[:1]))]


@given(judged())
def test_every_must_of_what_is_delivered_has_a_green_fresh_verdict_on_each_of_its_scenarios(
    case: tuple[Specification, tuple[Scenario, ...], list[Verdict]],
) -> None:
    wanted, scenarios, verdicts = case
    last = {each.check: each.status for each in verdicts if each.commit == HERE}
    shown = [
        any(s.criterion == each.id for s in scenarios)
        and all(last.get(s.id) == "passed" for s in scenarios if s.criterion == each.id)
        and each.covered
        for each in wanted.criteria
        if each.priority == "MUST"
    ]
    gates = [last.get(gate) == "passed" for gate in gates_of(wanted.kind)]
    left = lacking(wanted, scenarios=scenarios, verdicts=verdicts, commit=HERE)
    assert left.delivered == all([*shown, *gates])


@given(judged(), COMMITS)
def test_what_was_said_of_another_commit_delivers_nothing(
    case: tuple[Specification, tuple[Scenario, ...], list[Verdict]], other: str
) -> None:
    wanted, scenarios, verdicts = case
    moved = [each.model_copy(update={"commit": "c" * 40}) for each in verdicts]
    assert not lacking(wanted, scenarios=scenarios, verdicts=moved, commit=other).delivered


@given(st.data())
def test_taking_any_one_needed_pass_away_takes_the_delivery_away(data: st.DataObject) -> None:
    wanted = specification(criterion(1), criterion(2), criterion(3, must=False))
    scenarios = (scenario(1, of=1), scenario(2, of=1), scenario(3, of=2))
    verdicts = green(scenarios)
    assert lacking(wanted, scenarios=scenarios, verdicts=verdicts, commit=HERE).delivered, "a SHOULD may be missing"
    at = data.draw(st.integers(0, len(verdicts) - 1))
    worse = data.draw(
        st.sampled_from(
            (
                [],
                [verdicts[at].model_copy(update={"status": "failed"})],
                [verdicts[at].model_copy(update={"status": "not run"})],
                [verdicts[at].model_copy(update={"commit": ELSEWHERE})],
                [verdicts[at], verdicts[at].model_copy(update={"status": "failed"})],
            )
        )
    )
    left = lacking(wanted, scenarios=scenarios, verdicts=[*verdicts[:at], *worse, *verdicts[at + 1 :]], commit=HERE)
    assert not left.delivered


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        pytest.param([], "unmet", id="nothing is known"),
        pytest.param([verdict("S-1", "passed")], "met", id="passed here"),
        pytest.param([verdict("S-1", "passed", ELSEWHERE)], "stale", id="passed elsewhere"),
        pytest.param([verdict("S-1", "failed", ELSEWHERE)], "unmet", id="failed elsewhere is nothing that held once"),
        pytest.param([verdict("S-1", "failed"), verdict("S-1", "passed")], "met", id="checked again after a crash"),
    ],
)
def test_the_status_of_a_criterion_with_one_scenario(verdicts: list[Verdict], status: CriterionStatus) -> None:
    assert status_of(criterion(1), scenarios=(scenario(1, of=1),), verdicts=verdicts, commit=HERE) == status


def test_a_criterion_whose_scenarios_were_all_disputed_cannot_be_checked_and_is_not_delivered() -> None:
    wanted, scenarios = specification(criterion(1), criterion(2)), (scenario(1, of=1),)
    assert status_of(wanted.criteria[1], scenarios=scenarios, verdicts=green(scenarios), commit=HERE) == "not checked"
    assert lacking(wanted, scenarios=scenarios, verdicts=green(scenarios), commit=HERE).criteria == ("AC-2",)


def test_what_has_no_service_need_not_start() -> None:
    verdicts = [each for each in green((scenario(1, of=1),)) if each.kind != "start"]
    for kind, gates in (("cli", ()), ("library", ()), ("api", ("start",))):
        left = lacking(
            specification(criterion(1), kind=kind), scenarios=(scenario(1, of=1),), verdicts=verdicts, commit=HERE
        )
        assert left.gates == gates


def test_what_only_tells_keeps_nothing_from_delivery() -> None:
    verdicts = [*green((scenario(1, of=1),)), verdict("earlier tests", "failed")]
    assert lacking(
        specification(criterion(1)), scenarios=(scenario(1, of=1),), verdicts=verdicts, commit=HERE
    ).delivered
