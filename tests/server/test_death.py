"""Services and workers that are killed, told to end, or fall asleep: no run is lost, and none is carried out twice."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from macrohard.llm.builtin.app import Receive, Scope, Send, application
from macrohard.store import Store
from tests.databases import expire_lease
from tests.faults import FaultyEndpoint, serving, settings_of
from tests.server.conftest import Installation, Running, waited_for

RUNS = 20
REQUIREMENT = "A multiplayer first-person shooter with ray tracing."
"""The built-in model reads it, and says that it cannot: one call."""


class HeldModel:
    """The built-in model, which answers when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.let.wait()
        await application(scope, receive, send)


@asynccontextmanager
async def held_endpoint(installation: Installation) -> AsyncIterator[tuple[FaultyEndpoint, HeldModel]]:
    model = HeldModel()
    endpoint = FaultyEndpoint(rate=0.0, seed=1, behind=model)
    async with serving(endpoint):
        path = installation.home.parent / "settings.toml"
        path.write_text(settings_of(endpoint, parallel_calls=50))
        installation.environment["MACROHARD_SETTINGS"] = str(path)
        yield endpoint, model


def submitted(service: Running) -> list[str]:
    answers = [service.ask("POST", "/api/v1/runs", json={"requirement": REQUIREMENT}) for _ in range(RUNS)]
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    return [answer.json()["id"] for answer in answers]


def statuses(service: Running) -> Counter[str]:
    return Counter(run["status"] for run in service.ask("GET", "/api/v1/runs").json()["runs"])


@pytest.mark.usefixtures("sandboxes")
@pytest.mark.parametrize("ending", ["kill", "terminate"])
async def test_runs_of_a_service_that_ends_go_on_with_the_next_and_repeat_only_the_call_in_flight(
    installation: Installation, url: str, ending: str
) -> None:
    installation.environment["MACROHARD_DATABASE_URL"] = url
    async with held_endpoint(installation) as (endpoint, model):

        def until_death() -> list[str]:
            first = installation.serve("--workers", str(RUNS))
            runs = submitted(first)
            waited_for(lambda: model.asked == RUNS)
            assert statuses(first) == {"running": RUNS}
            if ending == "kill":
                first.kill()
            else:
                assert first.terminate() == 0, first.told()
            return runs

        runs = await asyncio.to_thread(until_death)
        model.let.set()

        def after() -> None:
            second = installation.serve("--workers", str(RUNS))
            waited_for(lambda: statuses(second) == {"refused": RUNS})

        await asyncio.to_thread(after)
        sessions = Counter(entry.session_id for entry in endpoint.book)
        assert len(sessions) == len(set(runs)) == RUNS
        assert set(sessions.values()) == {2}, "the call that was in flight, and nothing else"


@pytest.mark.usefixtures("sandboxes")
async def test_a_worker_that_slept_too_long_writes_nothing_into_a_run_that_another_one_finished(
    installation: Installation, url: str
) -> None:
    installation.environment["MACROHARD_DATABASE_URL"] = url
    async with held_endpoint(installation) as (_, model):

        def until_taken_over() -> tuple[Running, Running, str]:
            service = installation.serve("--workers", "0")
            sleeper = installation.work("--runs", "1")
            run = service.ask("POST", "/api/v1/runs", json={"requirement": REQUIREMENT}).json()["id"]
            waited_for(lambda: model.asked == 1)
            sleeper.signal(signal.SIGSTOP)
            return service, sleeper, run

        service, sleeper, run = await asyncio.to_thread(until_taken_over)
        async with await Store.open(url, home=installation.home) as store:
            await expire_lease(store, run)
            model.let.set()

            def until_awake() -> None:
                installation.work("--runs", "1")
                waited_for(lambda: statuses(service) == {"refused": 1})

            await asyncio.to_thread(until_awake)
            before = await store.events(run), [entry async for entry in entries(store, run)]
            sleeper.signal(signal.SIGCONT)
            await asyncio.to_thread(waited_for, lambda: "being carried out by another process" in sleeper.told())
            assert (await store.events(run), [entry async for entry in entries(store, run)]) == before
            assert await asyncio.to_thread(sleeper.terminate) == 0, sleeper.told()


async def entries(store: Store, run: str) -> AsyncIterator[object]:
    """All that the run's sessions recorded."""
    for session in (await store.overview(run)).sessions:
        for entry in await store.transcripts.load(session.id):
            yield entry
