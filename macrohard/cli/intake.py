"""The requirement as the person gave it: as text, a file or standard input, checked before a run exists."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from macrohard.domain.requirement import LIMIT_BYTES, text_of
from macrohard.errors import RequestError

if TYPE_CHECKING:
    from macrohard.workspace import ExistingRepository


def requirement(text: str | None, file: Path | None) -> str:
    """The text, unchanged but for a byte order mark.

    Raises:
        RequestError: there is none, or it is no text a person wrote; says what to do.
    """
    if text is not None and file is not None:
        raise RequestError("give the requirement as text or with --file, not both")
    if file is not None and str(file) != "-":
        return text_of(_from_file(file), f"{str(file)!r}")
    if file is not None or text == "-":
        return text_of(_start_of(sys.stdin.buffer), "standard input")
    if text is not None:
        # The shell's bytes, which Python has smuggled through as surrogates where they are no UTF-8.
        return text_of(text.encode("utf-8", "surrogateescape"), "the requirement")
    raise RequestError('say what to build, e.g. macrohard build "todo app. due dates. filter.", or use --file')


def existing_repository(place: str, include_changes: bool, publish: bool) -> "ExistingRepository":
    """What `--repo` names.

    Raises:
        RequestError: it is an address; says what to do.
    """
    from macrohard.workspace import ExistingRepository

    if re.match(r"[a-z][a-z0-9+.-]*:/|[^/@\s]+@[^/\s]+:", place):
        raise RequestError(f"--repo {place!r} is an address; clone it first, and name the folder: git clone {place}")
    return ExistingRepository(Path(place).absolute(), include_changes=include_changes, publish=publish)


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return _start_of(opened)
    except FileNotFoundError as error:
        raise RequestError(f"there is no file {str(path)!r}") from error
    except IsADirectoryError as error:
        raise RequestError(f"{str(path)!r} is a folder; name one text file in it") from error
    except (OSError, ValueError) as error:
        raise RequestError(f"{str(path)!r} cannot be read: {error}") from error


def _start_of(stream: BinaryIO) -> bytes:
    return stream.read(LIMIT_BYTES + 1)
