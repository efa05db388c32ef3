"""Compares what two runs said, leaving out what must differ between them: ids, commits, times, ports."""

import re
from collections import Counter
from typing import NamedTuple

from pydantic import JsonValue

_TOKEN = re.compile(
    r"(?P<run>\br-\d{8}-[a-z2-9]{4}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d\b"
    r"|\b\d\d:\d\d:\d\d\b)"
    r"|(?P<day>\b\d{4}-\d\d-\d\d\b)"
    r"|(?P<duration>\b\d+(?:\.\d+)? ?(?:seconds|ms|s)\b)"
    r"|(?P<port>(?<=localhost:)\d{2,5}\b|(?<=127\.0\.0\.1:)\d{2,5}\b)"
    r"|(?P<folder>/tmp/[\w.-]+)"
    r"|(?P<commit>\b[0-9a-f]{7,40}\b)"
)
_IDS = ("run", "commit", "port", "folder")
_EXCERPT = 60
"""Characters shown on either side of the first difference."""


class Difference(NamedTuple):
    """Where two values first differ, and what stands there in each."""

    place: str
    """E.g. `content`, or `tool_calls.0.function.arguments`; empty: the whole."""
    recorded: str
    now: str


class Likeness:
    """Compares the recorded with the present, and remembers which id of the one is which of the other.

    An id or a day, once met, must go with the same counterpart everywhere; times and durations need only be ones.
    """

    def __init__(self) -> None:
        self.taken_as_equal: Counter[str] = Counter()
        """What differed and was expected to, by kind."""
        self._known: dict[str, dict[str, str]] = {name: {} for name in (*_IDS, "day")}

    def difference(self, recorded: JsonValue, now: JsonValue, place: str = "") -> Difference | None:
        """The first difference that is not to be expected; None: there is none."""
        if isinstance(recorded, dict) and isinstance(now, dict):
            for name in [*recorded, *(name for name in now if name not in recorded)]:
                if name not in recorded or name not in now:
                    return Difference(_joined(place, name), _shown(recorded.get(name)), _shown(now.get(name)))
                if (found := self.difference(recorded[name], now[name], _joined(place, name))) is not None:
                    return found
            return None
        if isinstance(recorded, list) and isinstance(now, list):
            for number, (one, other) in enumerate(zip(recorded, now, strict=False)):
                if (found := self.difference(one, other, _joined(place, str(number)))) is not None:
                    return found
            if len(recorded) != len(now):
                return Difference(place, f"{len(recorded)} of them", f"{len(now)} of them")
            return None
        if isinstance(recorded, str) and isinstance(now, str):
            return None if recorded == now else self._of_texts(recorded, now, place)
        if recorded == now and type(recorded) is type(now):
            return None
        return Difference(place, _shown(recorded), _shown(now))

    def renewed(self, text: str) -> list[tuple[int, int, str]]:
        """The recorded ids in the text that are called otherwise now: from, to, and what to write instead."""
        changes = []
        for found in _TOKEN.finditer(text):
            kind = str(found.lastgroup)
            instead = self._counterpart(kind, found[0]) if kind in _IDS else None
            if instead is not None and instead != found[0]:
                changes.append((found.start(), found.end(), instead))
        return changes

    def _of_texts(self, recorded: str, now: str, place: str) -> Difference | None:
        ones, others = _tokens(recorded), _tokens(now)
        at = other_at = 0
        for one, other in zip([*ones, None], [*others, None], strict=False):
            before = recorded[at : one.start() if one else len(recorded)]
            other_before = now[other_at : other.start() if other else len(now)]
            if before != other_before:
                same = next(
                    (n for n, (a, b) in enumerate(zip(before, other_before, strict=False)) if a != b),
                    min(len(before), len(other_before)),
                )
                return _excerpts(recorded, at + same, now, other_at + same, place)
            if one is None or other is None:
                break
            if not self._go_together(one, other):
                return _excerpts(recorded, one.start(), now, other.start(), place)
            at, other_at = one.end(), other.end()
        if len(ones) != len(others):
            return _excerpts(recorded, at, now, other_at, place)
        return None

    def _go_together(self, one: re.Match[str], other: re.Match[str]) -> bool:
        kind, same = str(one.lastgroup), one[0] == other[0]
        if kind != other.lastgroup:
            return False
        if kind == "commit" and not (_mixed(one[0]) or _mixed(other[0])):
            return same
        if kind in _IDS or (kind == "day" and not same):
            counterpart = self._counterpart(kind, one[0])
            if len(one[0]) != len(other[0]) and kind == "commit":
                return False
            if counterpart is None:
                self._known[kind][one[0]] = other[0]
            elif counterpart != other[0]:
                return False
        if not same:
            self.taken_as_equal[kind] += 1
        return True

    def _counterpart(self, kind: str, recorded: str) -> str | None:
        known = self._known[kind]
        if (exact := known.get(recorded)) is not None or kind != "commit":
            return exact
        # A short form of a commit that is known in full.
        length = len(recorded)
        return next((now[:length] for full, now in known.items() if full.startswith(recorded)), None)


def _tokens(text: str) -> list[re.Match[str]]:
    return list(_TOKEN.finditer(text))


def _mixed(word: str) -> bool:
    """Letters and digits: a number or a word is no commit."""
    return not word.isdigit() and not word.isalpha()


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shown(value: JsonValue) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 2 * _EXCERPT else f"{text[: 2 * _EXCERPT]}…"


def _excerpts(recorded: str, at: int, now: str, other_at: int, place: str) -> Difference:
    return Difference(place, _excerpt(recorded, at), _excerpt(now, other_at))


def _excerpt(text: str, at: int) -> str:
    start, end = max(0, at - _EXCERPT // 3), at + _EXCERPT
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
