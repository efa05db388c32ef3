"""The built-in model's answer as it is said: calls with ids, cut at the limit, and counted."""

import json
import time
import uuid
from collections.abc import Iterator

from macrohard.domain import Value
from macrohard.llm.builtin.conversation import Turn

CHARACTERS_A_TOKEN = 4
PIECE_CHARACTERS = 1_000
"""Of what is streamed at once; most answers come in several pieces, and large files do not take thousands."""


class SpokenCall(Value):
    """A call, its arguments written out."""

    id: str
    name: str
    arguments: str


class Spoken(Value):
    """One answer; both wires write it down in their own way."""

    id: str
    model: str
    created: int
    text: str
    calls: tuple[SpokenCall, ...]
    cut: bool
    """There was more to say than was allowed."""
    input_tokens: int
    output_tokens: int


def spoken(made: Turn, *, model: str, request_bytes: int, limit_tokens: int | None) -> Spoken:
    """Say the turn in at most so many tokens; what is cut off is lost, also in the middle of a call's arguments."""
    room = limit_tokens * CHARACTERS_A_TOKEN if limit_tokens is not None else None
    text, left = _cut(made.text, room)
    calls: list[SpokenCall] = []
    cut = len(text) < len(made.text)
    for call in made.calls:
        if left is not None and left <= 0:
            cut = True
            break
        whole = json.dumps(call.arguments, ensure_ascii=False)
        arguments, left = _cut(whole, left)
        calls.append(SpokenCall(id=f"call_{uuid.uuid4().hex[:16]}", name=call.name, arguments=arguments))
        cut = cut or len(arguments) < len(whole)
    said = len(text) + sum(len(call.name) + len(call.arguments) for call in calls)
    return Spoken(
        id=uuid.uuid4().hex,
        model=model,
        created=int(time.time()),
        text=text,
        calls=tuple(calls),
        cut=cut,
        input_tokens=request_bytes // CHARACTERS_A_TOKEN,
        output_tokens=min(said // CHARACTERS_A_TOKEN + 1, limit_tokens or said + 1),
    )


def pieces(text: str) -> Iterator[str]:
    """The text as it is streamed."""
    return (text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS))


def _cut(text: str, room: int | None) -> tuple[str, int | None]:
    """What of the text there is room for, and the room that is left."""
    if room is None:
        return text, None
    kept = text[: max(room, 0)]
    return kept, room - len(kept)
