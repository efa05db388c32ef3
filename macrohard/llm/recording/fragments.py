"""Changes texts inside an answer, also where a text is spread over many events of a stream."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import orjson
from pydantic import JsonValue

_DATA = "data:"
_PIECES = frozenset({"content", "reasoning", "reasoning_content", "arguments", "delta", "refusal", "text"})
"""Names under which both wires send texts piece by piece."""
_PLACES = ("type", "item_id", "output_index", "content_index", "summary_index")
"""What says, in an event of the Responses wire, which text a piece belongs to."""


class Change(NamedTuple):
    """Puts `text` in the place of the characters from `start` to before `end`."""

    start: int
    end: int
    text: str


class _Piece(NamedTuple):
    holder: dict[str, JsonValue]
    name: str
    text: str


def rewritten(answer: str, find: Callable[[str], Sequence[Change]]) -> str:
    """The answer, a stream of server-sent events or one JSON document, with its texts changed.

    `find` sees each text whole and gives its changes, in order and apart from each other. Lines that hold no JSON are
    seen as they are. What needs no change stays as it was, to the byte.
    """
    lines = answer.split("\n")
    events: dict[int, JsonValue] = {}
    for number, line in enumerate(lines):
        source = line[len(_DATA) :] if line.startswith(_DATA) else line
        if source.lstrip()[:1] in ("{", "["):
            try:
                events[number] = orjson.loads(source)
            except orjson.JSONDecodeError:
                continue
    texts: dict[tuple[object, ...], list[tuple[int, _Piece]]] = {}
    for number, event in events.items():
        place = tuple(event.get(name) for name in _PLACES) if isinstance(event, dict) else ()
        for path, piece in _pieces(event, ()):
            # A text that does not come in pieces is one by itself.
            key = (place, path) if piece.name in _PIECES else (number, path)
            texts.setdefault(key, []).append((number, piece))
    touched: set[int] = set()
    for found in texts.values():
        changes = find("".join(piece.text for _, piece in found))
        touched |= _apply(found, changes) if changes else set()
    for number, line in enumerate(lines):
        if number in touched:
            encoded = orjson.dumps(events[number]).decode()
            lines[number] = f"{_DATA} {encoded}" if line.startswith(_DATA) else encoded
        elif number not in events and (changes := find(line)):
            lines[number] = _changed(line, changes)
    return "\n".join(lines)


def _pieces(value: JsonValue, path: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], _Piece]]:
    if isinstance(value, dict):
        for name, part in value.items():
            if isinstance(part, str):
                yield (*path, name), _Piece(value, name, part)
            else:
                yield from _pieces(part, (*path, name))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            index = part.get("index", position) if isinstance(part, dict) else position
            yield from _pieces(part, (*path, index))


def _apply(found: Sequence[tuple[int, _Piece]], changes: Sequence[Change]) -> set[int]:
    """Write the changes into the events; a change that spans pieces goes into the first, the rest lose their share."""
    touched: set[int] = set()
    begin = 0
    for number, piece in found:
        end = begin + len(piece.text)
        mine = [
            Change(
                max(change.start, begin) - begin,
                min(change.end, end) - begin,
                change.text if begin <= change.start < end else "",
            )
            for change in changes
            if change.start < end and change.end > begin
        ]
        if mine:
            piece.holder[piece.name] = _changed(piece.text, mine)
            touched.add(number)
        begin = end
    return touched


def _changed(text: str, changes: Sequence[Change]) -> str:
    for change in reversed(changes):
        text = text[: change.start] + change.text + text[change.end :]
    return text
