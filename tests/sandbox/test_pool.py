"""Sandboxes opened ahead of their use: never reused, never broken, never too many, and handed out in order."""

import asyncio
import contextvars
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path, PurePosixPath
from typing import NoReturn

import docker
import pytest
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.events import Event
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images, places, pool
from macrohard.sandbox.broker import Patience
from macrohard.sandbox.pool import PooledProvider
from tests.sandbox.fault_proxy import Fault, FaultProxy, fault_proxy

BASE = SandboxSpec(image="base")
MARKS = ("/workspace/mark", "/tmp/mark", "/home/agent/mark", "/dev/shm/mark")


@pytest.fixture
async def engine() -> AsyncIterator[docker.APIClient]:
    client = docker.APIClient(version="auto", **kwargs_from_env())
    yield client
    client.close()


@pytest.fixture
async def docker_provider(tmp_path: Path) -> DockerProvider:
    """Closed by the pool around it."""
    await build_images(("base", "browser"), engine="docker", progress=print)
    return await DockerProvider.connect(home=tmp_path)


@pytest.fixture
async def pooled(docker_provider: DockerProvider) -> AsyncIterator[PooledProvider]:
    made = PooledProvider(docker_provider, size=1, places=12, tell=print)
    async with made.open(BASE):
        pass
    await made.filled()
    yield made
    await made.close()


def containers(engine: docker.APIClient, provider: DockerProvider) -> list[str]:
    label = f"io.macrohard.instance={provider.installation}"
    return [each["Names"][0].lstrip("/") for each in engine.containers(all=True, filters={"label": label})]


async def test_one_that_waits_is_handed_out_and_replaced(
    pooled: PooledProvider, docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    (kept,) = containers(engine, docker_provider)
    async with pooled.open(BASE) as sandbox:
        assert sandbox.id == kept
        await pooled.filled()
        assert len(containers(engine, docker_provider)) == 2
    (next_kept,) = containers(engine, docker_provider)
    assert next_kept != kept


async def test_what_was_used_is_never_seen_again(pooled: PooledProvider) -> None:
    seen = set()
    mark = "; ".join(f"ls {path} 2>/dev/null; echo poison > {path}" for path in MARKS)
    for _ in range(20):
        async with pooled.open(BASE) as sandbox:
            found = await sandbox.run(f"pgrep -x sleep; {mark}; sleep 300 &", timeout_seconds=10)
            assert (found.stdout, found.exit_code) == ("", 0), found
            again = await sandbox.run(f"pgrep -x sleep >/dev/null && ls {' '.join(MARKS)}", timeout_seconds=10)
            assert again.stdout.split() == sorted(MARKS), "the same probe finds the marks where they are"
            seen.add(sandbox.id)
    assert len(seen) == 20


@pytest.mark.parametrize("death", ["killed", "hung"])
async def test_one_that_died_while_it_waited_is_not_handed_out(
    pooled: PooledProvider, docker_provider: DockerProvider, engine: docker.APIClient, death: str
) -> None:
    (kept,) = containers(engine, docker_provider)
    if death == "killed":
        engine.kill(kept)
    else:
        engine.pause(kept)
    async with pooled.open(BASE) as sandbox:
        assert sandbox.id != kept
        assert (await sandbox.run("echo alive", timeout_seconds=10)).stdout == "alive\n"
        await pooled.filled()
        assert kept not in containers(engine, docker_provider)


async def test_nothing_old_is_handed_out(pooled: PooledProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    async with pooled.open(BASE) as sandbox:
        assert (await sandbox.run("echo alive", timeout_seconds=10)).stdout == "alive\n"


async def test_no_more_are_kept_than_set_and_those_of_the_last_use(
    pooled: PooledProvider, docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    async with pooled.open(BASE), pooled.open(SandboxSpec(image="browser")):
        await pooled.filled()
        assert (len(containers(engine, docker_provider)), pooled.waiting) == (3, 1)
    (kept,) = containers(engine, docker_provider)
    assert engine.inspect_container(kept)["Config"]["Labels"]["io.macrohard.image"] == "browser"


async def test_the_end_of_the_pool_is_that_of_all_it_keeps(
    pooled: PooledProvider, docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    async with pooled.open(BASE):
        pass
    # Another is being opened just now.
    await pooled.close()
    assert containers(engine, docker_provider) == []


async def test_of_size_none_it_keeps_none(docker_provider: DockerProvider, engine: docker.APIClient) -> None:
    pooled = PooledProvider(docker_provider, size=0, places=1, tell=print)
    async with pooled.open(BASE) as sandbox:
        await pooled.filled()
        assert containers(engine, docker_provider) == [sandbox.id]
    await pooled.close()


async def test_what_keeps_the_pool_from_opening_is_said_when_one_is_used(
    docker_provider: DockerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(spec: SandboxSpec) -> NoReturn:
        raise SandboxUnavailable(f"no {spec.image} today")

    pooled = PooledProvider(docker_provider, size=1, places=1, tell=print)
    async with pooled.open(BASE):
        pass
    await pooled.filled()
    monkeypatch.setattr(docker_provider, "open", fails)
    async with pooled.open(BASE) as kept:
        assert (await kept.run("echo alive", timeout_seconds=10)).stdout == "alive\n"
    await pooled.filled()
    with pytest.raises(SandboxUnavailable, match="no base today"):
        async with pooled.open(BASE):
            pass
    monkeypatch.undo()
    async with pooled.open(BASE) as sandbox:
        assert (await sandbox.run("echo alive", timeout_seconds=10)).stdout == "alive\n"
    await pooled.close()


async def test_what_was_prepared_can_begin_as_a_snapshot(
    pooled: PooledProvider, docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    async with pooled.open(BASE) as first:
        await first.write({PurePosixPath("plan"): b"build it"})
        snapshot = await first.snapshot()
        await pooled.filled()
        (kept,) = set(containers(engine, docker_provider)) - {first.id}
    async with pooled.open(SandboxSpec(image="base", workspace=snapshot.id)) as fork:
        assert (fork.id, await fork.read(PurePosixPath("plan"), limit_bytes=99)) == (kept, b"build it")


async def test_for_who_opens_once_nothing_is_prepared_and_with_the_last_run_it_is_cleared_away(
    docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    pooled = PooledProvider(docker_provider, size=1, places=2, tell=print)
    async with pooled.share("a person", tell=nobody, ahead=False) as person:
        async with person.open(BASE):
            await pooled.filled()
            assert pooled.waiting == 0
        async with (
            pooled.share("run 1", tell=nobody, ahead=True),
            pooled.share("run 2", tell=nobody, ahead=True) as run,
        ):
            async with run.open(BASE):
                await pooled.filled()
            (kept,) = containers(engine, docker_provider)
            async with person.open(BASE) as sandbox:
                assert sandbox.id == kept, "what was prepared for runs serves others as well"
        await pooled.filled()
        assert containers(engine, docker_provider) == []
    await pooled.close()


async def nobody(event: Event) -> None:
    """Told, and not interested."""


KEEPER = """
import asyncio, sys
from pathlib import Path
from macrohard.sandbox import DockerProvider, SandboxSpec
from macrohard.sandbox.broker import Patience
from macrohard.sandbox.pool import PooledProvider
from tests.sandbox.fault_proxy import Fault, FaultProxy, fault_proxy

async def main():
    pool = PooledProvider(await DockerProvider.connect(home=Path(sys.argv[1])), size=2, places=2, tell=print)
    async with pool.open(SandboxSpec(image="base")), pool.open(SandboxSpec(image="base")):
        await pool.filled()
        print("kept", pool.waiting, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_kill_9_leaves_neither_what_was_used_nor_what_was_kept(
    tmp_path: Path, docker_provider: DockerProvider, engine: docker.APIClient
) -> None:
    keeper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KEEPER, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert keeper.stdout
    kept = int((await keeper.stdout.readline()).split()[1])
    assert kept > 0
    assert len(containers(engine, docker_provider)) == 2 + kept
    keeper.kill()
    await keeper.wait()
    for _ in range(600):
        if not containers(engine, docker_provider):
            break
        await asyncio.sleep(0.05)
    assert containers(engine, docker_provider) == []
    await docker_provider.close()


class TestTheEngine:
    """Fails while sandboxes are kept."""

    @pytest.fixture
    async def proxy(
        self, engine: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[FaultProxy]:
        """Between the pool and the engine; `engine` was connected before and goes around it."""
        async with fault_proxy(tmp_path) as (opened, address):
            monkeypatch.setenv("DOCKER_HOST", address)
            yield opened

    @pytest.fixture
    async def impatient(
        self, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[tuple[DockerProvider, PooledProvider]]:
        await build_images(("base",), engine="docker", progress=print)
        provider = await DockerProvider.connect(
            home=tmp_path, patience=Patience(answer_seconds=2, pull_seconds=2, build_seconds=2)
        )
        pooled = PooledProvider(provider, size=1, places=1, tell=print)
        async with pooled.open(BASE):
            await pooled.filled()
        yield provider, pooled
        await pooled.close()

    async def test_that_hangs_is_said_in_bounded_time_and_forgiven_when_it_goes_on(
        self, proxy: FaultProxy, impatient: tuple[DockerProvider, PooledProvider], engine: docker.APIClient
    ) -> None:
        provider, pooled = impatient
        kept = containers(engine, provider)
        assert len(kept) == 1
        for name in kept:
            engine.pause(name)
        hanging = Fault(".", "hang")
        proxy.faults.append(hanging)
        async with asyncio.timeout(60):
            with pytest.raises(SandboxUnavailable, match="did not answer within 2 s"):
                async with pooled.open(BASE):
                    pass
        assert hanging.met.is_set()
        proxy.faults.clear()
        for name in kept:
            engine.unpause(name)
        async with pooled.open(BASE) as sandbox:
            assert sandbox.id not in kept
            assert (await sandbox.run("echo on", timeout_seconds=10)).stdout == "on\n"
        await pooled.filled()
        await provider.reap()
        assert len(containers(engine, provider)) == pooled.waiting
        assert pooled.places.taken == 0

    async def test_that_was_started_again_gives_new_ones(
        self, proxy: FaultProxy, impatient: tuple[DockerProvider, PooledProvider], engine: docker.APIClient
    ) -> None:
        provider, pooled = impatient
        kept = containers(engine, provider)
        assert len(kept) == 1
        # It takes all containers with it, and every connection.
        await proxy.close()
        async with pooled.open(BASE) as sandbox:
            assert sandbox.id not in kept
            assert (await sandbox.run("echo on", timeout_seconds=10)).stdout == "on\n"
        await pooled.filled()
        assert not set(kept) & set(containers(engine, provider))


class TestTheQueue:
    async def test_places_are_given_in_order(self, docker_provider: DockerProvider) -> None:
        pooled = PooledProvider(docker_provider, size=0, places=1, tell=print)
        order, begun, free = list[int](), asyncio.Event(), asyncio.Event()

        async def use(number: int) -> None:
            async with pooled.open(BASE):
                order.append(number)
                begun.set()
                await free.wait()

        waiting = []
        for number in range(6):
            waiting.append(asyncio.create_task(use(number)))
            await asyncio.sleep(0)
        await begun.wait()
        assert order == [0], "all others wait"
        waiting[2].cancel()
        free.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert order == [0, 1, 3, 4, 5]
        await pooled.close()

    async def test_a_person_is_told_of_a_long_wait_and_only_of_that(
        self, docker_provider: DockerProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = asyncio.Queue[str]()
        pooled = PooledProvider(docker_provider, size=0, places=1, tell=told.put_nowait)

        async def use() -> None:
            async with pooled.open(BASE):
                pass

        async with pooled.open(BASE):
            # In a context of its own, because whoever has a sandbox does not wait for another.
            monkeypatch.setattr(places, "TELL_AFTER_SECONDS", 0.01)
            waiting = asyncio.create_task(use(), context=contextvars.Context())
            assert await told.get() == "waits for a sandbox: the only place is taken, number 1 in line"
            assert not waiting.done()
        await waiting
        monkeypatch.setattr(places, "TELL_AFTER_SECONDS", 0.0)
        await use()
        assert told.empty()
        await pooled.close()

    async def test_whoever_has_one_does_not_wait_for_another(self, docker_provider: DockerProvider) -> None:
        pooled = PooledProvider(docker_provider, size=0, places=1, tell=print)
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(pooled.open(BASE))
            await stack.enter_async_context(pooled.open(SandboxSpec(image="base", join=first.id)))
            third = await stack.enter_async_context(pooled.open(BASE))
            await third.write({PurePosixPath("x"): b"x"})
        await pooled.close()
