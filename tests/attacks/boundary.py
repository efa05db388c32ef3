"""A: the kernel and the engine."""

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, Probe, ProbeFailed, engine_client, tries
from tests.sandbox.test_isolation import SYSTEM_CALLS

CLOSED = {"EPERM", "ENOSYS", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT"}
NO_ENGINE = "there is no engine behind this tier"
PRIVILEGED = {
    # Not simply "Privileged": that is refused by an engine that lacks a single capability itself.
    "CapAdd": ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
}


def system_calls(*names: str) -> Probe:
    """A probe of the calls of that name, or of all."""

    async def probe(ground: Ground) -> Sequence[str]:
        async with ground.open() as room:
            result = await room.run(f"python3 -c {shlex.quote(SYSTEM_CALLS)}", timeout_seconds=20)
        outcomes = dict(line.split() for line in result.stdout.splitlines())
        if len(outcomes) != 17:
            raise ProbeFailed(result.stderr[-500:])
        return [name for name, outcome in outcomes.items() if outcome not in CLOSED and (not names or name in names)]

    return probe


async def privileges_given(ground: Ground) -> Sequence[str]:
    """What the engine says of a room of each image."""
    found: list[str] = []
    with engine_client() as engine:
        for image in ("base", "browser"):
            async with ground.open(image=image) as room:
                inspected = engine.inspect_container(room.id)
            found += [f"{each} ({image})" for each in _privileges(inspected)]
    return found


def _privileges(inspected: dict[str, Any]) -> Sequence[str]:
    settings = inspected["HostConfig"]
    capabilities = {name.removeprefix("CAP_") for name in settings["CapAdd"] or ()}
    found = [f"CAP_{name}" for name in capabilities - {"KILL", "SETGID", "SETUID"}]
    found += [name for name in ("Privileged", "Devices", "DeviceRequests", "Binds") if settings[name]]
    found += [name for name in ("NetworkMode", "PidMode", "IpcMode", "UTSMode") if settings[name] == "host"]
    if settings["CapDrop"] != ["ALL"]:
        found.append("default capabilities")
    return found


async def folders_of_the_host_as_working_directory(ground: Ground) -> Sequence[str]:
    canary = ground.folder / "canary"
    canary.write_text("canary-of-the-host")
    found = []
    async with ground.open() as room:
        for directory in (*(f"/proc/self/fd/{number}" for number in range(3, 13)), "/mnt"):
            command = f"cat .{canary} ../../../../..{canary}"
            result = await room.run(command, timeout_seconds=10, directory=PurePosixPath(directory))
            if "canary-of-the-host" in result.stdout:
                found.append(f"a file of this machine from {directory}")
    return found


OPEN_PROGRAM = """
import errno
try:
    open({path!r}, "r+b")
except OSError as error:
    # Forbidden only for as long as it runs.
    raise SystemExit(error.errno != errno.ETXTBSY)
"""


def opened_for_writing(path: str) -> str:
    return f"python3 -c {shlex.quote(OPEN_PROGRAM.format(path=path))}"


ATTACKS = (
    Attack(
        id="A1",
        title="the engine's socket inside",
        probe=tries(
            {
                path: f"test -S {path}"
                for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
            }
        ),
        weakness={"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]},
    ),
    Attack(
        id="A2",
        title="settings of the kernel",
        # Opened and not written: the control would change this machine.
        probe=tries(
            {
                path: f": >> {path}"
                for path in (
                    "/proc/sys/kernel/core_pattern",
                    "/proc/sys/kernel/modprobe",
                    "/proc/sysrq-trigger",
                    "/sys/kernel/uevent_helper",
                    "/proc/sys/vm/panic_on_oom",
                )
            }
        ),
        weakness=PRIVILEGED,
        quick=True,
    ),
    Attack(
        id="A3",
        title="mounts and the release agent of a control group",
        probe=tries(
            {
                "cgroup in new namespaces": "mkdir /tmp/c; unshare -UrmC mount -t cgroup -o memory c /tmp/c",
                "cgroup": "mkdir /tmp/d; mount -t cgroup -o memory c /tmp/d",
                "release_agent": "unshare -UrmC sh -c 'find /sys/fs/cgroup -name release_agent -writable | grep .'",
                "tmpfs": "mkdir /tmp/t; mount -t tmpfs x /tmp/t",
            },
            images=("base", "browser"),
        ),
        weakness=PRIVILEGED,
    ),
    Attack(
        id="A4",
        title="privileges in what the engine was told",
        probe=privileges_given,
        weakness={**PRIVILEGED, "PidMode": "host"},
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(
        id="A5",
        title="a leaked descriptor as working directory (CVE-2024-21626)",
        probe=folders_of_the_host_as_working_directory,
        weakness={"Binds": ["/:/mnt:ro"]},
    ),
    Attack(
        id="A6",
        title="overwriting the runtime (CVE-2019-5736)",
        probe=tries({path: opened_for_writing(path) for path in ("/proc/1/exe", "/proc/self/exe")}),
    ),
    Attack(
        id="A8",
        title="a socket to the hypervisor",
        probe=system_calls("AF_VSOCK"),
        weakness=PRIVILEGED,
    ),
    Attack(
        id="A9",
        title="dangerous system calls and socket families",
        probe=system_calls(),
        weakness=PRIVILEGED,
        quick=True,
    ),
    Attack(
        id="A10",
        title="new namespaces",
        probe=tries(
            {
                "user": "unshare --user true",
                "network": "unshare --net true",
                "mount": "unshare --mount true",
                "of process 1": "nsenter --target 1 --mount true",
            }
        ),
        weakness=PRIVILEGED,
    ),
    Attack(
        id="A11",
        title="becoming another user",
        probe=tries(
            {
                "setuid": "python3 -c 'import os; os.setuid(0)'",
                "su": 'test "$(su -c "id -u" </dev/null)" = 0',
                "capabilities": "grep -q '^CapEff:.*[1-9a-f]' /proc/self/status",
                "capabilities to be had": "grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status && "
                "grep -q '^NoNewPrivs:.*0' /proc/self/status",
            }
        ),
    ),
    Attack(
        id="A12",
        title="devices",
        probe=tries(
            {
                "a disk": "mknod /tmp/disk b 254 0",
                "memory": ": < /dev/mem",
                "messages of the kernel": "dd if=/dev/kmsg count=1 iflag=nonblock",
                "virtual machines": ": < /dev/kvm",
                "kernel memory": "head -c 1 /proc/kcore | grep -q .",
            }
        ),
        weakness=PRIVILEGED,
    ),
    Attack(
        id="A13",
        title="writes outside the writable folders",
        probe=tries(
            {
                path: f"echo x > {path}"
                for path in (
                    *("/x", "/usr/bin/x", "/etc/ld.so.preload", "/opt/tools/bin/x", "/var/x", "/var/tmp/x"),
                    *("/run/x", "/root/x", "/dev/x"),
                )
            }
        ),
    ),
)
