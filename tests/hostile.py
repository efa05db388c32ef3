"""Text that agents, products and pages could say to harm whoever reads it, and what of it would be obeyed."""

import re
import types
import typing
import unicodedata
from typing import Any, TypeVar

from pydantic import BaseModel

SEQUENCES = {
    "colour": "\x1b[31m",
    "clear screen": "\x1b[2J\x1b[H",
    "window title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "report that types": "\x1b[6n\x1b[21t",
    "one-byte sequence": "\x9b31m\x9d0;owned\x9c",
    "overwriting": "all tests passed\rfailed\x08\x08",
    "bell and delete": "\x07\x7f\x00\x0b\x0c",
    "writing direction": "\u202egnp.exe\u202c\u2067\u2069",
    "invisible": "\u200b\u2060\ufeff\U000e0041",
    "half of a pair": "\ud83d",
}
"""For terminals, by what a terminal would do."""

MARKUP = (
    '</script><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
    "\"'><svg onload=alert(1)>{{ 7*7 }}<!--]]> [red]rich[/red] [link=http://evil.example]x[/link] :warning:"
)
"""For HTML, templates and rich."""

EVERYTHING = "".join(SEQUENCES.values()) + MARKUP

_OURS = re.compile(r"\r?\x1b\[[0-9;?]*[A-Za-z]")
"""What rich writes to a terminal: colours and movements of the cursor."""

Model = TypeVar("Model", bound=BaseModel)


def obeyed(output: str, *, to_terminal: bool = False) -> set[str]:
    """What of the output a terminal would obey, line ends and tabs apart; `to_terminal`: rich's own is allowed."""
    if to_terminal:
        output = _OURS.sub("", output)
    return {
        letter
        for letter in output
        if letter not in "\n\t\u200c\u200d" and unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co"}
    }


def poisoned(value: Model, words: str = EVERYTHING) -> Model:
    """The value with the words at the end of every text in it that could come from outside."""
    return typing.cast(Model, _poisoned(value, words))


def _poisoned(value: Any, words: str) -> Any:
    match value:
        case BaseModel():
            found = {
                name: _poisoned(getattr(value, name), words)
                for name, field in type(value).model_fields.items()
                # A pattern or a choice of literals is checked whenever such a value is made.
                if not field.metadata and not _literal(field.annotation)
            }
            return value.model_copy(update=found)
        case str():
            return value + words
        case tuple():
            return tuple(_poisoned(each, words) for each in value)
        case dict():
            return {key: _poisoned(each, words) for key, each in value.items()}
        case _:
            return value


def _literal(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Literal:
        return True
    parts = typing.get_args(annotation)
    is_choice = typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple)
    return is_choice and any(_literal(part) for part in parts)
