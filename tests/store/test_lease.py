"""A run is carried out by one process at a time, and by the next one as soon as that is dead."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from macrohard.errors import LeaseLost, RequestError
from macrohard.events import Progress, RunStarted
from macrohard.store import Store, lease
from macrohard.store.lease import Owner
from tests.databases import expire_lease

HOLDER = """
import asyncio, sys
from pathlib import Path
from macrohard.events import RunStarted
from macrohard.store import Store

async def main():
    async with await Store.open(sys.argv[1], home=Path(sys.argv[2])) as store, store.hold(sys.argv[3]) as lease:
        await (await store.log(lease))(RunStarted(model="builtin", sandbox_tier="runc", notices=()))
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@asynccontextmanager
async def holding(url: str, home: Path, run_id: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that carries the run out."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, str(home), run_id, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_live_owner_is_respected_and_a_killed_one_replaced_at_once(
    store: Store, url: str, run_id: str, tmp_path: Path
) -> None:
    async with holding(url, tmp_path / "home", run_id) as process:
        with pytest.raises(RequestError, match=f"carried out by process {process.pid} on "):
            async with store.hold(run_id):
                pass
        assert (await store.overview(run_id)).summary.status == "running"
        process.send_signal(signal.SIGKILL)
        await process.wait()
        overview = await store.overview(run_id)
        assert overview.summary.status == "paused"
        assert f"macrohard resume {run_id}" in overview.problem
        assert [run.status for run in await store.runs(limit=5)] == ["paused"]
        async with store.hold(run_id) as mine:
            await (await store.log(mine))(Progress(text="taken over"))
        assert [each.event.type for each in await store.events(run_id)] == ["run started", "progress"]


async def test_a_suspended_owner_cannot_write_after_the_run_was_taken_over(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as old:
        old_log = await store.log(old)
        await old_log(Progress(text="before"))
        await expire_lease(store, run_id)
        async with store.hold(run_id) as new:
            await (await store.log(new))(Progress(text="new owner"))
            with pytest.raises(LeaseLost):
                await old_log(Progress(text="too late"))
            with pytest.raises(LeaseLost):
                await old_log(Progress(text="still too late"))
            with pytest.raises(LeaseLost):
                await old.renew()
            await new.renew()
            await (await store.log(new))(Progress(text="goes on"))
    texts = [each.event.text for each in await store.events(run_id) if isinstance(each.event, Progress)]
    assert texts == ["before", "new owner", "goes on"]


async def test_a_number_that_is_taken_means_a_lost_lease(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as held:
        first, second = await store.log(held), await store.log(held)
        await first(Progress(text="1"))
        with pytest.raises(LeaseLost):
            await second(Progress(text="2"))


@pytest.mark.parametrize("tells_the_end", [False, True])
async def test_work_is_stopped_when_the_run_is_taken_over(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch, tells_the_end: bool
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.01)
    cleaned_up = []

    async def work() -> None:
        async with store.hold(run_id) as held:
            await expire_lease(store, run_id, holder="somebody else")
            try:
                await asyncio.Event().wait()
            finally:
                cleaned_up.append(True)
                if tells_the_end:
                    await (await store.log(held))(Progress(text="stopped"))

    with pytest.raises(LeaseLost):
        await work()
    assert cleaned_up
    assert await store.events(run_id) == ()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_cancelling_the_work_is_not_mistaken_for_a_lost_lease(store: Store, run_id: str) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with store.hold(run_id):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.hold(run_id):
        pass


async def test_a_heartbeat_keeps_the_lease(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as held:
        await expire_lease(store, run_id, holder=None)
        await held.renew()
        with pytest.raises(RequestError):
            async with store.hold(run_id):
                pass


async def test_a_run_that_is_not_held_any_more_is_free(store: Store, run_id: str) -> None:
    for _ in range(2):
        async with store.hold(run_id) as held:
            await (await store.log(held))(RunStarted(model="builtin", sandbox_tier="runc", notices=()))
    assert len(await store.events(run_id)) == 2


async def test_only_one_of_many_gets_it(store: Store, run_id: str) -> None:
    release = asyncio.Event()

    async def attempt() -> bool:
        try:
            async with store.hold(run_id):
                await release.wait()
                return True
        except RequestError:
            return False

    tasks = [asyncio.create_task(attempt()) for _ in range(8)]
    refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    while len(refused) < 7:
        refused, _ = await asyncio.wait(tasks, timeout=0.1)
    release.set()
    assert sorted(await asyncio.gather(*tasks)) == [False] * 7 + [True]


async def test_an_unknown_run_cannot_be_held(store: Store) -> None:
    with pytest.raises(RequestError, match="no run 'r-1'"):
        async with store.hold("r-1"):
            pass


def test_owners_are_dead_only_if_that_is_certain() -> None:
    me = Owner.this_process()
    assert not me.is_dead
    assert me.model_copy(update={"started": "1"}).is_dead, "the number was given to another process"
    assert me.model_copy(update={"process": 2**22 + 1}).is_dead, "there is no such process"
    assert not me.model_copy(update={"boot": "another machine", "started": "1"}).is_dead


async def test_nothing_is_written_into_a_transcript_or_beside_the_database_once_the_run_is_lost(
    store: Store, run_id: str
) -> None:
    async with store.hold(run_id) as lease:
        await lease.check()
        await store.transcripts.append(f"{run_id}/1/implement/T-1", {"said": 1}, lease=lease)
        await expire_lease(store, run_id, holder="another")
        with pytest.raises(LeaseLost):
            await store.transcripts.append(f"{run_id}/1/implement/T-1", {"said": 2}, lease=lease)
        with pytest.raises(LeaseLost):
            await lease.check()
    assert await store.transcripts.load(f"{run_id}/1/implement/T-1") == [{"said": 1}]
