"""Boards in few words: neighbours whose names count on, as the cells of a game do, told as stretches of equal ones."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FOLDED_FROM = 5
"""Fewer neighbours are told one by one."""
FOCUSED = re.compile(r"; focused: N = \d+")
_NUMBER = re.compile(r"\d+")
_PLACES = (0, 1, 2, 3, -1, -2, -3)
_DIGITS = 4
"""A longer number is an id and counts nothing."""
_PLAIN = re.compile(r"[\w ,.'-]+")


class Square(NamedTuple):
    """One neighbour."""

    name: str
    states: str = ""
    """What else is to be told of it, such as "selected"; its focus is not."""
    focused: bool = False


class _Parts(NamedTuple):
    before: str
    number: int
    after: str


def folded(role: str, squares: Sequence[Square]) -> Iterator[tuple[int, str]]:
    """How many of the neighbours come next, and the line that tells them; empty for one that is to be told by itself.

    For example `9 gridcells "Row 4, column N, …": N = 1 to 6: covered; 7: 2; 8 to 9: covered`: what stands behind a
    colon takes the place of the dots. What does not read as plain words stands in quotes.
    """
    begin = 0
    while begin < len(squares):
        count, parts = max(
            ((len(run), run) for run in (_counting(squares[begin:], place) for place in _PLACES)),
            key=lambda each: each[0],
        )
        if count < FOLDED_FROM:
            yield 1, ""
            begin += 1
        else:
            yield count, _told(role, parts, squares[begin : begin + count])
            begin += count


def _counting(squares: Sequence[Square], place: int) -> list[_Parts]:
    """As many as count on by one at this of their numbers, and are the same before it, or after it."""
    run: list[_Parts] = []
    same_before = same_after = True
    for square in squares:
        parts = _parts(square.name, place)
        if parts is None or (run and parts.number != run[-1].number + 1):
            break
        same_before = same_before and (not run or parts.before == run[0].before)
        same_after = same_after and (not run or parts.after == run[0].after)
        if not (same_before or same_after):
            break
        run.append(parts)
    return run


def _parts(name: str, place: int) -> _Parts | None:
    numbers = list(_NUMBER.finditer(name))
    if not -len(numbers) <= place < len(numbers) or len(numbers[place][0]) > _DIGITS:
        return None
    found = numbers[place]
    return _Parts(name[: found.start()], int(found[0]), name[found.end() :])


def _told(role: str, parts: list[_Parts], squares: Sequence[Square]) -> str:
    befores, afters = [each.before for each in parts], [each.after for each in parts]
    if len(set(befores)) == 1:
        same = _between_words(afters)
        texts = [after[len(same) :] for after in afters]
        template = f"{befores[0]}N{same}{'…' if any(texts) else ''}"
    else:
        same = _between_words([before[::-1] for before in befores])[::-1]
        texts = [before[: len(before) - len(same)] for before in befores]
        template = f"…{same}N{afters[0]}"
    told = [_state(text, square.states) for text, square in zip(texts, squares, strict=True)]
    stretches = [f"{where}: {text}" if text else where for where, text in _stretches(parts, told)]
    focused = [f"; focused: N = {part.number}" for part, square in zip(parts, squares, strict=True) if square.focused]
    quoted = json.dumps(template, ensure_ascii=False)
    return f"{len(parts)} {role}s {quoted}: N = {'; '.join(stretches)}{''.join(focused)}"


def _state(text: str, states: str) -> str:
    plain = text if not text or _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    return f"{plain} ({states})".lstrip() if states else plain


def _between_words(texts: Sequence[str]) -> str:
    """What all begin with, as far as it ends where a word does in each."""
    first, last = min(texts), max(texts)
    if first == last:
        return first
    # What these two begin with all that lie between them begin with.
    end = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    same = first[:end]
    return same[: len(same) - len(re.split(r"[^\w]", same)[-1])]


def _stretches(parts: list[_Parts], told: list[str]) -> Iterator[tuple[str, str]]:
    begin = 0
    for at in range(1, len(told) + 1):
        if at == len(told) or told[at] != told[begin]:
            first, last = parts[begin].number, parts[at - 1].number
            yield (str(first) if first == last else f"{first} to {last}"), told[begin]
            begin = at
