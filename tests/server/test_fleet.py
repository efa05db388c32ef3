"""What is at work and what it is blocked on, on the page and for programs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from macrohard.events import Event, ModelTroubled, RunStarted, SandboxAwaited
from tests.server.served import Served, served

STARTED = RunStarted(model="m", sandbox_tier="runc", notices=())
PROBLEM = "xai (m) is at its limit <b>429</b>"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path / "home") as service:
        yield service


def awaited(turn: int, *, id: str = "w1") -> SandboxAwaited:
    return SandboxAwaited(id=id, image="web", seconds=40.0, turn=turn, places=2)


def troubled(reaction: Any, seconds: float = 0.0) -> ModelTroubled:
    return ModelTroubled(endpoint="xai", problem=PROBLEM, reaction=reaction, seconds=seconds)


def looked(service: Served) -> tuple[list[dict[str, Any]], str]:
    """What the first run is blocked on, and the page."""
    fleet = service.ask("GET", "/api/v1/fleet").json()
    (group,) = fleet["groups"]
    assert group["title"] == "At work"
    return group["lines"][0]["standing"]["blocked"], service.ask("GET", "/fleet").text


def told(service: Served, *events: Event) -> tuple[list[dict[str, Any]], str]:
    """What is seen while the run is at work and has told these."""
    run = service.ask("POST", "/api/v1/runs", json={"requirement": "A list of cats."}).json()["id"]

    async def at_work() -> tuple[list[dict[str, Any]], str]:
        async with service.factory.store.hold(run) as lease:
            log = await service.factory.store.log(lease)
            for event in (STARTED, *events):
                await log(event)
            return await asyncio.to_thread(looked, service)

    return service.within(at_work())


def test_a_run_that_waits_for_a_sandbox_and_an_endpoint_says_so_and_since_when(service: Served) -> None:
    blocked, page = told(service, awaited(2), troubled("waits", 600.0))
    assert [each["on"] for each in blocked] == ["a sandbox", "xai"]
    assert blocked[0]["detail"] == "all 2 places are taken, number 2 in line"
    assert "blocked on: a sandbox</strong> since 4" in page
    assert "number 2 in line" in page
    assert "blocked on: xai</strong> since" in page
    assert "at its limit &lt;b&gt;429&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((awaited(1), awaited(0)), id="got its place"),
        pytest.param((troubled("waits", 600.0), troubled("well again")), id="well again"),
        pytest.param((troubled("waits", 600.0), troubled("asks another")), id="another is asked"),
        pytest.param((troubled("waits", 0.0),), id="the wait is over"),
        pytest.param((awaited(1), STARTED), id="went on in another process"),
    ],
)
def test_what_is_over_is_not_waited_for(service: Served, events: tuple[Event, ...]) -> None:
    blocked, page = told(service, *events)
    assert blocked == []
    assert "blocked on" not in page
