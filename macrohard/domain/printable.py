"""Text from outside without what a terminal or a browser would obey, shown on either the same way."""

import json
import re
import unicodedata

_JOINERS = "\u200c\u200d"
"""Invisible and harmless; scripts and emoji need them."""

_LEFT_OUT = re.compile(r"… \((\d+) more characters\)$")


def printable(text: str) -> str:
    """The text without control characters (which become "·"), overrides of the writing direction, and halves of pairs.

    Tabs and line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def cut(text: str, length: int) -> str:
    """So many characters of its beginning, and how many more there are; those that were left out before count, too."""
    earlier = _LEFT_OUT.search(text)
    kept, left_out = (text[: earlier.start()], int(earlier[1])) if earlier else (text, 0)
    if len(kept) <= length:
        return text
    return f"{kept[:length]}… ({len(kept) - length + left_out} more characters)"


def printable_json(value: object) -> str:
    """The value as JSON on one line of which no terminal obeys anything; parsed, it is the value unchanged."""
    return "".join(
        letter if unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} else json.dumps(letter)[1:-1]
        for letter in json.dumps(value, ensure_ascii=False)
    )


def _shown(letter: str) -> str:
    category = unicodedata.category(letter)
    if letter in "\n\t" or letter in _JOINERS or category not in {"Cc", "Cf", "Cs", "Co"}:
        return letter
    return "" if category == "Cf" else "·"
