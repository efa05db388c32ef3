"""What cannot be forked, and a fork that was cut off; nothing is built here."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Caps, JsonObject
from macrohard.domain.provenance import FORKED_FROM
from macrohard.errors import Conflict, StoreUnavailable
from macrohard.events import Event, PhaseStarted, Planned
from macrohard.factory.forking import begin_from
from macrohard.factory.state import State
from macrohard.settings import load_settings
from macrohard.store import Store
from tests.factory.test_ruling import plan


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path / "home"), sandbox="auto") as opened:
        yield opened


async def judged(factory: Factory, home: Path, options: JsonObject) -> str:
    """A run whose first iteration is about to be judged."""
    run = await factory.store.create_run("Plants.", options={"iterations": 2, **options}, model="builtin")
    await factory.store.budget(run).open(Caps(usd=1.0))
    base = await (await factory.repository(run)).initial_commit()
    state = cast(State, {"iteration": 1, "base": base})
    await begin_from(home / "runs" / run / "checkpoints.db", run, state)
    told: tuple[Event, ...] = (Planned(iteration=1, plan=plan()), PhaseStarted(phase="triage", iteration=1))
    async with factory.store.hold(run) as lease:
        log = await factory.store.log(lease)
        for event in told:
            await log(event)
    return run


async def test_what_was_never_carried_out_or_is_a_replay_is_not_forked(factory: Factory, tmp_path: Path) -> None:
    run = await factory.submit("Plants.", model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False)
    with pytest.raises(Conflict, match="there is nothing to fork from"):
        await factory.fork(run, iteration=1)
    replay = await judged(factory, tmp_path / "home", {"replay_of": "r-1"})
    with pytest.raises(Conflict, match="fork run r-1 instead"):
        await factory.fork(replay, iteration=1)


async def test_a_fork_that_fails_half_way_leaves_nothing(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await judged(factory, tmp_path / "home", {})

    async def fails(*_: object, **__: object) -> None:
        raise StoreUnavailable("the database did not answer")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "copy_past", fails)
        with pytest.raises(StoreUnavailable):
            await factory.fork(run, iteration=1)
    assert [each.id for each in await factory.runs(limit=9)] == [run]
    assert [folder.name for folder in (tmp_path / "home" / "runs").iterdir()] == [run]
    fork = await factory.fork(run, iteration=1)
    assert [each.number for each in (await factory.overview(fork)).iterations] == [1]


async def test_a_fork_that_was_killed_half_way_is_not_begun_from_nothing(factory: Factory) -> None:
    run = await factory.store.create_run("Plants.", options={FORKED_FROM: "r-1@2", "iterations": 3}, model="builtin")
    with pytest.raises(Conflict, match="cut off while it was forked from r-1@2"):
        await factory.carry_out(run, out=None, observe=lambda event: None)
