"""Writing `app/records.py`: the blueprint as readable Python."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from macrohard.domain import Value
from macrohard.llm.builtin.blueprint import (
    Action,
    Blueprint,
    Computed,
    Condition,
    Field,
    Highlight,
    Record,
    Rule,
    Total,
    View,
)
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

_WIDTH = 120
_RESERVED = frozenset({"PRODUCT", "RULES", "ACTIONS", "VIEWS", "TOTALS", "HIGHLIGHTS"})
_DANGER = re.compile(r"overdue|late|expired|exceed|over|out of|negative|missed|urgent|critical|lost|broken", re.I)
_GOOD = re.compile(r"\b(done|paid|in|available|free|complete[d]?|on time|new|today|active)\b", re.I)


@dataclass(frozen=True)
class _Call:
    """A call, or with an empty name a tuple."""

    name: str
    positional: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()
    comments: Mapping[int, str] | None = None
    """Said above the so-manieth positional argument."""


def records_module(blueprint: Blueprint) -> str:
    """The source of `app/records.py`."""
    constants = {record.name: _constant(record.name) for record in blueprint.records}
    sections = [
        f"{constants[record.name]} = {_render(_record(record), 0, len(constants[record.name]) + 3)}"
        for record in blueprint.records
    ]
    groups: list[tuple[str, str, list[_Call], dict[int, str]]] = [
        ("rules", "RULES", [_rule(one) for one in blueprint.rules], _said(blueprint, "rule")),
        ("actions", "ACTIONS", [_action(one) for one in blueprint.actions], _said(blueprint, "action")),
        ("views", "VIEWS", [_view(one) for one in blueprint.views], _said(blueprint, "view")),
        ("totals", "TOTALS", [_total(one) for one in blueprint.totals], _said(blueprint, "total")),
        ("highlights", "HIGHLIGHTS", [_highlight(one) for one in blueprint.highlights], _said(blueprint, "highlight")),
    ]
    named: list[tuple[str, object]] = []
    for keyword, constant, calls, comments in groups:
        if calls:
            sections.append(f"{constant} = {_render(_Call('', tuple(calls), comments=comments), 0, len(constant) + 3)}")
            named.append((keyword, _Name(constant)))
    records = _Call("", tuple(_Name(constant) for constant in constants.values()))
    product = _Call("Product", (blueprint.title,), (("records", records), *named))
    sections.append(f"PRODUCT = {_render(product, 0, 10)}")
    body = "\n\n".join(sections)
    used = sorted(
        name
        for name in (
            "Action", "Computed", "Condition", "Field", "Highlight", "Product", "Record", "Rule", "Total", "View",
        )
        if f"{name}(" in body
    )  # fmt: skip
    first = f"from .declarations import {', '.join(used)}"
    if len(first) > _WIDTH:
        first = "from .declarations import (\n" + "".join(f"    {name},\n" for name in used) + ")"
    kept = ", ".join(record.plural.lower() for record in blueprint.records)
    return (
        f'"""What “{blueprint.title}” keeps ({kept}) and what holds for it.\n\n'
        "All that is particular to this product stands here, in the words of `declarations.py`; the other modules\n"
        'work with whatever is declared. A new field, rule or view is a line in this file.\n"""\n\n'
        f"{first}\n\n{body}\n"
    )


class _Name(str):
    """Written as it stands."""

    __slots__ = ()


def _constant(name: str) -> str:
    constant = name.upper()
    return f"{constant}_RECORD" if constant in _RESERVED else constant


def _said(blueprint: Blueprint, kind: str) -> dict[int, str]:
    """What the criteria say about the so-manieth rule, action, …"""
    found: dict[int, str] = {}
    for number, claim in enumerate(blueprint.claims, 1):
        if claim.kind == kind and claim.index is not None:
            found.setdefault(claim.index, f"AC-{number}: {' '.join(claim.text.split())}")
    return found


def _record(record: Record) -> _Call:
    return _Call(
        "Record",
        named=_without_defaults(
            Record,
            name=record.name,
            label=record.label,
            plural=record.plural,
            address=record_address(record),
            title_field=record.title_field,
            fields=_Call("", tuple(_field(one) for one in record.fields)),
            search=record.search,
            filters=record.filters,
            sortable=record.sortable,
            sort=record.sort,
            descending=record.descending,
            page_size=record.page_size,
            export_csv=record.export_csv,
            import_csv=record.import_csv,
            deletable=record.deletable,
        ),
    )


def _field(field: Field) -> _Call:
    simple = {
        name: getattr(field, name)
        for name in Field.model_fields
        if name not in {"name", "label", "type", "computed"} and getattr(field, name) is not None
    }
    named = list(_without_defaults(Field, **simple))
    if field.computed:
        named.append(("computed", _computed(field.computed)))
    return _Call("Field", (field.name, field.label, field.type), tuple(named))


def _computed(computed: Computed) -> _Call:
    named = _without_defaults(
        Computed,
        record=computed.record,
        when=_conditions(computed.when),
        minus_when=_conditions(computed.minus_when),
    )
    return _Call("Computed", (computed.how, *([computed.fields] if computed.fields else [])), named)


def _conditions(conditions: Iterable[Condition]) -> _Call | None:
    calls = tuple(_condition(one) for one in conditions)
    return _Call("", calls) if calls else None


def _condition(condition: Condition) -> _Call:
    other = (("other", condition.other),) if condition.other else ()
    value = (condition.value,) if condition.value is not None else ()
    return _Call("Condition", (condition.field, condition.is_, *value), other)


def _rule(rule: Rule) -> _Call:
    named = _without_defaults(
        Rule,
        record=rule.record,
        fields=rule.fields,
        scope=rule.scope,
        when=_conditions(rule.when),
        strict=rule.strict,
        limit=rule.limit,
        limit_field=rule.limit_field,
        message=rule.message,
    )
    return _Call("Rule", (rule.kind,), named)


def _action(action: Action) -> _Call:
    named = _without_defaults(
        Action,
        record=action.record,
        when=_conditions(action.when),
        refusal=action.refusal,
        sets=dict(action.sets),
    )
    return _Call("Action", (action.name, action.label), named)


def _view(view: View) -> _Call:
    named = _without_defaults(
        View,
        record=view.record,
        address=view_address(view),
        when=_conditions(view.when),
        columns=view.columns,
        sort=view.sort,
        descending=view.descending,
        filters=view.filters,
        printable=view.printable,
    )
    return _Call("View", (view.label,), named)


def _total(total: Total) -> _Call:
    named = _without_defaults(
        Total,
        record=total.record,
        how=total.how,
        field=total.field,
        when=_conditions(total.when),
        group_by=total.group_by,
    )
    return _Call("Total", named=(("label", total.label), *named))


def _highlight(highlight: Highlight) -> _Call:
    tone = "danger" if _DANGER.search(highlight.label) else "good" if _GOOD.search(highlight.label) else None
    return _Call(
        "Highlight",
        named=tuple(
            (name, value)
            for name, value in (
                ("record", highlight.record),
                ("label", highlight.label),
                ("when", _conditions(highlight.when)),
                ("tone", tone),
            )
            if value is not None
        ),
    )


def _without_defaults(kind: type[Value], **named: object) -> tuple[tuple[str, object], ...]:
    """The arguments that say something: neither None nor what the declaration holds anyway."""
    kept = []
    for name, argument in named.items():
        information = kind.model_fields.get(name)
        default = (
            None
            if information is None or information.is_required()
            else information.get_default(call_default_factory=True)
        )
        if argument is not None and argument != default:
            kept.append((name, argument))
    return tuple(kept)


def _render(value: object, indent: int, before: int) -> str:
    """The value as Python; `before` is how many characters of its first line are taken already."""
    line = _line(value)
    if indent + before + len(line) + 1 <= _WIDTH and not (isinstance(value, _Call) and value.comments):
        return line
    if isinstance(value, str) and not isinstance(value, _Name):
        return line
    inner = indent + 4
    if isinstance(value, dict):
        pieces = [f"{_line(key)}: {_render(one, inner, len(_line(key)) + 2)}" for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        if isinstance(value, tuple):
            value = _Call("", value)
        assert isinstance(value, _Call), value
        comments = value.comments or {}
        pieces = []
        for place, one in enumerate(value.positional):
            said = "".join(f"# {text}\n{' ' * inner}" for text in _wrapped(comments.get(place, ""), _WIDTH - inner - 2))
            pieces.append(said + _render(one, inner, 0))
        pieces += [f"{name}={_render(one, inner, len(name) + 1)}" for name, one in value.named]
        opening, closing = f"{value.name}(", ")"
    return opening + "".join(f"\n{' ' * inner}{piece}," for piece in pieces) + f"\n{' ' * indent}{closing}"


def _line(value: object) -> str:
    """The value as Python on one line."""
    match value:
        case _Name():
            return str(value)
        case str():
            return _text(value)
        case tuple():
            return _line(_Call("", value))
        case dict():
            return "{" + ", ".join(f"{_line(key)}: {_line(one)}" for key, one in value.items()) + "}"
        case _Call():
            pieces = [_line(one) for one in value.positional] + [f"{name}={_line(one)}" for name, one in value.named]
            comma = "," if not value.name and len(pieces) == 1 else ""
            return f"{value.name}({', '.join(pieces)}{comma})"
    return repr(value)


def _text(value: str) -> str:
    if "\\" in value and '"' not in value and not value.endswith("\\") and "\n" not in value:
        return f'r"{value}"'
    quoted = json.dumps(value, ensure_ascii=False)
    return repr(value) if '"' in value and "'" not in value and "\\" not in value and "\n" not in value else quoted


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
