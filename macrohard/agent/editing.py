"""Replacing exact pieces of a text; when a piece is not there, what comes nearest, and how it differs."""

import difflib
import re
from collections.abc import Sequence

from pydantic import Field

from macrohard.domain import Value
from macrohard.errors import ToolError

CANDIDATES = 5
SHOWN_LINES = 30
NEAR = 0.5
"""How alike a piece must be to be shown; 1 is equal."""
_NUMBERED = re.compile(r"^ *\d+[:|│\t] ?")
_QUOTES = str.maketrans("“”„«»‘’‚`", '"""""\'\'\'\'')
_SINGLE = str.maketrans("'", '"')


class Replacement(Value):
    """One exact text, and what takes its place."""

    old: str = Field(min_length=1)
    new: str


def replaced(text: str, replacements: Sequence[Replacement], *, path: str, every: bool) -> str:
    """The text after all replacements, one after the other.

    Where the file ends its lines with CRLF, so may the old text or not.

    Raises:
        ToolError: an old text is not there, or not only once; says what is there instead. Nothing counts as replaced.
    """
    crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    for number, replacement in enumerate(replacements, 1):
        old, new = replacement.old, replacement.new
        if crlf:
            old, new = (_with_crlf(one) for one in (old, new))
        count = text.count(old)
        if count == 1 or (count and every):
            text = text.replace(old, new)
            continue
        which = f"replacement {number} of {len(replacements)}: " if len(replacements) > 1 else ""
        nothing = " Nothing was changed." if len(replacements) > 1 else ""
        if count:
            places = ", ".join(str(line) for line in _lines_of(text, old)[:10])
            raise ToolError(
                f"{which}the old text stands {count} times in {path}, at lines {places}. Give more of the lines around "
                f"it, or every=true to replace them all.{nothing}"
            )
        raise ToolError(f"{which}the old text does not stand in {path}. {_nearest(text, old, new)}{nothing}")
    return text


def _with_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _lines_of(text: str, old: str) -> list[int]:
    places, at = [], text.find(old)
    while at >= 0:
        places.append(text.count("\n", 0, at) + 1)
        at = text.find(old, at + len(old))
    return places


def _nearest(text: str, old: str, new: str) -> str:
    """What to do about a piece that is not there."""
    if new.strip() and new in text:
        return f"The new text stands there already, at line {_lines_of(text, new)[0]}: was it changed before?"
    sought, lines = old.strip("\n").splitlines() or [""], text.splitlines()
    if all(_NUMBERED.match(line) for line in sought if line.strip()):
        bare = "\n".join(_NUMBERED.sub("", line) for line in sought)
        if bare in text:
            return "It begins its lines with line numbers, which are not part of the file: leave them out."
    found = _place(lines, sought)
    if found is None:
        return "Nothing in it is like that. Read the file, or search for it in other files, and copy the text exactly."
    first, last = found
    there = lines[first:last]
    width = len(str(last))
    shown = "\n".join(f"{number:>{width}}: {line}" for number, line in enumerate(there[:SHOWN_LINES], first + 1))
    return (
        f"The nearest is at lines {first + 1} to {last}{_difference(there, sought)}; copy it exactly, "
        f"without the line numbers:\n{shown}\n"
    )


def _place(lines: Sequence[str], sought: Sequence[str]) -> tuple[int, int] | None:
    """The lines that are most like the sought ones, as a slice."""
    bare = [_bare(line) for line in lines]
    anchors = [(place, _bare(line)) for place, line in enumerate(sought) if line.strip()]
    starts: set[int] = set()
    for place, anchor in (anchors[0], max(anchors, key=lambda one: len(one[1])), anchors[-1]) if anchors else ():
        near = set(difflib.get_close_matches(anchor, set(bare), n=CANDIDATES, cutoff=0.6))
        near |= {line for line in set(bare) if len(anchor) >= 4 and anchor in line}
        starts |= {number - place for number, line in enumerate(bare) if line in near}
    best, likeness = None, NEAR
    wanted = "\n".join(_bare(line) for line in sought)
    for start in sorted(starts)[: 20 * CANDIDATES]:
        first, last = max(start, 0), min(max(start, 0) + len(sought), len(lines))
        there = "\n".join(bare[first:last])
        ratio = difflib.SequenceMatcher(None, there, wanted, autojunk=False).ratio() if len(there) < 20_000 else NEAR
        if ratio > likeness:
            best, likeness = (first, last), ratio
    return best


def _bare(line: str) -> str:
    return " ".join(line.split()).translate(_QUOTES)


def _difference(there: Sequence[str], sought: Sequence[str]) -> str:
    """In what the two differ, if it is one thing that is easily overlooked."""
    if [line.strip() for line in there] == [line.strip() for line in sought]:
        if any("\t" in _indent(line) for line in there) != any("\t" in _indent(line) for line in sought):
            return " and differs only in tabs and spaces"
        if [line.rstrip() for line in there] == [line.rstrip() for line in sought]:
            return " and differs only in spaces at the ends of lines"
        if there[1:] == list(sought[1:]) and len(there) > 1:
            return " and differs only in the indentation of the first line"
        return " and differs only in indentation"
    if [_bare(line) for line in there] == [_bare(line) for line in sought]:
        quotes = any(_QUOTES.keys() & {ord(each) for each in line} for line in (*there, *sought))
        return f" and differs only in {'curly quotes or ' if quotes else ''}spaces within the lines"
    plain = [[_bare(line).translate(_SINGLE) for line in one] for one in (there, sought)]
    if plain[0] == plain[1]:
        return " and differs only in quotes"
    differing = [
        number for number, pair in enumerate(zip(there, sought, strict=False)) if _bare(pair[0]) != _bare(pair[1])
    ]
    return f" and differs in {len(differing)} of {len(sought)} lines" if len(differing) < len(sought) else ""


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
