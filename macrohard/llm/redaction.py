"""Takes keys out of what is kept or shown: known ones wherever they stand, and whatever has the shape of one."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MARK = "[redacted]"
SHORTEST_SECRET = 8
"""Shorter ones ("none", "EMPTY", "ollama") are what servers without keys are given; they protect nothing, and taking
them out would tear words apart."""

_PREFIXES = ("xai-", "sk-", "sk_live_", "gsk_", "hf_", "r8_", "ghp_", "github_pat_", "AIza")
# Each needs a digit somewhere, so that "bearer authentication" and names of CSS classes stay as they are.
_SHAPES = {
    ("earer",): r"(?P<bearer>\b[Bb]earer\s+)(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}",
    _PREFIXES: rf"(?P<prefix>\b(?:{'|'.join(_PREFIXES)}))(?=[\w-]*\d)[\w-]{{16,}}",
}
"""By what none of them is without: looking for that first takes a tenth of the time."""
_TEXT_SHAPES = [(hints, re.compile(shape, re.ASCII)) for hints, shape in _SHAPES.items()]
_DATA_SHAPES = [([hint.encode() for hint in hints], re.compile(shape.encode())) for hints, shape in _SHAPES.items()]


class Redactor:
    """Replaces secrets by "[redacted]", which is valid wherever a key was, inside JSON too.

    Redact before shortening: half a key is no longer recognised. Bytes are taken as they are, so compressed ones must
    be unpacked first, and a body that arrives in pieces put together.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: one key may begin with another.
        ordered = sorted(spellings, key=len, reverse=True)
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._data = re.compile(b"|".join(re.escape(one.encode()) for one in ordered)) if ordered else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._text:
            text = self._text.sub(MARK, text)
        for hints, shape in _TEXT_SHAPES:
            if any(hint in text for hint in hints):
                text = shape.sub(lambda found: f"{found[1]}{MARK}", text)
        return text

    def data(self, data: bytes) -> bytes:
        """The bytes without secrets."""
        mark = MARK.encode()
        if self._data:
            data = self._data.sub(mark, data)
        for hints, shape in _DATA_SHAPES:
            if any(hint in data for hint in hints):
                data = shape.sub(lambda found: found[1] + mark, data)
        return data


def _spellings(secret: str) -> set[str]:
    """The secret as it is, within JSON, and within an address."""
    if len(secret) < SHORTEST_SECRET:
        return set()
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
