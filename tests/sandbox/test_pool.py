"""Sandboxes opened ahead of their use: never reused, never broken, never too many, and handed out in order."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path, PurePosixPath
from typing import NoReturn

import docker
import pytest
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images, places, pool
from macrohard.sandbox.pool import PooledProvider

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
