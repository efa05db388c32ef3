"""What every kind of sandbox has to do, whatever stands behind it."""

import asyncio
import os
from pathlib import PurePosixPath

import pytest

from macrohard.errors import DefinitionError, SandboxUnavailable, ToolError
from macrohard.sandbox import OUTPUT_LIMIT_BYTES, Command, DockerProvider, Sandbox, SandboxSpec
from macrohard.sandbox.pool import PooledProvider
from tests.sandbox.conftest import Provider
from tests.sandbox.test_isolation import SYSTEM_CALLS

WHO_IS_THERE = "ps -eo user:12,args --no-headers | grep -v -e python3 -e ' ps ' -e 'bash -c ps' -e grep || true"
BASE = SandboxSpec(image="base")
KINDS = {"docker": "runc", "userns": "runc+userns", "gvisor": "gvisor", "bubblewrap": "bubblewrap"}
EVERY_KIND = pytest.mark.parametrize("provider", list(KINDS), indirect=True)
# The stronger kinds have engines of their own, and gVisor is slow: `make attacks` tries all of it on them.
USUAL_KINDS = ("docker", "bubblewrap", *(("userns", "gvisor") if os.environ.get("MACROHARD_TEST_EVERY_TIER") else ()))
USUAL_KIND = pytest.mark.parametrize("provider", USUAL_KINDS, indirect=True)
# Once it is open, a pooled one is the same room as any other.
ALSO_POOLED = pytest.mark.parametrize("provider", [*USUAL_KINDS, "pooled docker"], indirect=True)


@EVERY_KIND
async def test_the_tier_is_the_one_that_is_there(
    request: pytest.FixtureRequest, provider: Provider, sandbox: Sandbox
) -> None:
    kind = request.node.callspec.params["provider"]
    assert (provider.tier, sandbox.tier) == (KINDS[kind], KINDS[kind])
    # Its engine has gVisor too; but where users are remapped, two of its sandboxes cannot share a loopback.
    assert ("runtime 'runsc' does not work here" in (provider.notice or "")) is (kind == "userns")


@EVERY_KIND
async def test_a_product_and_its_browser_share_a_loopback_and_their_limits_hold(
    provider: Provider, sandbox: Sandbox
) -> None:
    """What every other test of a kind builds on, so that `make test` sees all four kinds at work."""
    await sandbox.write({PurePosixPath("/tmp/page"): b"from the other side"})
    await TestConnections().started(sandbox)
    async with provider.open(SandboxSpec(image="base", join=sandbox.id)) as joined:
        fetched = await joined.run("curl --silent --max-time 5 http://127.0.0.1:8000/page", timeout_seconds=10)
        assert fetched.stdout == "from the other side"
    greedy = await sandbox.run("python3 -c 'x = bytearray(1500 << 20)'", timeout_seconds=30)
    assert (greedy.exit_code, greedy.limit_hit) == (137, "killed: memory limit 1024 MiB")


@EVERY_KIND
async def test_dangerous_system_calls_are_refused(sandbox: Sandbox) -> None:
    await sandbox.write({PurePosixPath("probe.py"): SYSTEM_CALLS.encode()})
    outcomes = dict(
        line.split() for line in (await sandbox.run("python3 probe.py", timeout_seconds=10)).stdout.splitlines()
    )
    assert len(outcomes) == 17
    assert set(outcomes.values()) == {"EPERM"}


async def processes(sandbox: Sandbox) -> str:
    return (await sandbox.run(WHO_IS_THERE, timeout_seconds=10)).stdout


@USUAL_KIND
class TestRun:
    async def test_output_and_exit_code_are_told_apart(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("echo out; echo err >&2; exit 7", timeout_seconds=10)
        assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")
        assert (result.timed_out, result.dropped_bytes, result.limit_hit) == (False, 0, None)

    async def test_input_environment_and_directory_arrive(self, sandbox: Sandbox) -> None:
        result = await sandbox.run(
            'cat; echo "$GREETING"; pwd',
            timeout_seconds=10,
            directory=PurePosixPath("/tmp"),
            environment={"GREETING": "grüß dich"},
            input=b"from outside\n",
        )
        assert result.stdout == "from outside\ngrüß dich\n/tmp\n"

    async def test_much_input_goes_through_and_unwanted_input_is_dropped(self, sandbox: Sandbox) -> None:
        megabytes = b"x" * (5 << 20)
        assert (await sandbox.run("wc -c", timeout_seconds=20, input=megabytes)).stdout.strip() == str(5 << 20)
        assert (await sandbox.run("true", timeout_seconds=20, input=megabytes)).exit_code == 0
        assert (await sandbox.run("sleep 0.2", timeout_seconds=20, input=megabytes)).exit_code == 0

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            pytest.param("kill -9 $$", 137, id="killed"),
            pytest.param("kill -15 $$", 143, id="terminated"),
            pytest.param("no-such-program", 127, id="not found"),
        ],
    )
    async def test_other_endings_are_results(self, sandbox: Sandbox, command: str, code: int) -> None:
        assert (await sandbox.run(command, timeout_seconds=10)).exit_code == code

    @pytest.mark.parametrize(
        ("command", "directory", "complaint"),
        [
            pytest.param("true", "/workspace/nowhere", "No such file or directory: /workspace/nowhere", id="directory"),
            pytest.param(f"true {'x' * 200_000}", "/workspace", "write a file", id="too long"),
            pytest.param("true\0", "/workspace", "NUL", id="not text"),
            pytest.param((), "/workspace", "name of a program", id="no words"),
            pytest.param(("/etc/passwd",), "/workspace", "Permission denied: /etc/passwd", id="no program"),
        ],
    )
    async def test_what_cannot_be_started_is_a_result_too(
        self, sandbox: Sandbox, command: Command, directory: str, complaint: str
    ) -> None:
        result = await sandbox.run(command, timeout_seconds=10, directory=PurePosixPath(directory))
        assert result.exit_code == 126
        assert complaint in result.stderr

    async def test_words_are_a_program_and_its_arguments_which_no_shell_reads(self, sandbox: Sandbox) -> None:
        words = ("printf", "%s|", "$HOME", "a b", "*", "; id", "'", "")
        result = await sandbox.run(words, timeout_seconds=10, environment={"PATH": "/usr/bin"})
        assert (result.exit_code, result.stdout) == (0, "$HOME|a b|*|; id|'||")
        by_a_shell = await sandbox.run("id -u; pwd; echo $$ $PPID", timeout_seconds=10)
        by_words = await sandbox.run(("bash", "-c", "id -u; pwd; echo $$ $PPID"), timeout_seconds=10)
        assert by_words.stdout.splitlines()[:2] == by_a_shell.stdout.splitlines()[:2] == ["10001", "/workspace"]
        absent = await sandbox.run(("no-such-program", "x"), timeout_seconds=10)
        assert absent.exit_code == 127
        assert "No such file or directory: no-such-program" in absent.stderr

    async def test_after_a_timeout_nothing_is_left(self, sandbox: Sandbox) -> None:
        stubborn = (
            "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM; sleep 301 & sleep 302' &) ; "
            "python3 -c 'import os,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0: time.sleep(303)' ; sleep 304"
        )
        other = await sandbox.spawn("exec sleep 300")
        result = await sandbox.run(stubborn, timeout_seconds=1)
        assert (result.timed_out, result.exit_code) == (True, 137)
        assert (await processes(sandbox)).split() == ["agent", "sleep", "300"], "and nothing else was touched"
        await other.kill()

    async def test_what_came_before_a_timeout_is_kept(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("echo early; sleep 60", timeout_seconds=0.5)
        assert (result.stdout, result.timed_out) == ("early\n", True)

    async def test_a_command_that_leaves_something_running_ends_with_its_shell(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("sleep 300 & echo started", timeout_seconds=30)
        assert (result.stdout, result.timed_out) == ("started\n", False)
        assert "sleep 300" in await processes(sandbox)

    async def test_a_flood_is_cut_and_counted(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("head -c 30000000 /dev/zero | tr '\\0' x; echo end >&2", timeout_seconds=30)
        assert len(result.stdout) == OUTPUT_LIMIT_BYTES
        assert result.dropped_bytes == 30_000_000 - OUTPUT_LIMIT_BYTES
        assert (result.stderr, result.exit_code) == ("end\n", 0)

    async def test_output_that_is_not_text_is_replaced(self, sandbox: Sandbox) -> None:
        assert (await sandbox.run("printf 'a\\xff\\x00b'", timeout_seconds=10)).stdout == "a\ufffd\0b"

    async def test_forged_frames_are_data(self, sandbox: Sandbox) -> None:
        forged = r"printf '\x06\x00\x00\x00\x01\x00\x00\x00\x0c{\"code\": 99}\n'; exit 3"
        result = await sandbox.run(forged, timeout_seconds=10)
        assert (result.exit_code, '{"code": 99}' in result.stdout) == (3, True)

    async def test_many_at_once(self, sandbox: Sandbox) -> None:
        results = await asyncio.gather(*(sandbox.run(f"echo {n}", timeout_seconds=30) for n in range(20)))
        assert [result.stdout for result in results] == [f"{n}\n" for n in range(20)]

    async def test_a_cancelled_command_does_not_go_on(self, sandbox: Sandbox) -> None:
        running = asyncio.create_task(sandbox.run("echo $$ > pid; sleep 300", timeout_seconds=400))
        while (await sandbox.run("test -s pid", timeout_seconds=10)).exit_code:
            pass
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await sandbox.run("while test -d /proc/$(cat pid); do :; done", timeout_seconds=10)).exit_code == 0


@USUAL_KIND
class TestLimits:
    async def test_memory(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("python3 -c 'x = bytearray(1500 << 20)'", timeout_seconds=30)
        assert (result.exit_code, result.limit_hit) == (137, "killed: memory limit 1024 MiB")

    async def test_a_fork_bomb_hurts_only_itself(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("bomb() { bomb | bomb & }; bomb; sleep 30", timeout_seconds=1)
        assert (result.timed_out, await processes(sandbox)) == (True, "")

    async def test_processes(self, sandbox: Sandbox) -> None:
        greedy = (
            "import os, time\ntry:\n while True:\n  if os.fork() == 0:\n   time.sleep(60)\n"
            "except OSError as error:\n print(error.strerror)"
        )
        result = await sandbox.run('exec python3 -c "$CODE"', environment={"CODE": greedy}, timeout_seconds=50)
        assert result.stdout == "Resource temporarily unavailable\n"
        assert result.limit_hit == "refused: limit of 256 processes and threads"
        crowded = await sandbox.run("exec python3 -c 'import os; [os.fork() for _ in range(6)]'", timeout_seconds=30)
        assert (crowded.exit_code == 0, crowded.limit_hit) == (
            False,
            "refused: limit of 256 processes and threads",
        ), crowded
        await sandbox.kill_all()
        assert (await sandbox.run("true", timeout_seconds=10)).limit_hit is None

    async def test_disk(self, sandbox: Sandbox) -> None:
        result = await sandbox.run("head -c 600M /dev/zero > big", timeout_seconds=60)
        assert "No space left" in result.stderr
        assert result.limit_hit == "disk full: /workspace holds 512 MiB"
        with pytest.raises(ToolError, match="No space left"):
            await sandbox.write({PurePosixPath("more"): b"x" * 100_000})

    async def test_open_files_and_core_dumps(self, sandbox: Sandbox) -> None:
        assert (await sandbox.run("ulimit -Hn; ulimit -Hc", timeout_seconds=10)).stdout.split() == ["4096", "0"]


@USUAL_KIND
class TestFiles:
    async def test_what_is_written_can_be_read_and_belongs_to_the_user(self, sandbox: Sandbox) -> None:
        content = bytes(range(256)) * 20_000
        await sandbox.write(
            {
                PurePosixPath("a/b/c.bin"): content,
                PurePosixPath("/tmp/empty"): b"",
                PurePosixPath("/home/agent/ünï code\n.txt"): b"x",
            }
        )
        assert await sandbox.read(PurePosixPath("/workspace/a/b/c.bin"), limit_bytes=len(content)) == content
        assert await sandbox.read(PurePosixPath("/tmp/empty"), limit_bytes=0) == b""
        assert await sandbox.read(PurePosixPath("/home/agent/ünï code\n.txt"), limit_bytes=10) == b"x"
        listed = await sandbox.run("stat -c '%U %a' a a/b/c.bin", timeout_seconds=10)
        assert listed.stdout.split() == ["agent", "755", "agent", "644"]

    async def test_a_thousand_files_in_one_go(self, sandbox: Sandbox) -> None:
        await sandbox.write({PurePosixPath(f"many/{n % 10}/{n}"): b"%d" % n for n in range(1000)})
        assert (await sandbox.run("cat many/*/* | wc -c", timeout_seconds=10)).stdout.strip() == "2890"

    async def test_replacing_a_file_leaves_nothing_of_it(self, sandbox: Sandbox) -> None:
        await sandbox.write({PurePosixPath("f"): b"long content"})
        await sandbox.write({PurePosixPath("f"): b"short"})
        assert await sandbox.read(PurePosixPath("f"), limit_bytes=100) == b"short"

    @pytest.mark.parametrize(
        "path",
        ["/etc/passwd", "/workspace/../etc/x", "/", "/workspace", "/proc/self/x", "../x"],
    )
    async def test_only_the_writable_folders_are_written(self, sandbox: Sandbox, path: str) -> None:
        with pytest.raises(ToolError, match="not in a writable folder"):
            await sandbox.write({PurePosixPath(path): b"x"})

    async def test_links_lead_no_further_than_a_command_could_go(self, sandbox: Sandbox) -> None:
        await sandbox.run("ln -s /etc etc; ln -s /proc/1/fd/1 wire; mkfifo pipe; mkdir d; touch f", timeout_seconds=10)
        for path, complaint in (
            # gVisor looks at permissions before it looks at the mount.
            ("etc/x", "Permission denied" if sandbox.tier == "gvisor" else "Read-only file system"),
            # With gVisor it can be opened; it is /dev/null, as the guest's own ends are not found by any path.
            ("wire", "not a regular file" if sandbox.tier == "gvisor" else "Permission denied"),
            ("pipe", "No such device|not a regular file"),
            ("d", "Is a directory"),
            ("f/x", "File exists|Not a directory"),
        ):
            with pytest.raises(ToolError, match=complaint):
                await sandbox.write({PurePosixPath(path): b"x"})

    async def test_reading_what_is_no_readable_file(self, sandbox: Sandbox) -> None:
        await sandbox.run("mkdir d; mkfifo pipe; echo 12345 > f; echo x > p; chmod 0 p", timeout_seconds=10)
        with pytest.raises(FileNotFoundError):
            await sandbox.read(PurePosixPath("none"), limit_bytes=10)
        with pytest.raises(FileNotFoundError):
            await sandbox.read(PurePosixPath("f/none"), limit_bytes=10)
        with pytest.raises(IsADirectoryError):
            await sandbox.read(PurePosixPath("d"), limit_bytes=10)
        with pytest.raises(ToolError, match="larger than 5"):
            await sandbox.read(PurePosixPath("f"), limit_bytes=5)
        for path in ("pipe", "/dev/zero", "/dev/tty"):
            # Opening a terminal that is not there is another error with gVisor.
            failing = sandbox.tier == "gvisor" and path == "/dev/tty"
            complaint = f"cannot read {path}: Input/output error" if failing else f"{path} is not a regular file"
            with pytest.raises(ToolError, match=complaint):
                await sandbox.read(PurePosixPath(path), limit_bytes=10)
        # gVisor shows everybody the guest's environment, in which there is nothing but what the image says.
        for path in ("p", "/etc/shadow", *(() if sandbox.tier == "gvisor" else ("/proc/1/environ",))):
            with pytest.raises(ToolError, match="Permission denied"):
                await sandbox.read(PurePosixPath(path), limit_bytes=10)
        if sandbox.tier == "gvisor":
            named = await sandbox.run("tr '\\0' '\\n' < /proc/1/environ | cut -d = -f 1 | sort", timeout_seconds=10)
            assert named.stdout.split() == [
                *("HOME", "HOSTNAME", "LANG", "PATH", "PIP_DISABLE_PIP_VERSION_CHECK", "PYTHONDONTWRITEBYTECODE"),
                "USER",
            ]


@USUAL_KIND
class TestProcesses:
    async def test_a_conversation(self, sandbox: Sandbox) -> None:
        process = await sandbox.spawn(
            "while read -r line; do echo \"got $line\"; done; echo 'no newline' >&2; printf x"
        )
        await process.send(b"one\ntwo\n")
        assert [await process.receive_line(), await process.receive_line()] == [b"got one\n", b"got two\n"]
        await process.kill()
        assert await process.receive_line() is None
        assert await process.wait() == 137

    async def test_the_end_and_what_was_said(self, sandbox: Sandbox) -> None:
        process = await sandbox.spawn("printf 'a\\nb'; head -c 100000 /dev/zero | tr '\\0' e >&2; exit 4")
        assert await process.wait() == 4
        lines = [await process.receive_line(), await process.receive_line(), await process.receive_line()]
        assert lines == [b"a\n", b"b", None]
        assert process.tail() == "e" * 65536

    async def test_a_lot_of_output_waits_for_its_reader(self, sandbox: Sandbox) -> None:
        process = await sandbox.spawn("seq 1000000; echo done > /tmp/done")
        assert (await sandbox.run("sleep 0.3; test -e /tmp/done", timeout_seconds=10)).exit_code == 1
        count = 0
        while await process.receive_line():
            count += 1
        assert (count, await process.wait()) == (1_000_000, 0)

    async def test_killing_kills_all_it_started(self, sandbox: Sandbox) -> None:
        process = await sandbox.spawn("setsid sh -c 'sleep 301 & sleep 302' & sleep 303; true")
        while "sleep 302" not in await processes(sandbox):
            pass
        await process.kill()
        assert await processes(sandbox) == ""
        await process.kill()

    async def test_kill_all(self, sandbox: Sandbox) -> None:
        process = await sandbox.spawn("trap '' TERM; (setsid sleep 301 &); while :; do sleep 302 & wait; done")
        running = asyncio.create_task(sandbox.run("sleep 303", timeout_seconds=60))
        while not {"301", "302", "303"} <= set((await processes(sandbox)).split()):
            pass
        await sandbox.kill_all()
        assert await processes(sandbox) == ""
        assert ((await running).exit_code, await process.wait()) == (137, 137)


@USUAL_KIND
class TestConnections:
    SERVER = "exec python3 -u -m http.server 8000 --bind 127.0.0.1 --directory /tmp >/tmp/log 2>&1"

    async def started(self, sandbox: Sandbox, command: str = SERVER, port: int = 8000) -> None:
        await sandbox.spawn(command)
        while True:
            try:
                await (await sandbox.connect(port)).close()
            except ConnectionRefusedError:
                continue
            return

    async def test_http(self, sandbox: Sandbox) -> None:
        await sandbox.write({PurePosixPath("/tmp/big"): b"0123456789" * 500_000})
        await self.started(sandbox)
        stream = await sandbox.connect(8000)
        await stream.write(b"GET /big HTTP/1.0\r\n\r\n")
        received = bytearray()
        while data := await stream.read():
            received += data
        await stream.close()
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 OK")
        assert body == b"0123456789" * 500_000

    async def test_both_directions_at_once(self, sandbox: Sandbox) -> None:
        echo = (
            "import socket\ns = socket.create_server(('127.0.0.1', 8001))\nwhile True:\n"
            " c, _ = s.accept()\n while d := c.recv(65536): c.sendall(d)\n c.close()"
        )
        await sandbox.write({PurePosixPath("echo.py"): echo.encode()})
        await self.started(sandbox, "exec python3 echo.py", 8001)
        stream = await sandbox.connect(8001)
        sending = asyncio.create_task(stream.write(b"x" * (8 << 20)))
        received = 0
        while received < 8 << 20:
            received += len(await stream.read())
        await sending
        await stream.close()
        assert received == 8 << 20

    async def test_what_was_answered_arrives_though_the_other_side_hung_up_on_what_is_still_sent(
        self, sandbox: Sandbox
    ) -> None:
        # More than is taken before anybody reads it, and no more than that and the kernel hold.
        answered = (1 << 20) + 50_000
        hangs_up = (
            "import fcntl, pathlib, socket, termios, time\ns = socket.create_server(('127.0.0.1', 8003))\nwhile True:\n"
            f" c, _ = s.accept()\n if not c.recv(1): continue\n c.sendall(b'x' * {answered})\n"
            " while any(fcntl.ioctl(c, termios.TIOCOUTQ, bytes(4))): time.sleep(0.01)\n"
            " c.close()\n pathlib.Path('/tmp/hung-up').touch()\n"
        )
        await sandbox.write({PurePosixPath("hangs_up.py"): hangs_up.encode()})
        await self.started(sandbox, "exec python3 hangs_up.py", 8003)
        stream = await sandbox.connect(8003)
        await stream.write(b"more than it reads")
        await sandbox.run("until test -e /tmp/hung-up; do sleep 0.02; done", timeout_seconds=30)
        await stream.write(b"more")
        received = 0
        while data := await stream.read():
            received += len(data)
        await stream.close()
        assert received == answered

    async def test_nobody_there(self, sandbox: Sandbox) -> None:
        for port in (8002, 0, 70000):
            with pytest.raises(ConnectionRefusedError):
                await sandbox.connect(port)


@ALSO_POOLED
class TestPods:
    async def test_two_share_a_loopback_and_nothing_else(self, provider: Provider, sandbox: Sandbox) -> None:
        await TestConnections().started(sandbox)
        await sandbox.write({PurePosixPath("/tmp/page"): b"from the other side", PurePosixPath("mine"): b"x"})
        async with (
            provider.open(SandboxSpec(image="base", join=sandbox.id)) as joined,
            provider.open(BASE) as stranger,
        ):
            fetch = "curl --silent --max-time 5 http://127.0.0.1:8000/page"
            assert (await joined.run(fetch, timeout_seconds=10)).stdout == "from the other side"
            assert (await stranger.run(fetch, timeout_seconds=10)).exit_code == 7
            assert (await joined.run("ls /workspace /tmp", timeout_seconds=10)).stdout == "/tmp:\n\n/workspace:\n"
            assert "http.server" not in (await joined.run("ps -e -o args", timeout_seconds=10)).stdout
            await joined.kill_all()
        assert "http.server" in (await sandbox.run("ps -e -o args", timeout_seconds=10)).stdout

    async def test_only_an_open_sandbox_can_be_joined(self, provider: Provider) -> None:
        async with provider.open(BASE) as gone:
            pass
        for name in (gone.id, "host", "macrohard-unknown"):
            with pytest.raises(SandboxUnavailable, match="to join"):
                async with provider.open(SandboxSpec(image="base", join=name)):
                    pass


@ALSO_POOLED
class TestRooms:
    async def test_each_is_fresh(self, provider: Provider) -> None:
        async with provider.open(BASE) as first:
            await first.run("touch /workspace/a /tmp/b ~/c; sleep 300 &", timeout_seconds=10)
        async with provider.open(BASE) as second:
            result = await second.run("find /workspace /tmp ~ -type f; ps -e | grep sleep", timeout_seconds=10)
            assert result.stdout == ""
            assert second.id != first.id

    async def test_a_closed_one_is_unavailable(self, provider: Provider) -> None:
        async with provider.open(BASE) as closed:
            process = await closed.spawn("sleep 300")
        with pytest.raises(SandboxUnavailable):
            await closed.run("true", timeout_seconds=1)
        with pytest.raises(SandboxUnavailable):
            await process.wait()
        with pytest.raises(SandboxUnavailable):
            await process.receive_line()

    async def test_an_unknown_image_is_an_error_of_its_author(self, provider: Provider) -> None:
        for name in ("nope", "../base", ""):
            with pytest.raises(DefinitionError):
                async with provider.open(SandboxSpec(image=name)):
                    pass

    async def test_being_cancelled_while_opening_leaves_nothing(self, provider: Provider) -> None:
        before = await _ours(provider)

        async def opened() -> None:
            async with provider.open(BASE) as sandbox:
                await sandbox.run("sleep 60", timeout_seconds=60)

        for delay in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3):
            opening = asyncio.create_task(opened())
            await asyncio.sleep(delay)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert await _ours(provider) == before


async def _ours(provider: Provider) -> int:
    """How many containers there are, or child processes that bubblewrap is; without those that a pool keeps."""
    if isinstance(provider, PooledProvider):
        await provider.filled()
        assert isinstance(provider.provider, DockerProvider)
        return await _ours(provider.provider) - provider.waiting
    if isinstance(provider, DockerProvider):
        command = ["docker", "ps", "-aq", "--filter", f"label=io.macrohard.instance={provider.installation}"]
    else:
        command = ["pgrep", "--parent", str(os.getpid()), "bwrap|nsenter"]
    found = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return len((await found.communicate())[0].splitlines())
