"""Pages and files of registries on this machine's disk; a file is named by what it must hash to, and hashed on use."""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from macrohard.sandbox.registries import File, Received, Refused

CACHE_LIMIT_BYTES: Final = 8 << 30
"""Beyond it, the files that were not asked for longest go."""
DRAFT_SECONDS: Final = 3600
"""Nobody takes so long to write one: who began it was killed."""


class Cache:
    """Any number of processes of one user may share it: everything is written beside its place and then moved there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("files", "pages", "coming"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for draft in (folder / "coming").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                    draft.unlink()

    def file(self, file: File) -> BinaryIO | None:
        """The file at its beginning, if it is here and is what it should be now; stays readable when it is removed."""
        try:
            content = self._place(file).open("rb")
        except FileNotFoundError:
            return None
        if not _is(file, content):
            content.close()
            return None
        # The time of its last use, for making room.
        os.utime(content.fileno())
        return content

    def keep_file(self, file: File, draft: "Draft") -> None:
        """Take a finished draft in.

        Raises:
            Refused: it is not what it should be.
        """
        draft.content.seek(0)
        if not _is(file, draft.content):
            raise Refused(403, f"{file.name} does not have the hash that its page names: refused")
        draft.move(self._place(file))
        self._make_room()

    def page(self, address: str) -> tuple[Received, float] | None:
        """A page as it was received, and how many seconds ago."""
        kept = self._page(address)
        try:
            return Received.model_validate_json(kept.read_bytes()), time.time() - kept.stat().st_mtime
        except (FileNotFoundError, ValidationError):
            # Also one that a loss of power left half written.
            return None

    def keep_page(self, address: str, page: Received) -> None:
        """Take a page in."""
        with self.draft() as draft:
            draft.content.write(page.model_dump_json().encode())
            draft.move(self._page(address))

    @contextlib.contextmanager
    def draft(self) -> Iterator["Draft"]:
        """Where something can be written; gone afterwards unless it was moved.

        Raises:
            Refused: there is no space left, or the folder cannot be written.
        """
        try:
            descriptor, name = tempfile.mkstemp(dir=self._folder / "coming")
            with os.fdopen(descriptor, "w+b") as content:
                try:
                    yield Draft(content, Path(name))
                finally:
                    Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise Refused(507, f"the cache of packages on this machine cannot be written: {error.strerror}") from error

    def _place(self, file: File) -> Path:
        return self._folder / "files" / f"{file.algorithm}-{file.digest}"

    def _page(self, address: str) -> Path:
        return self._folder / "pages" / hashlib.sha256(address.encode()).hexdigest()

    def _make_room(self) -> None:
        found = []
        for path in (self._folder / "files").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime, path.stat().st_size, path))
        excess = sum(size for _, size, _ in found) - CACHE_LIMIT_BYTES
        for _, size, path in sorted(found):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size


class Draft:
    """A file that nobody else sees yet."""

    def __init__(self, content: BinaryIO, path: Path) -> None:
        self.content, self._path = content, path

    def move(self, place: Path) -> None:
        """Put what was written in its place, at once."""
        self.content.flush()
        self._path.replace(place)


def _is(file: File, content: BinaryIO) -> bool:
    """Whether the rest of it has the digest; back at the beginning afterwards."""
    found = hashlib.new(file.algorithm)
    while data := content.read(1 << 20):
        found.update(data)
    content.seek(0)
    return found.hexdigest() == file.digest
