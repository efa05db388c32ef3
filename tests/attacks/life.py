"""C8 and H: secrets, beginnings and ends, and what happens when the one who watches is killed."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from macrohard import bundled
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import SandboxSpec, choose_provider
from macrohard.sandbox.owner import installation
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, ProbeFailed, engine_client
from tests.attacks.boundary import NO_ENGINE
from tests.sandbox.test_isolation import OWNER, running

SEEN = (
    "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; find /workspace /tmp /home /run -type f -exec cat {} +"
)
GONE_SECONDS = 20.0

DYING = """
import asyncio, os, signal, sys
from pathlib import Path
import docker
from macrohard.sandbox import SandboxSpec, choose_provider

async def main() -> None:
    provider = await choose_provider("docker", home=Path(sys.argv[1]))
    docker.APIClient.start = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    async with provider.open(SandboxSpec(image="base")):
        pass

asyncio.run(main())
"""


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def keys_seen_inside(ground: Ground) -> Sequence[str]:
    key = f"canary-{secrets.token_hex(12)}"
    # A careless person hands on what the program itself was given.
    handed_on = {} if ground.provider else {"XAI_API_KEY": key}
    with _environment(XAI_API_KEY=key, MACROHARD_API_KEY=key):
        async with ground.open() as room:
            seen = (await room.run(SEEN, timeout_seconds=30, environment=handed_on)).stdout
            told = await _inspected(room.id) if ground.provider and ground.provider.tier in ENGINE_TIERS else ""
    if "PATH=" not in seen:
        raise ProbeFailed(f"no environment in {seen[:200]!r}")
    return [where for where, text in (("inside", seen), ("what the engine was told", told)) if key in text]


async def _inspected(name: str) -> str:
    with engine_client() as engine:
        container = engine.inspect_container(name)
        return repr(container) + repr(await asyncio.to_thread(engine.inspect_image, container["Image"]))


async def outlives_its_owner(ground: Ground) -> Sequence[str]:
    assert ground.provider is not None
    engine = "bubblewrap" if ground.provider.tier == "bubblewrap" else "docker"
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, engine, str(ground.folder), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    if await owner.stdout.readline() != b"ready\n" or len(running("98765")) < 4:
        raise ProbeFailed("the owner did not come to run anything")
    owner.kill()
    await owner.wait()
    # No event tells of the end of another process's children.
    try:
        async with asyncio.timeout(GONE_SECONDS):
            while running("98765") or _containers(ground.folder):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        return [f"processes {running('98765')}", f"containers {_containers(ground.folder)}"]
    return []


async def outlives_a_careless_owner(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        script = "import subprocess, sys, os; subprocess.run(sys.argv[1:]); os.kill(os.getpid(), 9)"
        command = ["docker", "exec", "--detach", room.id, "sleep", "98764"]
        owner = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *command)
        await owner.wait()
        return [f"process {each}" for each in running("98764")]


def _containers(home: Path) -> Sequence[str]:
    with engine_client() as engine:
        ours = engine.containers(all=True, filters={"label": f"io.macrohard.instance={installation(home)}"})
        return [container["Id"] for container in ours]


async def _dies_before_the_start(home: Path) -> Sequence[str]:
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, str(home))
    if await dying.wait() != -9:
        raise ProbeFailed("it did not die where it should")
    return _containers(home)


async def left_unstarted(ground: Ground) -> Sequence[str]:
    await _dies_before_the_start(ground.folder)
    provider = await choose_provider("docker", home=ground.folder)
    try:
        await provider.reap()
    finally:
        await provider.close()
    return _containers(ground.folder)


async def left_unstarted_for_good(ground: Ground) -> Sequence[str]:
    left = await _dies_before_the_start(ground.folder)
    with engine_client() as engine:
        for container in left:
            engine.remove_container(container, force=True)
    return left


async def marks_of_those_before(ground: Ground) -> Sequence[str]:
    assert ground.provider is not None
    found = set()
    for _ in range(6):
        async with ground.open() as room:
            found.update((await room.run(MARK, timeout_seconds=10)).stdout.split())
    return sorted(found)


async def marks_in_one_used_twice(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        await room.run(MARK, timeout_seconds=10)
        left = await room.run(MARK, timeout_seconds=10)
        return [f"{len(left.stdout.split())} marks"] if left.stdout else []


MARK = (
    "for place in /workspace /tmp /home/agent /dev/shm; do ls -A $place; echo x > $place/mark; done; "
    "pgrep -x sleep; (setsid sleep 98762 >/dev/null 2>&1 &); true"
)


async def runs_without_a_sandbox(ground: Ground) -> Sequence[str]:
    with _environment(DOCKER_HOST=f"unix://{ground.folder}/nothing.sock", PATH=str(ground.folder)):
        try:
            provider = await choose_provider("auto", home=ground.folder)
        except (SandboxUnavailable, FileNotFoundError):
            return []
    await provider.close()
    return [f"tier {provider.tier}"]


async def runs_with_a_sandbox(ground: Ground) -> Sequence[str]:
    provider = await choose_provider("auto", home=ground.folder)
    await provider.close()
    return [f"tier {provider.tier}"]


async def lives_beyond_its_time(ground: Ground) -> Sequence[str]:
    assert ground.provider is not None
    shutil.copytree(bundled.folder("sandboxes"), ground.folder / "sandboxes")
    path = ground.folder / "sandboxes" / "base" / "sandbox.yaml"
    text = path.read_text()
    path.write_text(text.replace("lifetime_seconds: 14400", "lifetime_seconds: 2"))
    if path.read_text() == text:
        raise ProbeFailed("the lifetime could not be set")
    with _environment(MACROHARD_DATA=str(ground.folder)):
        async with ground.provider.open(SandboxSpec(image="base")) as sandbox:
            try:
                await sandbox.run("trap '' TERM; sleep 10; sleep 1", timeout_seconds=60)
            except SandboxUnavailable as error:
                return [] if "lifetime of 2 s is over" in str(error) else [f"it ended otherwise: {error}"]
    return ["it lived for 10 s, with a lifetime of 2 s"]


async def lives_without_a_time(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        await room.run("sleep 3", timeout_seconds=60)
        return ["no lifetime"]


ATTACKS = (
    Attack(id="C8", title="living on", probe=lives_beyond_its_time, control=lives_without_a_time),
    Attack(id="H1", title="keys in the environment and with the engine", probe=keys_seen_inside, quick=True),
    Attack(
        id="H2",
        title="kill -9 of the owner",
        probe=outlives_its_owner,
        control=outlives_a_careless_owner,
    ),
    Attack(
        id="H3",
        title="kill -9 between making and starting",
        probe=left_unstarted,
        control=left_unstarted_for_good,
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(
        id="H5",
        title="what a run before left behind",
        probe=marks_of_those_before,
        control=marks_in_one_used_twice,
    ),
    Attack(
        id="H10",
        title="no sandbox to be had",
        probe=runs_without_a_sandbox,
        control=runs_with_a_sandbox,
    ),
)
