"""A: the kernel and the engine."""

import hashlib
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from docker.errors import APIError
from hypothesis import Phase, given, settings

from macrohard import bundled
from macrohard.sandbox import DockerProvider, SandboxSpec
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.definition import Limits
from macrohard.sandbox.template import Template
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, Probe, ProbeFailed, engine_client, environment, tries
from tests.sandbox.test_isolation import SYSTEM_CALLS
from tests.sandbox.test_template import assert_locked, limits

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


async def definitions_with_a_hole(ground: Ground) -> Sequence[str]:
    """Definitions, of all that can be written, that would be made into anything but a locked room."""
    provider = await DockerProvider.connect(home=ground.folder)
    try:
        return _definitions_with_a_hole(provider, ground.folder)
    finally:
        await provider.close()


def _definitions_with_a_hole(provider: DockerProvider, folder: Path) -> Sequence[str]:
    shutil.copytree(bundled.folder("sandboxes"), folder / "sandboxes")
    path = folder / "sandboxes" / "base" / "sandbox.yaml"

    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate])
    @given(limits=limits)
    def locked(limits: Limits) -> None:
        path.write_text(yaml.safe_dump(limits.model_dump()))
        assert_locked(provider.template(SandboxSpec(image="base")).host_config())

    with environment(MACROHARD_DATA=str(folder)):
        try:
            locked()
        except AssertionError:
            return [f"a definition such as {yaml.safe_load(path.read_text())}"]
    return []


async def definitions_for_a_careless_template(ground: Ground) -> Sequence[str]:
    """The same property where a template gives large rooms one capability more."""
    honest = Template.host_config

    def careless(template: Template) -> Mapping[str, Any]:
        made = honest(template)
        large = template.memory_bytes > LARGE_BYTES
        return made | ({"CapAdd": [*made["CapAdd"], "SYS_PTRACE"]} if large else {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "host_config", careless)
        return await definitions_with_a_hole(ground)


async def descriptors_that_the_runtime_takes(ground: Ground) -> Sequence[str]:
    """As working directories of containers, asked of the engine itself: ours cannot say so."""
    found = []
    with engine_client() as engine:
        for number in range(3, 13):
            name = f"weak-descriptor-{number}"
            engine.create_container(
                definitions.load("base").tag,
                entrypoint=["cat", "../../../../../etc/machine-id"],
                name=name,
                working_dir=f"/proc/self/fd/{number}",
                labels={"io.macrohard.attacks": "control"},
            )
            try:
                engine.start(name)
                engine.wait(name, timeout=30)
                found += [f"descriptor {number}"] if _identity() in engine.logs(name).decode() else []
            except APIError:
                continue  # Refused, as it should be.
            finally:
                engine.remove_container(name, force=True)
    return found


async def programs_of_the_host_in_a_weak_room(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        seen = await room.run("cat ../../../../../mnt/etc/machine-id", timeout_seconds=20)
    return ["the machine's own file"] if _identity() in seen.stdout else []


def _identity() -> str:
    """The content of a file that every machine has, and each its own."""
    found = Path("/etc/machine-id").read_text().strip() if Path("/etc/machine-id").is_file() else ""
    if not found:
        raise ProbeFailed("this machine has no /etc/machine-id to look for")
    return found


TARGET = 'target=$(readlink /proc/1/exe); test -n "$target" || target=$BASH'
DIGEST = f"{TARGET}; sha256sum < $target | cut -d' ' -f1"
OVERWRITE = f"""
{TARGET}; echo started
for each in /proc/1/exe /proc/self/exe /proc/$PPID/exe "$target"; do
  (exec 9<"$each"; sleep 0.2; printf overwritten > /proc/self/fd/9) 2>/dev/null
  cp /bin/true "$each.new" 2>/dev/null && mv -f "$each.new" "$each" 2>/dev/null
done
printf '#!/proc/self/exe\\n' > /tmp/script; chmod +x /tmp/script; /tmp/script 2>/dev/null
sha256sum < "$target" | cut -d' ' -f1
"""
RUNTIMES = ("runc", "runsc", "containerd-shim-runc-v2", "bwrap", "docker-init")


async def runtimes_overwritten(ground: Ground) -> Sequence[str]:
    """Programs of this machine that are another after the attack; and one inside that was running."""
    before = _runtimes()
    if not before:
        raise ProbeFailed("no runtime was found")
    async with ground.open() as room:
        inside = await room.run(DIGEST, timeout_seconds=20)
        after = await room.run(OVERWRITE, timeout_seconds=60)
    if "started" not in after.stdout or not inside.stdout.strip():
        raise ProbeFailed((inside.stderr + after.stderr)[-500:])
    found = [name for name, digest in _runtimes().items() if digest != before[name]]
    if inside.stdout.strip() not in after.stdout.split():
        found.append(f"a program inside: {inside.stdout!r} became {after.stdout!r}")
    return found


def _runtimes() -> Mapping[str, str]:
    paths = {name: shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin") for name in RUNTIMES}
    return {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in paths.items() if path}


async def mounts_that_can_be_raced(ground: Ground) -> Sequence[str]:
    """What two rooms that start at once could swap under the runtime's hands: places that both can write.

    The races of CVE-2025-31133, 52565 and 52881 need one, or an image or mounts that the attacker chose.
    """
    with engine_client() as engine:
        async with ground.open() as one, ground.open() as other:
            writable = [_writable_mounts(engine.inspect_container(room.id)) for room in (one, other)]
    return sorted(writable[0] & writable[1])


def _writable_mounts(inspected: Mapping[str, Any]) -> set[str]:
    return {mount["Source"] for mount in inspected["Mounts"] if mount["RW"] and mount["Type"] != "tmpfs"}


EXAMPLES = 30
LARGE_BYTES = 8 << 30
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
        id="A4 all",
        title="privileges for any definition that can be written",
        probe=definitions_with_a_hole,
        control=definitions_for_a_careless_template,
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(
        id="A5 runtime",
        title="a leaked descriptor as working directory, asked of the engine",
        probe=descriptors_that_the_runtime_takes,
        control=programs_of_the_host_in_a_weak_room,
        weakness={"Binds": ["/:/mnt:ro"]},
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
    ),
    Attack(id="A6 hash", title="overwriting the runtime, by what it is afterwards", probe=runtimes_overwritten),
    Attack(
        id="A7",
        title="races in starting containers (CVE-2025-31133)",
        probe=mounts_that_can_be_raced,
        weakness={"Binds": ["/var/tmp:/shared"]},
        tiers=ENGINE_TIERS,
        elsewhere=NO_ENGINE,
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
                # In a kernel of its own it can have any number and stands for nothing.
                "a disk": "mknod /tmp/disk b 254 0 && ! head -c 0 /tmp/disk 2>&1 | grep -q 'No such device'",
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
