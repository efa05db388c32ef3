"""What a sandbox must not allow, tried from inside; each probe is first shown to find the hole where there is one."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from macrohard.sandbox import Sandbox, SandboxSpec
from macrohard.sandbox.owner import installation
from tests.sandbox.conftest import Provider

SYSTEM_CALLS = """
import ctypes, errno, os, socket, sys
call = ctypes.CDLL(None, use_errno=True).syscall
def tried(number, *arguments):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno(), "ok") if call(number, *arguments) < 0 else "ok"
X86 = dict(ptrace=101, mount=165, add_key=248, keyctl=250, unshare=272, setns=308, bpf=321, userfaultfd=323,
           perf_event_open=298, io_uring_setup=425, open_by_handle_at=304, process_vm_readv=310)
ARM = dict(ptrace=117, mount=40, add_key=217, keyctl=219, unshare=97, setns=268, bpf=280, userfaultfd=282,
           perf_event_open=241, io_uring_setup=425, open_by_handle_at=265, process_vm_readv=270)
for name, number in (X86 if os.uname().machine == "x86_64" else ARM).items():
    print(name, tried(number, 0, 0, 0, 0, 0))
for family, number in dict(AF_PACKET=17, AF_BLUETOOTH=31, AF_ALG=38, AF_VSOCK=40).items():
    try:
        socket.socket(number, socket.SOCK_STREAM if family == "AF_VSOCK" else socket.SOCK_RAW, 0).close()
        print(family, "ok")
    except OSError as error:
        print(family, errno.errorcode[error.errno])
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
    print("raw ok")
except OSError as error:
    print("raw", errno.errorcode[error.errno])
"""


async def test_commands_run_without_any_privilege(sandbox: Sandbox) -> None:
    result = await sandbox.run(
        "id -u; id -G; grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp:' /proc/self/status", timeout_seconds=10
    )
    none = "0000000000000000"
    assert result.stdout.split() == [
        *("10001", "10001"),
        *("CapInh:", none, "CapPrm:", none, "CapEff:", none, "CapAmb:", none),
        *("NoNewPrivs:", "1", "Seccomp:", "2"),
    ]


async def test_commands_die_first_when_memory_runs_out(sandbox: Sandbox) -> None:
    assert (await sandbox.run("cat /proc/self/oom_score_adj", timeout_seconds=10)).stdout == "900\n"


def test_the_probe_of_system_calls_finds_what_is_open() -> None:
    found = subprocess.run([sys.executable, "-c", SYSTEM_CALLS], capture_output=True, text=True, check=True).stdout
    outcomes = dict(line.split() for line in found.splitlines())
    assert outcomes["AF_VSOCK"] != "EPERM"
    assert outcomes["io_uring_setup"] != "EPERM"


async def test_everything_outside_the_writable_folders_is_read_only(sandbox: Sandbox) -> None:
    places = "/x /etc/x /usr/bin/x /opt/tools/x /var/x /run/x /sys/x /dev/x /proc/sys/kernel/core_pattern"
    tries = f"for place in {places}; do echo x > $place; done"
    result = await sandbox.run(tries, timeout_seconds=10)
    assert result.stderr.count("\n") == 9
    writable = await sandbox.run(
        "find / -xdev -writable -not -type l -not -path '/proc/*' 2>/dev/null", timeout_seconds=20
    )
    assert sorted(writable.stdout.split()) == ["/home/agent", "/tmp", "/workspace"]


async def test_the_guest_cannot_be_reached(sandbox: Sandbox) -> None:
    attack = (
        "kill -9 1; kill -STOP 1; kill -9 $PPID; ls /proc/1/fd; cat /proc/1/environ /proc/1/mem; "
        "for fd in 0 1 2 3 4 5 6 7 8; do echo forged > /proc/1/fd/$fd; echo forged > /proc/$PPID/fd/$fd; done; exit 5"
    )
    # While it is started, a command can signal its own supervisor, which costs itself and nobody else.
    assert (await sandbox.run(attack, timeout_seconds=10)).exit_code in (5, 137)
    assert (await sandbox.run("echo fine", timeout_seconds=10)).stdout == "fine\n"


async def test_nothing_of_this_machine_is_visible(sandbox: Sandbox) -> None:
    os.environ["MACROHARD_TEST_CANARY"] = canary = "canary-7c1f"
    try:
        found = await sandbox.run(
            "ls /var/run/docker.sock /run/docker.sock /dev/kvm /dev/mem /dev/fuse; env; ls /proc; "
            "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'",
            timeout_seconds=10,
        )
    finally:
        del os.environ["MACROHARD_TEST_CANARY"]
    assert canary not in found.stdout
    assert "docker.sock\n" not in found.stdout
    assert str(os.getpid()) not in found.stdout.split()


async def test_no_way_out_by_network(provider: Provider, sandbox: Sandbox) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        own = own_address()
        addresses = [own, "127.0.0.1", "172.17.0.1", "169.254.169.254", "192.0.2.1"]
        probe = "; ".join(
            f"curl --silent --max-time 2 http://{address}:{port}/; echo {address} $?" for address in addresses
        )
        # The probe finds the hole where there is one.
        _, found = await asyncio.open_connection(own, port)
        found.close()
        listener.accept()[0].close()
        listener.settimeout(0)
        async with provider.open(SandboxSpec(image="base", join=sandbox.id)) as joined:
            for each in (sandbox, joined):
                result = await each.run(
                    probe + "; cat /proc/net/route | wc -l; getent hosts example.com", timeout_seconds=20
                )
                assert result.stdout.splitlines() == [*(f"{address} 7" for address in addresses), "1"]
        with pytest.raises(BlockingIOError):
            listener.accept()


def own_address() -> str:
    """The address by which others know this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


OWNER = """
import asyncio, sys
from pathlib import Path
from macrohard.sandbox import SandboxSpec, choose_provider

async def main() -> None:
    provider = await choose_provider(sys.argv[1], home=Path(sys.argv[2]))
    async with (
        provider.open(SandboxSpec(image="base")) as first,
        provider.open(SandboxSpec(image="base", join=first.id)) as second,
    ):
        for sandbox in (first, second):
            await sandbox.spawn("(setsid sleep 98765 &); sleep 98765")
            while (await sandbox.run("pgrep sleep | wc -l", timeout_seconds=10)).stdout != "2\\n":
                pass
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_death_of_the_owner_leaves_nothing(provider: Provider, tmp_path: Path) -> None:
    engine = "bubblewrap" if provider.tier == "bubblewrap" else "docker"
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, engine, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout
    assert await owner.stdout.readline() == b"ready\n"
    assert len(running("98765")) >= 4
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(20):
        await _gone("98765", tmp_path if engine == "docker" else None)


async def _gone(word: str, home: Path | None) -> None:
    # No event tells of the end of another process's children.
    while running(word) or (home and await _containers(home)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def running(word: str) -> list[str]:
    """The processes of `sleep` with that word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command[:2] == [b"sleep", word.encode()]:
            found.append(path.parent.name)
    return found


async def _containers(home: Path) -> bytes:
    label = f"label=io.macrohard.instance={installation(home)}"
    listing = await asyncio.create_subprocess_exec(
        "docker", "ps", "-aq", "--filter", label, stdout=asyncio.subprocess.PIPE
    )
    return (await listing.communicate())[0]
