"""B: the guest, and what it says."""

import json
import shlex
import struct
from collections.abc import Sequence

from docker.errors import APIError

from macrohard.cli.terminal import printable
from macrohard.sandbox import OUTPUT_LIMIT_BYTES
from macrohard.sandbox.guest.frames import HEADER, RESULT
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, engine_client, tries
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
FLOOD_BYTES = 8_000_000
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
        left = await room.run(f"({UNTIL_REAPED}); ps -eo stat= | grep -c Z", timeout_seconds=30)
    count = int(left.stdout)
    return [f"{count} zombies"] if count else []


ESCAPES = ("\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "\u202ereversed", "\r", "\x08")


async def escapes_that_reach_the_terminal(ground: Ground) -> Sequence[str]:
    return [repr(text) for text in ESCAPES if text in printable(f"before {text} after")]


async def escapes_in_output(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        result = await room.run("printf '\\033[2J'", timeout_seconds=10)
    return [repr(text) for text in ESCAPES if text in result.stdout]


ATTACKS = (
    Attack(
        id="B1",
        title="writing into the guest's own channel",
        probe=tries(
            {
                f"descriptor {number} of {process}": f": >> /proc/{process}/fd/{number}"
                for process in ("1", "$STARTER")
                for number in range(8)
            }
        ),
        quick=True,
    ),
    Attack(
        id="B2",
        title="killing, stopping, reading the guest",
        probe=tries(
            {
                "signals to 1": "kill -0 1",
                "memory of 1": ": < /proc/1/mem",
                "environment of 1": "head -c 1 /proc/1/environ",
                "descriptors of 1": "ls /proc/1/fd",
                "its death": "kill -STOP 1 && kill -KILL 1",
            }
        ),
    ),
    Attack(
        id="B3",
        title="output that looks like a result",
        probe=results_forged_by_output,
        control=results_read_from_output,
    ),
    Attack(
        id="B4",
        title="a guest that talks nonsense",
        probe=nonsense_that_is_put_up_with,
        control=sense_that_is_put_up_with,
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
    Attack(
        id="B9",
        title="escape sequences on a terminal",
        probe=escapes_that_reach_the_terminal,
        control=escapes_in_output,
    ),
)
