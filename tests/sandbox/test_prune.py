"""What no definition needs is removed, what is needed or not ours stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.utils import kwargs_from_env

from macrohard.sandbox import Pruned, build_images
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.definition import load
from macrohard.sandbox.prune import prune_folders, prune_images
from tests.sandbox.fault_proxy import Fault, fault_proxy

BASE = "macrohard/base"
STALE, USED = f"{BASE}:0000000000000001", f"{BASE}:0000000000000002"
NOT_OURS = ("macrohard/test:latest", "other/base:0000000000000003", f"{BASE}:mine")


@pytest.fixture
async def engine() -> AsyncIterator[docker.APIClient]:
    """The real one, asked for before the other takes its place."""
    client = docker.APIClient(version="auto", **kwargs_from_env())
    yield client
    client.close()


@pytest.fixture
async def broker(engine: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    """Of an engine that shows no other images than these: those of other checkouts are nothing to test with."""
    await build_images(["base"], engine="docker", progress=print)
    shown = {STALE, USED, *NOT_OURS, load("base").tag}

    def only_shown(found: Any) -> None:
        for each in found:
            each["RepoTags"] = [tag for tag in each["RepoTags"] or () if tag in shown]

    async with fault_proxy(tmp_path) as (proxy, address):
        proxy.faults.append(Fault("GET .*/images/json", "tamper", tamper=only_shown))
        monkeypatch.setenv("DOCKER_HOST", address)
        connected = await Broker.connect()
        yield connected
        for tag in (STALE, USED, *NOT_OURS):
            assert await connected.remove_image(tag)
        await connected.close()


async def test_images_are_removed_by_their_content(engine: docker.APIClient, broker: Broker) -> None:
    container = engine.create_container(load("base").tag, command="true")["Id"]
    try:
        for tag in (STALE, *NOT_OURS):
            repository, _, version = tag.partition(":")
            engine.tag(load("base").tag, repository, tag=version)
        made = engine.commit(container, repository=BASE, tag=USED.partition(":")[2])
        engine.remove_container(container)
        container = engine.create_container(made["Id"], command="true")["Id"]
        pruned = {each.name: each.removed for each in await prune_images(broker)}
        assert pruned == {STALE: True, USED: False}
        left = [tag for tag in (STALE, USED, *NOT_OURS, load("base").tag) if await broker.image(tag)]
        assert left == [USED, *NOT_OURS, load("base").tag]
    finally:
        engine.remove_container(container)


async def test_folders_are_removed_by_their_content_unless_a_sandbox_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "macrohard" / "rootfs"
    stale, shown = (cache / f"macrohard-base-000000000000000{number}" for number in (1, 2))
    needed, other = cache / load("base").tag.replace("/", "-").replace(":", "-"), cache / "of-somebody-else"
    for folder in (stale, shown, needed, other):
        (folder / "root").mkdir(parents=True)
        (folder / "root" / "file").write_bytes(b"12345")
    process = await asyncio.create_subprocess_exec(
        *("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(shown / "root"), "/mnt", "cat", "/mnt/file", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        assert await process.stdout.readexactly(5) == b"12345"
        pruned = await prune_folders(progress=print)
    finally:
        process.stdin.close()
        await process.wait()
    assert pruned == (
        Pruned(name=str(stale), size_bytes=5, removed=True),
        Pruned(name=str(shown), size_bytes=5, removed=False),
    )
    assert [folder.exists() for folder in (stale, shown, needed, other)] == [False, True, True, True]
    (again,) = await prune_folders(progress=print)
    assert again.removed
