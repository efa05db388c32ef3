"""Reads the part of the Dockerfile language that `sandboxes/` uses; anything else is an error, never ignored."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from macrohard.domain import Value
from macrohard.errors import DefinitionError

Word = Literal["FROM", "ARG", "ENV", "COPY", "RUN", "USER", "WORKDIR"]
_WORDS: tuple[Word, ...] = ("FROM", "ARG", "ENV", "COPY", "RUN", "USER", "WORKDIR")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class Instruction(Value):
    """One instruction, its continued lines joined."""

    word: Word
    text: str
    line: int


def parse(path: Path) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile in their order.

    Raises:
        DefinitionError: a line is not understood.
    """
    instructions = []
    for line, text in _logical_lines(path.read_text()):
        word, _, rest = text.partition(" ")
        known = next((each for each in _WORDS if each == word), None)
        if known is None:
            raise DefinitionError(path, f"line {line}: {word!r} is not one of {', '.join(_WORDS)}")
        if rest.startswith(("--", "[")) or "<<" in rest:
            raise DefinitionError(path, f"line {line}: options, lists and here-documents are not understood")
        instructions.append(Instruction(word=known, text=rest.strip(), line=line))
    return tuple(instructions)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with `$NAME` and `${NAME}` replaced; an unknown name is empty."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def assignments(text: str) -> dict[str, str]:
    """The `NAME=value` pairs of an ENV."""
    return dict(pair.split("=", 1) for pair in shlex.split(text))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first if joined else number
        joined += line.strip() if not joined else " " + line.strip()
        if joined.endswith("\\"):
            joined = joined[:-1].rstrip()
            continue
        yield first, joined
        joined = ""
