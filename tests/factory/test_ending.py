"""How a run ends that something outside of it stopped; nothing is built here."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Caps, RunOverview
from macrohard.errors import SandboxUnavailable, StoreUnavailable
from macrohard.settings import load_settings

pytestmark = pytest.mark.usefixtures("sandboxes")

Stops = Callable[[Exception], None]


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path / "home"), sandbox="auto") as opened:
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


async def carried_out(factory: Factory, run: str) -> RunOverview:
    return await factory.carry_out(run, out=None, observe=lambda event: None)


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
