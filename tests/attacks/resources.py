"""C: memory, processors, processes, disk and time of the machine."""

import asyncio
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import docker
from docker.utils import kwargs_from_env

from macrohard import bundled
from macrohard.errors import ToolError
from macrohard.sandbox import SandboxSpec
from macrohard.workspace import Repository
from tests.attacks.attack import (
    ENGINE_TIERS,
    Attack,
    Ground,
    ProbeFailed,
    Room,
    engine_client,
    environment,
    tries,
)
from tests.workspace.conftest import LIMIT, Workshop

PROCESSES = 1000
FORKS = f"""
import os, time
count = 0
try:
    while count < {PROCESSES}:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count)
"""
MEMORY_MIB = 1536
MEMORY = f"""
kept = []
for _ in range({MEMORY_MIB} // 64):
    kept.append(bytearray(b"x") * (64 << 20))
print("kept")
"""
FILES = 100_000
INODES = f"""
count = 0
try:
    for count in range({FILES}):
        open(f"/workspace/{{count}}", "w").close()
except OSError:
    pass
print(count + 1)
"""


async def processes_at_once(ground: Ground) -> Sequence[str]:
    """As many as may be; ours have to be usable again at once, after a real fork bomb too."""
    assert ground.provider is not None
    async with ground.provider.open(SandboxSpec(image="base")) as sandbox:
        found = await _forked(sandbox)
        await sandbox.kill_all()
        await sandbox.run("x() { x | x & }; x; sleep 60", timeout_seconds=2)
        alive = await sandbox.run("echo alive", timeout_seconds=30)
    return [*found, *([] if alive.stdout == "alive\n" else [f"nothing runs any more: {alive.stderr}"])]


async def processes_without_a_limit(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        return await _forked(room)


async def _forked(room: Room) -> Sequence[str]:
    result = await room.run(f"python3 -c {shlex.quote(FORKS)}", timeout_seconds=60)
    if not result.stdout:
        raise ProbeFailed(result.stderr[-500:])
    return [f"{PROCESSES} processes"] if int(result.stdout) == PROCESSES else []


async def memory_at_once(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run(f"python3 -c {shlex.quote(MEMORY)}", timeout_seconds=60)
        alive = await room.run("echo alive", timeout_seconds=30)
    found = [f"{MEMORY_MIB} MiB"] if result.stdout == "kept\n" else []
    if ground.provider and not found and not result.limit_hit:
        found.append(f"it died of something else: {result.exit_code} {result.stderr[-200:]}")
    return found + ([] if alive.stdout == "alive\n" else [f"nothing runs any more: {alive.stderr}"])


async def files_at_once(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run(f"python3 -c {shlex.quote(INODES)}", timeout_seconds=120)
    if not result.stdout:
        raise ProbeFailed(result.stderr[-500:])
    return [f"{FILES} files"] if int(result.stdout) == FILES else []


CPUS = 0.5
BUSY_SECONDS = 3
BUSY = f"for i in 1 2 3 4; do (timeout {BUSY_SECONDS} bash -c 'while :; do :; done') & done; wait; times"
DEEP = 3000
CHAIN = f"""
import os
os.chdir("/workspace")
for _ in range({DEEP}):
    os.mkdir("d")
    os.chdir("d")
open("x", "w").close()
"""


@contextmanager
def definitions_with(folder: Path, **limits: object) -> Iterator[None]:
    """The image `base` with other limits, for as long as this lasts."""
    shutil.copytree(bundled.folder("sandboxes"), folder / "sandboxes")
    path = folder / "sandboxes" / "base" / "sandbox.yaml"
    lines = path.read_text().splitlines()
    changed = [f"{name}: {limits[name]}" if (name := line.partition(":")[0]) in limits else line for line in lines]
    if len(set(changed) - set(lines)) != len(limits):
        raise ProbeFailed("the limits could not be set")
    path.write_text("\n".join(changed))
    with environment(MACROHARD_DATA=str(folder)):
        yield


async def processors_taken(ground: Ground) -> Sequence[str]:
    """By four busy loops where half a processor is allowed; and whether a neighbour still gets anything done."""
    assert ground.provider is not None
    with definitions_with(ground.folder, cpus=CPUS):
        async with (
            ground.provider.open(SandboxSpec(image="base")) as busy,
            ground.provider.open(SandboxSpec(image="base")) as neighbour,
        ):
            before = await asyncio.to_thread(_processor_seconds, busy.id)
            hogs = await busy.spawn(BUSY)
            slow = [await neighbour.run("true", timeout_seconds=20) for _ in range(20)]
            await hogs.wait()
            after = await asyncio.to_thread(_processor_seconds, busy.id)
    late = [f"a neighbour's command took {each.duration_seconds:.1f} s" for each in slow if each.duration_seconds > 2]
    return [*_processors(after - before), *late]


async def processors_taken_without_a_limit(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        before = await asyncio.to_thread(_processor_seconds, room.id)
        await room.run(BUSY, timeout_seconds=60)
        return _processors(await asyncio.to_thread(_processor_seconds, room.id) - before)


def _processor_seconds(container: str) -> float:
    """As the engine's control group counts them: a kernel of its own inside counts otherwise."""
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    try:
        used = engine.stats(container, stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
    finally:
        engine.close()
    return float(used) / 1e9


def _processors(seconds: float) -> Sequence[str]:
    taken = seconds / BUSY_SECONDS
    return [f"{taken:.2f} processors"] if taken > CPUS * 1.4 else []


async def holes_and_depths_taken_out(ground: Ground) -> Sequence[str]:
    """A file of a TiB that takes no room, and folders deeper than any path may be long."""
    assert ground.provider is not None
    found = []
    async with ground.provider.open(SandboxSpec(image="base")) as sandbox:
        made = await sandbox.run(f"truncate -s 1T sparse && python3 -c {shlex.quote(CHAIN)}", timeout_seconds=60)
        if made.exit_code != 0:
            raise ProbeFailed(made.stderr[-500:])
        with suppress(ToolError):
            found.append(f"{len(await sandbox.read(PurePosixPath('sparse'), limit_bytes=1 << 20))} bytes of the TiB")
        alive = await sandbox.run("echo alive", timeout_seconds=20)
    workshop = Workshop(ground.folder / "workshop")
    tree = workshop.tree(("100644", "x", workshop.blob(b"x")))
    for _ in range(200):
        tree = workshop.tree(("40000", "d", tree))
    workshop.commit_tree(tree)
    repository = await Repository.create(ground.folder / "product.git")
    with suppress(ToolError):
        await repository.fetch(workshop.bundle(), ref="work", limit_bytes=LIMIT)
        found.append("folders two hundred deep were taken in")
    return found + ([] if alive.stdout == "alive\n" else ["nothing runs any more"])


async def holes_copied_out_by_the_engine(ground: Ground) -> Sequence[str]:
    """What a careless copy gets."""
    async with ground.open() as room:
        await room.run("truncate -s 128M /workspace/sparse", timeout_seconds=20)
        got = await asyncio.to_thread(_copied, room.id)
    return [f"{got} bytes for a file of none"] if got > 1 << 20 else []


def _copied(container: str) -> int:
    with engine_client() as engine:
        pieces, _ = engine.get_archive(container, "/workspace/sparse")
        return sum(map(len, pieces))


def filled(path: str, mib: int) -> str:
    return f"head -c {mib}M /dev/zero > {path}; code=$?; rm -f {path}; exit $code"


ATTACKS = (
    Attack(id="C1", title="a fork bomb", probe=processes_at_once, control=processes_without_a_limit),
    Attack(id="C2", title="a memory bomb", probe=memory_at_once),
    Attack(
        id="C3",
        title="filling the folders in memory",
        probe=tries(
            {
                "600 MiB in /workspace": filled("/workspace/x", 600),
                "300 MiB in /tmp": filled("/tmp/x", 300),
                "300 MiB in the home folder": filled("/home/agent/x", 300),
                "100 MiB in /dev/shm": filled("/dev/shm/x", 100),
            }
        ),
        weakness={"ShmSize": 1 << 30},
    ),
    Attack(
        id="C4",
        title="filling the disk",
        probe=tries({f"1 MiB in {path}/": filled(f"{path}/x", 1) for path in ("", "/var/tmp", "/var/log", "/opt")}),
        quick=True,
    ),
    Attack(
        id="C5",
        title="a hundred thousand files",
        probe=files_at_once,
        tiers=("runc+userns", "runc"),
        elsewhere="neither bubblewrap nor gVisor can limit the number of files, as docs/sandboxes.md says",
    ),
    Attack(
        id="C6",
        title="a busy neighbour",
        probe=processors_taken,
        control=processors_taken_without_a_limit,
        # So that it gets what it asks for, whatever else this machine does.
        weakness={"CpuShares": 1 << 18},
        tiers=ENGINE_TIERS,
        elsewhere="bubblewrap cannot limit processors, as docs/sandboxes.md says",
    ),
    Attack(
        id="C7",
        title="sparse files and deep folders",
        probe=holes_and_depths_taken_out,
        control=holes_copied_out_by_the_engine,
    ),
)
