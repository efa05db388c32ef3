"""What a run's money went into adds up to all that the ledger counts as spent, to the tick."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from macrohard.domain import Caps, RunOverview, Share
from macrohard.events import Event, ModelCalled, ModelTroubled, SessionStarted
from macrohard.store import Store
from macrohard.store.money import to_ticks, to_usd

SESSIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "0/analyse/analyst": ("analyse", "analyst", ()),
    "1/implement/T-1": ("implement", "coder", ("AC-1", "AC-2", "AC-10")),
    "1/implement/T-2": ("implement", "tester", ("AC-2",)),
    "2/implement/T-1": ("implement", "coder", ("AC-10",)),
}


def begun(run_id: str) -> list[Event]:
    return [
        SessionStarted.model_validate(
            {
                "session_id": f"{run_id}/{name}", "iteration": int(name[0]), "phase": phase, "agent": agent,
                "agent_hash": "f", "persona": None, "task": "x", "criteria": criteria, "resumed": False,
            }
        )
        for name, (phase, agent, criteria) in SESSIONS.items()
    ]  # fmt: skip


def called(session_id: str, ticks: int, *, endpoint: str = "xai", model: str = "grok") -> ModelCalled:
    return ModelCalled(
        session_id=session_id, endpoint=endpoint, model=model, input_tokens=100, cached_tokens=70, output_tokens=10,
        reasoning_tokens=4, cost_usd=to_usd(ticks), seconds=1.0,
    )  # fmt: skip


def failed(ticks: int) -> ModelTroubled:
    return ModelTroubled(endpoint="xai", problem="502", reaction="asks again", cost_usd=to_usd(ticks))


async def spent(store: Store, run_id: str, ticks: int, event: Event | None) -> None:
    """One call as the gateway makes it; without an event it was cut off."""
    ledger = store.budget(run_id)
    held = await ledger.reserve(session_id="s", worst_case_usd=to_usd(ticks), worst_case_tokens=110)
    await ledger.settle(held, actual_usd=to_usd(ticks), actual_tokens=110)
    if event is not None:
        await tell(store, run_id, [event])


async def tell(store: Store, run_id: str, events: list[Event]) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        for event in events:
            await log(event)


def ticks_by_name(shares: tuple[Share, ...]) -> dict[str, int]:
    return {share.name: to_ticks(share.cost_usd) for share in shares}


async def a_run(store: Store) -> str:
    run_id = await store.create_run("x", options={}, model="grok")
    await store.budget(run_id).open(Caps())
    await tell(store, run_id, begun(run_id))
    return run_id


def adds_up(overview: RunOverview) -> None:
    assert overview.budget is not None
    total = to_ticks(overview.budget.spent_usd)
    assert to_ticks(overview.cost_usd) == to_ticks(overview.summary.cost_usd) == total
    costs = overview.costs
    for shares in (costs.by_phase, costs.by_agent, costs.by_criterion, costs.by_model):
        assert sum(ticks_by_name(shares).values()) == total


async def test_each_share_is_what_its_calls_cost(store: Store) -> None:
    run_id = await a_run(store)
    one, two, again = (f"{run_id}/{name}" for name in ("1/implement/T-1", "1/implement/T-2", "2/implement/T-1"))
    for ticks, event in (
        (7, called(f"{run_id}/0/analyse/analyst", 7)),
        (100, called(one, 100)),
        (40, called(two, 40, endpoint="local", model="qwen")),
        (3, called(again, 3)),
        (20, failed(20)),
        (5, None),
    ):
        await spent(store, run_id, ticks, event)
    await store.budget(run_id).reserve(session_id=one, worst_case_usd=to_usd(9), worst_case_tokens=1)
    await store.budget(run_id).release_all()
    overview = await store.overview(run_id)
    adds_up(overview)
    costs = overview.costs
    cut = {"calls cut off": 14}
    assert ticks_by_name(costs.by_phase) == {"analyse": 7, "implement": 143, "failed calls": 20, **cut}
    assert list(ticks_by_name(costs.by_phase)) == ["analyse", "implement", "failed calls", "calls cut off"]
    assert ticks_by_name(costs.by_agent) == {"coder": 103, "tester": 40, "failed calls": 20, "analyst": 7, **cut}
    # 100 by three is 34, 33 and 33.
    assert ticks_by_name(costs.by_criterion) == {
        "AC-1": 34, "AC-2": 73, "AC-10": 36, "shared": 7, "failed calls": 20, **cut,
    }  # fmt: skip
    assert list(ticks_by_name(costs.by_criterion))[:3] == ["AC-1", "AC-2", "AC-10"]
    assert ticks_by_name(costs.by_model) == {
        "grok at xai": 110, "qwen at local": 40, "failed calls at xai": 20, **cut,
    }  # fmt: skip
    assert {share.name: share.calls for share in costs.by_criterion} == {
        "AC-1": 1, "AC-2": 2, "AC-10": 2, "shared": 1, "failed calls": 1, "calls cut off": 0,
    }  # fmt: skip
    implement = costs.by_phase[1]
    assert (implement.calls, implement.input_tokens, implement.cached_tokens) == (3, 300, 210)
    assert (implement.output_tokens, implement.reasoning_tokens) == (30, 12)
    assert sum(to_ticks(each.cost_usd) for each in costs.over_time) == 170
    (session,) = [session for session in overview.sessions if session.id == one]
    assert (session.cached_tokens, session.reasoning_tokens, session.parent) == (70, 4, None)
    assert (await store.runs(limit=1))[0].cost_usd == overview.cost_usd


CALLS = st.lists(
    st.tuples(st.sampled_from([*SESSIONS, "failed", "cut off", "1/use/beside"]), st.integers(0, 10**7)), max_size=15
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS)
async def test_it_adds_up_whatever_happens(store: Store, calls: list[tuple[str, int]]) -> None:
    run_id = await a_run(store)
    for name, ticks in calls:
        event = None if name == "cut off" else failed(ticks) if name == "failed" else called(f"{run_id}/{name}", ticks)
        await spent(store, run_id, ticks, event)
    overview = await store.overview(run_id)
    adds_up(overview)
    cut_off = sum(ticks for name, ticks in calls if name == "cut off")
    assert ticks_by_name(overview.costs.by_phase).get("calls cut off", 0) == cut_off


async def test_the_session_that_started_a_session_is_kept_with_it(store: Store, run_id: str) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps())
    one, two = f"{run_id}/1/implement/T-1", f"{run_id}/1/implement/T-2"
    await ledger.begin_session(one, parent=None)
    await ledger.begin_session(two, parent=one)
    await tell(store, run_id, begun(run_id))
    parents = {session.id: session.parent for session in (await store.overview(run_id)).sessions}
    assert (parents[one], parents[two]) == (None, one)
