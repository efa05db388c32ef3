"""What a snapshot keeps, what a fork begins as, and what happens to hostile and damaged ones; on every provider."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.sandbox import Pruned, Sandbox, SandboxSpec, Snapshot, SnapshotId
from macrohard.sandbox.pool import PooledProvider
from macrohard.sandbox.prune import prune_snapshots
from macrohard.sandbox.snapshots import Snapshots
from tests.sandbox.conftest import Provider
from tests.sandbox.test_contract import ALSO_POOLED

BASE = SandboxSpec(image="base")
LISTING = r"find /workspace /home/agent -printf '%P %y %m %s %n %T@ %l\n' | sort"


def begun_as(snapshot: Snapshot) -> SandboxSpec:
    return SandboxSpec(image="base", workspace=snapshot.id)


async def out(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command, timeout_seconds=120)
    assert result.exit_code == 0, result
    return result.stdout


@pytest.fixture
async def used(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """A sandbox that is as empty as a fresh one when it is given back, whatever rights its folders have."""
    yield sandbox
    await sandbox.kill_all()
    await sandbox.run("chmod -R u+rwx . ~; find . ~ -mindepth 1 -delete", timeout_seconds=60)


@pytest.fixture
def snapshots(provider: Provider) -> Snapshots:
    """Those of the provider's installation."""
    assert not isinstance(provider, PooledProvider)
    return provider.snapshots


class TestWhatIsKept:
    async def test_a_fork_has_all_of_it_and_is_the_same_snapshot(self, provider: Provider, used: Sandbox) -> None:
        await out(
            used,
            r"""set -e
            mkdir -p source/deep empty && echo 'echo runs' > source/deep/tool && chmod 750 source/deep/tool
            ln -s /nowhere/at-all dangling && ln -s source/deep/tool link && ln source/deep/tool second-name
            touch -d '2001-02-03 04:05:06.123456789' source/deep/tool source && mkfifo -m 640 pipe
            touch $'new\nline' $'\xff\xfe' -- '-rf' && truncate -s 300M sparse && echo end >> sparse
            echo kept > ~/.dotfile && mkdir -m 500 ~/closed && mkdir -m 1777 sticky""",
        )
        listing = await out(used, LISTING)
        snapshot = await used.snapshot()
        assert (snapshot.image, snapshot.left_out, snapshot.files) == (
            "base",
            0,
            listing.count("\n") - len("~.") - len("\n"),
        )
        async with provider.open(begun_as(snapshot)) as fork:
            assert await out(fork, LISTING) == listing
            assert await out(fork, "./link; tail -c 4 sparse; cat ~/.dotfile") == "runs\nend\nkept\n"
            assert int(await out(fork, "stat -c %b sparse")) <= 16, "holes are holes"
            assert await out(fork, "stat -c %U source ~ . | uniq") == "agent\n"
            assert (await fork.snapshot()).id == snapshot.id
            await out(fork, "echo more > source/mine")
        assert "mine" not in await out(used, LISTING)
        assert snapshot.size_bytes < 20_000

    async def test_what_runs_and_what_lies_in_tmp_stays_behind(self, provider: Provider, used: Sandbox) -> None:
        await used.spawn("exec sleep 300")
        await out(used, "echo x > /tmp/x")
        async with provider.open(begun_as(await used.snapshot())) as fork:
            assert await out(fork, "ls -A /tmp; pgrep sleep || true") == ""

    async def test_what_cannot_be_kept_is_said(self, used: Sandbox) -> None:
        await out(
            used,
            "echo x > a; echo x > hidden; chmod 0 hidden; mkdir -m 0 shut; "
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"door\")'",
        )
        snapshot = await used.snapshot()
        assert (snapshot.files, snapshot.left_out) == (1, 3)
        assert snapshot.reasons == (
            "/workspace/door: a socket",
            "/workspace/hidden: Permission denied",
            "/workspace/shut: Permission denied",
        )

    async def test_nothing_is_a_snapshot_too(self, provider: Provider, used: Sandbox) -> None:
        snapshot = await used.snapshot()
        assert (snapshot.files, snapshot.left_out) == (0, 0)
        async with provider.open(begun_as(snapshot)) as fork:
            assert await out(fork, "find . ~ -mindepth 1") == ""

    async def test_a_packed_environment_works_in_the_fork(self, provider: Provider, used: Sandbox) -> None:
        await out(used, "python3 -m venv --without-pip --system-site-packages env && git init -q repository")
        async with provider.open(begun_as(await used.snapshot())) as fork:
            assert await out(fork, "env/bin/python -c 'import sys; print(sys.prefix)'") == "/workspace/env\n"
            assert await out(fork, "git -C repository status --porcelain") == ""


class TestForks:
    @ALSO_POOLED
    async def test_several_at_once(self, provider: Provider, used: Sandbox) -> None:
        await out(used, "for n in $(seq 500); do echo $n > file-$n; done; head -c 20M /dev/urandom > big")
        wanted = await out(used, "cat file-* big | sha256sum")
        snapshot = await used.snapshot()

        async def fork(number: int) -> tuple[str, str]:
            async with provider.open(begun_as(snapshot)) as opened:
                seen = await out(opened, "cat file-* big | sha256sum")
                await out(opened, f"echo {number} > file-1")
                return seen, await out(opened, "cat file-1")

        assert await asyncio.gather(*(fork(number) for number in range(4))) == [
            (wanted, f"{number}\n") for number in range(4)
        ]

    @ALSO_POOLED
    async def test_a_snapshot_that_is_not_here(self, provider: Provider) -> None:
        with pytest.raises(SandboxUnavailable, match="there is no snapshot 0000000000000000 here"):
            async with provider.open(SandboxSpec(image="base", workspace="0" * 64)):
                pass

    @pytest.mark.parametrize("name", ["", "x" * 64, "A" * 64, "../" + "0" * 61, "0" * 65, "0" * 63 + "\n"])
    def test_only_the_name_of_a_snapshot_can_be_one(self, name: str) -> None:
        with pytest.raises(ValidationError):
            SandboxSpec(image="base", workspace=name)

    async def test_a_damaged_one_is_refused_and_taking_it_again_mends_it(
        self, provider: Provider, used: Sandbox, snapshots: Snapshots
    ) -> None:
        await out(used, "echo one > a; head -c 300000 /dev/urandom > b")
        snapshot = await used.snapshot()
        file = snapshots.folder / snapshot.id
        content = file.read_bytes()
        for damaged in (content[:-1], content[:200] + b"?" + content[201:], b"F" * 5000):
            file.write_bytes(damaged)
            with pytest.raises(SandboxUnavailable, match="is damaged"):
                async with provider.open(begun_as(snapshot)):
                    pass
        await used.snapshot()
        async with provider.open(begun_as(snapshot)) as fork:
            assert await out(fork, "cat a") == "one\n"

    async def test_one_that_does_not_fit_is_told_in_words(self, provider: Provider, used: Sandbox) -> None:
        await out(used, "head -c 30M /dev/urandom > a")
        snapshot = await used.snapshot()
        async with provider.open(BASE) as full:
            await out(full, "fallocate -l 500M /workspace/mine")
            with pytest.raises(ToolError, match="does not fit: disk full: /workspace holds 512 MiB"):
                await full.restore(snapshot.id)

    async def test_only_an_empty_workspace_is_restored(self, provider: Provider, used: Sandbox) -> None:
        await out(used, "echo mine > a")
        snapshot = await used.snapshot()
        with pytest.raises(ToolError, match="/workspace/a: File exists"):
            await used.restore(snapshot.id)
        assert await out(used, "cat a") == "mine\n"


class TestHostileWorkspaces:
    async def test_too_many_files(self, provider: Provider, used: Sandbox) -> None:
        many = "for n in range(101_000):\n open(f'{n}', 'w').close()"
        result = await used.run('python3 -c "$CODE"', timeout_seconds=120, environment={"CODE": many})
        if result.exit_code == 0:
            with pytest.raises(ToolError, match="there are more than 100000 files and folders"):
                await used.snapshot()
        else:
            # Where the number of files is limited anyway, as many as fit are kept.
            assert result.limit_hit == "too many files: /workspace holds 65,536 files and folders"
            snapshot = await used.snapshot()
            async with provider.open(begun_as(snapshot)) as fork:
                assert int(await out(fork, "ls | wc -l")) == snapshot.files

    async def test_deeper_than_any_path(self, provider: Provider, used: Sandbox) -> None:
        dig = "import os\nfor _ in range({}):\n os.mkdir('d' * 20)\n os.chdir('d' * 20)\nopen('bottom', 'w').close()"
        await used.run('python3 -c "$CODE"', timeout_seconds=60, environment={"CODE": dig.format(990)})
        async with provider.open(begun_as(await used.snapshot())) as fork:
            assert int(await out(fork, "find . | wc -l")) == 992
        await used.run('python3 -c "$CODE"', timeout_seconds=60, environment={"CODE": dig.format(1)})
        await out(used, "mkdir x && cd x && mkdir -p $(printf 'a/%.0s' $(seq 1500))")
        with pytest.raises(ToolError, match="folders are nested deeper than 1000 levels"):
            await used.snapshot()

    async def test_swapping_links_bring_nothing_from_outside(
        self, provider: Provider, used: Sandbox, snapshots: Snapshots
    ) -> None:
        """Attack D4: a folder is exchanged with a link again and again while it is packed."""
        await out(used, "mkdir real etc-like && echo mine > real/shadow && ln -s /etc link && ln -s /etc/passwd passwd")
        swap = (
            "import os\nwhile True:\n os.rename('real', 'hold'); os.rename('link', 'real')\n"
            " os.rename('real', 'link'); os.rename('hold', 'real')\n"
            " open('t', 'w').close(); os.unlink('t'); os.symlink('/etc/passwd', 't'); os.unlink('t')"
        )
        swapping = await used.spawn(f'exec python3 -c "{swap}"')
        for _ in range(40):
            snapshot = await used.snapshot()
            content = (snapshots.folder / snapshot.id).read_bytes()
            assert b"root:x:0:0" not in content
            assert b"mine" in content or b"/etc" in content
        await swapping.kill()
        await out(used, "cat /etc/passwd | grep root:x:0:0 > own-copy")
        snapshot = await used.snapshot()
        assert b"root:x:0:0" in (snapshots.folder / snapshot.id).read_bytes(), "and it would have been found"

    async def test_files_that_grow_shrink_and_vanish(self, provider: Provider, used: Sandbox) -> None:
        churn = (
            "import os\nos.mkdir('c')\nwhile True:\n"
            " for n in range(50):\n  open(f'c/{n}', 'ab').write(b'x' * 5000)\n"
            " for n in range(50):\n  os.truncate(f'c/{n}', 10) if n % 2 else os.unlink(f'c/{n}')"
        )
        churning = await used.spawn(f'exec python3 -c "{churn}"')
        taken = [await used.snapshot() for _ in range(10)]
        await churning.kill()
        for snapshot in taken[::3]:
            async with provider.open(begun_as(snapshot)) as fork:
                assert int(await out(fork, "find . -mindepth 1 | wc -l")) == snapshot.files

    async def test_whoever_kills_or_stops_the_packing_only_harms_himself(self, used: Sandbox) -> None:
        await out(used, "fallocate -l 200M big")
        killing = await used.spawn("while :; do pkill -9 -u agent -f '[-]I -S -B'; done")

        async def until_killed() -> None:
            while True:
                await used.snapshot()

        with pytest.raises(ToolError, match="cannot be packed: the packing process was killed"):
            await until_killed()
        await killing.kill()
        assert (await used.snapshot()).files == 1

    async def test_more_bytes_than_are_allowed(
        self, used: Sandbox, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await out(used, "head -c 20M /dev/urandom > big")
        before = sorted(snapshots.folder.glob("*"))
        monkeypatch.setattr(snapshots, "limit_bytes", 10 << 20)
        with pytest.raises(ToolError, match="larger than 10 MiB, the limit of a snapshot"):
            await used.snapshot()
        assert sorted(snapshots.folder.glob("*")) == before
        assert (await used.run("pgrep -u agent python3 || true", timeout_seconds=10)).stdout == ""

    async def test_a_cancelled_snapshot_leaves_nothing(self, used: Sandbox, snapshots: Snapshots) -> None:
        await out(used, "fallocate -l 200M big")
        before = sorted(snapshots.folder.glob("*"))
        taking = asyncio.create_task(used.snapshot())
        await asyncio.sleep(0.05)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert sorted(snapshots.folder.glob("*")) == before


async def keep(snapshots: Snapshots, content: bytes) -> SnapshotId:
    async with snapshots.receiving() as incoming:
        await incoming.add(content)
        incoming.complete = True
    return incoming.id


class TestKeeping:
    async def test_those_not_used_go_the_longest_unused_first(self, tmp_path: Path) -> None:
        snapshots = Snapshots(tmp_path, kept_bytes=250)
        names = [await keep(snapshots, bytes([n]) * 100) for n in range(2)]
        age(tmp_path / names[0], 50)
        age(tmp_path / names[1], 40)
        assert b"".join([piece async for piece in snapshots.content(names[0])]) == b"\0" * 100
        last = await keep(snapshots, b"3" * 100)
        assert inside(tmp_path) == sorted([names[0], last])
        age(tmp_path / names[0], 90_000)
        assert snapshots.prune() == ((names[0], 100),)

    async def test_a_person_can_prune_them_too(self, tmp_path: Path) -> None:
        snapshots = Snapshots.of(tmp_path)
        old, new = [await keep(snapshots, content) for content in (b"old", b"new")]
        age(snapshots.folder / old, 90_000)
        assert prune_snapshots(tmp_path) == (Pruned(name=f"snapshot {old[:16]}", size_bytes=3, removed=True),)
        assert inside(snapshots.folder) == [new]

    async def test_that_taken_last_stays_however_large(self, tmp_path: Path) -> None:
        name = await keep(Snapshots(tmp_path, kept_bytes=10), b"x" * 100)
        assert inside(tmp_path) == [name]

    async def test_what_was_not_completed_is_not_kept(self, tmp_path: Path) -> None:
        snapshots = Snapshots(tmp_path)
        async with snapshots.receiving() as incoming:
            await incoming.add(b"x")
        assert inside(tmp_path) == []

    async def test_only_the_owner_can_read_them(self, tmp_path: Path) -> None:
        name = await keep(Snapshots(tmp_path / "new"), b"x")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600

    def test_a_killed_owner_leaves_nothing_half(self, tmp_path: Path) -> None:
        receive = (
            "import asyncio, sys\nfrom pathlib import Path\nfrom macrohard.sandbox.snapshots import Snapshots\n"
            "async def main():\n async with Snapshots(Path(sys.argv[1])).receiving() as incoming:\n"
            "  await incoming.add(b'half'); print('taken', flush=True); await asyncio.sleep(600)\n"
            "asyncio.run(main())"
        )
        snapshots = Snapshots(tmp_path)
        with subprocess.Popen([sys.executable, "-c", receive, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"taken\n"
            (left,) = tmp_path.iterdir()
            age(left, 120)
            assert snapshots.prune() == (), "while its owner lives it stays"
            process.send_signal(signal.SIGKILL)
        assert [name for name, _ in snapshots.prune()] == [left.name]
        assert inside(tmp_path) == []


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)
