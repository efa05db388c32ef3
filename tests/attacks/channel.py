"""B: the guest, and what it says."""

import asyncio
import json
import shlex
import struct
import sys
from collections.abc import Coroutine, Sequence

import pytest
from docker.errors import APIError

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import OUTPUT_LIMIT_BYTES
from macrohard.sandbox import room as room_module
from macrohard.sandbox.guest.frames import HEADER, RESULT
from tests.attacks import hostile_guest
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, ProbeFailed, engine_client, tries
from tests.attacks.boundary import NO_ENGINE
from tests.sandbox.test_channel import NONSENSE, frame, hostile_wire

FORGED = json.dumps({"id": 1, "code": 0, "stdout": "all tests passed"})
LINE = f"\n{FORGED}\n".encode()
WIRE_FRAME = frame(RESULT, 1, b'{"code": 0}')
ENGINE_FRAME = struct.pack(">BxxxI", 1, 4)
HOSTILE_OUTPUT = f"""
import os
for data in ({LINE!r}, {WIRE_FRAME!r}, {ENGINE_FRAME!r}, b"\\0\\xff\\xfe\\n"):
    os.write(1, data)
    os.write(2, data)
os._exit(7)
"""
HALF_AN_ANSWER = frame(RESULT, 1, b'{"code": 0}')[:-3]
PATIENCE_SECONDS = 0.5
TRACE = """
import ctypes, sys
number = 101 if __import__("os").uname().machine == "x86_64" else 117
sys.exit(ctypes.CDLL(None).syscall(number, 16, 1, 0, 0) != 0)
"""
FLOOD_BYTES = 8_000_000
LINE_BYTES = 1 << 25
HOSTS_AT_ONCE = 3
ORPHANS = 1000
UNTIL_REAPED = "for i in $(seq 50); do ps -eo stat= | grep -q Z || exit 1; sleep 0.1; done"


async def results_forged_by_output(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run(f"python3 -c {shlex.quote(HOSTILE_OUTPUT)}", timeout_seconds=20)
        after = await room.run("echo mine", timeout_seconds=20)
    found = [] if result.exit_code == 7 else [f"exit code {result.exit_code}"]
    if FORGED not in result.stdout:
        found.append("the output was taken for something else")
    return found + ([] if after.stdout == "mine\n" else [f"the next result: {after.stdout!r}"])


async def one_line_without_end(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run(f"head -c {LINE_BYTES} /dev/zero", timeout_seconds=120)
        after = await room.run("echo mine", timeout_seconds=20)
    found = [f"{len(result.stdout)} bytes kept"] if len(result.stdout) > OUTPUT_LIMIT_BYTES else []
    if len(result.stdout) + result.dropped_bytes != LINE_BYTES:
        found.append(f"{len(result.stdout)} bytes kept and {result.dropped_bytes} dropped")
    return found + ([] if after.stdout == "mine\n" else [f"the next result: {after.stdout!r}"])


async def one_long_line_kept(ground: Ground) -> Sequence[str]:
    """What a client that keeps all has of it."""
    async with ground.open() as room:
        result = await room.run(f"head -c {LINE_BYTES} /dev/zero", timeout_seconds=120)
    return [f"{len(result.stdout)} bytes kept"] if len(result.stdout) > OUTPUT_LIMIT_BYTES else []


async def results_read_from_output(ground: Ground) -> Sequence[str]:
    """What would happen if results were lines of output."""
    async with ground.open() as room:
        result = await room.run(f"python3 -c {shlex.quote(HOSTILE_OUTPUT)}", timeout_seconds=20)
    line = result.stdout.splitlines()[1]
    return [f"exit code {json.loads(line)['code']} instead of {result.exit_code}"]


async def nonsense_that_is_put_up_with(ground: Ground) -> Sequence[str]:
    found = []
    for name, nonsense in NONSENSE.items():
        async with hostile_wire() as enemy:
            enemy.wire.open("run")
            enemy.say(nonsense)
            enemy.hang_up()
            await enemy.wire.ended()
            if "broke the protocol" not in str(enemy.wire.lost):
                found.append(name)
    return found


async def sense_that_is_put_up_with(ground: Ground) -> Sequence[str]:
    """The same with a frame that is as it should be."""
    async with hostile_wire() as enemy:
        enemy.wire.open("run")
        enemy.say(HEADER.pack(RESULT, 1, 2) + b"{}")
        enemy.hang_up()
        await enemy.wire.ended()
        return [] if "broke the protocol" in str(enemy.wire.lost) else ["a whole answer"]


async def what_a_hostile_guest_does_to_us(ground: Ground) -> Sequence[str]:
    return await _let_loose("ours", hostile_guest.ATTACKS)


async def what_it_does_to_the_careless(ground: Ground) -> Sequence[str]:
    return await _let_loose("careless", ("four gigabytes announced", "a flood for nobody"))


async def _let_loose(host: str, attacks: Sequence[str]) -> Sequence[str]:
    at_once = asyncio.Semaphore(HOSTS_AT_ONCE)

    async def one(attack: str) -> str:
        command = (sys.executable, "-m", "tests.attacks.hostile_guest", host, attack)
        async with at_once:
            victim = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            said, complained = await victim.communicate()
        if victim.returncode != 0:
            raise ProbeFailed(f"{attack}: {complained.decode()[-500:]}")
        came = json.loads(said)
        if came["broken"]:
            return f"{attack}: {came['broken']}"
        grew = (
            f"{attack}: the host grew by {came['grew'] >> 20} MiB" if came["grew"] > hostile_guest.GROWTH_BYTES else ""
        )
        return grew or ("" if came["lost"] else f"{attack}: nobody noticed")

    return [found for found in await asyncio.gather(*map(one, attacks)) if found]


async def waits_for_a_silent_guest(ground: Ground) -> Sequence[str]:
    """The guest is stopped from outside; the call ends by the clock of the host."""
    with pytest.MonkeyPatch.context() as patch, engine_client() as engine:
        patch.setattr(room_module, "GUEST_GRACE_SECONDS", PATIENCE_SECONDS)
        async with ground.open() as room:
            engine.pause(room.id)
            try:
                return await _waits(room.run("true", timeout_seconds=PATIENCE_SECONDS))
            finally:
                engine.unpause(room.id)


async def waits_for_a_silent_guest_without_a_clock(ground: Ground) -> Sequence[str]:
    async with hostile_wire() as enemy:
        enemy.say(HALF_AN_ANSWER)
        return await _waits(enemy.wire.open("run").result())


async def _waits(answer: Coroutine[None, None, object]) -> Sequence[str]:
    try:
        async with asyncio.timeout(10 * PATIENCE_SECONDS):
            await answer
    except SandboxUnavailable:
        return []
    except TimeoutError:
        return ["waiting without end"]
    return ["half an answer was taken for a whole one"]


async def output_that_is_kept(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run(f"yes | head -c {FLOOD_BYTES}", timeout_seconds=60)
    kept = len(result.stdout)
    if kept + result.dropped_bytes != FLOOD_BYTES:
        return [f"{kept} bytes kept and {result.dropped_bytes} dropped of {FLOOD_BYTES}"]
    return [f"{kept} bytes kept"] if kept > OUTPUT_LIMIT_BYTES else []


async def log_of_the_engine(ground: Ground) -> Sequence[str]:
    with engine_client() as engine:
        async with ground.open() as room:
            await room.run("yes | head -c 1000000 | tee /proc/1/fd/1 >/dev/null", timeout_seconds=60)
            try:
                kept = len(engine.logs(room.id))
            except APIError as error:
                # That there is nothing to read is what should be.
                if "does not support reading" not in str(error):
                    raise
                kept = 0
    return [f"{kept} bytes"] if kept else []


async def survivors_of_a_timeout(ground: Ground) -> Sequence[str]:
    stubborn = 'trap "" TERM INT HUP; sleep 98763'
    command = f"(setsid bash -c '{stubborn}; true' &) ; (setsid setsid sleep 98763 >&- 2>&- &) ; {stubborn}; true"
    async with ground.open() as room:
        # Weak rooms would wait for the pipe.
        await room.run(f"({command}) >/dev/null 2>&1", timeout_seconds=1)
        return (await room.run("pgrep -f 9876[3]", timeout_seconds=20)).stdout.split()


async def zombies(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        await room.run(f"for i in $(seq {ORPHANS}); do (true &); done", timeout_seconds=60)
        left = await room.run(f"({UNTIL_REAPED}); ps -eo stat= | grep -c Z", timeout_seconds=120)
    if not left.stdout.strip().isdigit():
        raise ProbeFailed(f"nothing was counted: {left}")
    count = int(left.stdout)
    return [f"{count} zombies"] if count else []


ATTACKS = (
    Attack(
        id="B1",
        title="writing into the guest's own channel",
        probe=tries(
            {
                f"descriptor {number} of {process}": f"test $(readlink /proc/{process}/fd/{number})x != /dev/nullx && "
                f": >> /proc/{process}/fd/{number}"
                for process in ("1", "$STARTER")
                for number in range(9)
            }
        ),
        quick=True,
    ),
    Attack(
        id="B2",
        title="killing, stopping, reading the guest",
        # That it came to its end is said by the guest itself.
        probe=tries(
            {
                "stopping 1": "kill -STOP 1",
                "tracing 1": f"python3 -c {shlex.quote(TRACE)}",
                "signals to 1": "kill -0 1",
                "memory of 1": ": < /proc/1/mem",
                "its death": "kill -KILL 1",
            }
        ),
    ),
    Attack(
        id="B2 look",
        title="looking at what the guest holds",
        probe=tries({"environment of 1": "head -c 1 /proc/1/environ", "descriptors of 1": "ls /proc/1/fd"}),
        tiers=("runc+userns", "runc", "bubblewrap"),
        elsewhere="gVisor shows all the environment and the descriptors of process 1: the one holds nothing (H1), "
        "the others cannot be opened (B1)",
    ),
    Attack(
        id="B3",
        title="output that looks like a result",
        probe=results_forged_by_output,
        control=results_read_from_output,
    ),
    Attack(id="B3 line", title="32 MiB in one line", probe=one_line_without_end, control=one_long_line_kept),
    Attack(
        id="B4",
        title="a guest that talks nonsense",
        probe=nonsense_that_is_put_up_with,
        control=sense_that_is_put_up_with,
        everywhere=True,
    ),
    Attack(
        id="B4 memory",
        title="a guest that wants all of the host's memory, or its end",
        probe=what_a_hostile_guest_does_to_us,
        control=what_it_does_to_the_careless,
        everywhere=True,
    ),
    Attack(
        id="B4 silence",
        title="a guest that falls silent",
        probe=waits_for_a_silent_guest,
        control=waits_for_a_silent_guest_without_a_clock,
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(id="B5", title="a flood of output", probe=output_that_is_kept),
    Attack(
        id="B6",
        title="a flood into the engine's log",
        probe=log_of_the_engine,
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(id="B7", title="outliving a timeout", probe=survivors_of_a_timeout),
    Attack(id="B8", title="a thousand orphans", probe=zombies),
)
