"""Packed workspaces on this machine: opaque files named after their content, never unpacked or looked into here."""

import asyncio
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import Field

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable, ToolError

FILES_LIMIT: Final = 100_000
"""Files, folders and links of one snapshot."""
BYTES_LIMIT: Final = 1 << 30
"""Of one snapshot."""
KEPT_BYTES: Final = 8 << 30
"""Of all snapshots together; beyond it those go that nobody used for longest."""
KEPT_SECONDS: Final = 86_400.0
"""A snapshot that nobody used for so long goes."""
_PIECE: Final = 1 << 20
_INCOMING: Final = "incoming-"
_LOCK_SECONDS: Final = 60.0
"""More than it takes from making a file to locking it."""


class Packed(Value):
    """What a guest says of the folders that it has packed."""

    files: int = Field(ge=0, le=FILES_LIMIT)
    left_out: int = Field(ge=0)
    reasons: list[str] = Field(max_length=20)


class Incoming:
    """A snapshot that is being received."""

    def __init__(self, file: BinaryIO, *, limit_bytes: int) -> None:
        self._file, self._limit_bytes, self._digest = file, limit_bytes, hashlib.sha256()
        self.size_bytes = 0
        self.complete = False
        """Set once all of it has come; otherwise nothing is kept."""

    async def add(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            ToolError: they are too many.
            SandboxUnavailable: this machine has no room for them.
        """
        self.size_bytes += len(data)
        if self.size_bytes > self._limit_bytes:
            raise ToolError(f"the workspace is larger than {self._limit_bytes >> 20} MiB, the limit of a snapshot")
        try:
            await asyncio.to_thread(self._take, data)
        except OSError as error:
            raise SandboxUnavailable(f"a snapshot cannot be kept: {error}") from error

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)

    def flush(self) -> None:
        """Let the file hold all that was taken."""
        self._file.flush()

    @property
    def id(self) -> str:
        return self._digest.hexdigest()


class Snapshots:
    """The snapshots of one installation. Safe to use from several processes at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = BYTES_LIMIT,
        kept_bytes: int = KEPT_BYTES,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """
        Args:
            folder: made when the first snapshot is taken.
            limit_bytes: of one snapshot.
            kept_bytes, kept_seconds: of all together, and without a use; see `prune`.
        """
        self.folder, self.limit_bytes = folder, limit_bytes
        self._kept_bytes, self._kept_seconds = kept_bytes, kept_seconds

    @classmethod
    def of(cls, home: Path) -> "Snapshots":
        """Those of the installation whose folder this is."""
        return cls(home / "snapshots")

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[Incoming]:
        """Room for one more, which is kept under its `id` if it is complete when the context ends, whole or not at all.

        Raises:
            SandboxUnavailable: this machine has no room for it.
        """
        draft = self.folder / f"{_INCOMING}{secrets.token_hex(8)}"
        try:
            with self._begin(draft) as file:
                incoming = Incoming(file, limit_bytes=self.limit_bytes)
                yield incoming
                await asyncio.to_thread(self._end, draft, incoming)
        except OSError as error:
            raise SandboxUnavailable(f"a snapshot cannot be kept: {error}") from error
        finally:
            _forget(draft)

    def _begin(self, draft: Path) -> BinaryIO:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        # So that others can tell it from one whose process was killed.
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _end(self, draft: Path, incoming: Incoming) -> None:
        if incoming.complete:
            incoming.flush()
            # In place of one that was damaged, too.
            draft.rename(self.folder / incoming.id)
            self.prune()

    async def content(self, id: str) -> AsyncGenerator[bytes]:
        """A snapshot piece by piece; only after the last one is it known that it is what it should be.

        Raises:
            SandboxUnavailable: it is not here, or not what its name says.
        """
        try:
            file = (self.folder / id).open("rb")
        except FileNotFoundError as error:
            raise SandboxUnavailable(
                f"there is no snapshot {id[:16]} here: one that nobody uses for a day is removed; take it again"
            ) from error
        digest = hashlib.sha256()

        def piece() -> bytes:
            data = file.read(_PIECE)
            digest.update(data)
            return data

        with file:
            with suppress(OSError):
                # The time of its last use.
                os.utime(file.fileno())
            try:
                while data := await asyncio.to_thread(piece):
                    yield data
            except OSError as error:
                raise SandboxUnavailable(f"the snapshot {id[:16]} cannot be read: {error}") from error
        if digest.hexdigest() != id:
            raise SandboxUnavailable(f"the snapshot {id[:16]} is damaged: its content is not what its name says")

    def prune(self) -> tuple[tuple[str, int], ...]:
        """Remove what was not used for long, what is beyond the room for all, and what killed processes left behind.

        Returns:
            The names of the files removed, with their sizes in bytes.
        """
        removed, total = [], 0
        found = sorted(self._found(), key=lambda each: -each[1].st_mtime)
        for number, (path, status) in enumerate(found):
            if path.name.startswith(_INCOMING):
                if _is_abandoned(path, age_seconds=time.time() - status.st_mtime):
                    removed.append((path.name, status.st_size))
                continue
            total += status.st_size
            old = time.time() - status.st_mtime > self._kept_seconds
            # However little room there is, that taken last is about to be used.
            if old or (number and total > self._kept_bytes):
                path.unlink(missing_ok=True)
                removed.append((path.name, status.st_size))
                total -= status.st_size
        return tuple(removed)

    def _found(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*"):
            with suppress(FileNotFoundError):
                yield path, path.stat()


def _forget(draft: Path) -> None:
    draft.unlink(missing_ok=True)


def _is_abandoned(path: Path, *, age_seconds: float) -> bool:
    """Whether nobody writes to it any more; then it is gone."""
    if age_seconds < _LOCK_SECONDS:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return True
    except (FileNotFoundError, BlockingIOError):
        return False
