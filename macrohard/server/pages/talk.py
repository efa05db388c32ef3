"""A session's transcript as a conversation: what the agent said, what it did with which tool, and what came of it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from macrohard.domain import Value
from macrohard.server.api.sessions import TranscriptEntry

FOLDED_LINES = 14
"""Longer texts are folded."""
MOST_CHARACTERS = 4_000
"""Of one text; REST gives all of it."""


class Words(Value):
    """A text, and whether it is folded at first."""

    text: str
    lines: int
    folded: bool
    cut: bool
    """Whether there is more of it than is shown."""


class Argument(Value):
    """One thing that a tool was given."""

    name: str
    value: str
    words: Words | None
    """Instead of `value`, where it is long."""


class Use(Value):
    """A call of a tool with its answer."""

    tool: str
    about: str
    """What of the arguments says it in one line: a path, a command."""
    arguments: tuple[Argument, ...]
    answer: Words | None
    """None: it is not there yet."""


class Turn(Value):
    """What was said at once."""

    number: int
    at: datetime
    who: Literal["instructions", "assignment", "agent", "note", "person"]
    words: Words | None
    uses: tuple[Use, ...]
    pictures: tuple[str, ...]
    """Digests of what it was shown."""
    input_tokens: int
    cost_usd: float
    note: str = ""


_ABOUT = ("path", "command", "file", "name", "url", "query", "summary", "text")


def turns(entries: Sequence[TranscriptEntry]) -> tuple[Turn, ...]:
    """The entries as turns; an answer stands with the call that it answers."""
    answers: dict[str, str] = {}
    shown: dict[str, tuple[str, ...]] = {}
    for each in entries:
        for message in _messages(each):
            if message.get("role") == "tool":
                name = str(message.get("tool_call_id"))
                answers[name], shown[name] = _content(message)
    found = []
    for each in entries:
        cost, tokens = each.entry.get("cost_usd"), each.entry.get("input_tokens")
        for message in _messages(each):
            role = message.get("role")
            if role == "tool":
                continue
            text, pictures = _content(message)
            calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
            uses = tuple(_use(call, answers) for call in calls)
            pictures += tuple(digest for call in calls for digest in shown.get(str(call.get("id")), ()))
            who: Literal["instructions", "assignment", "agent", "note", "person"] = "note"
            if role == "assistant":
                who = "agent"
            elif role == "system":
                who = "instructions"
            elif each.entry.get("nudge") == "person":
                who = "person"
            elif each.number == 0:
                who = "assignment"
            found.append(
                Turn(
                    number=each.number, at=each.at, who=who,
                    words=_words(text, fold=who in ("instructions", "assignment")) if text else None,
                    uses=uses, pictures=pictures,
                    input_tokens=tokens if isinstance(tokens, int) and role == "assistant" else 0,
                    cost_usd=float(cost) if isinstance(cost, int | float) and role == "assistant" else 0.0,
                )
            )  # fmt: skip
        if isinstance(shorter := each.entry.get("compaction"), dict):
            told = f"The conversation became too long: {shorter.get('replaced')} messages became {shorter.get('by')}."
            found.append(
                Turn(
                    number=each.number, at=each.at, who="note", words=None, uses=(), pictures=(), input_tokens=0,
                    cost_usd=float(cost) if isinstance(cost, int | float) else 0.0, note=told,
                )
            )  # fmt: skip
    return tuple(found)


def _messages(entry: TranscriptEntry) -> list[dict[str, Any]]:
    messages = entry.entry.get("messages")
    return [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []


def _content(message: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The text of a message, and the pictures in it."""
    content = message.get("content")
    if isinstance(content, str):
        return content, ()
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = "\n".join(str(part["text"]) for part in parts if "text" in part)
    return text, tuple(str(part["artifact"]) for part in parts if part.get("type") == "image" and "artifact" in part)


def _use(call: dict[str, Any], answers: dict[str, str]) -> Use:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    written = str(function.get("arguments", ""))
    try:
        given = json.loads(written)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        given = {"arguments": written}
    arguments = tuple(_argument(str(name), value) for name, value in given.items())
    said = {name: value for name, value in given.items() if isinstance(value, str) and value}
    acted = " ".join(said[name] for name in ("action", "target", "value") if name in said)
    about = next((said[name] for name in _ABOUT if name in said), acted)
    answer = answers.get(str(call.get("id")))
    return Use(
        tool=str(function.get("name", "?")),
        about=about.split("\n")[0][:160],
        arguments=arguments,
        answer=None if answer is None else _words(answer),
    )


def _argument(name: str, value: object) -> Argument:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    if "\n" in text or len(text) > 120:
        return Argument(name=name, value="", words=_words(text))
    return Argument(name=name, value=text, words=None)


def _words(text: str, *, fold: bool = False) -> Words:
    shown = text[:MOST_CHARACTERS]
    lines = text.count("\n") + 1
    return Words(
        text=shown, lines=lines, folded=fold or lines > FOLDED_LINES or len(text) > 1500, cut=len(shown) < len(text)
    )
