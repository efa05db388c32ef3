"""C: memory, processors, processes, disk and time of the machine."""

import shlex
from collections.abc import Sequence

from macrohard.sandbox import SandboxSpec
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, ProbeFailed, Room, tries

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
        tiers=ENGINE_TIERS,
        elsewhere="bubblewrap cannot limit the number of files, as docs/sandboxes.md says",
    ),
)
