"""Answers of tools that are too long for a conversation: kept whole, shown by head and tail, read on piece by piece."""

import re
from collections.abc import Sequence

from macrohard.domain import Artifacts, Picture
from macrohard.errors import ToolError

ANSWER_LIMIT_CHARACTERS = 16_000
"""What one tool answer may take of the context; head and tail are kept."""
SMALLEST_LIMIT_CHARACTERS = 1_000
LINE_CHARACTERS = 1_000
"""Longer lines are folded, so that everything can be reached by its line's number."""
MATCHES_AT_MOST = 50
UNREADABLE_SHARE = 0.2
UNREADABLE_AT_MOST = 20
"""Characters, however short the text: what is more, and more than the share, is no text."""
MEDIA_TYPE = "text/plain; charset=utf-8"

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\n])")


def answer_limit(prompt_tokens: int) -> int:
    """How many characters one answer may have where a request may have so many tokens: about an eighth of it."""
    return min(ANSWER_LIMIT_CHARACTERS, max(SMALLEST_LIMIT_CHARACTERS, prompt_tokens // 2))


def readable(text: str) -> str:
    """The text without what terminals, databases and wires choke on; what is not text is only described."""
    if _UNSAFE.search(text) is None:
        return text
    shown = _UNSAFE.sub("\ufffd", _ESCAPES.sub("", text))
    if shown.count("\ufffd") > max(UNREADABLE_SHARE * len(shown), UNREADABLE_AT_MOST):
        return (
            f"(not text: {len(text):,} characters, {shown.count(chr(0xFFFD)):,} of them unreadable; "
            "send such output to a file and look at it with `file` or `od -c | head`)"
        )
    return shown


def as_left_on_screen(text: str) -> str:
    """A command's output with what progress bars overwrote left out."""
    return _OVERWRITTEN.sub("", text) if "\r" in text else text


def folded(text: str) -> list[str]:
    """The text's lines, long ones in several pieces."""
    lines = []
    for line in text.split("\n"):
        if len(line) <= LINE_CHARACTERS:
            lines.append(line)
        else:
            lines += [line[at : at + LINE_CHARACTERS] for at in range(0, len(line), LINE_CHARACTERS)]
    return lines


def excerpt(text: str, name: str, *, limit_characters: int) -> str:
    """Head and tail of a text that is kept as `name`, with a note of what lies between."""
    lines = folded(text)
    half = limit_characters // 2
    head = _fitting(lines, half)
    tail = _fitting(lines[: head - 1 : -1] if head else lines[::-1], half)
    left_out = lines[head : len(lines) - tail]
    characters = sum(len(line) + 1 for line in left_out)
    note = (
        f"… {characters:,} characters left out, lines {head + 1:,} to {len(lines) - tail:,} of {len(lines):,}; "
        f"the whole output is {name}: read it with `more` …"
    )
    return "\n".join([*lines[:head], note, *lines[len(lines) - tail :]])


def _fitting(lines: Sequence[str], characters: int) -> int:
    """How many of the first lines have no more characters than that."""
    for number, line in enumerate(lines):
        characters -= len(line) + 1
        if characters < 0:
            return number
    return len(lines)


class Outputs:
    """What a session keeps whole, by the names the model knows."""

    def __init__(self, artifacts: Artifacts, digests: Sequence[str], *, limit_characters: int) -> None:
        """`digests` may grow; output-1 is the first."""
        self._artifacts, self._digests = artifacts, digests
        self.limit_characters = limit_characters
        self._last: tuple[str, list[str]] = ("", [])

    async def keep(self, text: str) -> str:
        """Keep a text and give its digest; whoever records that names it."""
        return await self._artifacts.put(text.encode(), media_type=MEDIA_TYPE)

    async def keep_picture(self, jpeg: bytes, *, width: int, height: int) -> Picture:
        """Keep what something looks like, in pixels."""
        digest = await self._artifacts.put(jpeg, media_type="image/jpeg")
        return Picture(artifact=digest, media_type="image/jpeg", width=width, height=height)

    async def lines(self, name: str, *, first: int, last: int | None) -> str:
        """Lines of an output, as many as an answer holds.

        Raises:
            ToolError: there is no such output, or no such line.
        """
        lines = await self._lines(name)
        if first > len(lines):
            raise ToolError(f"{name} has {len(lines):,} lines only")
        wanted = lines[first - 1 : last]
        shown = _fitting(wanted, self.limit_characters - 200)
        note = [] if shown == len(wanted) else [f"… go on with first_line={first + shown} …"]
        head = f"({name}, lines {first:,} to {first + shown - 1:,} of {len(lines):,})"
        return "\n".join([head, *wanted[:shown], *note])

    async def matches(self, name: str, pattern: str) -> str:
        """Lines of an output that hold a text, whatever its case, with their numbers."""
        lines = await self._lines(name)
        sought = pattern.casefold()
        found = [f"{number}: {line}" for number, line in enumerate(lines, 1) if sought in line.casefold()]
        shown = min(_fitting(found, self.limit_characters - 200), MATCHES_AT_MOST)
        more = f", the first {shown} of them" if shown < len(found) else ""
        return "\n".join([f"({name}: {len(found):,} of {len(lines):,} lines hold {pattern!r}{more})", *found[:shown]])

    async def _lines(self, name: str) -> list[str]:
        number = re.fullmatch(r"(?:output-)?(\d{1,6})", name.strip())
        if number is None or not 1 <= int(number[1]) <= len(self._digests):
            there = f"there are output-1 to output-{len(self._digests)}" if self._digests else "none was kept so far"
            raise ToolError(f"no output {name!r}; {there}")
        digest = self._digests[int(number[1]) - 1]
        if self._last[0] != digest:
            try:
                self._last = digest, folded((await self._artifacts.get(digest)).decode())
            except KeyError as error:
                raise ToolError(f"{name} is not there any more; run the command again") from error
        return self._last[1]
