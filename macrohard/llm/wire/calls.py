"""Puts tool calls together from whatever pieces a server sends them in, and mends arguments where nothing is lost."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import orjson
from pydantic import JsonValue

from macrohard.llm.chat import ToolCall
from macrohard.llm.wire.stream import mended

_FENCED = re.compile(r"\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_STRING_OR_COMMA = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")|,(?=\s*[}\]])', re.DOTALL)
_UNFINISHED = re.compile(r",?\s*|tr?u?|fa?l?s?|nu?l?|-|\.|[eE][+-]?")
"""What can stand at the end of JSON that was cut off, after all that can be read."""
_ESCAPE_CHARACTERS = len("\\u12345")

_DECODER = json.JSONDecoder(strict=False)
"""Takes line breaks within strings as they are: models write them, and what is meant is beyond doubt."""


@dataclass
class OpenCall:
    """A call as far as it is there."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    index: int | None = None

    @property
    def arguments(self) -> str:
        """What came of the arguments."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class CallCollector:
    """The calls of one answer; servers differ in what they say of a piece: index, id, both, neither, or wrongly."""

    def __init__(self, tools: Collection[str]) -> None:
        """`tools`: the names that were offered; they tell a name in pieces from the next call's name."""
        self._tools = tools
        self.calls: list[OpenCall] = []

    def add_all(self, pieces: JsonValue) -> None:
        """What one event or one whole message says of calls."""
        here: list[OpenCall] = []
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            if isinstance(piece, dict):
                here.append(self.add(piece, here=here))

    def add(self, piece: dict[str, JsonValue], *, here: Sequence[OpenCall] = ()) -> OpenCall:
        """One piece, and the call it belongs to; `here` are calls that the same event has already told of."""
        function = piece.get("function")
        said = function if isinstance(function, dict) else piece
        id, name = _text(piece.get("id")), _text(said.get("name"))
        index = piece.get("index")
        place = index if isinstance(index, int) and not isinstance(index, bool) else None
        text = _arguments(said.get("arguments"))
        call = self._place(id, name, text, place)
        # Within one event no call is told of twice, so another name there is another call.
        if call is None or (name and any(call is told for told in here)):
            self.calls.append(OpenCall(id=id, name=name, pieces=[text] if text else [], index=place))
            return self.calls[-1]
        if name and name == call.name and id in ("", call.id) and text and text == call.arguments and whole(text):
            return call  # The same event once more.
        call.id = call.id or id
        if name and name != call.name and not call.pieces:
            call.name += name
        if text:
            call.pieces.append(text)
        return call

    def _place(self, id: str, name: str, text: str, index: int | None) -> OpenCall | None:
        """The call that goes on with this piece; None: a new one begins."""
        at = [call for call in self.calls if call.index == index] if index is not None else self.calls[-1:]
        known = [call for call in self.calls if id and call.id == id]
        if not name and known and known[-1] not in at:
            return known[-1]
        if not name and not at and self.calls and self.calls[-1].index is None:
            at = self.calls[-1:]
        if not at:
            return None
        call = next((call for call in reversed(at) if id and call.id == id), at[-1])
        other_id = bool(id and call.id and id != call.id)
        if not name:
            # Some servers make a new id for every piece: without a name it begins a call only after a whole one.
            return None if other_id and whole(call.arguments or "{}") else call
        if not call.name:
            return call
        starts = text.lstrip()[:1] in ("", "{", "`")
        if other_id:
            return None if starts or name != call.name else call
        if name == call.name:
            again = text in ("", call.arguments)
            return None if starts and not again and whole(call.arguments) else call
        if call.arguments:
            return None if starts and (name in self._tools or whole(call.arguments)) else call
        return call if call.name + name in self._tools or name not in self._tools else None


def settled(calls: Sequence[OpenCall], *, taken: Collection[str], seed: str) -> tuple[list[ToolCall], list[str]]:
    """The calls with ids that nothing else has, arguments mended, and the ids of those whose arguments are no object.

    `taken` are ids of the conversation so far. An id that is made has nine letters and digits, which the strictest
    servers (Mistral's) demand, and is the same for the same answer to the same conversation.
    """
    used = set(taken)
    done: list[ToolCall] = []
    odd: list[str] = []
    for call in calls:
        text = mended(call.arguments)
        for number, arguments in enumerate(_apart(text)):
            id = mended(call.id) if number == 0 else ""
            turn = 0
            while not id or id in used:
                id = hashlib.sha256(f"{seed}\n{len(done)}\n{turn}\n{call.name}".encode(errors="replace")).hexdigest()[
                    :9
                ]
                turn += 1
            used.add(id)
            arguments = repaired(arguments)
            done.append(ToolCall(id=id, name=mended(call.name).strip(), arguments=arguments))
            if not whole(arguments):
                odd.append(id)
    return done, odd


def whole(text: str) -> bool:
    """Whether this is a JSON object."""
    if text[-1:] not in ("}", " ", "\n", "\r", "\t"):
        return False
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return False


def repaired(text: str) -> str:
    """The arguments as a JSON object where that loses nothing; else the text as it is.

    Undone: no arguments at all, a code fence around them, an object within a string, commas before a closing bracket,
    line breaks within strings. Nothing is ever closed that the model left open.
    """
    if whole(text):
        return text
    if text.strip() in ("", "null"):
        return "{}"
    fenced = _FENCED.fullmatch(text)
    inner = fenced[1] if fenced else text
    found = _parsed(inner)
    if isinstance(found, str):
        inner, found = found, _parsed(found)
    if not isinstance(found, dict):
        found = _parsed(_STRING_OR_COMMA.sub(lambda found: found[1] or "", inner))
    if not isinstance(found, dict):
        return text
    written = inner if whole(inner) else json.dumps(found, ensure_ascii=False)
    return written if whole(written) else text


def cut_off(text: str) -> bool:
    """Whether this is the beginning of a JSON object whose end is missing, and no mistake before that."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        _DECODER.raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :]
        if error.msg.startswith("Unterminated string"):
            return True
        if "escape" in error.msg:
            return len(rest) <= _ESCAPE_CHARACTERS and '"' not in rest
        return _UNFINISHED.fullmatch(rest) is not None
    except RecursionError:
        return False
    return False


def _apart(text: str) -> list[str]:
    """Arguments that a server ran together, `{…}{…}`, as those of calls of their own; the same twice is one."""
    parts: list[str] = []
    rest = text.strip()
    while rest.startswith("{"):
        try:
            found, end = _DECODER.raw_decode(rest)
        except (ValueError, RecursionError):
            return [text]
        if not isinstance(found, dict):
            return [text]
        if rest[:end] not in parts:
            parts.append(rest[:end])
        rest = rest[end:].lstrip()
    return parts if parts and not rest and text.strip() != parts[0] else [text]


def _parsed(text: str) -> JsonValue:
    try:
        found: JsonValue = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _arguments(value: JsonValue) -> str:
    """Arguments are a text; some servers send the object itself."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
