"""Reads an endpoint's answer from bytes that are cut anywhere: server-sent events, or one JSON document instead."""

import json
import re
from collections.abc import Iterator

import orjson
from pydantic import JsonValue

LONGEST_ANSWER_BYTES = 64 << 20
"""More than any model writes; what goes on beyond that is no answer."""

_BOM = b"\xef\xbb\xbf"
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class Unreadable(ValueError):
    """What came is neither events nor JSON; the text says what was found."""


class Event:
    """One event: its name ("" if it has none) and its JSON; `last` for the mark "[DONE]"."""

    __slots__ = ("data", "last", "name")

    def __init__(self, name: str, data: JsonValue, *, last: bool = False) -> None:
        self.name, self.data, self.last = name, data, last


class EventDecoder:
    """Fed with bytes as they arrive, gives events as they are whole.

    Understood: LF, CR and CRLF, several data lines in an event, events without a blank line between or after them,
    comments, a byte order mark, text that is not UTF-8, and a plain JSON body where the endpoint does not stream.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._lines: list[bytes] = []
        self._plain: bool | None = None
        self._size = 0

    @property
    def streamed(self) -> bool:
        """False: the answer is one JSON document, and its event is the whole answer."""
        return not self._plain

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that this chunk completes.

        Raises:
            Unreadable: an event is no JSON; what it held is lost, so the answer is.
        """
        self._size += len(chunk)
        if self._size > LONGEST_ANSWER_BYTES:
            raise Unreadable(f"more than {LONGEST_ANSWER_BYTES >> 20} MiB")
        rest = self._rest
        # A CR at the very end was left, because it may be half of a CRLF.
        unseen = max(len(rest) - 1, 0)
        rest += chunk
        if self._plain is None:
            begin = bytes(rest).removeprefix(_BOM).lstrip()
            if not begin or (rest[:1] == _BOM[:1] and len(rest) < len(_BOM)):
                return
            self._plain = begin[:1] in (b"{", b"[")
            unseen, rest[:] = 0, begin
        if self._plain:
            return
        end = max(rest.rfind(b"\n", unseen), rest.rfind(b"\r", unseen, -1)) + 1
        if end:
            lines = bytes(rest[:end]).splitlines()
            del rest[:end]
            yield from self._events(lines)

    def close(self) -> Iterator[Event]:
        """The events that the end of the answer completes.

        Raises:
            Unreadable: as `feed`; also for a document that is cut off.
        """
        rest = bytes(self._rest)
        self._rest.clear()
        if self._plain:
            yield Event("", loads(rest))
            return
        if rest.strip():
            yield from self._events(rest.splitlines())
        yield from self._event()

    def _events(self, lines: list[bytes]) -> Iterator[Event]:
        for line in lines:
            if not line:
                yield from self._event()
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._lines.append(value)
            elif field == b"event":
                yield from self._event()
                self._name = value.decode(errors="replace").strip()

    def _event(self) -> Iterator[Event]:
        name, lines = self._name, [line for line in self._lines if line.strip()]
        self._name, self._lines = "", []
        if len(lines) > 1 and (whole := _joined(lines)) is not None:
            yield Event(name, whole)
            return
        for line in lines:
            if line.strip() == b"[DONE]":
                yield Event(name, None, last=True)
            else:
                yield Event(name, loads(line))


def _joined(lines: list[bytes]) -> JsonValue:
    """The JSON that several data lines make together; None: they are events with no blank line between them."""
    try:
        return loads(b"\n".join(lines))
    except Unreadable:
        return None


def loads(data: bytes) -> JsonValue:
    """The JSON value in these bytes; bytes that are not UTF-8 and halves of characters are kept for `mended`.

    Raises:
        Unreadable: it is none.
    """
    try:
        found: JsonValue = orjson.loads(data)
    except ValueError:
        # Slower, and takes what orjson refuses: an escape for half a character, a byte that is no UTF-8.
        try:
            found = json.loads(data.decode(errors="surrogateescape"), object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            shown = data[:80].decode(errors="replace")
            raise Unreadable(f"this is no JSON: {shown!r}{'…' if len(data) > 80 else ''}") from error
    return found


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """A name that is no text is damage, and what is under it would be passed over."""
    for name, _ in pairs:
        name.encode()
    return dict(pairs)


def mended(text: str) -> str:
    """The text with characters put together whose halves came in different events; what stays broken becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        paired = _PAIR.sub(lambda found: found[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
        return _LONE.sub("�", paired).encode(errors="surrogateescape").decode(errors="replace")
    return text
