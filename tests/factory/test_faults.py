"""Whole builds by a model whose endpoint fails: they are delivered, or pause with a reason and are delivered later."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from macrohard.assembly import open_factory
from macrohard.domain import Caps, RunOverview
from macrohard.events import Event, ModelCalled, ModelTroubled
from macrohard.settings import load_settings
from macrohard.store import Store
from macrohard.store.money import to_ticks
from tests.factory.conftest import KITES, TOOL
from tests.faults import MISCOUNTED, MODEL, FaultyEndpoint, serving, settings_of
from tests.starting import ended

TRIES = 4
"""So often a run is taken up while its endpoint fails; then it is well."""


@dataclass
class Build:
    """One run, carried out by processes of its own."""

    requirement: str
    home: Path
    endpoint: FaultyEndpoint
    root: Path
    run_id: str = ""

    async def submit(self) -> None:
        self.home.mkdir()
        text = settings_of(self.endpoint, silence_seconds=3.0)
        (self.home / "settings.toml").write_text(text)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("MACROHARD_SETTINGS", str(self.home / "settings.toml"))
            settings = load_settings(home=self.home)
        async with open_factory(settings, sandbox="auto") as factory:
            self.run_id = await factory.submit(
                self.requirement, model=MODEL, caps=Caps(usd=50.0), iterations=2, ask=False
            )

    async def go_on(self, *, killed_at: str = "") -> int:
        """Carry the run out as far as it goes; how the process ended."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "MACROHARD_SETTINGS": str(self.home / "settings.toml"),
        }
        arguments = (str(self.home), self.run_id, str(self.home / "product"), killed_at)
        said = await asyncio.to_thread(ended, "tests.factory.dying", *arguments, cwd=self.root, environment=environment)
        assert said.code in (0, -signal.SIGKILL), said.told[-3000:]
        return said.code

    async def overview(self) -> RunOverview:
        async with open_factory(load_settings(home=self.home), sandbox="auto") as factory:
            return await factory.overview(self.run_id)

    async def events(self) -> list[Event]:
        async with await Store.open(None, home=self.home) as store:
            return [told.event for told in await store.events(self.run_id, limit=100_000)]


async def carried_through(build: Build, *, killed_at: str = "") -> list[str]:
    """Take the run up until it is delivered; what it said at each pause."""
    pauses: list[str] = []
    if killed_at:
        assert await build.go_on(killed_at=killed_at) == -signal.SIGKILL
    for tries in range(TRIES + 1):
        if tries == TRIES:
            build.endpoint.rate = 0.0
        assert await build.go_on() == 0
        overview = await build.overview()
        if overview.summary.status != "paused":
            break
        pauses.append(overview.problem)
    assert overview.summary.status == "delivered", overview.problem
    return pauses


def booked(events: list[Event]) -> tuple[list[int], int]:
    """Ticks of each answer, and of all failed attempts, as events tell them."""
    answers = [to_ticks(event.cost_usd) for event in events if isinstance(event, ModelCalled)]
    return answers, sum(to_ticks(event.cost_usd) for event in events if isinstance(event, ModelTroubled))


@pytest.mark.usefixtures("sandboxes")
async def test_builds_at_every_rate_of_faults_are_delivered_with_exact_books(
    tmp_path: Path, repository_root: Path
) -> None:
    async with AsyncExitStack() as stack:
        builds = {}
        # A whole team's calls fail at the usual rate of bad days; a tool is made with fewer, by one coder.
        for rate, requirement in ((0.05, TOOL), (0.2, KITES), (0.4, TOOL)):
            endpoint = await stack.enter_async_context(serving(FaultyEndpoint(rate=rate, seed=7, storm_requests=4)))
            builds[rate] = Build(requirement, tmp_path / f"at-{rate}", endpoint, repository_root)
            await builds[rate].submit()
        killed = {0.2: "tool used:write:2"}
        pauses = await asyncio.gather(
            *(carried_through(build, killed_at=killed.get(rate, "")) for rate, build in builds.items())
        )
    for build, told in zip(builds.values(), pauses, strict=True):
        assert all(f"macrohard resume {build.run_id}" in pause for pause in told)
    for rate, build in builds.items():
        overview, events, book = await build.overview(), await build.events(), build.endpoint.book
        assert build.endpoint.met()
        # Nothing lost, nothing twice.
        assert max(Counter(session.id for session in overview.sessions).values()) == 1
        assert all(session.outcome == "finished" for session in overview.sessions)
        assert (build.home / "product" / "product.toml").is_file()
        # The books: what the ledger says is what the events say, and each answer is booked as the endpoint said.
        assert overview.budget is not None
        answers, failed = booked(events)
        cut_off = to_ticks(overview.budget.spent_usd) - sum(answers) - failed
        assert overview.budget.reserved_usd == 0
        assert cut_off >= 0 if rate in killed else cut_off == 0
        said = Counter(entry.said_ticks for entry in book if entry.said_ticks is not None)
        estimated = Counter(answers) - said
        assert estimated.total() <= sum(entry.fault in MISCOUNTED for entry in book)
