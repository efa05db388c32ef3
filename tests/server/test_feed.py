"""Streams that follow a run, and what they cost the database, in one event loop: each moment is that of the test."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.sse import KEEPALIVE_COMMENT

from macrohard.errors import StoreUnavailable
from macrohard.events import Progress
from macrohard.server.feed import Feed
from macrohard.server.vital import Vital
from macrohard.store import Recorded, Store

STREAMS = 20


class Held:
    """Has the reads of a store's events wait, each for its gate, as long as there are gates."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, *, gates: int) -> None:
        self.gates = [asyncio.get_running_loop().create_future() for _ in range(gates)]
        self.begun = [asyncio.Event() for _ in range(gates)]
        self.count = 0
        events = store.events

        async def read(run: str, **wanted: Any) -> tuple[Recorded, ...]:
            number, self.count = self.count, self.count + 1
            found = await events(run, **wanted)
            if number < gates:
                self.begun[number].set()
                await self.gates[number]
            return found

        monkeypatch.setattr(store, "events", read)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(None, home=tmp_path) as store:
        yield store


@pytest.fixture
async def run(store: Store) -> str:
    return await store.create_run("A list.", options={}, model="builtin")


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    """An event loop that spins can be ended by nothing else."""

    def ended(*_: object) -> None:
        raise AssertionError("the event loop never came to rest")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@asynccontextmanager
async def following(store: Store) -> AsyncIterator[Feed]:
    feed = Feed(store)
    async with Vital().work("feed", feed.look()):
        yield feed


async def tell(store: Store, run: str, text: str) -> None:
    async with store.hold(run) as lease:
        await (await store.log(lease))(Progress(text=text))


async def test_a_stream_that_opens_in_the_moment_in_which_a_read_ends_reads_for_itself(
    store: Store, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Held(store, monkeypatch, gates=1)
    async with following(store) as feed:
        early = asyncio.ensure_future(anext(feed.stream(run, after=0)))
        await reads.begun[0].wait()
        await tell(store, run, "meanwhile")

        async def come() -> bytes:
            await reads.gates[0]  # Behind the read, which waits for it already: it ends, and then this goes on.
            return await anext(feed.stream(run, after=0))

        late = asyncio.create_task(come())
        await asyncio.sleep(0)
        reads.gates[0].set_result(None)
        assert b"meanwhile" in await late
        assert b"meanwhile" in await early, "it is told by what the feed sees"


async def test_however_many_streams_are_at_the_same_place_one_moment_costs_two_reads(
    store: Store, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Held(store, monkeypatch, gates=2)
    async with following(store) as feed:
        streams = [asyncio.ensure_future(anext(feed.stream(run, after=0), b"")) for _ in range(STREAMS)]
        for begun, gate in zip(reads.begun, reads.gates, strict=True):
            await begun.wait()
            gate.set_result(None)
        await asyncio.sleep(0)
        feed.close()
        assert await asyncio.gather(*streams) == [b""] * STREAMS
    assert reads.count == 2, "one that may be too old for those who joined it, and one that is not"


async def test_a_stream_says_that_it_is_there_also_while_the_database_is_away(
    store: Store, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macrohard.server.feed.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("macrohard.server.feed.RETRY_SECONDS", 0.0)
    events = store.events

    async def away(*_: object, **__: object) -> tuple[Recorded, ...]:
        raise StoreUnavailable("it is away")

    async with following(store) as feed:
        stream = feed.stream(run, after=0)
        monkeypatch.setattr(store, "events", away)
        async with asyncio.timeout(60):
            assert [await anext(stream) for _ in range(2)] == [KEEPALIVE_COMMENT] * 2
            monkeypatch.setattr(store, "events", events)
            await tell(store, run, "back")
            async for said in stream:
                if said != KEEPALIVE_COMMENT:
                    break
            assert b"back" in said


async def test_a_stream_ends_when_its_run_was_deleted(
    store: Store, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macrohard.server.feed.QUIET_SECONDS", 0.0)
    async with following(store) as feed, asyncio.timeout(60):
        stream = feed.stream(run, after=0)
        assert await anext(stream) == KEEPALIVE_COMMENT
        await store.delete(run, folder=tmp_path / "none")
        assert {said async for said in stream} <= {KEEPALIVE_COMMENT}
