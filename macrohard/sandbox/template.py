"""What a container of ours is made from, and the check that the engine made that and nothing weaker."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.registries import BOUND

CAPABILITIES: Final = ("KILL", "SETGID", "SETUID")
OPEN_FILES: Final = 4096
SHARED_MEMORY_BYTES: Final = 64 << 20
MASKED: Final = frozenset({"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"})
READ_ONLY: Final = frozenset({"/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})


class Template(Value):
    """All that can be asked of an engine; what has no field here (mounts, devices, ports) cannot be."""

    image: Annotated[str, Field(pattern=r"^macrohard/\w+:[0-9a-f]{16}$")]
    command: tuple[str, ...]
    runtime: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """By its name with the engine; never left to a default, which can change between the probe and the use."""
    network: Annotated[str, Field(pattern=r"^(none|container:[0-9a-f]{64})$")]
    """None, or that of another container of ours."""
    folders: Mapping[str, str]
    """Those in memory, with their options for tmpfs."""
    packages: Annotated[str, Field(pattern=r"^/[^:]*/macrohard-packages-\w+/shared$")] | None = None
    """The folder of the mirror's socket, bound read-only at `BOUND`; the only folder of the host that can be."""
    seccomp: Annotated[str, Field(min_length=2)]
    """The list of system calls allowed, as JSON."""
    memory_bytes: Annotated[int, Field(ge=1 << 20)]
    limits_swap: bool
    """Whether the engine can limit swap at all: where the kernel does not count it, it cannot."""
    pids: Annotated[int, Field(gt=0)]
    nano_cpus: Annotated[int, Field(gt=0)]
    labels: Mapping[str, str]

    def host_config(self) -> dict[str, Any]:
        """What the container may do to its host, in the engine's words."""
        return {
            "Privileged": False,
            "Runtime": self.runtime,
            "NetworkMode": self.network,
            "CapDrop": ["ALL"],
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": ["no-new-privileges:true", f"seccomp={self.seccomp}"],
            "ReadonlyRootfs": True,
            "Tmpfs": dict(self.folders),
            **({"Mounts": [self._mirror()]} if self.packages else {}),
            "IpcMode": "private",
            "ShmSize": SHARED_MEMORY_BYTES,
            "Memory": self.memory_bytes,
            "MemorySwap": self.memory_bytes if self.limits_swap else -1,
            "PidsLimit": self.pids,
            "NanoCpus": self.nano_cpus,
            "Ulimits": [
                {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "LogConfig": {"Type": "none", "Config": {}},
            "AutoRemove": True,
        }

    def _mirror(self) -> dict[str, Any]:
        return {"Type": "bind", "Source": self.packages, "Target": str(BOUND), "ReadOnly": True}

    def container_config(self) -> dict[str, Any]:
        """The whole container, in the engine's words."""
        return {
            "Image": self.image,
            "Entrypoint": list(self.command),
            "User": "0:0",
            "WorkingDir": "/",
            # One that joins another's network has that one's name.
            **({"Hostname": "sandbox"} if self.network == "none" else {}),
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "OpenStdin": True,
            "StdinOnce": True,
            "Labels": dict(self.labels),
            "HostConfig": self.host_config(),
        }


def audit(found: Mapping[str, Any], template: Template) -> None:
    """Check what the engine says it made, before it is started.

    All that the template asks for must be there as asked, and whatever else the engine names must be empty, also what
    nobody has heard of yet.

    Raises:
        SandboxUnavailable: it is not so; the container must not be started.
    """
    made, config = _mapping(found.get("HostConfig")), _mapping(found.get("Config"))
    asked = template.host_config()
    wrong = [name for name, value in asked.items() if _plain(name, made.get(name)) != _plain(name, value)]
    wrong += [name for name, value in made.items() if name not in asked and not _harmless(name, value)]
    wrong += [name for name, paths in (("MaskedPaths", MASKED), ("ReadonlyPaths", READ_ONLY)) if name not in made]
    if config.get("Volumes") or not _only_asked_for(found.get("Mounts"), template.packages):
        wrong.append("Volumes")
    plain = ("User", "Entrypoint", "Image", "WorkingDir")
    wrong += [name for name in plain if config.get(name) != template.container_config()[name]]
    # The engine would run one inside by itself.
    wrong += ["Healthcheck"] if config.get("Healthcheck") else []
    if not template.labels.items() <= _mapping(config.get("Labels")).items():
        wrong.append("Labels")
    if wrong:
        raise SandboxUnavailable(
            f"the Docker engine did not make the sandbox as asked ({', '.join(wrong)} differ), so it was not started. "
            "Something between Macrohard and the engine changes requests: check the engine's settings and DOCKER_HOST."
        )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(name: str, value: Any) -> Any:
    """The value in the one form of those that engines use for the same."""
    if name == "CapAdd" and isinstance(value, list):
        return sorted(str(each).removeprefix("CAP_") for each in value)
    return value


def _harmless(name: str, value: Any) -> bool:
    match name:
        case "MaskedPaths":
            return isinstance(value, list) and set(value) >= MASKED
        case "ReadonlyPaths":
            return isinstance(value, list) and set(value) >= READ_ONLY
        case "CgroupnsMode":
            # Engines on control groups v1 know no other; the mount is read-only there.
            return value in ("", "host", "private")
        case "RestartPolicy":
            return _mapping(value).get("Name") in ("", "no")
        case _:
            return _empty(value)


def _empty(value: Any) -> bool:
    if isinstance(value, list):
        return all(_empty(each) for each in value)
    return not value


def _only_asked_for(mounts: Any, packages: str | None) -> bool:
    for mount in map(_mapping, mounts or ()):
        match mount.get("Type"), mount.get("Source"), mount.get("Destination"), mount.get("RW"):
            case "tmpfs", _, _, _:
                continue
            case "bind", source, destination, False if packages and (source, destination) == (packages, str(BOUND)):
                continue
        return False
    return True
