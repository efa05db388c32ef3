"""Sandboxes as Docker containers, spoken to over their attached streams; `docker exec` is never used."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox import guest
from macrohard.sandbox.broker import LABEL, Broker, Held, Patience, connect_engine
from macrohard.sandbox.channel import Hello, Wire
from macrohard.sandbox.contract import WORKSPACE, SandboxSpec
from macrohard.sandbox.definition import HOME, TEMPORARY, WRITABLE, SandboxDefinition
from macrohard.sandbox.owner import installation, owner_of, this_process
from macrohard.sandbox.packages import BRIDGE, Packages, WayOut
from macrohard.sandbox.room import Room, uncancelled
from macrohard.sandbox.snapshots import Snapshots
from macrohard.sandbox.template import Template, audit

__all__ = ["DockerProvider", "Patience", "audit", "connect_engine"]

INODES_PER_MIB: Final = 128
START_SECONDS: Final = 60


class DockerProvider:
    """Opens containers on one Docker engine."""

    notice: str | None = None
    """What a person should know about the isolation before relying on it."""

    def __init__(self, broker: Broker, *, home: Path, processors: int, limits_swap: bool) -> None:
        self._broker, self._processors, self._limits_swap = broker, processors, limits_swap
        self._tier: Tier = "runc"
        self.installation = installation(home)
        self.snapshots = Snapshots.of(home)
        self._number = uuid.uuid4().hex
        self._wanted: set[str] = set()
        """The names of containers that are being made or in use."""
        self._containers: dict[str, str] = {}
        self.packages: Packages | None = None
        """What sandboxes that ask for packages may fetch; None: nothing."""

    @classmethod
    async def connect(cls, *, home: Path, patience: Patience | None = None) -> "DockerProvider":
        """Find the engine that the `docker` command would use.

        The tier is that which a started sandbox shows, once `base` is built.

        Raises:
            SandboxUnavailable: no engine answers, or it cannot run a sandbox.
        """
        broker = await Broker.connect(patience=patience)
        try:
            facts = await broker.facts()
            if facts.kind != "linux":
                raise SandboxUnavailable(f"the Docker engine runs {facts.kind!r} containers, not Linux ones")
            provider = cls(broker, home=home, processors=facts.processors, limits_swap=facts.limits_swap)
            if await provider.has_image(definitions.load("base")):
                async with provider.open(SandboxSpec(image="base")) as sandbox:
                    provider._tier = sandbox.tier
        except BaseException:
            await broker.close()
            raise
        return provider

    @property
    def tier(self) -> Tier:
        return self._tier

    @property
    def installs(self) -> bool:
        return self.packages is not None

    async def has_image(self, definition: SandboxDefinition) -> bool:
        return await self._broker.image(definition.tag) is not None

    @asynccontextmanager
    async def open(self, spec: SandboxSpec) -> AsyncIterator[Room]:
        async with WayOut.open(spec, self.packages) as way_out, self._open(spec, way_out) as room:
            yield room

    @asynccontextmanager
    async def _open(self, spec: SandboxSpec, way_out: WayOut) -> AsyncIterator[Room]:
        template = self.template(spec, shared=way_out.folder)
        # Named by us, so that it can be removed even when we are cancelled while it is made.
        name = f"macrohard-{uuid.uuid4().hex[:12]}"
        self._wanted.add(name)
        creating = asyncio.create_task(self._broker.create(template, name=name))
        wire: Wire | None = None
        try:
            container = self._containers[name] = await asyncio.shield(creating)
            reader, writer = await self._broker.attach(container)
            stream = _Demultiplexed(reader)
            wire = Wire(stream, writer, explain=stream.explanation)
            await self._broker.start(container)
            try:
                async with asyncio.timeout(START_SECONDS):
                    hello = await wire.hello()
            except TimeoutError as error:
                raise SandboxUnavailable(f"a {spec.image!r} sandbox did not start in {START_SECONDS} s") from error
            room = Room(
                name,
                tier=_tier_of(hello),
                definition=definitions.load(spec.image),
                wire=wire,
                way_out=way_out,
                snapshots=self.snapshots,
            )
            self.notice = await room.settle_in()
            if spec.workspace is not None:
                await room.restore(spec.workspace)
            yield room
        finally:
            await uncancelled(self._end(name, creating, wire))

    def template(self, spec: SandboxSpec, *, shared: Path | None = None) -> Template:
        """What the container for it is made from; `shared` is the folder of its mirror, if it has one.

        Raises:
            DefinitionError: there is no such image.
            SandboxUnavailable: the sandbox to join is not open.
        """
        definition = definitions.load(spec.image)
        if spec.join is not None and spec.join not in self._containers:
            raise SandboxUnavailable(f"no open sandbox {spec.join!r} to join")
        limits = definition.limits
        return Template(
            image=definition.tag,
            command=tuple(
                guest.command_line(
                    user=limits.user,
                    lifetime_seconds=limits.lifetime_seconds,
                    folders=WRITABLE,
                    rlimits={},
                    bridge=BRIDGE if shared else None,
                )
            ),
            packages=str(shared) if shared else None,
            network="none" if spec.join is None else f"container:{self._containers[spec.join]}",
            folders={
                str(folder): ",".join(
                    (
                        "rw,exec,nosuid,nodev",
                        f"size={definition.size_mib(folder)}m",
                        f"nr_inodes={definition.size_mib(folder) * INODES_PER_MIB}",
                        "mode=1777" if folder == TEMPORARY else f"mode=0755,uid={limits.user},gid={limits.user}",
                    )
                )
                for folder in (WORKSPACE, TEMPORARY, HOME)
            },
            seccomp=json.dumps(json.loads(definition.seccomp_profile.read_text())),
            memory_bytes=limits.memory_mib << 20,
            limits_swap=self._limits_swap,
            pids=limits.pids,
            nano_cpus=int(min(limits.cpus, self._processors) * 1e9),
            labels={
                f"{LABEL}.instance": self.installation,
                f"{LABEL}.provider": self._number,
                f"{LABEL}.lease": this_process().lease,
                f"{LABEL}.image": definition.name,
            },
        )

    async def _end(self, name: str, creating: "asyncio.Task[str]", wire: Wire | None) -> None:
        if wire:
            await wire.close()
        await asyncio.gather(creating, return_exceptions=True)
        container = self._containers.pop(name, name)
        # It ended with its wire. An engine that does not answer now is no reason to throw away what was done in it:
        # it is wanted no longer, so the reaper takes it.
        with suppress(SandboxUnavailable):
            await self._broker.remove(container)
        self._wanted.discard(name)

    async def reap(self) -> tuple[str, ...]:
        """Remove what dead processes of this installation left behind, and what this one could not remove itself.

        Raises:
            SandboxUnavailable: the engine does not answer.
        """
        removed = []
        for held in await self._broker.held(self.installation):
            if self._abandoned(held):
                await self._broker.remove(held.id)
                removed.append(held.name)
        return tuple(removed)

    def _abandoned(self, held: Held) -> bool:
        if held.labels.get(f"{LABEL}.provider") == self._number:
            return held.name not in self._wanted
        owner = owner_of(held.labels.get(f"{LABEL}.lease", ""))
        return owner is not None and owner.dead

    async def close(self) -> None:
        if self.packages:
            await self.packages.close()
        await self._broker.close()


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


def _tier_of(hello: Hello) -> Tier:
    if "gvisor" in hello.kernel.lower():
        return "gvisor"
    return "runc" if hello.uid_map == ["0", "0", "4294967295"] else "runc+userns"
