"""What a run looks like follows from what was told, however often it was told."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from macrohard.domain import (
    Caps,
    Checked,
    Criterion,
    CriterionStatus,
    Finding,
    Looks,
    Plan,
    RunOverview,
    Scenario,
    Specification,
    Task,
    Unclear,
    UserSession,
    Verdict,
    VerdictStatus,
)
from macrohard.domain.review import Disputed, Objection
from macrohard.domain.verdict import Contradiction
from macrohard.errors import NotFound
from macrohard.events import (
    ClaimsChecked,
    Doubted,
    Event,
    Found,
    Integrated,
    IterationEnded,
    ModelCalled,
    ModelTroubled,
    PhaseEnded,
    PhaseStarted,
    Pictured,
    Planned,
    Reported,
    RunEnded,
    RunStarted,
    SandboxAwaited,
    ScenariosWritten,
    SessionEnded,
    SessionStarted,
    Specified,
    Used,
    Verified,
)
from macrohard.store import Store, overviews

TROUBLE: dict[str, Any] = {"endpoint": "e", "problem": "slow", "reaction": "asks again", "cost_usd": 0.25}
FIRST, SECOND, THIRD = "a" * 40, "b" * 40, "c" * 40


def specified(*criteria: Criterion) -> Specified:
    return Specified(specification=Specification(decision="build", title="Todo", criteria=criteria))


def criterion(number: int, *, covered: bool = True) -> Criterion:
    return Criterion(id=f"AC-{number}", text=f"It does {number}.", priority="MUST", covered=covered)


def scenario(number: int, of: int) -> Scenario:
    return Scenario.model_validate(
        {"id": f"S-{number}", "criterion": f"AC-{of}", "title": "It works", "steps": [{"do": "see", "text": "x"}]}
    )


def verified(number: int, of: int, commit: str, status: VerdictStatus, *, iteration: int) -> Verified:
    verdict = Verdict(
        check=f"S-{number}", kind="scenario", criterion=f"AC-{of}", commit=commit, status=status, summary="",
        duration_seconds=0.5,
    )  # fmt: skip
    return Verified(iteration=iteration, verdict=verdict)


def ended(iteration: int, commit: str, *, kept: bool) -> IterationEnded:
    return IterationEnded(
        iteration=iteration, commit=commit, kept=kept, reason="because", gained=("AC-1",) if kept else (), lost=()
    )  # fmt: skip


def session(name: str, *, iteration: int = 1, resumed: bool = False) -> SessionStarted:
    return SessionStarted(
        session_id=f"r/{iteration}/implement/{name}", iteration=iteration, phase="implement", agent="coder",
        agent_hash="f" * 64, persona=None, task="Write it", criteria=("AC-1",), resumed=resumed,
    )  # fmt: skip


def called(name: str, *, iteration: int = 1, cost_usd: float = 0.1) -> ModelCalled:
    return ModelCalled(
        session_id=f"r/{iteration}/implement/{name}", model="m", input_tokens=100, output_tokens=10,
        cost_usd=cost_usd, seconds=0.1,
    )  # fmt: skip


def finished(name: str, *, seconds: float, iteration: int = 1) -> SessionEnded:
    return SessionEnded(
        session_id=f"r/{iteration}/implement/{name}", outcome="finished", problem="", commit=FIRST, seconds=seconds
    )  # fmt: skip


async def tell(store: Store, run_id: str, events: Iterable[Event]) -> RunOverview:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        for event in events:
            await log(event)
    return await store.overview(run_id)


PASSED_AND_KEPT = (verified(1, 1, FIRST, "passed", iteration=1), ended(1, FIRST, kept=True))
LOST_AND_DROPPED = (verified(1, 1, SECOND, "failed", iteration=2), ended(2, SECOND, kept=False))


@pytest.mark.parametrize(
    ("events", "status"),
    [
        pytest.param((), "unmet", id="no verdict"),
        pytest.param((verified(1, 1, FIRST, "passed", iteration=1),), "unmet", id="nothing was kept yet"),
        pytest.param(PASSED_AND_KEPT, "met", id="passed on the product"),
        pytest.param(
            (verified(1, 1, FIRST, "failed", iteration=1), ended(1, FIRST, kept=True)), "unmet", id="failed"
        ),
        pytest.param(
            (verified(1, 1, FIRST, "not run", iteration=1), ended(1, FIRST, kept=True)), "unmet", id="could not be run"
        ),
        pytest.param((*PASSED_AND_KEPT, *LOST_AND_DROPPED), "met", id="failed on a commit that was not kept"),
        pytest.param((*PASSED_AND_KEPT, ended(2, SECOND, kept=True)), "stale", id="passed on an earlier product"),
        pytest.param(
            (*PASSED_AND_KEPT, verified(1, 1, SECOND, "failed", iteration=2), ended(2, SECOND, kept=True)),
            "unmet", id="passed once, failed on the product",
        ),
        pytest.param(
            (verified(1, 1, FIRST, "failed", iteration=1), verified(1, 1, FIRST, "passed", iteration=1),
             ended(1, FIRST, kept=True)),
            "met", id="checked again after a crash",
        ),
    ],
)  # fmt: skip
async def test_the_status_of_a_criterion(
    store: Store, run_id: str, events: Sequence[Event], status: CriterionStatus
) -> None:
    begin = (specified(criterion(1)), ScenariosWritten(scenarios=(scenario(1, of=1),)))
    overview = await tell(store, run_id, (*begin, *events))
    assert [state.status for state in overview.criteria] == [status]


async def test_a_criterion_is_met_only_if_all_its_scenarios_passed(store: Store, run_id: str) -> None:
    overview = await tell(
        store, run_id,
        (
            specified(criterion(1), criterion(2), criterion(3, covered=False), criterion(4)),
            ScenariosWritten(scenarios=(scenario(1, of=1), scenario(2, of=1), scenario(3, of=2), scenario(4, of=3))),
            verified(1, 1, FIRST, "passed", iteration=1),
            verified(2, 1, FIRST, "failed", iteration=1),
            verified(3, 2, FIRST, "passed", iteration=1),
            verified(4, 3, FIRST, "passed", iteration=1),
            ended(1, FIRST, kept=True),
        ),
    )  # fmt: skip
    assert [state.status for state in overview.criteria] == ["unmet", "met", "not covered", "not checked"]
    assert [verdict.check for verdict in overview.criteria[0].verdicts] == ["S-1", "S-2"]


async def test_what_is_met_may_be_checked_only_in_part(store: Store, run_id: str) -> None:
    half = [scenario(number, of).model_copy(update={"not_shown": "how it looks"}) for number, of in ((1, 1), (2, 2))]
    passed = (verified(number, of, FIRST, "passed", iteration=1) for number, of in ((1, 1), (2, 2), (3, 2), (4, 3)))
    unclear = Unclear(criterion="AC-3", why="no way to hold")
    overview = await tell(
        store, run_id,
        (
            specified(criterion(1), criterion(2), criterion(3), criterion(4)),
            ScenariosWritten(scenarios=(*half, scenario(3, of=2), scenario(4, of=3), scenario(5, of=4))),
            *passed,
            Doubted(
                iteration=1,
                commit=SECOND,
                unclear=(Unclear(criterion="AC-2", why="another commit"),),
                checklist=(Checked(criterion="AC-1", verdict="FAIL", evidence="another commit"),),
            ),
            Doubted(
                iteration=1,
                commit=FIRST,
                unclear=(unclear, Unclear(criterion="AC-4", why="not met anyway")),
                checklist=(Checked(criterion="AC-1", verdict="PASS", evidence="step 2: listed"),),
            ),
            Pictured(iteration=1, looks=Looks(commit=FIRST, light="l", dark="d")),
            Pictured(iteration=1, looks=Looks(commit=SECOND, light="of another", dark="commit")),
            ended(1, FIRST, kept=True),
        ),
    )  # fmt: skip
    assert [state.status for state in overview.criteria] == ["met", "met", "met", "unmet"]
    assert [state.open for state in overview.criteria] == [
        ("how it looks",), (), ("the product tester could not tell: no way to hold",), ()
    ]  # fmt: skip
    assert [(each.verdict, each.evidence) for each in overview.checklist] == [("PASS", "step 2: listed")]
    assert overview.looks == Looks(commit=FIRST, light="l", dark="d")


async def test_the_evidence_shown_is_that_of_the_product(store: Store, run_id: str) -> None:
    begin = (specified(criterion(1)), ScenariosWritten(scenarios=(scenario(1, of=1),)))
    overview = await tell(store, run_id, (*begin, *PASSED_AND_KEPT, *LOST_AND_DROPPED))
    (verdict,) = overview.criteria[0].verdicts
    assert (verdict.commit, verdict.status) == (FIRST, "passed")
    assert overview.product_commit == FIRST


async def test_iterations_tell_their_story(store: Store, run_id: str) -> None:
    task = Task(id="T-1", title="Storage", agent="coder", instructions="…", files=("app/",))
    finding = Finding(
        id="F-1", commit=FIRST, found_by="keyboard", category="dead end", severity=3, title="No focus", detail="…"
    )
    visit = UserSession(persona="keyboard", goal="Add", commit=FIRST, steps=(), report=None, width=375, height=800)
    overview = await tell(
        store, run_id,
        (
            Planned(iteration=1, plan=Plan(tasks=(task,))),
            Integrated(iteration=1, commit=FIRST),
            verified(1, 1, FIRST, "passed", iteration=1),
            Used(iteration=1, session=visit),
            Found(iteration=1, finding=finding),
            ended(1, FIRST, kept=True),
            PhaseStarted(phase="implement", iteration=2),
            Integrated(iteration=2, commit=SECOND),
        ),
    )  # fmt: skip
    first, second = overview.iterations
    assert (first.number, first.commit, first.kept, first.reason, first.gained) == (
        1,
        FIRST,
        True,
        "because",
        ("AC-1",),
    )
    assert (first.tasks, first.findings, first.users) == ((task,), (finding,), (visit,))
    assert [verdict.check for verdict in first.verdicts] == ["S-1"]
    assert (second.number, second.commit, second.kept, second.gained) == (2, SECOND, None, ())
    assert overview.summary.iterations == 2


async def test_sessions_carry_their_sums(store: Store, run_id: str) -> None:
    overview = await tell(
        store, run_id,
        (session("T-1"), called("T-1"), called("T-1", cost_usd=0.2), finished("T-1", seconds=7.0), session("T-2")),
    )  # fmt: skip
    done, at_work = overview.sessions
    assert (done.outcome, done.seconds, done.commit) == ("finished", 7.0, FIRST)
    assert (done.model_calls, done.input_tokens, done.output_tokens, done.cost_usd) == (2, 200, 20, 0.3)
    assert (at_work.outcome, at_work.model_calls) == (None, 0)
    assert (overview.model_calls, overview.cost_usd, overview.summary.cost_usd) == (2, 0.3, 0.3)


async def test_a_resumed_session_is_one_session(store: Store, run_id: str) -> None:
    overview = await tell(
        store, run_id,
        (session("T-1"), called("T-1"), session("T-1", resumed=True), called("T-1"), finished("T-1", seconds=2.0)),
    )  # fmt: skip
    (only,) = overview.sessions
    assert (only.model_calls, only.outcome) == (2, "finished")


async def test_of_each_wait_for_a_sandbox_the_last_word_counts(store: Store, run_id: str) -> None:
    overview = await tell(
        store,
        run_id,
        [
            SandboxAwaited(id=wait, image="base", seconds=seconds, turn=turn, places=2)
            for wait, seconds, turn in (("w1", 2.0, 1), ("w2", 2.0, 2), ("w1", 5.0, 0), ("w1", 5.0, 0), ("w2", 9.0, 0))
        ],
    )
    assert overview.sandbox_wait_seconds == 14.0


async def test_phases_that_run_side_by_side_count_once(store: Store, run_id: str) -> None:
    overview = await tell(
        store, run_id,
        (
            PhaseEnded(phase="verify", iteration=1, seconds=5.0),
            PhaseEnded(phase="implement", iteration=1, seconds=10.0),
            PhaseEnded(phase="implement", iteration=1, seconds=8.0),
        ),
    )  # fmt: skip
    assert [(each.phase, round(each.seconds)) for each in overview.phases] == [("implement", 10), ("verify", 5)]


STORY: tuple[Event, ...] = (
    RunStarted(model="builtin", sandbox_tier="runc", notices=("built in",)),
    PhaseStarted(phase="analyse", iteration=0),
    specified(criterion(1), criterion(2)),
    PhaseEnded(phase="analyse", iteration=0, seconds=3.0),
    ScenariosWritten(scenarios=(scenario(1, of=1), scenario(2, of=2))),
    Planned(iteration=1, plan=Plan(tasks=())),
    session("T-1"),
    finished("T-1", seconds=4.0),
    Integrated(iteration=1, commit=FIRST),
    verified(1, 1, FIRST, "passed", iteration=1),
    verified(2, 2, FIRST, "failed", iteration=1),
    PhaseEnded(phase="verify", iteration=1, seconds=3.0),
    ended(1, FIRST, kept=True),
    verified(2, 2, SECOND, "passed", iteration=2),
    ended(2, SECOND, kept=False),
    RunEnded(outcome="partial", problem="AC-2 is unmet", commit=FIRST, product_path="/p"),
)


async def test_telling_it_twice_changes_nothing(store: Store) -> None:
    once = await store.create_run("x", options={}, model="builtin")
    twice = await store.create_run("x", options={}, model="builtin")
    stories = [
        await tell(store, once, STORY),
        await tell(store, twice, [event for event in STORY for _ in range(2)]),
    ]
    seen = [_without_clock(overview) for overview in stories]
    assert seen[0] == seen[1]


def _without_clock(overview: RunOverview) -> object:
    """All but ids and times that differ between two runs."""
    document = overview.model_dump(mode="json")
    for clock in ("id", "created_at", "seconds"):
        document["summary"].pop(clock)
    for each in document["iterations"]:
        each.pop("seconds")
    for each in document["sessions"]:
        each.pop("started_at")
    for each in document["phases"]:
        each["seconds"] = round(each["seconds"], 1)
    return document


async def test_the_time_between_two_processes_is_not_counted(store: Store, run_id: str) -> None:
    first = await tell(store, run_id, STORY[:5])
    again = await tell(store, run_id, (STORY[0],))
    assert again.summary.seconds == first.summary.seconds
    events = await store.events(run_id)
    assert events[-1].at > events[-2].at


async def test_what_a_session_reported_against_its_log_stands_with_the_session(store: Store, run_id: str) -> None:
    denied = Contradiction(about="tests", claim="All tests pass.", log="it ran no tests")
    checked = ClaimsChecked(session_id="r/1/implement/T-1", contradictions=(denied,))
    overview = await tell(
        store, run_id,
        (session("T-1"), finished("T-1", seconds=1), session("T-2"), finished("T-2", seconds=1), checked, checked),
    )  # fmt: skip
    assert [each.contradictions for each in overview.sessions] == [(denied,), ()]


async def test_disputed_scenarios_stand_with_their_criterion_and_an_unreviewed_set_is_said(
    store: Store, run_id: str
) -> None:
    objection = Objection(scenario="S-2", flaw="cannot fail", reason="The text stands there anyway.")
    disputed = Disputed(scenario=scenario(2, of=2), objection=objection)
    told = (
        specified(criterion(1), criterion(2)),
        ScenariosWritten(scenarios=(scenario(1, of=1),), disputed=(disputed,), unreviewed="nobody read them."),
        verified(1, 1, FIRST, "passed", iteration=1),
        ended(1, FIRST, kept=True),
    )
    overview = await tell(store, run_id, told)
    assert [(state.status, state.disputed) for state in overview.criteria] == [
        ("met", ()),
        ("not checked", (disputed,)),
    ]
    assert overview.notices == ("The acceptance scenarios count without a second opinion: nobody read them.",)


async def test_who_looked_before_sees_what_who_looks_first_sees(
    store: Store, run_id: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overviews, "BATCH", 2)

    def of_sessions(iteration: int, *, ended: bool) -> tuple[Event, ...]:
        begun = session("T-1", iteration=iteration)
        if not ended:
            return (begun, called("T-1", iteration=iteration), ModelTroubled(**TROUBLE))
        over = SessionEnded(session_id=begun.session_id, outcome="finished", problem="", commit=FIRST, seconds=3.0)
        return (called("T-1", iteration=iteration), Reported(session_id=begun.session_id, summary="It is done."), over)

    parts = (
        (specified(criterion(1)), ScenariosWritten(scenarios=(scenario(1, 1),))),
        of_sessions(1, ended=False),
        of_sessions(1, ended=True),
        PASSED_AND_KEPT,
        (*of_sessions(2, ended=False), *LOST_AND_DROPPED, *of_sessions(2, ended=True)),
        (ended(3, THIRD, kept=False),),
    )
    seen = []
    for part in parts:
        seen.append(await tell(store, run_id, part))
        async with await Store.open(url, home=tmp_path / "home") as other:
            assert await other.overview(run_id) == seen[-1] == await store.overview(run_id)
    assert len({each.model_dump_json() for each in seen}) == len(parts)


async def test_what_changes_without_an_event_is_seen_at_once(store: Store, run_id: str, tmp_path: Path) -> None:
    await tell(store, run_id, PASSED_AND_KEPT)
    await store.budget(run_id).open(Caps(usd=3.0))
    assert (await store.overview(run_id)).budget_usd == 3.0
    await store.delete(run_id, folder=tmp_path)
    with pytest.raises(NotFound):
        await store.overview(run_id)


async def test_many_at_once_are_what_each_is_alone(store: Store, run_id: str) -> None:
    other = await store.create_run("A shop.", options={}, model="builtin")
    await store.budget(other).open(Caps(usd=3.0))
    alone = [await tell(store, run_id, PASSED_AND_KEPT), await tell(store, other, LOST_AND_DROPPED)]
    assert await store.overviews([]) == ()
    assert list(await store.overviews([run_id, other, run_id])) == [*alone, alone[0]]
    # Whoever asks for the same ones in another order does not wait for ever.
    turned = await asyncio.gather(*(store.overviews(ids) for ids in ([run_id, other], [other, run_id]) * 5))
    assert {frozenset(each.summary.id for each in found) for found in turned} == {frozenset({run_id, other})}
    assert list(await store.overviews([run_id, "r-nowhere", other])) == alone
