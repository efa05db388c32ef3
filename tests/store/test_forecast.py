"""What a run will take is told from runs that were like it, and from nothing else."""

import pytest

from macrohard.domain import Caps, Criterion, Forecast, JsonObject, Plan, ProductKind, RunOutcome, Specification, Task
from macrohard.events import Event, Planned, RunEnded, Specified
from macrohard.store import Store
from macrohard.store.tables import BudgetRow, RunRow


def planned(*, criteria: int, tasks: int, kind: ProductKind = "web") -> list[Event]:
    specification = Specification(
        decision="build", title="x", kind=kind,
        criteria=tuple(Criterion(id=f"AC-{n}", text="x", priority="MUST") for n in range(1, criteria + 1)),
    )  # fmt: skip
    plan = Plan(
        tasks=tuple(
            Task(id=f"T-{n}", title="x", agent="coder", instructions="x", files=(f"{n}/",)) for n in range(1, tasks + 1)
        )
    )
    return [Specified(specification=specification), Planned(iteration=1, plan=plan)]


async def past(
    store: Store, *, length: int = 100, usd: float = 1.0, minutes: float = 10, model: str = "grok",
    outcome: RunOutcome = "delivered", criteria: int = 10, tasks: int = 4, kind: ProductKind = "web",
    options: JsonObject | None = None,
) -> str:  # fmt: skip
    """A run that has ended."""
    run_id = await store.create_run("x" * length, options=options or {}, model=model)
    await store.budget(run_id).open(Caps(usd=20.0))
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        for event in planned(criteria=criteria, tasks=tasks, kind=kind):
            await log(event)
        await log(RunEnded(outcome=outcome, problem="", commit=None, product_path=None))
    async with store._database.write() as session:
        (await session.get_one(RunRow, run_id)).worked_seconds = 60.0 * minutes
        (await session.get_one(BudgetRow, run_id)).spent_ticks = round(usd * 10**10)
    return run_id


async def asked(store: Store, *, length: int = 100, model: str = "grok", events: tuple[Event, ...] = ()) -> Forecast:
    run_id = await store.create_run("y" * length, options={}, model=model)
    await store.budget(run_id).open(Caps(usd=5.0, seconds=7200.0))
    if events:
        async with store.hold(run_id) as lease:
            log = await store.log(lease)
            for event in events:
                await log(event)
    told = await store.forecast(run_id)
    assert (await store.overview(run_id)).forecast == told
    assert (await store.spending(run_id))[1] == told
    return told


def figures(forecast: Forecast) -> tuple[int, float, float | None, float, float | None]:
    return (
        forecast.runs, round(forecast.cost_usd_low, 6), forecast.cost_usd_high and round(forecast.cost_usd_high, 6),
        forecast.seconds_low, forecast.seconds_high,
    )  # fmt: skip


async def test_it_is_the_middle_of_what_similar_runs_took(store: Store) -> None:
    for n in range(11):
        await past(store, usd=0.1 * n, minutes=n, length=100 + n)
    told = await asked(store)
    assert figures(told) == (11, 0.2, 0.8, 120.0, 480.0)
    assert told.words == "about $0.20–0.80, 2–8 min, from 11 similar runs"
    assert told.after == "requirement"
    assert figures(await asked(store)) == figures(told)


async def test_without_history_it_says_so_and_gives_the_caps(store: Store) -> None:
    for _ in range(2):
        await past(store)
    told = await asked(store)
    assert figures(told) == (0, 0.0, 5.0, 0.0, 7200.0)
    assert told.words == "no similar runs yet to forecast from; at most $5.00, its budget"
    await past(store)
    assert (await asked(store)).runs == 3


@pytest.mark.parametrize(
    "unlike",
    [
        pytest.param({"model": "other"}, id="another model"),
        pytest.param({"outcome": "failed"}, id="failed"),
        pytest.param({"outcome": "paused"}, id="not at its end"),
        pytest.param({"outcome": "refused"}, id="refused"),
        pytest.param({"length": 500}, id="much longer"),
        pytest.param({"length": 20}, id="much shorter"),
        pytest.param({"options": {"replay_of": "r-1"}}, id="replayed"),
        pytest.param({"options": {"forked_from": "r-1@1"}}, id="forked"),
    ],
)
async def test_what_is_unlike_does_not_count(store: Store, unlike: dict[str, object]) -> None:
    for _ in range(3):
        await past(store, usd=1.0)
        await past(store, usd=9.0, **unlike)  # type: ignore[arg-type]  # named above
    assert figures(await asked(store)) == (3, 1.0, 1.0, 600.0, 600.0)


async def test_after_the_plan_its_size_counts_and_not_the_length_of_the_text(store: Store) -> None:
    for _ in range(3):
        await past(store, length=100, criteria=10, tasks=4, usd=1.0, minutes=5)
        await past(store, length=100, criteria=40, tasks=15, usd=8.0, minutes=50)
        await past(store, length=100, criteria=40, tasks=15, usd=3.0, kind="cli")
    before = await asked(store)
    assert (before.runs, before.cost_usd_low, before.cost_usd_high) == (9, 1.0, 8.0)
    after = await asked(store, length=2000, events=tuple(planned(criteria=35, tasks=14)))
    assert figures(after) == (3, 8.0, 8.0, 3000.0, 3000.0)
    assert after.after == "plan"


async def test_the_most_similar_ones_count(store: Store) -> None:
    for _ in range(20):
        await past(store, length=100, usd=1.0)
    for _ in range(10):
        await past(store, length=180, usd=5.0)
    assert figures(await asked(store, length=100))[:3] == (20, 1.0, 1.0)
    near_the_others = await asked(store, length=170)
    assert near_the_others.runs == 20
    assert near_the_others.cost_usd_high == 5.0


def test_what_is_spent_already_is_the_least_it_will_cost() -> None:
    told = Forecast.model_validate(
        {
            "at": "2026-11-22T10:00:00Z", "after": "plan", "runs": 7, "cost_usd_low": 0.8, "cost_usd_high": 2.1,
            "seconds_low": 10.0, "seconds_high": 50.0,
        }
    )  # fmt: skip
    assert told.words == "about $0.80–2.10, 10–50 s, from 7 similar runs"
    assert told.projected_usd(0.1) == (0.8, 2.1)
    assert told.projected_usd(1.0) == (1.0, 2.1)
    assert told.projected_usd(3.0) == (3.0, 3.0)
    assert told.model_copy(update={"runs": 0}).projected_usd(1.0) is None
