"""Files in and out, as the user: this can do nothing that a command could not do as well."""

import errno
import os
import stat
from typing import BinaryIO

from macrohard.sandbox.guest.frames import CHUNK, ENTRY

NOT_REGULAR = errno.EINVAL


def write_files() -> int:
    """Take files from standard input, each after its path; what goes wrong is said on standard output."""
    path = b""
    try:
        with os.fdopen(0, "rb", buffering=1 << 18, closefd=False) as source:
            while header := source.read(ENTRY.size):
                length, size = ENTRY.unpack(header)
                path = source.read(length)
                _write_file(path, size, source)
    except OSError as error:
        os.write(1, path + b": " + (error.strerror or "cannot be written").encode())
        return 1
    return 0


def _write_file(path: bytes, size: int, source: BinaryIO) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Without waiting, should a named pipe stand there.
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(target).st_mode):
        raise OSError(NOT_REGULAR, "not a regular file")
    while size:
        data = memoryview(source.read(min(size, CHUNK)))
        if not data:
            raise OSError(errno.EPIPE, "the files ended early")
        size -= len(data)
        while data:
            data = data[os.write(target, data) :]
    os.close(target)


def read_file(path: str, limit: int) -> int:
    """Give a file on standard output; the exit code is the error number."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        found = os.fstat(source)
        if stat.S_ISDIR(found.st_mode):
            return errno.EISDIR
        if not stat.S_ISREG(found.st_mode):
            return NOT_REGULAR
        if found.st_size > limit:
            return errno.EFBIG
        room = limit
        while data := memoryview(os.read(source, min(CHUNK, room + 1))):
            room -= len(data)
            if room < 0:
                return errno.EFBIG
            while data:
                data = data[os.write(1, data) :]
    except OSError as error:
        return error.errno or errno.EIO
    return 0
