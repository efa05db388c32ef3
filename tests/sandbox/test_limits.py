"""What was hit is told in words, and nothing outlives its supervisor."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import docker
import pytest
from docker.utils import kwargs_from_env

from macrohard.sandbox import DockerProvider, Sandbox, SandboxSpec, build_images
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.guest.frames import RESULT
from macrohard.sandbox.packages import WayOut
from macrohard.sandbox.room import Room
from macrohard.sandbox.snapshots import Snapshots
from tests.sandbox.test_channel import frame, hostile_wire


async def words_for(hits: list[str], tmp_path: Path) -> str | None:
    """What is told of a command whose guest reports these."""
    async with hostile_wire() as enemy:
        room = Room(
            "room",
            tier="runc",
            definition=definitions.load("base"),
            wire=enemy.wire,
            snapshots=Snapshots(tmp_path),
            way_out=WayOut(None),
        )
        running = asyncio.create_task(room.run("true", timeout_seconds=5))
        await asyncio.sleep(0)
        enemy.say(frame(RESULT, 1, json.dumps({"code": 137, "hits": hits}).encode()))
        return (await running).limit_hit


@pytest.mark.parametrize(
    ("hits", "words"),
    [
        ([], None),
        (["memory"], "killed: memory limit 1024 MiB"),
        (["pids"], "refused: limit of 256 processes and threads"),
        (["cpus"], "held up most of the time: limit of 2 processors"),
        (["unknown"], "killed: possibly by the memory limit of 1024 MiB, which cannot be seen here"),
        (["/tmp"], "disk full: /tmp holds 256 MiB"),
        (["/tmp 32768"], "too many files: /tmp holds 32,768 files and folders"),
        (["memory", "/tmp"], "killed: memory limit 1024 MiB; disk full: /tmp holds 256 MiB"),
        (["nonsense", "/etc 5", "/tmp lots", "memory 5", "/tmp " + "9" * 3000], None),
    ],
)
async def test_each_limit_is_told_in_words(hits: list[str], words: str | None, tmp_path: Path) -> None:
    assert await words_for(hits, tmp_path) == words


@pytest.fixture(scope="module")
async def contained(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    await build_images(("base",), engine="docker", progress=print)
    provider = await DockerProvider.connect(home=tmp_path_factory.mktemp("home"))
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        yield sandbox
    await provider.close()


async def test_too_many_files_are_no_full_disk(contained: Sandbox) -> None:
    made = await contained.run("cd /tmp && seq 40000 | xargs touch", timeout_seconds=60)
    assert made.exit_code != 0
    assert made.limit_hit == "too many files: /tmp holds 32,768 files and folders"
    assert (await contained.run("rm -rf /tmp/*", timeout_seconds=60)).limit_hit is None


async def test_what_a_killed_supervisor_leaves_is_killed(contained: Sandbox) -> None:
    process = await contained.spawn("setsid sleep 1234 & echo $PPID; wait")
    supervisor = ((await process.receive_line()) or b"").decode().strip()
    alive = "ps -eo args= | grep '^sleep 123[4]'"
    assert (await contained.run(alive, timeout_seconds=10)).exit_code == 0
    # No command may do this; root beside them does it as the kernel would for want of memory.
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    try:
        engine.exec_start(engine.exec_create(contained.id, ["kill", "-9", supervisor], user="0")["Id"])
    finally:
        engine.close()
    async with asyncio.timeout(10):
        assert await process.wait() == 137
    assert (await contained.run(f"while {alive}; do sleep 0.05; done", timeout_seconds=10)).exit_code == 0


async def test_supervisors_serve_one_command_after_the_other(sandbox: Sandbox) -> None:
    first = (await sandbox.run("echo $PPID", timeout_seconds=10)).stdout
    assert (await sandbox.run("echo $PPID", timeout_seconds=10)).stdout == first
    # As long as anything of a command is alive, nothing else comes under its supervisor.
    left = (await sandbox.run("sleep 60 >/dev/null 2>&1 & echo $PPID", timeout_seconds=10)).stdout
    assert left == first
    assert (await sandbox.run("echo $PPID", timeout_seconds=10)).stdout != first


async def test_who_was_above_a_killed_command_is_above_no_other(sandbox: Sandbox) -> None:
    # It may have been killed with it and not be dead yet: what came under it then died without a word.
    for _ in range(5):
        process = await sandbox.spawn("echo $PPID; sleep 60")
        killed = await process.receive_line()
        await process.kill()
        result = await sandbox.run("echo $PPID", timeout_seconds=10)
        assert result.exit_code == 0
        assert result.stdout.encode() != killed


async def test_commands_get_nothing_that_is_not_theirs(sandbox: Sandbox) -> None:
    result = await sandbox.run("echo /proc/self/fd/*; grep Uid /proc/self/status", timeout_seconds=10)
    opened, users = result.stdout.splitlines()
    assert len(opened.split()) == 4  # The three streams, and the folder that is listed.
    assert users.split() == ["Uid:"] + 4 * ["10001"]


async def test_a_private_folder_of_the_user_can_be_worked_in(sandbox: Sandbox) -> None:
    await sandbox.run("mkdir -m 700 /tmp/own", timeout_seconds=10)
    assert (await sandbox.run("pwd", timeout_seconds=10, directory=PurePosixPath("/tmp/own"))).stdout == "/tmp/own\n"


async def test_a_command_without_input_finds_nothing_to_read(sandbox: Sandbox) -> None:
    assert (await sandbox.run("cat; readlink /proc/self/fd/0", timeout_seconds=10)).stdout == "/dev/null\n"
    assert (await sandbox.run("cat", timeout_seconds=10, input=b"given")).stdout == "given"


HUNTER = """
import os, signal, sys
number = int(sys.argv[1])
while True:
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and open(f"/proc/{name}/comm").read() == "supervisor\\n":
                os.kill(int(name), number)
                print(name, flush=True)
        except OSError:
            pass
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_a_command_that_hunts_supervisors_harms_only_its_neighbours(
    sandbox: Sandbox, number: signal.Signals
) -> None:
    await sandbox.write({PurePosixPath("hunter.py"): HUNTER.encode()})
    hunter = await sandbox.spawn(f"exec python3 hunter.py {number.value} > caught")
    codes = {0}
    async with asyncio.timeout(60):
        while 137 not in codes:
            codes.add((await sandbox.run(("true",), timeout_seconds=0.5)).exit_code)
    assert codes == {0, 137}
    await hunter.kill()
    assert await hunter.wait() == 137
    # What was caught is free again or gone, and what comes next is not touched by it.
    for _ in range(4):
        assert (await sandbox.run(("true",), timeout_seconds=5)).exit_code == 0
    assert (await sandbox.run("ps -eo args= | grep '[h]unter.py'", timeout_seconds=5)).exit_code == 1
