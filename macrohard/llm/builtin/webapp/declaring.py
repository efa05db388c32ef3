"""Writing `app/records.py`: a product's declarations as readable Python."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass

from macrohard.llm.builtin.webapp.source.app.declarations import Product

_WIDTH = 120
_RESERVED = frozenset({"PRODUCT", "RULES", "ACTIONS", "VIEWS", "TOTALS", "HIGHLIGHTS"})
_POSITIONAL = {
    "Condition": ("field", "test", "value"),
    "Computed": ("how", "fields"),
    "Field": ("name", "label", "type"),
    "Rule": ("kind",),
    "Action": ("name", "label"),
    "View": ("label",),
    "Product": ("title",),
}
_LAST = {"Rule": ("message",), "Action": ("sets",), "Field": ("computed",)}
"""What is written behind everything else, because it says what the rest comes to."""
INNER = 4


class _Name(str):
    """Written as it stands."""

    __slots__ = ()


def records_module(product: Product, said: Mapping[str, Mapping[int, str]]) -> str:
    """The source of `app/records.py`; `said` gives comments by group ("rules", …) and place in it."""
    constants = {record.name: _constant(record.name) for record in product.records}
    sections = [
        f"{constants[one.name]} = {written(one, before=len(constants[one.name]) + 3)}" for one in product.records
    ]
    named: dict[str, object] = {"records": tuple(_Name(constant) for constant in constants.values())}
    for group in ("rules", "actions", "views", "totals", "highlights"):
        if declared := getattr(product, group):
            pieces = [_commented(written(one, INNER), said.get(group, {}).get(n, "")) for n, one in enumerate(declared)]
            sections.append(f"{group.upper()} = (\n" + "".join(f"    {piece},\n" for piece in pieces) + ")")
            named[group] = _Name(group.upper())
    sections.append(f"PRODUCT = {_calling('Product', [product.title], named, 0, 10)}")
    body = "\n\n".join(sections)
    kept = ", ".join(record.plural.lower() for record in product.records)
    return (
        f'"""What “{product.title}” keeps ({kept}) and what holds for it.\n\n'
        "All that is particular to this product stands here, in the words of `declarations.py`; the other modules\n"
        'work with whatever is declared. A new field, rule or view is a line in this file.\n"""\n\n'
        f"{_import(body)}\n\n{body}\n"
    )


def written(value: object, indent: int = 0, before: int = 0) -> str:
    """The value as Python; `before` is how many characters of its first line are taken already."""
    line = _line(value)
    if indent + before + len(line) + 1 <= _WIDTH or isinstance(value, str):
        return line
    if isinstance(value, dict):
        inner = indent + INNER
        pieces = [f"{_line(key)}: {written(one, inner, len(_line(key)) + 2)}" for key, one in value.items()]
        return "{" + "".join(f"\n{' ' * inner}{piece}," for piece in pieces) + f"\n{' ' * indent}}}"
    if isinstance(value, tuple):
        return _calling("", list(value), {}, indent, before)
    name, positional, named = _parts(value)
    return _calling(name, positional, named, indent, before)


def member(one: object, comment: str) -> str:
    """A rule, action, view, … as it stands within its group, with its comment."""
    return f"{_commented(written(one, INNER), comment)},"


def _calling(name: str, positional: list[object], named: Mapping[str, object], indent: int, before: int) -> str:
    line = _called(name, positional, named)
    if indent + before + len(line) + 1 <= _WIDTH:
        return line
    inner = indent + INNER
    pieces = [written(one, inner) for one in positional]
    pieces += [f"{key}={written(one, inner, len(key) + 1)}" for key, one in named.items()]
    return f"{name}(" + "".join(f"\n{' ' * inner}{piece}," for piece in pieces) + f"\n{' ' * indent})"


def _called(name: str, positional: list[object], named: Mapping[str, object]) -> str:
    pieces = [_line(one) for one in positional] + [f"{key}={_line(one)}" for key, one in named.items()]
    comma = "," if not name and len(pieces) == 1 else ""
    return f"{name}({', '.join(pieces)}{comma})"


def _parts(value: object) -> tuple[str, list[object], dict[str, object]]:
    """The constructor's name and the arguments that say something: those that differ from their defaults."""
    assert is_dataclass(value), value
    assert not isinstance(value, type)
    name = type(value).__name__
    leading, last = _POSITIONAL.get(name, ()), _LAST.get(name, ())
    told: dict[str, object] = {}
    for one in fields(value):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        argument = getattr(value, one.name)
        if argument != default and not isinstance(argument, list):
            told[one.name] = argument
    positional = [told.pop(key) for key in leading if key in told]
    named = {key: one for key, one in told.items() if key not in last}
    return name, positional, named | {key: told[key] for key in last if key in told}


def _line(value: object) -> str:
    match value:
        case _Name():
            return str(value)
        case str():
            return _text(value)
        case tuple():
            return _called("", list(value), {})
        case dict():
            return "{" + ", ".join(f"{_line(key)}: {_line(one)}" for key, one in value.items()) + "}"
        case bool() | int() | None:
            return repr(value)
    return _called(*_parts(value))


def _text(value: str) -> str:
    if "\\" in value and '"' not in value and not value.endswith("\\") and "\n" not in value:
        return f'r"{value}"'
    if '"' in value and "'" not in value and "\\" not in value and "\n" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _constant(name: str) -> str:
    constant = name.upper()
    return f"{constant}_RECORD" if constant in _RESERVED else constant


def _import(body: str) -> str:
    known = ("Action", "Computed", "Condition", "Field", "Highlight", "Product", "Record", "Rule", "Total", "View")
    used = [name for name in known if f"{name}(" in body]
    line = f"from .declarations import {', '.join(used)}"
    if len(line) <= _WIDTH:
        return line
    return "from .declarations import (\n" + "".join(f"    {name},\n" for name in used) + ")"


def _commented(source: str, comment: str) -> str:
    lines: list[str] = []
    for word in comment.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _WIDTH - INNER - 2:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "".join(f"# {line}\n    " for line in lines) + source
