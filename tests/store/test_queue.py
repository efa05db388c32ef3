"""The queue: who is taken next, what people ask of it, and when a run leaves it; on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from macrohard.domain import RunOutcome
from macrohard.errors import Conflict, NotFound
from macrohard.events import Event, RunEnded, RunStarted
from macrohard.store import Store
from tests.store.conftest import waits_for_a_row


async def free(store: Store, *besides: str) -> tuple[str, ...]:
    return await store.queue.free(besides=besides, limit=10)


async def ended(
    store: Store, run: str, outcome: RunOutcome, *, wake_at: datetime | None = None, interrupted: bool = False
) -> None:
    async with store.hold(run) as lease:
        log = await store.log(lease)
        await log(RunStarted(model="builtin", sandbox_tier="runc", notices=()))
        await log(
            RunEnded(
                outcome=outcome, problem="", commit=None, product_path=None, wake_at=wake_at, interrupted=interrupted
            )
        )


async def test_who_waits_longest_is_next_and_whoever_is_held_is_not_free(store: Store) -> None:
    first, second, third = [await store.create_run(text, options={}, model="builtin") for text in ("a", "b", "c")]
    assert await free(store) == ()
    for run in (second, first, second):
        await store.queue.put(run)
    assert await free(store) == (second, first), "who is there already keeps its place"
    assert await free(store, second) == (first,)
    async with store.hold(second):
        assert await free(store) == (first,)
    assert await free(store) == (second, first), "a worker that died leaves its run there"
    assert third not in await free(store)


@pytest.mark.parametrize(
    ("outcome", "interrupted", "stays"),
    [
        pytest.param("delivered", False, False, id="its end"),
        pytest.param("paused", False, False, id="a question"),
        pytest.param("paused", True, True, id="the end of its process"),
    ],
)
async def test_a_run_leaves_the_queue_with_what_ends_it(
    store: Store, run_id: str, outcome: RunOutcome, interrupted: bool, stays: bool
) -> None:
    await store.queue.put(run_id)
    await ended(store, run_id, outcome, interrupted=interrupted)
    assert await free(store) == ((run_id,) if stays else ())


async def test_a_parked_run_is_free_from_its_hour_on_or_when_it_is_sent_for(store: Store, run_id: str) -> None:
    await store.queue.put(run_id)
    await ended(store, run_id, "paused", wake_at=datetime.now(UTC) + timedelta(hours=1))
    assert await free(store) == ()
    await store.queue.put(run_id)
    assert await free(store) == (run_id,)
    await ended(store, run_id, "paused", wake_at=datetime.now(UTC) - timedelta(seconds=1))
    assert await free(store) == (run_id,)


async def test_a_wish_is_there_until_the_run_ended_by_it(store: Store, run_id: str) -> None:
    await store.queue.put(run_id)
    await store.queue.wish(run_id, "cancel")
    assert await store.queue.wishes([run_id]) == {run_id: "cancel"}
    await ended(store, run_id, "cancelled")
    assert await store.queue.wishes([run_id]) == {}
    assert await free(store) == ()
    with pytest.raises(Conflict, match="cancelled"):
        await store.queue.put(run_id)
    with pytest.raises(Conflict, match="cancelled already"):
        await store.queue.wish(run_id, "pause")
    with pytest.raises(NotFound):
        await store.queue.put("r-1")


@pytest.mark.parametrize("outcome", ["paused", "failed"])
async def test_whoever_cancels_a_run_that_is_about_to_pause_has_it_cancelled(
    store: Store, run_id: str, outcome: RunOutcome
) -> None:
    await store.queue.put(run_id)
    await store.queue.wish(run_id, "pause")
    # Its worker has heard of the pause and puts everything away, when somebody cancels it.
    await store.queue.wish(run_id, "cancel")
    await ended(store, run_id, outcome)
    assert await free(store) == (run_id,)
    assert await store.queue.wishes([run_id]) == {run_id: "cancel"}
    await ended(store, run_id, "cancelled")
    assert await free(store) == ()


async def test_a_wish_that_comes_while_the_end_is_written_is_not_lost(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.queue.put(run_id)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def waits(_: object, __: str, event: Event, **___: object) -> None:
        if isinstance(event, RunEnded):
            reached.set()
            await go_on.wait()

    monkeypatch.setattr("macrohard.store.log.announce", waits)
    ending = asyncio.create_task(ended(store, run_id, "paused"))
    await reached.wait()
    wishing = asyncio.create_task(store.queue.wish(run_id, "cancel"))
    while not wishing.done() and not await waits_for_a_row(store):
        pass
    go_on.set()
    await asyncio.gather(ending, wishing)
    assert await free(store) == (run_id,)
    assert await store.queue.wishes([run_id]) == {run_id: "cancel"}


async def test_a_run_that_waits_for_a_person_is_not_paused_and_says_still_what_for(store: Store, run_id: str) -> None:
    await store.queue.put(run_id)
    await ended(store, run_id, "paused")
    with pytest.raises(Conflict, match="paused already"):
        await store.queue.wish(run_id, "pause")
    assert await free(store) == ()
    # One that goes on by itself can be held back, and each can be cancelled.
    await store.queue.put(run_id)
    await store.queue.wish(run_id, "pause")
    await ended(store, run_id, "paused")
    await store.queue.wish(run_id, "cancel")
    assert await store.queue.wishes([run_id]) == {run_id: "cancel"}
