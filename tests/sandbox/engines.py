"""Docker engines that only a test knows, in namespaces of their own, with users remapped and with gVisor.

Nothing of the machine is touched: such an engine has a network, mounts, process numbers and control groups of its own,
its images lie in memory, and it is gone with whoever started it, also after `kill -9`. It needs root and, for gVisor,
the Debian package runsc.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from macrohard.sandbox import definition as definitions

READY_SECONDS: Final = 60.0
RUNSC: Final = ("--network=host", "--host-uds=open")
"""How runsc has to be set up for pods, and for the sockets of mirrors."""
INSIDE: Final = """\
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=711,size=3g tmpfs /var/lib/docker
mount --bind "$1/subid" /etc/subuid
mount --bind "$1/subid" /etc/subgid
ip link set lo up
PATH=$PATH:/usr/sbin:/sbin dockerd --config-file "$1/daemon.json" >"$1/log" 2>&1 &
wait $!
"""
NAMESPACES: Final = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc")


@asynccontextmanager
async def private_engine(
    images: Sequence[str] = ("base",),
    *,
    remapped: bool = True,
    runtimes: Mapping[str, Sequence[str]] | None = None,
) -> AsyncIterator[str]:
    """An engine with those of our images, which the machine's own engine must hold; gives its address.

    Args:
        images: names of folders in `sandboxes/`.
        remapped: whether root inside is nobody outside.
        runtimes: by name the program and its arguments, besides runc; runsc as it should be if left out.
    """
    if runtimes is None:
        runtimes = {"runsc": (shutil.which("runsc") or "runsc", *RUNSC)}
    asked = {"remapped": remapped, "runtimes": {name: list(command) for name, command in runtimes.items()}}
    keeper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sandbox.engines", json.dumps(asked)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        # A Ctrl-C is for the tests; they then end the engine.
        start_new_session=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        address = (await keeper.stdout.readline()).decode().strip()
        assert address.startswith("unix://"), "the engine did not start; why stands on standard error"
        tags = [each.tag for name in images for each in definitions.lineage(name)]
        await asyncio.to_thread(_copy_images, tags, address)
        yield address
    finally:
        keeper.stdin.close()
        await keeper.wait()


def _copy_images(tags: Sequence[str], address: str) -> None:
    with subprocess.Popen(["docker", "save", *dict.fromkeys(tags)], stdout=subprocess.PIPE) as saving:
        loading = ["docker", "--host", address, "load"]
        loaded = subprocess.run(loading, stdin=saving.stdout, capture_output=True, text=True)
    assert (saving.returncode, loaded.returncode) == (0, 0), loaded.stderr


def keep(asked: Mapping[str, object]) -> None:
    """Run an engine until standard input ends, then leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="macrohard-engine-"))
    group = folder.name
    socket = folder / "docker.sock"
    runtimes = asked["runtimes"]
    assert isinstance(runtimes, dict)
    settings = {
        "hosts": [f"unix://{socket}"],
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{group}",
        # Any user that every machine has; its own numbers play no part.
        **({"userns-remap": "daemon"} if asked["remapped"] else {}),
        "runtimes": {name: {"path": path, "runtimeArgs": arguments} for name, (path, *arguments) in runtimes.items()},
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    (folder / "subid").write_text("daemon:100000:65536\n")
    engine = subprocess.Popen(
        # They die with us, and the engine with them, even if we are killed.
        ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "sh", "-c", INSIDE, "sh", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(socket):
            if engine.poll() is not None or time.monotonic() > deadline:
                log = folder / "log"
                sys.exit(f"the engine did not start: {log.read_text()[-2000:] if log.exists() else 'no log'}")
            time.sleep(0.02)
        print(f"unix://{socket}", flush=True)
        sys.stdin.read()
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        shutil.rmtree(folder, ignore_errors=True)
        _remove_groups(group)


def _answers(socket: Path) -> bool:
    command = ["curl", "--silent", "--fail", "--max-time", "5", "--unix-socket", str(socket), "http://engine/_ping"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _remove_groups(name: str) -> None:
    deadline = time.monotonic() + 10
    while found := [path for path in Path("/sys/fs/cgroup").glob(f"**/{name}") if path.is_dir()]:
        for top in found:
            for path, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    # A process in it is not quite dead.
                    time.sleep(0.05)
        if time.monotonic() > deadline:
            sys.exit(f"control groups are left: {found}")


if __name__ == "__main__":
    keep(json.loads(sys.argv[1]))
