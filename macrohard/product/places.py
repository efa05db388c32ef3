"""Places in JSON: `items[0].name`, `items[name=Milk].price`, `[2]`, `["odd.key"]`, in addresses: `/items/*`; and what
is there."""

import json
import re
from typing import Any

from pydantic import JsonValue

_PART = re.compile(r"""\.?([^.\[\]"=]+)|\[(\d+)\]|\["([^"]*)"\]|\[([^\]="]+)=([^\]]*)\]""")
_SHOWN_CHARACTERS = 400
_ADDRESS_CHARACTERS = 2_000
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "number": (int, float), "boolean": (bool,), "list": (list,), "object": (dict,),
}  # fmt: skip


class NoSuchPlace(Exception):
    """There is nothing at that place; the text says how far one gets, and what is there instead."""


class MalformedPlace(Exception):
    """What is written is no place."""


def at_place(value: JsonValue, place: str) -> JsonValue:
    """What is there.

    Raises:
        NoSuchPlace: nothing is.
        MalformedPlace: it is none.
    """
    found, position = value, 0
    while position < len(place):
        part = _PART.match(place, position)
        if part is None:
            raise MalformedPlace(
                f"{place!r} is no place in JSON; places are written items[0].name, items[name=Milk].id"
            )
        found = _inner(found, part, place[:position] or "the whole")
        position = part.end()
    return found


def _inner(value: JsonValue, part: re.Match[str], where: str) -> JsonValue:
    key, index, quoted, name, wanted = part.groups()
    key = key if key is not None else quoted
    if key is not None:
        if not isinstance(value, dict):
            raise NoSuchPlace(f'{where} is {shown(value)}, so it has no "{key}"')
        if key not in value:
            raise NoSuchPlace(f'{where} has no "{key}"; it has {", ".join(map(repr, value)) or "nothing"}')
        return value[key]
    if not isinstance(value, list):
        raise NoSuchPlace(f"{where} is {shown(value)}, which is no list")
    if index is not None:
        if int(index) >= len(value):
            raise NoSuchPlace(f"{where} has {len(value)} elements, so there is none at {index}")
        return value[int(index)]
    meant = [one for one in value if isinstance(one, dict) and name in one and _text(one[name]) == wanted]
    if len(meant) != 1:
        raise NoSuchPlace(f'{where} has {len(meant)} elements whose "{name}" is "{wanted}", not one: {shown(value)}')
    return meant[0]


def part_of(text: str, like: str) -> str | None:
    """What stands in the text where `like` has its `*`, up to the next of / ? # &; None: nothing is like it.

    With an empty `like` it is all of the text.
    """
    if not like:
        return text
    before, after = map(re.escape, like.split("*", 1))
    wanted = rf"{before}([^/?#&]+?){after}" if after else rf"{before}([^/?#&]+)"
    # Bounded, because what is searched is the product's, and may be made to take long.
    found = re.search(wanted, text[:_ADDRESS_CHARACTERS])
    return found[1] if found else None


def difference(found: JsonValue, wanted: JsonValue, where: str) -> str:
    """Where the two differ first, in words; empty if what was found is what is wanted, or an object with more in it."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            inner = f"{where}.{name}" if where else name
            if name not in found:
                return f'{where or "the whole"} has no "{name}"; it has {", ".join(map(repr, found)) or "nothing"}'
            if problem := difference(found[name], value, inner):
                return problem
        return ""
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(found, wanted, strict=True))
        return next((said for n, (one, other) in pairs if (said := difference(one, other, f"{where}[{n}]"))), "")
    # For Python a 1 is True.
    if isinstance(wanted, bool) == isinstance(found, bool) and wanted == found:
        return ""
    return f"{where or 'the whole'} is {shown(found)} instead of {shown(wanted)}"


def is_of(value: JsonValue, kind: str) -> bool:
    """Whether the value is of this kind: any, text, number, boolean, list, object."""
    if kind == "any":
        return True
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def shown(value: Any) -> str:
    """The value as JSON, not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
