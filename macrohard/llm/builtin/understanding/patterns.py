"""Regular expressions from ranges of codes, e.g. 5a..10d or A1..Z99."""

import re
from typing import NamedTuple


class CodePattern(NamedTuple):
    """A pattern with its meaning in words and a value that matches."""

    pattern: str
    hint: str
    example: str


def pattern_between(low: str, high: str) -> CodePattern | None:
    """The codes from `low` to `high`: each letter and each number of the code ranges by itself; None if unlike."""
    one, other = re.findall(r"[A-Za-z]+|\d+", low), re.findall(r"[A-Za-z]+|\d+", high)
    if len(one) != len(other) or not 1 < len(one) <= 3:
        return None
    pieces = []
    for a, b in zip(one, other, strict=True):
        if a.isdigit() != b.isdigit():
            return None
        if a.isdigit():
            if int(a) > int(b) or len(b) > 4:
                return None
            pieces.append(_numbers(int(a), int(b), width=len(a) if len(a) == len(b) and a.startswith("0") else 0))
            continue
        if len(a) != 1 or len(b) != 1 or a.isupper() != b.isupper() or a > b:
            return None
        pieces.append(a if a == b else f"[{a}-{b}]")
    return CodePattern("".join(pieces), f"from {low} to {high}", low)


def _numbers(low: int, high: int, *, width: int) -> str:
    """The whole numbers from low to high without leading zeros, unless of a fixed width."""
    if high - low < 12:
        values = [str(n).zfill(width) for n in range(low, high + 1)]
        singles = [v for v in values if len(v) == 1]
        others = [v for v in values if len(v) > 1]
        parts = [f"[{singles[0]}-{singles[-1]}]" if len(singles) > 1 else singles[0]] if singles else []
        return _either([*parts, *others])
    parts = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        start, end = max(low, 10 ** (digits - 1) if digits > 1 else 0), min(high, 10**digits - 1)
        parts += _same_width(str(start).zfill(digits), str(end).zfill(digits))
    if width:
        parts = _same_width(str(low).zfill(width), str(high).zfill(width))
    return _either(parts)


def _same_width(low: str, high: str) -> list[str]:
    if not low:
        return [""]
    if low[0] == high[0]:
        return [low[0] + rest for rest in _same_width(low[1:], high[1:])]
    tail = len(low) - 1
    if not tail:
        return [_digits(low[0], high[0])]
    parts: list[str] = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != "0" * tail:
        parts += [low[0] + rest for rest in _same_width(low[1:], "9" * tail)]
        first += 1
    upper: list[str] = []
    if high[1:] != "9" * tail:
        upper = [high[0] + rest for rest in _same_width("0" * tail, high[1:])]
        last -= 1
    if first <= last:
        parts.append(_digits(str(first), str(last)) + "[0-9]" * tail)
    return parts + upper


def _digits(low: str, high: str) -> str:
    return low if low == high else f"[{low}-{high}]"


def _either(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
