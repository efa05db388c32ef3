"""A shell that stays where it is, and processes that run on beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from macrohard.agent import PRODUCT_ROOT
from macrohard.agent.shell import Shell
from macrohard.domain import JsonObject
from macrohard.sandbox import CommandResult, SandboxProvider, SandboxSpec
from tests.agent.scripted import FINISH, MemoryTranscripts, OpenBench, calls, run


@pytest.fixture
async def shell(sandboxes: SandboxProvider) -> AsyncIterator[Shell]:
    async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
        await sandbox.run(f"mkdir -p {PRODUCT_ROOT}/sub", timeout_seconds=10)
        yield Shell(sandbox, PRODUCT_ROOT)


async def says(shell: Shell, command: str) -> CommandResult:
    return await shell.run(command, timeout_seconds=10)


async def test_folder_and_exported_variables_stay_and_all_else_is_as_in_a_new_shell(shell: Shell) -> None:
    first = await says(shell, "cd sub; export A='it is \"so\"\n$HOME'; b=1; set -e; exit 3")
    assert first.exit_code == 3
    assert shell.folder == PRODUCT_ROOT / "sub"
    second = await says(shell, 'echo "$A|${b-unset}|$-"; pwd; false; echo went on')
    assert second.stdout == f'it is "so"\n$HOME|unset|hBc\n{PRODUCT_ROOT}/sub\nwent on\n'


async def test_a_command_that_was_killed_leaves_the_shell_as_it_was(shell: Shell) -> None:
    await says(shell, "export A=before")
    killed = await shell.run("cd sub; export A=after; sleep 60", timeout_seconds=0.5)
    assert killed.timed_out
    assert (await says(shell, "echo $A; pwd")).stdout == f"before\n{PRODUCT_ROOT}\n"


async def test_a_folder_that_is_gone_is_told(shell: Shell) -> None:
    await says(shell, "cd sub; rmdir ../sub")
    result = await says(shell, "pwd")
    assert result.stdout.endswith(f"sub is gone; you are in the product's root)\n{PRODUCT_ROOT}\n")


async def test_what_is_wrong_is_told_where_it_happened(shell: Shell) -> None:
    result = await says(shell, "for n in 1 2; do echo good $n; echo wrong $n >&2; done; ls nowhere || pwd")
    good, nowhere = result.stdout.split("ls: ")
    assert good == "good 1\nwrong 1\ngood 2\nwrong 2\n"
    assert nowhere.splitlines()[1:] == [str(PRODUCT_ROOT)]
    assert result.stderr == ""


async def test_a_server_survives_calls_and_its_output_is_read_piece_by_piece(shell: Shell) -> None:
    await says(shell, "cd sub; export GREETING=hello; echo content > page.txt")
    begun = await shell.start("echo $GREETING; echo to stderr >&2; exec python3 -m http.server 8123 2>requests.log")
    assert begun == "p1 is running\nhello\nto stderr"
    served = "for i in $(seq 50); do curl -sf 127.0.0.1:8123/page.txt && break; sleep 0.1; done"
    assert (await says(shell, served)).stdout == "content\n"
    assert "exec python3" in shell.listed()
    assert await shell.output("p1") == "p1 is running\n(no new output)"
    assert (await shell.stop("p1")).startswith("p1 ended with exit code 137")
    assert (await says(shell, "curl -s 127.0.0.1:8123")).exit_code == 7


async def test_a_process_is_waited_for_until_it_says_something_or_ends(shell: Shell) -> None:
    await shell.start("until [ -e go ]; do sleep 0.1; done; echo first; until [ -e on ]; do sleep 0.1; done; exit 3")
    assert await shell.wait("p1", timeout_seconds=0.5) == "p1 is running\n(no new output)"
    waiting = asyncio.create_task(shell.wait("p1", timeout_seconds=60))
    await says(shell, "touch go")
    assert await waiting == "p1 is running\nfirst"
    waiting = asyncio.create_task(shell.wait("p1", timeout_seconds=60))
    await says(shell, "touch on")
    assert await waiting == "p1 ended with exit code 3\n(no new output)"
    assert await shell.wait("p1", timeout_seconds=60) == "p1 ended with exit code 3\n(no new output)"
    gone = await says(shell, "while ps -ef | grep -q '[s]tat -c'; do sleep 0.1; done")
    assert gone.exit_code == 0, "nobody waits in the sandbox any more"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        pytest.param({"action": "start", "command": "echo no; exit 4"}, "p1 ended with exit code 4\nno", id="ends"),
        pytest.param({"action": "start"}, "Error: start needs a command", id="no command"),
        pytest.param({"action": "output", "process": "p7"}, "Error: no process 'p7'; there are: none", id="unknown"),
        pytest.param({"action": "list"}, "none was started", id="nothing to list"),
    ],
)
async def test_what_an_agent_is_told_about_its_processes(room: OpenBench, given: JsonObject, answer: str) -> None:
    _, model, _, _ = await run(room, calls(("background", given)), FINISH)
    assert str(model.requests[1][-1]["content"]).startswith(answer)


async def test_a_session_that_goes_on_stands_where_it_stood_and_knows_what_is_lost(bench: OpenBench) -> None:
    whole = MemoryTranscripts()
    await run(
        bench,
        calls(("write", {"path": "app/a.py", "content": "1"}), ("shell", {"command": "cd app; export A=1"})),
        calls(("background", {"action": "start", "command": "sleep 60"})),
        FINISH,
        transcripts=whole,
    )
    cut = MemoryTranscripts(whole.entries[:-2])
    _, model, _, _ = await run(bench, calls(("shell", {"command": "pwd; ls; echo a=$A"})), FINISH, transcripts=cut)
    told, answer = str(model.requests[0][-1]["content"]), str(model.requests[1][-1]["content"])
    assert "goes on in a fresh sandbox" in told
    assert "No process runs" in told
    assert answer == f"{PRODUCT_ROOT}/app\na.py\na=\n(you are in {PRODUCT_ROOT}/app)\nexit code 0"
