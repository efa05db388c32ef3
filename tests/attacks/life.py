"""C8 and H: secrets, beginnings and ends, and what happens when the one who watches is killed."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import Engine, SandboxSpec, choose_provider
from macrohard.sandbox.owner import installation
from macrohard.sandbox.pool import PooledProvider
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, ProbeFailed, engine_client, environment
from tests.attacks.boundary import NO_ENGINE
from tests.attacks.resources import definitions_with
from tests.sandbox.test_isolation import OWNER, running

SEEN = (
    "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; find /workspace /tmp /home /run -type f -exec cat {} +"
)
GONE_SECONDS = 20.0
LIFETIME_SECONDS = 6
HANDED_OUT = 12

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


async def keys_seen_inside(ground: Ground) -> Sequence[str]:
    key = f"canary-{secrets.token_hex(12)}"
    # A careless person hands on what the program itself was given.
    handed_on = {} if ground.provider else {"XAI_API_KEY": key}
    with environment(XAI_API_KEY=key, MACROHARD_API_KEY=key):
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
    if await owner.stdout.readline() != b"ready\n" or not _runs("98765", ground):
        raise ProbeFailed("the owner did not come to run anything")
    owner.kill()
    await owner.wait()
    return await _left_after(GONE_SECONDS, "98765", ground.folder)


def _runs(word: str, ground: Ground) -> bool:
    # Processes behind gVisor's own kernel are none of this one.
    assert ground.provider is not None
    return len(running(word)) >= 4 or (ground.provider.tier == "gvisor" and bool(_containers(ground.folder)))


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
    with environment(DOCKER_HOST=f"unix://{ground.folder}/nothing.sock", PATH=str(ground.folder)):
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
    with definitions_with(ground.folder, lifetime_seconds=2):
        async with ground.provider.open(SandboxSpec(image="base")) as sandbox:
            try:
                await sandbox.run("trap '' TERM; sleep 10; sleep 1", timeout_seconds=60)
            except SandboxUnavailable as error:
                return [] if "lifetime of 2 s is over" in str(error) else [f"it ended otherwise: {error}"]
    return ["it lived for 10 s, with a lifetime of 2 s"]


STOPPED = """
import asyncio, sys
from pathlib import Path
from macrohard.sandbox import SandboxSpec, choose_provider

async def main() -> None:
    provider = await choose_provider(sys.argv[1], home=Path(sys.argv[2]))
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        await sandbox.spawn("trap '' TERM; sleep 98761")
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def outlives_its_time_while_the_owner_hangs(ground: Ground) -> Sequence[str]:
    """The host's half of the clock stands still, so that the guest has only its own."""
    assert ground.provider is not None
    engine = "bubblewrap" if ground.provider.tier == "bubblewrap" else "docker"
    with definitions_with(ground.folder, lifetime_seconds=LIFETIME_SECONDS):
        owner = await asyncio.create_subprocess_exec(
            sys.executable, "-c", STOPPED, engine, str(ground.folder), stdout=asyncio.subprocess.PIPE
        )
    assert owner.stdout is not None
    try:
        if await owner.stdout.readline() != b"ready\n":
            raise ProbeFailed("the owner did not come to run anything")
        owner.send_signal(signal.SIGSTOP)
        return await _left_after(LIFETIME_SECONDS + GONE_SECONDS, "98761", ground.folder)
    finally:
        owner.kill()
        await owner.wait()


async def outlives_a_time_that_only_the_owner_keeps(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        script = f"import subprocess, sys, time; subprocess.run(sys.argv[2:]); time.sleep({LIFETIME_SECONDS}); "
        script += "subprocess.run(['docker', 'rm', '-f', sys.argv[1]])"
        command = ["docker", "exec", "--detach", room.id, "sleep", "98760"]
        owner = await asyncio.create_subprocess_exec(sys.executable, "-c", script, room.id, *command)
        while not running("98760"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        owner.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(2 * LIFETIME_SECONDS)
            return [f"process {each}" for each in running("98760")]
        finally:
            owner.kill()
            await owner.wait()


async def _left_after(seconds: float, word: str, home: Path) -> Sequence[str]:
    # No event tells of the end of another process's children.
    try:
        async with asyncio.timeout(seconds):
            while running(word) or _containers(home):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        return [f"processes {running(word)}", f"containers {_containers(home)}"]
    return []


async def marks_in_a_pool(ground: Ground) -> Sequence[str]:
    """Of those before, in sandboxes that a pool keeps ready."""
    assert ground.provider is not None
    engine: Engine = "bubblewrap" if ground.provider.tier == "bubblewrap" else "docker"
    pool = PooledProvider(await choose_provider(engine, home=ground.folder), size=2, places=4, tell=print)
    found, warm = set(), 0
    try:
        for _ in range(HANDED_OUT):
            warm += pool.waiting > 0
            async with pool.open(SandboxSpec(image="base")) as sandbox:
                found.update((await sandbox.run(MARK, timeout_seconds=30)).stdout.split())
            await pool.filled()
    finally:
        await pool.close()
    if not warm:
        raise ProbeFailed("the pool never had one ready")
    return sorted(found)


async def lives_without_a_time(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        await room.run("sleep 3", timeout_seconds=60)
        return ["no lifetime"]


ATTACKS = (
    Attack(id="C8", title="living on", probe=lives_beyond_its_time, control=lives_without_a_time),
    Attack(
        id="C8 alone",
        title="living on while the owner hangs",
        probe=outlives_its_time_while_the_owner_hangs,
        control=outlives_a_time_that_only_the_owner_keeps,
    ),
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
        id="H5 pool",
        title="what a run before left behind, from a pool",
        probe=marks_in_a_pool,
        control=marks_in_one_used_twice,
    ),
    Attack(
        id="H10",
        title="no sandbox to be had",
        probe=runs_without_a_sandbox,
        control=runs_with_a_sandbox,
        everywhere=True,
    ),
)
