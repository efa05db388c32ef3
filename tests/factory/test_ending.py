"""How a run ends that something outside of it stopped; nothing is built here."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Caps, Criterion, RunOverview, ScenarioSet, Specification, Value
from macrohard.errors import LimitExceeded, SandboxUnavailable, StoreUnavailable
from macrohard.factory.forking import begin_from
from macrohard.factory.state import State
from macrohard.settings import load_settings

pytestmark = pytest.mark.usefixtures("sandboxes")

Stops = Callable[[Exception], None]


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path / "home", media={"film": False}), sandbox="auto") as opened:
        yield opened


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Stops:
    """Have the graph raise this, wherever a run stands."""

    def stop(error: Exception) -> None:
        async def raises(*_: object) -> None:
            raise error

        import macrohard.execution

        assert macrohard.execution is not None
        monkeypatch.setattr(sys.modules["macrohard.execution.carry_out"], "advance", raises)

    return stop


async def carried_out(factory: Factory, run: str, out: Path | None = None) -> RunOverview:
    return await factory.carry_out(run, out=out, observe=lambda event: None)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        pytest.param(StoreUnavailable("the database did not answer"), True, id="the database, which is back"),
        pytest.param(SandboxUnavailable("no sandbox"), False, id="what a person has to see to"),
    ],
)
async def test_a_run_that_lost_its_database_for_a_moment_stays_in_the_queue(
    factory: Factory, stops: Stops, error: Exception, waits: bool
) -> None:
    run = await factory.submit("Plants.", model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False)
    await factory.store.queue.put(run)
    stops(error)
    assert (await carried_out(factory, run)).summary.status == "paused"
    assert await factory.store.queue.free(besides=(), limit=9) == ((run,) if waits else ())


REACHED = LimitExceeded("usd", used=1.2, allowed=1.0, cap="usd", problem="the next call may cost $0.20 too much")


async def at_its_cap(factory: Factory, home: Path, *, kept: bool, budget_seconds: float | None) -> str:
    """A run that is going to reach its cap, with a commit that was kept or without one."""
    run = await factory.submit(
        "Plants.", model="builtin", caps=Caps(usd=1.0), iterations=2, ask=False, budget_seconds=budget_seconds
    )  # fmt: skip
    base = await (await factory.repository(run)).initial_commit()

    async def document(value: Value) -> str:
        return await factory.artifacts.put(value.model_dump_json().encode(), media_type="application/json")

    criteria = (Criterion(id="AC-1", text="It keeps plants.", priority="MUST"),)
    specification = Specification(decision="build", title="Plants", kind="cli", criteria=criteria)
    state = {
        "iteration": 2, "base": base, "good": base if kept else None,
        "specification": await document(specification), "scenarios": await document(ScenarioSet(scenarios=())),
    }  # fmt: skip
    await begin_from(home / "runs" / run / "checkpoints.db", run, cast(State, state))
    return run


@pytest.mark.parametrize("kept", [True, False], ids=["something was kept", "nothing was kept"])
async def test_where_nobody_allows_more_in_time_what_was_kept_is_put_out(
    factory: Factory, stops: Stops, tmp_path: Path, kept: bool
) -> None:
    run = await at_its_cap(factory, tmp_path / "home", kept=kept, budget_seconds=0.001)
    stops(REACHED)
    asked = await carried_out(factory, run, tmp_path / "product")
    assert (asked.summary.status, asked.cap) == ("paused", "usd")
    assert asked.summary.wake_at is not None
    assert "Without a word what was kept by then is put out at" in asked.problem
    assert asked.summary.id in await factory.due()
    ended = await carried_out(factory, run, tmp_path / "product")
    assert ended.summary.wake_at is None
    assert (ended.model_calls, ended.cost_usd) == (0, 0.0)
    if kept:
        assert ended.summary.status == "partial"
        assert ended.problem.endswith("the next call may cost $0.20 too much, and nobody allowed more in time")
        assert ended.product_path == str(tmp_path / "product")
    else:
        assert (ended.summary.status, ended.cap) == ("paused", "usd")


async def test_who_allows_more_is_asked_again_at_the_next_cap_and_who_set_no_time_is_waited_for(
    factory: Factory, stops: Stops, tmp_path: Path
) -> None:
    run = await at_its_cap(factory, tmp_path / "home", kept=True, budget_seconds=0.001)
    stops(REACHED)
    await carried_out(factory, run, tmp_path / "product")
    await factory.raise_caps(run, Caps(usd=1.0))
    assert (await factory.overview(run)).summary.wake_at is None
    again = await carried_out(factory, run, tmp_path / "product")
    assert (again.summary.status, again.cap) == ("paused", "usd")
    assert again.summary.wake_at is not None
    patient = await at_its_cap(factory, tmp_path / "home", kept=True, budget_seconds=None)
    assert (await carried_out(factory, patient, tmp_path / "other")).summary.wake_at is None


async def test_a_folder_that_is_taken_by_then_is_said_and_another_one_can_be_named(
    factory: Factory, stops: Stops, tmp_path: Path
) -> None:
    run = await at_its_cap(factory, tmp_path / "home", kept=True, budget_seconds=0.001)
    stops(REACHED)
    await carried_out(factory, run, tmp_path / "product")
    (tmp_path / "product").mkdir()
    (tmp_path / "product" / "mine.txt").write_text("mine")
    waits = await carried_out(factory, run)
    assert (waits.summary.status, waits.product_path) == ("paused", None)
    assert str(tmp_path / "product") in waits.problem
    assert f"macrohard resume {run} --out DIR" in waits.problem
    # Whoever named a folder may also have allowed more: it waits for that once more.
    assert (await carried_out(factory, run, tmp_path / "other")).cap == "usd"
    assert (await carried_out(factory, run)).product_path == str(tmp_path / "other")
    assert [path.name for path in (tmp_path / "product").iterdir()] == ["mine.txt"]


async def test_a_worker_puts_a_product_where_the_person_wanted_it(
    factory: Factory, stops: Stops, tmp_path: Path
) -> None:
    stops(REACHED)
    for named in (tmp_path / "product", None):
        run = await at_its_cap(factory, tmp_path / "home", kept=True, budget_seconds=0.001)
        await factory.carry_out(run, out=named, otherwise=factory.place_of(run), observe=lambda event: None)
        ended = await factory.carry_out(run, out=None, otherwise=factory.place_of(run), observe=lambda event: None)
        assert ended.product_path == str(named or factory.place_of(run))
