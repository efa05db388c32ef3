"""Whole folders in and out, as the user, in a form that only this module reads.

Own, because what `tar` of the image does with a file that changes, with a folder 1,000 levels deep, with a name that
is no text or with a file without a right to read it differs between versions and is told in prose. The form is a
sequence of records, each a kind and what belongs to it; a folder's entries follow it, and `UP` ends them:

    ROOT                                              the next of the folders
    FOLDER  mode, time, name, entries …, UP
    FILE    mode, time, number, name, content         number 0: it has no other name
    SAME    number, name                              another name of that file
    LINK    mode, time, name, length, target
    PIPE    mode, time, name

Content is pieces, each a length and so many bytes; a length of 0 ends it, and HOLE is followed by the hole's size.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

DEPTH_LIMIT = 1000
"""Each level of folders holds a descriptor open while it is worked on."""
REASONS_LIMIT = 20
_TIMES_LIMIT = 3
"""How often something is looked at again that was another thing when it was opened."""
_NAMED_BYTES = 4000
"""Of the path of a file with several names, by which it is found again; each name of a longer one becomes a file."""
_PIECE = 1 << 18
_ROOT, _FOLDER, _FILE, _SAME, _LINK, _PIPE, _UP, _END = b"RDFSLPUE"
_ENTRY = struct.Struct("!BHqIH")
"""Kind, mode, time in nanoseconds, number, length of the name."""
_LENGTH = struct.Struct("!I")
_SIZE = struct.Struct("!Q")
_HOLE = (1 << 32) - 1
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class TooMuch(Exception):
    """More than can be packed; the text says of what."""


def pack(roots: list[str], files_limit: int) -> int:
    """Give the folders on standard output, and on standard error what they were (JSON), or what is wrong.

    Everything is opened below its folder and without following a link, so that whatever is swapped meanwhile, nothing
    else is read. A file is given at most as long as it was when it was opened; what vanished is not there.
    """
    _widen(1)
    packer = _Packer(files_limit)
    try:
        for root in roots:
            packer.root(root)
        packer.end()
    except TooMuch as error:
        os.write(2, str(error).encode("utf-8", "surrogateescape"))
        return 1
    except OSError as error:
        os.write(2, (error.strerror or "cannot be read").encode())
        return 1
    said = {"files": packer.files, "left_out": packer.left_out, "reasons": packer.reasons}
    os.write(2, json.dumps(said).encode())
    return 0


class _Packer:
    def __init__(self, files_limit: int) -> None:
        self.files, self.left_out, self.reasons = 0, 0, list[str]()
        self._limit = files_limit
        self._waiting, self._waiting_bytes = list[bytes](), 0
        self._numbers: dict[tuple[int, int], int] = {}

    def root(self, root: str) -> None:
        top = os.open(root, _OPEN_FOLDER)
        self._record(_ROOT, os.fstat(top), b"")
        levels = [(top, self._names(top), os.fsencode(root))]
        while levels:
            folder, names, path = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(folder)
                levels.pop()
                self._give(bytes((_UP,)))
                continue
            below = self._entry(folder, name, path)
            if below is not None:
                if len(levels) == DEPTH_LIMIT:
                    raise TooMuch(f"folders are nested deeper than {DEPTH_LIMIT} levels")
                levels.append((below, self._names(below), path + b"/" + name))

    def end(self) -> None:
        self._give(bytes((_END,)))
        self._flush()

    @staticmethod
    def _names(folder: int) -> Iterator[bytes]:
        # In order, so that the same content is always the same archive.
        return iter(sorted(map(os.fsencode, os.listdir(folder))))

    def _entry(self, folder: int, name: bytes, path: bytes) -> int | None:
        """Give one entry; the descriptor of a folder, whose entries must follow."""
        self.files += 1
        if self.files > self._limit:
            raise TooMuch(f"there are more than {self._limit} files and folders")
        reason = "it changes all the time"
        for _ in range(_TIMES_LIMIT):
            try:
                return self._entry_as_it_is(folder, name, path)
            except FileNotFoundError:
                self.files -= 1
                return None
            except OSError as error:
                if error.errno not in _GONE:
                    reason = error.strerror or "cannot be read"
                    break
        self._leave_out(path, name, reason)
        return None

    def _entry_as_it_is(self, folder: int, name: bytes, path: bytes) -> int | None:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFREG:
            opened = os.open(name, _OPEN_FILE, dir_fd=folder)
            try:
                found = os.fstat(opened)
                if not stat.S_ISREG(found.st_mode):
                    raise OSError(errno.ENXIO, "it changes all the time")
                self._file(opened, found, name, path)
            finally:
                os.close(opened)
        elif kind == stat.S_IFDIR:
            opened = os.open(name, _OPEN_FOLDER, dir_fd=folder)
            self._record(_FOLDER, os.fstat(opened), name)
            return opened
        elif kind == stat.S_IFLNK:
            target = os.readlink(name, dir_fd=folder)
            self._record(_LINK, found, name)
            self._give(_LENGTH.pack(len(target)) + target)
        elif kind == stat.S_IFIFO:
            self._record(_PIPE, found, name)
        else:
            self._leave_out(path, name, "a socket" if kind == stat.S_IFSOCK else "a device")
        return None

    def _file(self, opened: int, found: os.stat_result, name: bytes, path: bytes) -> None:
        number = 0
        if found.st_nlink > 1 and len(path) + len(name) < _NAMED_BYTES:
            key = (found.st_dev, found.st_ino)
            if known := self._numbers.get(key):
                self._record(_SAME, found, name, known)
                return
            number = self._numbers[key] = len(self._numbers) + 1
        self._record(_FILE, found, name, number)
        at, size = 0, found.st_size
        sparse = found.st_blocks * 512 < size
        while at < size:
            until = size
            if sparse:
                data = _next_data(opened, at, size)
                if data > at:
                    self._give(_LENGTH.pack(_HOLE) + _SIZE.pack(data - at))
                    at = data
                    continue
                until = min(size, os.lseek(opened, at, os.SEEK_HOLE))
                os.lseek(opened, at, os.SEEK_SET)
            content = os.read(opened, min(_PIECE, until - at))
            if not content:
                break
            self._give(_LENGTH.pack(len(content)))
            self._give(content)
            at += len(content)
        self._give(_LENGTH.pack(0))

    def _leave_out(self, path: bytes, name: bytes, reason: str) -> None:
        self.files -= 1
        self.left_out += 1
        if len(self.reasons) < REASONS_LIMIT:
            full = (path + b"/" + name).decode(errors="replace")
            self.reasons.append(f"{full if len(full) < 200 else '…' + full[-200:]}: {reason}")

    def _record(self, kind: int, found: os.stat_result, name: bytes, number: int = 0) -> None:
        self._give(_ENTRY.pack(kind, stat.S_IMODE(found.st_mode), found.st_mtime_ns, number, len(name)) + name)

    def _give(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
        while data:
            data = data[os.write(1, data) :]


def _widen(pipe: int) -> None:
    """Let more be on the way, so that fewer turns are needed; where that is not allowed it is only slower."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4 * _PIECE)


def _next_data(opened: int, at: int, size: int) -> int:
    try:
        return min(size, os.lseek(opened, at, os.SEEK_DATA))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        # Nothing but a hole up to the end.
        return size


def unpack(roots: list[str]) -> int:
    """Take the folders from standard input; what goes wrong is said on standard output.

    Safe with any input: it can do nothing that a command of the same user could not do as well.
    """
    _widen(0)
    with os.fdopen(0, "rb", buffering=_PIECE, closefd=False) as source:
        unpacker = _Unpacker(source)
        try:
            for root in roots:
                unpacker.root(root)
            unpacker.end()
        except OSError as error:
            where = unpacker.where.decode(errors="replace")[-300:]
            os.write(1, f"{where}: {error.strerror or 'cannot be written'}".encode())
            return 1
    return 0


class _Unpacker:
    def __init__(self, source: BinaryIO) -> None:
        self.where = b""
        self._source = source

    def root(self, root: str) -> None:
        self.where = os.fsencode(root)
        kind, mode, time, _, name = self._next()
        if kind != _ROOT or name:
            raise OSError(errno.EBADMSG, "not a packed folder")
        top = os.open(root, _OPEN_FOLDER)
        named: dict[int, bytes] = {}
        levels = [(top, mode, time, b"")]
        while levels:
            folder, mode, time, path = levels[-1]
            kind, entry_mode, entry_time, number, name = self._next()
            if kind == _UP:
                # Only now: it may be a folder that nobody may write to, and each entry changes its time.
                os.fchmod(folder, mode)
                os.utime(folder, ns=(time, time))
                os.close(folder)
                levels.pop()
                continue
            if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
                raise OSError(errno.EBADMSG, "not a packed folder")
            here = path + name
            self.where = os.fsencode(root) + b"/" + here
            if kind == _FOLDER:
                if len(levels) > DEPTH_LIMIT:
                    raise OSError(errno.EBADMSG, "not a packed folder")
                os.mkdir(name, 0o700, dir_fd=folder)
                levels.append((os.open(name, _OPEN_FOLDER, dir_fd=folder), entry_mode, entry_time, here + b"/"))
            elif kind == _FILE:
                self._file(folder, name, entry_mode, entry_time)
                if number:
                    named[number] = here
            elif kind == _SAME and number in named:
                os.link(named[number], name, src_dir_fd=levels[0][0], dst_dir_fd=folder, follow_symlinks=False)
            elif kind == _LINK:
                os.symlink(self._bytes(_LENGTH.unpack(self._bytes(_LENGTH.size))[0]), name, dir_fd=folder)
                os.utime(name, ns=(entry_time, entry_time), dir_fd=folder, follow_symlinks=False)
            elif kind == _PIPE:
                os.mkfifo(name, entry_mode, dir_fd=folder)
                os.utime(name, ns=(entry_time, entry_time), dir_fd=folder, follow_symlinks=False)
            else:
                raise OSError(errno.EBADMSG, "not a packed folder")

    def end(self) -> None:
        if self._bytes(1)[0] != _END or self._source.read(1):
            raise OSError(errno.EBADMSG, "not a packed folder")

    def _next(self) -> tuple[int, int, int, int, bytes]:
        if (first := self._bytes(1)[0]) == _UP:
            return _UP, 0, 0, 0, b""
        kind, mode, time, number, length = _ENTRY.unpack(bytes((first,)) + self._bytes(_ENTRY.size - 1))
        return kind, mode & 0o7777, time, number, self._bytes(length)

    def _file(self, folder: int, name: bytes, mode: int, time: int) -> None:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            size = 0
            while length := _LENGTH.unpack(self._bytes(_LENGTH.size))[0]:
                if length == _HOLE:
                    size += _SIZE.unpack(self._bytes(_SIZE.size))[0]
                    os.truncate(target, size)
                    os.lseek(target, size, os.SEEK_SET)
                    continue
                size += length
                while length:
                    content = memoryview(self._source.read(min(length, _PIECE)))
                    if not content:
                        raise OSError(errno.EBADMSG, "the packed folder ended early")
                    length -= len(content)
                    while content:
                        content = content[os.write(target, content) :]
            os.fchmod(target, mode)
            os.utime(target, ns=(time, time))
        finally:
            os.close(target)

    def _bytes(self, size: int) -> bytes:
        if size > _PIECE or len(data := self._source.read(size)) != size:
            raise OSError(errno.EBADMSG, "the packed folder ended early")
        return data
