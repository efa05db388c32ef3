"""A sandbox seen through its guest: the contract's calls as calls on the wire, the same for every provider."""

import asyncio
import errno
import os
import time
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from pathlib import PurePosixPath
from typing import Final

from pydantic import Field, ValidationError

from macrohard.domain import Tier, Value
from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.sandbox.channel import Call, Wire, understood
from macrohard.sandbox.contract import OUTPUT_LIMIT_BYTES, WORKSPACE, Command, CommandResult, Snapshot, SnapshotId
from macrohard.sandbox.definition import HOME, WRITABLE, SandboxDefinition
from macrohard.sandbox.guest.frames import ENTRY, STDERR, STDOUT, WINDOW
from macrohard.sandbox.packages import WayOut
from macrohard.sandbox.snapshots import FILES_LIMIT, Packed, Snapshots

COMMAND_LIMIT_BYTES: Final = (1 << 17) - 1
"""The kernel's limit on one argument."""
FILES_SECONDS: Final = 60.0
SNAPSHOT_SECONDS: Final = 300.0
SNAPSHOT_FOLDERS: Final = (str(WORKSPACE), str(HOME))
GUEST_GRACE_SECONDS: Final = 60.0
"""How much later than asked a guest may answer before it counts as lost."""
BROWSER_PROFILE: Final = "browser.seccomp.json"
TAIL_BYTES: Final = 1 << 16
LINE_LIMIT_BYTES: Final = 1 << 26
"""A longer line is handed out in pieces."""


class Ending(Value):
    """How a command of the guest ended, or why it did not start."""

    code: int = 126
    dropped: int = 0
    timed_out: bool = False
    hits: list[str] = Field(default_factory=list)
    """The names of limits, and folders that are full, with how many files they may hold if they are full of those."""
    error: str | None = None
    errno: int | None = None

    @property
    def complaint(self) -> str:
        return "" if self.error is None else f"cannot start: {self.error}\n"


class Room:
    """One open sandbox."""

    def __init__(
        self,
        id: str,
        *,
        tier: Tier,
        definition: SandboxDefinition,
        wire: Wire,
        way_out: WayOut,
        snapshots: Snapshots,
    ) -> None:
        self._id, self._tier, self._definition, self._wire = id, tier, definition, wire
        self._way_out = way_out
        self._own_environment: dict[str, str] = {}
        self._snapshots = snapshots

    async def settle_in(self) -> str | None:
        """Find out what programs inside need to know; returns what a person should know.

        Where a browser may make a sandbox of its own but the host does not let it, programs are told by
        `MACROHARD_CHROMIUM_SANDBOX=0` to do without.
        """
        if self._definition.limits.seccomp != BROWSER_PROFILE:
            return None
        if (await self.run(("unshare", "--user", "true"), timeout_seconds=30)).exit_code == 0:
            return None
        self._own_environment["MACROHARD_CHROMIUM_SANDBOX"] = "0"
        return "Chromium runs without its own sandbox here, because this machine allows it no user namespaces."

    @property
    def id(self) -> str:
        return self._id

    @property
    def _environment(self) -> dict[str, str]:
        """For every command, besides what the image has."""
        return {**self._way_out.environment, **self._own_environment}

    @property
    def tier(self) -> Tier:
        return self._tier

    async def run(
        self,
        command: Command,
        *,
        timeout_seconds: float,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
        input: bytes = b"",
    ) -> CommandResult:
        started = time.monotonic()
        if problem := _unrunnable(command, environment):
            return CommandResult(
                exit_code=126,
                stdout="",
                stderr=problem,
                dropped_bytes=0,
                timed_out=False,
                limit_hit=None,
                duration_seconds=0.0,
            )
        call = self._wire.open(
            "start",
            counted=True,
            order=_command(command, directory, self._environment | dict(environment or {})),
            seconds=timeout_seconds,
            window=OUTPUT_LIMIT_BYTES,
            counting=True,
            input=bool(input),
        )
        try:
            async with asyncio.timeout(timeout_seconds + GUEST_GRACE_SECONDS):
                if input:
                    await call.send(input)
                    call.send_end()
                ending = understood(Ending, await call.result())
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        except asyncio.CancelledError:
            # Nobody waits for the command any more, so it must not go on.
            self._abandon(call)
            raise
        finally:
            self._wire.forget(call)
        stdout = call.streams[STDOUT].take().decode(errors="replace")
        stderr = ending.complaint + call.streams[STDERR].take().decode(errors="replace")
        return CommandResult(
            exit_code=ending.code,
            stdout=stdout,
            stderr=stderr,
            hint=await self._way_out.hint(stdout + stderr),
            dropped_bytes=ending.dropped,
            timed_out=ending.timed_out,
            limit_hit=self._limit_in_words(ending),
            duration_seconds=time.monotonic() - started,
        )

    async def spawn(
        self,
        command: Command,
        *,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
    ) -> "GuestProcess":
        if problem := _unrunnable(command, environment):
            raise SandboxUnavailable(problem)
        call = self._wire.open(
            "start",
            order=_command(command, directory, self._environment | dict(environment or {})),
            seconds=None,
            window=WINDOW,
            counting=False,
        )
        return GuestProcess(call, self._wire)

    async def write(self, files: Mapping[PurePosixPath, bytes]) -> None:
        content = bytearray()
        for path, data in files.items():
            name = str(_inside(path)).encode()
            if len(name) > 4096 or b"\0" in name:
                raise ToolError(f"not a usable path: {str(path)[:200]!r}")
            content += ENTRY.pack(len(name), len(data)) + name + data
        call = self._wire.open(
            "start", counted=True, order={"write": True}, seconds=FILES_SECONDS, window=1 << 14, counting=True
        )
        try:
            async with asyncio.timeout(FILES_SECONDS + GUEST_GRACE_SECONDS):
                await call.send(bytes(content))
                call.send_end()
                ending = understood(Ending, await call.result())
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        finally:
            self._wire.forget(call)
        if ending.code != 0:
            reason = call.streams[STDOUT].take().decode(errors="replace") or ending.error or "killed"
            limit = self._limit_in_words(ending)
            raise ToolError("cannot write " + reason + (f" ({limit})" if limit else ""))

    async def read(self, path: PurePosixPath, *, limit_bytes: int) -> bytes:
        call = self._wire.open(
            "start",
            order={"read": str(WORKSPACE / path), "limit": limit_bytes},
            seconds=FILES_SECONDS,
            window=WINDOW,
            counting=False,
        )
        content = bytearray()
        try:
            async with asyncio.timeout(FILES_SECONDS + GUEST_GRACE_SECONDS):
                call.send_end()
                while data := await call.streams[STDOUT].read():
                    content += data
                ending = understood(Ending, await call.result())
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        finally:
            self._wire.forget(call)
        match ending.errno or ending.code:
            case 0:
                return bytes(content)
            case errno.ENOENT | errno.ENOTDIR:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            case errno.EISDIR:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            case errno.EFBIG:
                raise ToolError(f"{path} is larger than {limit_bytes} bytes")
            case errno.EINVAL | errno.ENXIO:
                raise ToolError(f"{path} is not a regular file")
            case code:
                raise ToolError(f"cannot read {path}: {os.strerror(code) if code < 128 else 'killed'}")

    async def snapshot(self) -> Snapshot:
        call = self._wire.open(
            "start",
            order={"pack": SNAPSHOT_FOLDERS, "files_limit": FILES_LIMIT},
            seconds=SNAPSHOT_SECONDS,
            window=WINDOW,
            counting=False,
        )
        try:
            async with (
                asyncio.timeout(SNAPSHOT_SECONDS + GUEST_GRACE_SECONDS),
                self._snapshots.receiving() as incoming,
            ):
                call.send_end()
                while data := await call.streams[STDOUT].read():
                    await incoming.add(data)
                said = b""
                while len(said) < WINDOW and (data := await call.streams[STDERR].read()):
                    said += data
                ending = understood(Ending, await call.result())
                packed = _packed(ending, said)
                incoming.complete = True
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        finally:
            self._abandon(call)
        return Snapshot(
            id=incoming.id,
            image=self._definition.name,
            size_bytes=incoming.size_bytes,
            files=packed.files,
            left_out=packed.left_out,
            reasons=tuple(packed.reasons),
        )

    async def restore(self, snapshot: SnapshotId) -> None:
        call = self._wire.open(
            "start",
            counted=True,
            order={"unpack": SNAPSHOT_FOLDERS},
            seconds=SNAPSHOT_SECONDS,
            window=1 << 14,
            counting=True,
        )
        try:
            async with (
                asyncio.timeout(SNAPSHOT_SECONDS + GUEST_GRACE_SECONDS),
                aclosing(self._snapshots.content(snapshot)) as content,
            ):
                async for piece in content:
                    await call.send(piece)
                call.send_end()
                ending = understood(Ending, await call.result())
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        finally:
            self._abandon(call)
        if ending.code != 0:
            reason = call.streams[STDOUT].take().decode(errors="replace") or ending.error or "killed"
            limit = self._limit_in_words(ending)
            raise ToolError("the snapshot does not fit: " + (limit or reason))

    async def connect(self, port: int) -> "GuestStream":
        if not 0 < port < 1 << 16:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"no such port: {port}")
        call = self._wire.open("connect", port=port)
        try:
            refusal = await call.connected()
        except asyncio.CancelledError:
            self._abandon(call)
            raise
        if refusal:
            self._wire.forget(call)
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"127.0.0.1:{port}: {refusal.get('error')}")
        return GuestStream(call, self._wire)

    async def seal(self) -> None:
        await self._way_out.seal()

    async def kill_all(self) -> None:
        await self._ask("kill_all")

    async def _ask(self, op: str) -> None:
        call = self._wire.open(op)
        try:
            async with asyncio.timeout(GUEST_GRACE_SECONDS):
                answer = await call.result()
        except TimeoutError as error:
            raise SandboxUnavailable(f"sandbox {self._id} does not answer") from error
        finally:
            self._wire.forget(call)
        if "error" in answer:
            raise SandboxUnavailable(f"{op} in sandbox {self._id}: {answer['error']}")

    def _abandon(self, call: Call) -> None:
        if not call.finished and not self._wire.lost:
            self._wire.forget(self._wire.open("kill", target=call.number))
        self._wire.forget(call)

    def _limit_in_words(self, ending: Ending) -> str | None:
        hits = ["pids"] if ending.errno == errno.EAGAIN else ending.hits
        if not hits:
            return None
        limits = self._definition.limits
        words = {
            "memory": f"killed: memory limit {limits.memory_mib} MiB",
            "pids": f"refused: limit of {limits.pids} processes and threads",
            "cpus": f"held up most of the time: limit of {limits.cpus:g} processors",
            "unknown": f"killed: possibly by the memory limit of {limits.memory_mib} MiB, which cannot be seen here",
        }
        for folder in WRITABLE:
            words[str(folder)] = f"disk full: {folder} holds {self._definition.size_mib(folder)} MiB"
        told = [words[hit] for hit in hits if hit in words]
        for hit in hits:
            folder_name, _, files = hit.partition(" ")
            if folder_name.startswith("/") and folder_name in words and files.isdecimal() and len(files) < 12:
                told.append(f"too many files: {folder_name} holds {int(files):,} files and folders")
        return "; ".join(told) or None


class GuestProcess:
    """A command that runs on while others do."""

    def __init__(self, call: Call, wire: Wire) -> None:
        self._call, self._wire = call, wire
        self._lines = bytearray()
        self._tail = bytearray()
        call.on_errors = self._keep

    def _keep(self, data: bytes) -> None:
        self._tail += data
        del self._tail[:-TAIL_BYTES]

    async def send(self, data: bytes) -> None:
        await self._call.send(data)

    async def receive_line(self) -> bytes | None:
        searched = 0
        while (end := self._lines.find(b"\n", searched)) < 0 and len(self._lines) < LINE_LIMIT_BYTES:
            searched = len(self._lines)
            data = await self._call.streams[STDOUT].read()
            if not data:
                break
            self._lines += data
        if not self._lines:
            if self._wire.lost:
                raise self._wire.lost
            return None
        line = bytes(self._lines[: end + 1 if end >= 0 else None])
        del self._lines[: len(line)]
        return line

    def tail(self) -> str:
        return self._tail.decode(errors="replace")

    async def wait(self) -> int:
        ending = understood(Ending, await self._call.result())
        if not self._tail:
            self._keep(ending.complaint.encode())
        return ending.code

    async def kill(self) -> None:
        killing = self._wire.open("kill", target=self._call.number)
        try:
            await killing.result()
        finally:
            self._wire.forget(killing)


class GuestStream:
    """A connection to a port inside."""

    def __init__(self, call: Call, wire: Wire) -> None:
        self._call, self._wire = call, wire

    async def read(self) -> bytes:
        return await self._call.streams[STDOUT].read()

    async def write(self, data: bytes) -> None:
        await self._call.send(data)

    async def end(self) -> None:
        if not self._call.finished:
            self._call.send_end()

    async def close(self) -> None:
        if not self._call.finished and not self._wire.lost:
            closing = self._wire.open("kill", target=self._call.number)
            try:
                await closing.result()
            finally:
                self._wire.forget(closing)
        self._wire.forget(self._call)


def _command(command: Command, directory: PurePosixPath, environment: dict[str, str]) -> dict[str, object]:
    words = ["/bin/bash", "-c", command] if isinstance(command, str) else list(command)
    return {"words": words, "directory": str(directory), "environment": environment}


def _unrunnable(command: Command, environment: Mapping[str, str] | None) -> str | None:
    words = [command] if isinstance(command, str) else command
    if not words:
        return "a command needs at least the name of a program"
    parts = [*words, *(f"{name}={value}" for name, value in (environment or {}).items())]
    if any("\0" in part for part in parts):
        return "a command cannot contain a NUL byte"
    if max(len(part.encode(errors="surrogateescape")) for part in parts) > COMMAND_LIMIT_BYTES:
        return f"a command is at most {COMMAND_LIMIT_BYTES} bytes long: write a file and run that"
    return None


def _packed(ending: Ending, said: bytes) -> Packed:
    """
    Raises:
        ToolError: the workspace could not be packed.
    """
    if ending.timed_out:
        raise ToolError(f"the workspace could not be packed in {SNAPSHOT_SECONDS:g} s")
    try:
        if ending.code == 0:
            return Packed.model_validate_json(said, strict=True)
    except ValidationError:
        # Where processes of one user can write to each other's streams, another one wrote this.
        said = b"a process in the sandbox disturbed it"
    reason = ending.error or said.decode(errors="replace")[:300] or "the packing process was killed"
    raise ToolError(f"the workspace cannot be packed: {reason}")


def _inside(path: PurePosixPath) -> PurePosixPath:
    full = WORKSPACE / path
    if ".." in full.parts or not any(full.is_relative_to(folder) and full != folder for folder in WRITABLE):
        folders = ", ".join(str(folder) for folder in WRITABLE)
        raise ToolError(f"{path} is not in a writable folder ({folders})")
    return full


async def uncancelled(ending: Coroutine[None, None, None]) -> None:
    """Finish, also when the task around is being cancelled; the cancellation follows afterwards."""
    task = asyncio.ensure_future(ending)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
