"""Sandboxes as Docker containers, spoken to over their attached streams; `docker exec` is never used."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox import guest
from macrohard.sandbox.channel import Hello, Wire
from macrohard.sandbox.contract import WORKSPACE, SandboxSpec, Tier
from macrohard.sandbox.definition import HOME, TEMPORARY, WRITABLE, SandboxDefinition
from macrohard.sandbox.owner import installation, owner_of, this_process
from macrohard.sandbox.room import Room, uncancelled

LABEL: Final = "io.macrohard"
CAPABILITIES: Final = ("KILL", "SETGID", "SETUID")
OPEN_FILES: Final = 4096
INODES_PER_MIB: Final = 128
START_SECONDS: Final = 60
ENGINE_ERRORS: Final = (DockerException, requests.RequestException, OSError)


class DockerProvider:
    """Opens containers on one Docker engine."""

    notice: str | None = None
    """What a person should know about the isolation before relying on it."""

    def __init__(self, engine: docker.APIClient, *, home: Path, processors: int, limits_swap: bool) -> None:
        self._engine, self._processors, self._limits_swap = engine, processors, limits_swap
        self._tier: Tier = "runc"
        self.installation = installation(home)
        self._containers: dict[str, str] = {}

    @classmethod
    async def connect(cls, *, home: Path) -> "DockerProvider":
        """Find the engine that the `docker` command would use.

        The tier is that which a started sandbox shows, once `base` is built.

        Raises:
            SandboxUnavailable: no engine answers, or it cannot run a sandbox.
        """
        engine = await connect_engine()
        facts = await asyncio.to_thread(engine.info)
        if facts.get("OSType") != "linux":
            raise SandboxUnavailable(f"the Docker engine runs {facts.get('OSType')!r} containers, not Linux ones")
        provider = cls(
            engine, home=home, processors=facts.get("NCPU") or 1, limits_swap=bool(facts.get("SwapLimit", True))
        )
        if await provider.has_image(definitions.load("base")):
            async with provider.open(SandboxSpec(image="base")) as sandbox:
                provider._tier = sandbox.tier
        return provider

    @property
    def tier(self) -> Tier:
        return self._tier

    async def has_image(self, definition: SandboxDefinition) -> bool:
        try:
            await asyncio.to_thread(self._engine.inspect_image, definition.tag)
        except ImageNotFound:
            return False
        except ENGINE_ERRORS as error:
            raise SandboxUnavailable(f"the Docker engine does not answer: {_in_words(error)}") from error
        return True

    @asynccontextmanager
    async def open(self, spec: SandboxSpec) -> AsyncIterator[Room]:
        definition = definitions.load(spec.image)
        # Named by us, so that it can be removed even when we are cancelled while it is made.
        name = f"macrohard-{uuid.uuid4().hex[:12]}"
        creating = asyncio.create_task(asyncio.to_thread(self._create, name, definition, spec))
        wire: Wire | None = None
        try:
            try:
                container = await asyncio.shield(creating)
                reader, writer = await attach(engine_address(), container)
                stream = _Demultiplexed(reader)
                wire = Wire(stream, writer, explain=stream.explanation)
                await asyncio.to_thread(self._engine.start, container)
            except ENGINE_ERRORS as error:
                raise SandboxUnavailable(f"cannot open a {spec.image!r} sandbox: {_in_words(error)}") from error
            try:
                async with asyncio.timeout(START_SECONDS):
                    hello = await wire.hello()
            except TimeoutError as error:
                raise SandboxUnavailable(f"a {spec.image!r} sandbox did not start in {START_SECONDS} s") from error
            room = Room(name, tier=_tier_of(hello), definition=definition, wire=wire)
            self.notice = await room.settle_in()
            yield room
        finally:
            await uncancelled(self._end(name, creating, wire))

    def _create(self, name: str, definition: SandboxDefinition, spec: SandboxSpec) -> str:
        network = "none"
        if spec.join is not None:
            if spec.join not in self._containers:
                raise SandboxUnavailable(f"no open sandbox {spec.join!r} to join")
            network = f"container:{self._containers[spec.join]}"
        settings = self._host_settings(definition, network)
        try:
            created = self._engine.create_container(
                definition.tag,
                name=name,
                entrypoint=guest.command_line(
                    user=definition.limits.user,
                    lifetime_seconds=definition.limits.lifetime_seconds,
                    folders=WRITABLE,
                    rlimits={},
                ),
                user="0:0",
                working_dir="/",
                hostname="sandbox" if network == "none" else None,
                stdin_open=True,
                # The address of a proxy may hold a password, and there is nothing to reach through it.
                use_config_proxy=False,
                labels={
                    f"{LABEL}.instance": self.installation,
                    f"{LABEL}.lease": this_process().lease,
                    f"{LABEL}.image": definition.name,
                },
                host_config=self._engine.create_host_config(**settings),
            )
        except ImageNotFound as error:
            raise SandboxUnavailable(
                f"the image of sandbox {definition.name!r} is not built: macrohard sandboxes build {definition.name}"
            ) from error
        container: str = created["Id"]
        self._containers[name] = container
        audit(self._engine.inspect_container(container), settings)
        return container

    def _host_settings(self, definition: SandboxDefinition, network: str) -> dict[str, Any]:
        limits = definition.limits
        folders = {
            str(folder): ",".join(
                (
                    "rw,exec,nosuid,nodev",
                    f"size={definition.size_mib(folder)}m",
                    f"nr_inodes={definition.size_mib(folder) * INODES_PER_MIB}",
                    "mode=1777" if folder == TEMPORARY else f"mode=0755,uid={limits.user},gid={limits.user}",
                )
            )
            for folder in (WORKSPACE, TEMPORARY, HOME)
        }
        seccomp = json.dumps(json.loads(definition.seccomp_profile.read_text()))
        return {
            "network_mode": network,
            "cap_drop": ["ALL"],
            "cap_add": list(CAPABILITIES),
            "security_opt": ["no-new-privileges:true", f"seccomp={seccomp}"],
            "read_only": True,
            "tmpfs": folders,
            "ipc_mode": "private",
            "shm_size": 64 << 20,
            "mem_limit": limits.memory_mib << 20,
            # An engine whose kernel does not count swap cannot limit it.
            "memswap_limit": limits.memory_mib << 20 if self._limits_swap else -1,
            "pids_limit": limits.pids,
            "nano_cpus": int(min(limits.cpus, self._processors) * 1e9),
            "ulimits": [
                Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),
                Ulimit(name="core", soft=0, hard=0),
            ],
            "log_config": LogConfig(type="none", config={}),
            "auto_remove": True,
        }

    async def _end(self, name: str, creating: "asyncio.Task[str]", wire: Wire | None) -> None:
        if wire:
            await wire.close()
        await asyncio.gather(creating, return_exceptions=True)
        try:
            await asyncio.to_thread(self._remove, self._containers.pop(name, name))
        except ENGINE_ERRORS as error:
            raise SandboxUnavailable(f"sandbox {name} could not be removed: {_in_words(error)}") from error

    def _remove(self, container: str) -> None:
        try:
            self._engine.remove_container(container, force=True, v=True)
        except NotFound:
            pass
        except APIError as error:
            # It ended by itself, and the engine is at it.
            if error.status_code != 409:
                raise

    async def reap(self) -> tuple[str, ...]:
        try:
            return await asyncio.to_thread(self._reap)
        except ENGINE_ERRORS as error:
            raise SandboxUnavailable(f"the Docker engine does not answer: {_in_words(error)}") from error

    def _reap(self) -> tuple[str, ...]:
        removed = []
        ours = self._engine.containers(all=True, filters={"label": f"{LABEL}.instance={self.installation}"})
        for container in ours:
            owner = owner_of(container["Labels"].get(f"{LABEL}.lease", ""))
            if owner and owner.dead:
                self._remove(container["Id"])
                removed.append(container["Names"][0].lstrip("/"))
        return tuple(removed)

    async def close(self) -> None:
        await asyncio.to_thread(self._engine.close)


class _Demultiplexed:
    """The guest's frames out of the engine's frames, in which standard error comes along."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._output, self._errors = reader, bytearray(), bytearray()

    async def readexactly(self, size: int) -> bytes:
        while len(self._output) < size:
            header = await self._reader.readexactly(8)
            data = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
            if header[0] == 1:
                self._output += data
            else:
                self._errors += data
                del self._errors[:-4096]
        taken = bytes(self._output[:size])
        del self._output[:size]
        return taken

    async def explanation(self) -> str:
        return self._errors.decode(errors="replace").strip()


def audit(found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Check that the engine made what was asked for, and nothing that weakens it.

    Raises:
        SandboxUnavailable: it did not; the container must not be started.
    """
    made, config = found["HostConfig"], found["Config"]
    expected: dict[str, object] = {
        "Privileged": False,
        "NetworkMode": settings["network_mode"],
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "IpcMode": "private",
        "SecurityOpt": settings["security_opt"],
        "Tmpfs": settings["tmpfs"],
        "Memory": settings["mem_limit"],
        "MemorySwap": settings["memswap_limit"],
        "PidsLimit": settings["pids_limit"],
        "NanoCpus": settings["nano_cpus"],
        "AutoRemove": True,
    }
    wrong = [name for name, value in expected.items() if made.get(name) != value]
    absent: tuple[str, ...] = (
        *("Binds", "Mounts", "VolumesFrom", "Devices", "DeviceRequests", "DeviceCgroupRules", "GroupAdd"),
        *("PortBindings", "PublishAllPorts", "Links", "ExtraHosts", "Sysctls", "PidMode", "UTSMode", "UsernsMode"),
    )
    wrong += [name for name in absent if made.get(name)]
    if sorted(name.removeprefix("CAP_") for name in made.get("CapAdd") or ()) != sorted(CAPABILITIES):
        wrong.append("CapAdd")
    if made.get("LogConfig", {}).get("Type") != "none":
        wrong.append("LogConfig")
    if config.get("Volumes") or any(mount["Type"] != "tmpfs" for mount in found.get("Mounts") or ()):
        wrong.append("Volumes")
    if config.get("User") != "0:0":
        wrong.append("User")
    if wrong:
        raise SandboxUnavailable(f"the engine did not create the sandbox as asked: {', '.join(wrong)}")


async def connect_engine(*, silence_seconds: int = 600) -> docker.APIClient:
    """A client of the engine at `DOCKER_HOST`, or of the one on this machine.

    Args:
        silence_seconds: after how long without a sign of life a request fails.

    Raises:
        SandboxUnavailable: none answers.
    """
    try:
        # First by hand, because the client leaks its socket when nobody is there.
        _, writer = await _open(engine_address())
        writer.close()
        engine = await asyncio.to_thread(docker.APIClient, version="auto", timeout=silence_seconds, **kwargs_from_env())
        await asyncio.to_thread(engine.ping)
    except ENGINE_ERRORS as error:
        raise SandboxUnavailable(f"no Docker engine answers: {_in_words(error)}") from error
    return engine


def engine_address() -> str:
    """Where the engine listens."""
    return str(kwargs_from_env().get("base_url", DEFAULT_UNIX_SOCKET))


async def _open(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(address)
    match where.scheme:
        case "unix" | "http+unix":
            return await asyncio.open_unix_connection(where.path, limit=1 << 20)
        case "tcp" | "http":
            return await asyncio.open_connection(where.hostname, where.port, limit=1 << 20)
        case scheme:
            raise SandboxUnavailable(f"a Docker engine at {scheme}:// cannot be used; give a UNIX socket")


async def attach(address: str, container: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a container's standard streams.

    Raises:
        SandboxUnavailable: the engine refuses, or is one that cannot be attached to.
        OSError: it does not answer.
    """
    reader, writer = await _open(address)
    writer.write(
        f"POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
        "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        writer.close()
        raise SandboxUnavailable("the Docker engine hung up") from error
    if not head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")):
        writer.close()
        raise SandboxUnavailable(f"the Docker engine refuses to attach: {head.splitlines()[0].decode()}")
    return reader, writer


def _tier_of(hello: Hello) -> Tier:
    if "gvisor" in hello.kernel.lower():
        return "gvisor"
    return "runc" if hello.uid_map == ["0", "0", "4294967295"] else "runc+userns"


def _in_words(error: BaseException) -> str:
    if isinstance(error, APIError):
        return str(error.explanation or error)
    return str(error)
