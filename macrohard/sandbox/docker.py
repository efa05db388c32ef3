"""Sandboxes as Docker containers, spoken to over their attached streams; `docker exec` is never used."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox import guest
from macrohard.sandbox.broker import LABEL, Broker, EngineFacts, Held, Patience
from macrohard.sandbox.channel import Wire
from macrohard.sandbox.contract import WORKSPACE, SandboxSpec
from macrohard.sandbox.definition import HOME, TEMPORARY, WRITABLE, SandboxDefinition
from macrohard.sandbox.owner import installation, owner_of, this_process
from macrohard.sandbox.packages import BRIDGE, Packages, WayOut
from macrohard.sandbox.room import Room, uncancelled
from macrohard.sandbox.runtimes import NOTICES, PROBE_SECONDS, candidates, kill_left_over, tier_of
from macrohard.sandbox.seccomp import compile_profile
from macrohard.sandbox.snapshots import Snapshots
from macrohard.sandbox.template import Template

INODES_PER_MIB: Final = 128
START_SECONDS: Final = 60
REMOVAL_SECONDS: Final = 20
GUEST_BYTES: Final = 64 << 20
"""What the guest takes, with some to spare."""
OWN_KERNEL_BYTES: Final = 256 << 20
"""What a kernel inside takes besides the sandbox's own memory. The watch in the guest keeps the sandbox to its own."""
OWN_KERNEL_PIDS: Final = 4096
"""Threads of such a kernel, which the engine counts; the guest counts those of the sandbox."""
LISTENER: Final = (
    "import socket, threading; s = socket.create_server(('127.0.0.1', 0)); "
    "threading.Thread(target=s.accept).start(); print(s.getsockname()[1], flush=True)"
)


class DockerProvider:
    """Opens containers on one Docker engine."""

    def __init__(self, broker: Broker, *, home: Path, facts: EngineFacts) -> None:
        self._broker, self.facts = broker, facts
        self._runtime = facts.default_runtime
        self._tier: Tier = "runc"
        self.tried = False
        """Whether the tier was seen in a sandbox that was started; without the image `base` none can be."""
        self.problems: tuple[str, ...] = ()
        """Why stronger runtimes than the one in use could not be taken."""
        self._inside: str | None = None
        self.installation = installation(home)
        self.snapshots = Snapshots.of(home)
        self._number = uuid.uuid4().hex
        self._wanted: set[str] = set()
        """The names of containers that are being made or in use."""
        self._containers: dict[str, str] = {}
        self.packages: Packages | None = None
        """What sandboxes that ask for packages may fetch; None: nothing."""

    @classmethod
    async def connect(
        cls, *, home: Path, patience: Patience | None = None, runtime: str | None = None, engine: str | None = None
    ) -> "DockerProvider":
        """Find the engine and the strongest runtime of it that works; by starting sandboxes, once `base` is built.

        Args:
            home: what tells this installation's sandboxes from others'.
            patience: of requests to the engine.
            runtime: the only one to take; None: runsc where the engine has it and it works, else the default.
            engine: its address; None: the one that the `docker` command would use.

        Raises:
            SandboxUnavailable: no engine answers, or it cannot run a sandbox, or not with that runtime.
        """
        broker = await Broker.connect(patience=patience, address=engine)
        try:
            facts = await broker.facts()
            if facts.kind != "linux":
                raise SandboxUnavailable(f"the Docker engine runs {facts.kind!r} containers, not Linux ones")
            provider = cls(broker, home=home, facts=facts)
            names = candidates(facts, runtime)
            if await provider.has_image(definitions.load("base")):
                await provider._try(names)
            else:
                provider._runtime = names[-1]
        except BaseException:
            await broker.close()
            raise
        return provider

    async def _try(self, names: Sequence[str]) -> None:
        """Take the first that works."""
        problems = []
        for name in names:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._boot(name)
            except TimeoutError:
                problems.append(f"runtime {name!r} started no sandbox within {PROBE_SECONDS:.0f} s")
            except SandboxUnavailable as error:
                problems.append(f"runtime {name!r} does not work here: {error}")
            else:
                self.tried = True
                break
        self.problems = tuple(problems)
        if not self.tried:
            raise SandboxUnavailable("; ".join(problems))

    async def _boot(self, runtime: str) -> None:
        # What is said of limits depends on what will be inside, and is seen only by looking.
        self._runtime, self._tier = runtime, "gvisor" if "runsc" in runtime else "runc"
        base = SandboxSpec(image="base")
        async with self.open(base) as first:
            self._tier = first.tier
            if self._tier not in ("gvisor", "microvm"):
                return
            # A kernel of its own can have a network of its own, which then leads nowhere.
            async with self.open(SandboxSpec(image="base", join=first.id)) as second:
                listener = await first.spawn(("python3", "-c", LISTENER))
                port = await listener.receive_line()
                if port is None:
                    raise SandboxUnavailable(
                        f"programs in its sandboxes cannot start threads: {listener.tail().strip()[-200:]}"
                    )
                try:
                    stream = await second.connect(int(port))
                except ConnectionRefusedError as error:
                    raise SandboxUnavailable(
                        "two of its sandboxes cannot share a loopback, so that a product and its browser cannot meet; "
                        "runsc needs --network=host among its runtimeArgs"
                    ) from error
                await stream.close()

    @property
    def runtime(self) -> str:
        """What starts the sandboxes, by its name with the engine."""
        return self._runtime

    @property
    def notice(self) -> str | None:
        """What a person should know about the isolation before relying on it."""
        refused = " ".join(f"Not used: {problem}." for problem in self.problems)
        return " ".join(filter(None, (NOTICES.get(self._tier), refused, self._inside))) or None

    @property
    def tier(self) -> Tier:
        return self._tier

    product_image = "base"

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
            try:
                await self._broker.start(container)
                async with asyncio.timeout(START_SECONDS):
                    hello = await wire.hello()
                tier = tier_of(hello, self.facts, template.runtime)
            except TimeoutError as error:
                raise SandboxUnavailable(f"a {spec.image!r} sandbox did not start in {START_SECONDS} s") from error
            except BaseException:
                # Other runtimes leave processes when they fail or hang, for which the engine waits.
                if template.runtime != "runc":
                    await asyncio.shield(asyncio.to_thread(kill_left_over, container))
                raise
            room = Room(
                name,
                tier=tier,
                definition=definitions.load(spec.image),
                wire=wire,
                snapshots=self.snapshots,
                way_out=way_out,
            )
            self._inside = await room.settle_in()
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
        # The engine's control groups see one program, gVisor, and would kill all of it for what one command does.
        held_inside = self._tier == "gvisor"
        return Template(
            image=definition.tag,
            command=tuple(
                guest.command_line(
                    user=limits.user,
                    lifetime_seconds=limits.lifetime_seconds,
                    folders=WRITABLE,
                    bridge=BRIDGE if shared else None,
                    **(_held_inside(definition) if held_inside else {"rlimits": {}}),
                )
            ),
            runtime=self._runtime,
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
            memory_bytes=_own_kernel_bytes(definition) if held_inside else _memory_bytes(definition),
            limits_swap=self.facts.limits_swap,
            pids=limits.pids + (OWN_KERNEL_PIDS if held_inside else 0),
            nano_cpus=int(min(limits.cpus, self.facts.processors) * 1e9),
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
        with suppress(SandboxUnavailable, TimeoutError):
            async with asyncio.timeout(REMOVAL_SECONDS):
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
                try:
                    async with asyncio.timeout(REMOVAL_SECONDS):
                        await self._broker.remove(held.id)
                except TimeoutError:
                    # The engine waits for a runtime that hangs.
                    await asyncio.to_thread(kill_left_over, held.id)
                    await self._broker.remove(held.id)
                await asyncio.to_thread(kill_left_over, held.id)
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


def _held_inside(definition: SandboxDefinition) -> dict[str, Any]:
    """What has the guest keep the sandbox to its limits and its system calls, where the engine cannot.

    Raises:
        SandboxUnavailable: the list of system calls cannot be compiled here.
    """
    limits = definition.limits
    with compile_profile(definition.seccomp_profile) as program:
        filtering = program.read()
    return {
        "rlimits": {
            "nproc": limits.pids,
            # Of one process. More than all may use together, so that the watch can say what happened.
            "data": limits.memory_mib << 21,
        },
        "watch_memory_bytes": limits.memory_mib << 20,
        "watch_pids": limits.pids,
        "own_kernel": True,
        "filter": filtering,
    }


def _memory_bytes(definition: SandboxDefinition) -> int:
    """So much that full folders leave room for the guest, which has to say so: they are memory no kill gives back."""
    folders = sum(definition.size_mib(folder) for folder in WRITABLE)
    return max(definition.limits.memory_mib << 20, (folders << 20) + GUEST_BYTES)


def _own_kernel_bytes(definition: SandboxDefinition) -> int:
    """For all in it, for gVisor itself, for the writable folders, and for what is used before the watch looks again."""
    folders = sum(definition.size_mib(folder) for folder in WRITABLE)
    return OWN_KERNEL_BYTES + ((folders + 2 * definition.limits.memory_mib) << 20)


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
