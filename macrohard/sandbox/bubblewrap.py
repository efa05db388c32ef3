"""Sandboxes without a container engine: bubblewrap around the same guest, for machines where only that can be had."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox import guest, rootfs
from macrohard.sandbox.channel import Wire
from macrohard.sandbox.contract import WORKSPACE, SandboxSpec
from macrohard.sandbox.definition import HOME, TEMPORARY, WRITABLE, SandboxDefinition
from macrohard.sandbox.packages import BRIDGE, Packages, WayOut
from macrohard.sandbox.registries import BOUND
from macrohard.sandbox.room import Room, uncancelled
from macrohard.sandbox.rootfs import Rootfs
from macrohard.sandbox.seccomp import compile_profile
from macrohard.sandbox.snapshots import Snapshots

NOTICE: Final = (
    "No Docker engine: sandboxes are made with bubblewrap. Network, files and privileges are locked as with Docker; "
    "memory and processes are limited less strictly, processor time not at all."
)
USER_OFFSET: Final = 2_000_000_000
"""Added to the users' numbers inside to get those outside, where nobody has such a number."""
CAPABILITIES: Final = ("CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_CHOWN")
OPEN_FILES: Final = 4096
READ_ONLY: Final = ("/proc/sys", "/proc/sysrq-trigger")
HIDDEN: Final = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats")
START_SECONDS: Final = 60
END_SECONDS: Final = 5


class BubblewrapProvider:
    """Opens sandboxes as child processes of this one."""

    notice: str = NOTICE
    """What a person should know about the isolation before relying on it."""

    def __init__(self, *, home: Path) -> None:
        self.snapshots = Snapshots.of(home)
        self._networks: dict[str, FileIO] = {}
        self.packages: Packages | None = None
        """What sandboxes that ask for packages may fetch; None: nothing."""

    @classmethod
    async def connect(cls, *, home: Path) -> "BubblewrapProvider":
        """The provider of this installation.

        Raises:
            SandboxUnavailable: see `check`.
        """
        await cls.check()
        return cls(home=home)

    @staticmethod
    async def check() -> None:
        """Check that sandboxes can be started here.

        Raises:
            SandboxUnavailable: they cannot; the text says what is missing.
        """
        missing = [name for name in ("bwrap", "nsenter") if shutil.which(name) is None]
        if missing:
            raise SandboxUnavailable(f"not installed: {', '.join(missing)} (apt-get install --yes bubblewrap)")
        if os.geteuid() != 0:
            raise SandboxUnavailable("bubblewrap sandboxes that share a network need root; as another user use Docker")
        process = await asyncio.create_subprocess_exec(
            *("bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "true"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise SandboxUnavailable(f"bubblewrap cannot start here: {errors.decode(errors='replace').strip()}")

    @property
    def tier(self) -> Tier:
        return "bubblewrap"

    product_image = "base"

    @property
    def installs(self) -> bool:
        return self.packages is not None

    async def has_image(self, definition: SandboxDefinition) -> bool:
        return rootfs.find(definition) is not None

    @asynccontextmanager
    async def open(self, spec: SandboxSpec) -> AsyncIterator[Room]:
        async with WayOut.open(spec, self.packages) as way_out, self._open(spec, way_out) as room:
            yield room

    @asynccontextmanager
    async def _open(self, spec: SandboxSpec, way_out: WayOut) -> AsyncIterator[Room]:
        definition = definitions.load(spec.image)
        made = rootfs.find(definition)
        if made is None:
            raise SandboxUnavailable(
                f"the image of sandbox {definition.name!r} is not built: macrohard sandboxes build {definition.name}"
            )
        name = f"macrohard-{uuid.uuid4().hex[:12]}"
        # Starting is never broken off: a child that bubblewrap has not come to tie to its own life would stay for ever.
        starting = asyncio.create_task(self._start(name, definition, made, spec, way_out.folder))
        wire: Wire | None = None
        try:
            process = await asyncio.shield(starting)
            assert process.stdin
            assert process.stdout
            assert process.stderr
            errors = asyncio.create_task(process.stderr.read(4096), name="bubblewrap-errors")

            async def explain() -> str:
                return (await errors).decode(errors="replace").strip()

            wire = Wire(process.stdout, process.stdin, explain=explain)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await wire.hello()
            except TimeoutError as error:
                raise SandboxUnavailable(f"a {spec.image!r} sandbox did not start in {START_SECONDS} s") from error
            room = Room(
                name,
                tier="bubblewrap",
                definition=definition,
                wire=wire,
                way_out=way_out,
                snapshots=self.snapshots,
            )
            self.notice = " ".join(filter(None, (NOTICE, await room.settle_in())))
            if spec.workspace is not None:
                await room.restore(spec.workspace)
            yield room
        finally:
            await uncancelled(self._end(name, starting, wire))

    async def _start(
        self, name: str, definition: SandboxDefinition, made: Rootfs, spec: SandboxSpec, shared: Path | None
    ) -> asyncio.subprocess.Process:
        if spec.join is not None and spec.join not in self._networks:
            raise SandboxUnavailable(f"no open sandbox {spec.join!r} to join")
        network = None if spec.join is None else self._networks[spec.join]
        limits = definition.limits
        with contextlib.ExitStack() as stack:
            program = stack.enter_context(compile_profile(definition.seccomp_profile))
            info, info_end = (stack.enter_context(end) for end in _pipe())
            gate_end, gate = (stack.enter_context(end) for end in _pipe())
            process = await asyncio.create_subprocess_exec(
                *(() if network is None else ("nsenter", f"--net=/proc/self/fd/{network.fileno()}", "--")),
                *("bwrap", "--die-with-parent", "--as-pid-1", "--new-session", "--hostname", "sandbox"),
                *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
                *(("--unshare-net",) if network is None else ()),
                *("--uid", "0", "--gid", "0", "--cap-drop", "ALL"),
                *(word for capability in CAPABILITIES for word in ("--cap-add", capability)),
                *("--ro-bind", str(made.root), "/", "--proc", "/proc", "--dev", "/dev"),
                *("--size", str(64 << 20), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
                *(word for path in READ_ONLY for word in ("--ro-bind-try", path, path)),
                *(word for path in _hidden() for word in ("--ro-bind", "/dev/null", path)),
                *(word for folder in WRITABLE for word in _writable(definition, folder)),
                *(
                    ()
                    if shared is None
                    else ("--tmpfs", "/run", "--ro-bind", str(shared), str(BOUND), "--remount-ro", "/run")
                ),
                "--clearenv",
                *(word for name, value in made.environment.items() for word in ("--setenv", name, value)),
                *("--seccomp", str(program.fileno())),
                *("--info-fd", str(info_end.fileno()), "--userns-block-fd", str(gate_end.fileno())),
                *("--chdir", "/", "--"),
                *guest.command_line(
                    user=limits.user,
                    lifetime_seconds=limits.lifetime_seconds,
                    folders=WRITABLE,
                    own=(WORKSPACE, HOME),
                    rlimits={
                        "core": 0,
                        "nofile": OPEN_FILES,
                        "nproc": limits.pids,
                        # Of one process. More than all may use together, so that the watch can say what happened.
                        "data": limits.memory_mib << 21,
                    },
                    watch_memory_bytes=limits.memory_mib << 20,
                    watch_pids=limits.pids,
                    bridge=BRIDGE if shared else None,
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[end.fileno() for end in (program, info_end, gate_end, *((network,) if network else ()))],
                limit=1 << 20,
            )
            # Held open here, it would keep us from seeing that bubblewrap failed.
            info_end.close()
            inside = await asyncio.to_thread(_child, info)
            if inside is None:
                _, errors = await process.communicate()
                raise SandboxUnavailable(f"cannot open a sandbox: {errors.decode(errors='replace').strip()}")
            try:
                _map_users(inside)
                self._networks[name] = _network_of(inside)
            except (OSError, SandboxUnavailable) as error:
                os.kill(inside, signal.SIGKILL)
                await process.wait()
                raise SandboxUnavailable(f"cannot open a sandbox: {error}") from error
            gate.write(b"1")
            return process

    async def _end(self, name: str, starting: "asyncio.Task[asyncio.subprocess.Process]", wire: Wire | None) -> None:
        (process,) = await asyncio.gather(starting, return_exceptions=True)
        if network := self._networks.pop(name, None):
            network.close()
        if wire:
            await wire.close()
        if isinstance(process, asyncio.subprocess.Process):
            assert process.stdin
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), END_SECONDS)
            except TimeoutError:
                # The guest should have ended with its wire; it dies with its parent.
                process.kill()
                await process.wait()

    async def reap(self) -> tuple[str, ...]:
        # The kernel kills them with their owner.
        return ()

    async def close(self) -> None:
        if self.packages:
            await self.packages.close()


def _pipe() -> tuple[FileIO, FileIO]:
    reading, writing = os.pipe()
    return FileIO(reading, "r"), FileIO(writing, "w")


def _child(info: FileIO) -> int | None:
    """The number of process 1 inside, as seen from here; None if bubblewrap ended without starting it."""
    text = b""
    while not text.rstrip().endswith(b"}"):
        if not (data := info.read(4096)):
            return None
        text += data
    return int(json.loads(text)["child-pid"])


def _map_users(inside: int) -> None:
    """Let only process 1 be root outside as well, without any privilege there; all others be nobody in particular."""
    mapping = f"0 0 1\n1 {USER_OFFSET + 1} 65535\n"
    for kind in ("uid_map", "gid_map"):
        with open(f"/proc/{inside}/{kind}", "w") as file:
            file.write(mapping)


def _network_of(inside: int) -> FileIO:
    """The network of a sandbox that still waits at its gate, kept so that it cannot become another's by its number.

    Raises:
        SandboxUnavailable: it is not a network of its own.
    """
    network = FileIO(f"/proc/{inside}/ns/net")
    if os.fstat(network.fileno()).st_ino == os.stat("/proc/self/ns/net").st_ino:
        network.close()
        raise SandboxUnavailable("the sandbox has the network of this machine")
    return network


def _hidden() -> tuple[str, ...]:
    return tuple(path for path in HIDDEN if os.path.exists(path))


def _writable(definition: SandboxDefinition, folder: PurePosixPath) -> tuple[str, ...]:
    mode = "1777" if folder == TEMPORARY else "0755"
    return ("--size", str(definition.size_mib(folder) << 20), "--perms", mode, "--tmpfs", str(folder))
