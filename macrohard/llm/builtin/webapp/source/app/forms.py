"""Forms: a labelled input for each field that people fill in, with what is wrong beside it."""

from collections.abc import Mapping

from . import fields, listing
from .declarations import Field, Record
from .layout import Html, tag
from .register import Refused
from .storage import Row, Storage

_INPUT_TYPES = {
    "date": "date",
    "time": "time",
    "date-time": "datetime-local",
    "e-mail": "email",
    "phone": "tel",
    "web address": "url",
}
_UNITS = {"h": "hours", "d": "days", "w": "weeks", "m": "months", "y": "years"}


def start_texts(record: Record, given: Mapping[str, str]) -> dict[str, str]:
    """What stands in the form of a new record: the defaults, and what the link to the form gave along."""
    return {
        one.name: given.get(one.name) or fields.plain(one, fields.start_value(one))
        for one in record.fields
        if one.entered
    }


def texts_of(row: Row) -> dict[str, str]:
    """What stands in the form of an existing record."""
    return {one.name: fields.plain(one, row.values[one.name]) for one in row.record.fields if one.entered}


def form(
    storage: Storage,
    record: Record,
    texts: Mapping[str, str],
    *,
    row: Row | None,
    refused: Refused | None,
    ticket: str,
) -> Html:
    """The form of a new (`row` None) or existing record; the ticket tells a form that is sent twice."""
    entered = [one for one in record.fields if one.entered]
    problems = refused.problems if refused else {}
    concerned = refused.concerned if refused else set()
    focused = next((one.name for one in entered if one.name in problems), entered[0].name if entered else "")
    return tag(
        "form",
        tag("input", type="hidden", name="_ticket", value=ticket),
        tag("input", type="hidden", name="_revision", value=row.revision) if row else None,
        [
            _line(
                storage,
                record,
                one,
                texts.get(one.name, ""),
                problem=problems.get(one.name),
                is_concerned=one.name in concerned,
                is_focused=one.name == focused,
                is_new=row is None,
            )
            for one in entered
        ],
        tag(
            "div",
            tag("button", "Save", type="submit", class_="primary"),
            tag("a", "Cancel", href=row.address if row else record.address, class_="button quiet"),
            class_="buttons",
        ),
        method="post",
        novalidate=True,
        class_="entry",
    )


def _line(
    storage: Storage,
    record: Record,
    field: Field,
    text: str,
    *,
    problem: str | None,
    is_concerned: bool,
    is_focused: bool,
    is_new: bool,
) -> Html:
    hint = _hint(record, field)
    described = [f"hint-{field.name}"] * bool(hint) + [f"error-{field.name}"] * bool(problem)
    if is_concerned and not problem:
        described.append("problems")
    attributes: dict[str, str | int | bool | None] = {
        "id": f"field-{field.name}",
        "name": field.name,
        "aria_required": "true" if field.required and field.type != "yes/no" else None,
        "aria_invalid": "true" if problem or is_concerned else None,
        "aria_describedby": " ".join(described) or None,
        "autofocus": is_focused,
    }
    label = tag("label", field.label, for_=f"field-{field.name}")
    marked = tag("span", "(required)", class_="required") if attributes["aria_required"] else None
    entry = _entry(storage, field, text, attributes, is_new=is_new)
    said = [
        tag("p", hint, id=f"hint-{field.name}", class_="hint") if hint else None,
        tag("p", problem, id=f"error-{field.name}", class_="error") if problem else None,
    ]
    if field.type == "yes/no":
        return tag("div", tag("div", entry, label, class_="tick"), said, class_="field")
    unit = field.currency if field.type == "money" else field.unit
    if unit:
        entry = tag("div", entry, tag("span", unit, class_="unit", aria_hidden="true"), class_="with-unit")
    width = "" if field.type in {"text", "long text", "web address", "e-mail", "reference"} else " short"
    return tag("div", tag("div", label, " ", marked), entry, said, class_=f"field{width}")


def _entry(
    storage: Storage, field: Field, text: str, attributes: dict[str, str | int | bool | None], *, is_new: bool
) -> Html:
    match field.type:
        case "long text":
            # HTML takes away a line feed right behind the opening tag.
            return tag("textarea", "\n" + text, rows=5, **attributes)
        case "yes/no":
            return tag("input", type="checkbox", value="yes", checked=text == "yes", **attributes)
        case "choice":
            offered = [(choice, choice) for choice in field.choices]
            return _list(offered, text, blank=not field.default, attributes=attributes)
        case "reference":
            assert field.references is not None
            return _list(listing.titles(storage, field.references), text, blank=True, attributes=attributes)
        case "whole number":
            return tag("input", type="text", inputmode="numeric", value=text, autocomplete="off", **attributes)
        case "decimal number" | "money":
            return tag("input", type="text", inputmode="decimal", value=text, autocomplete="off", **attributes)
    follows = fields.follows(field) if is_new else None
    if follows:
        attributes = {**attributes, "data_follows": f"field-{follows[0]}", "data_offset": f"{follows[1]}{follows[2]}"}
    kind = _INPUT_TYPES.get(field.type, "text")
    return tag("input", type=kind, value=text, autocomplete="off", **attributes)


def _list(
    offered: list[tuple[str, str]], chosen: str, *, blank: bool, attributes: dict[str, str | int | bool | None]
) -> Html:
    first = [tag("option", "Choose …", value="")] if blank else []
    return tag(
        "select",
        first,
        [tag("option", text, value=value, selected=value == chosen) for value, text in offered],
        **attributes,
    )


def _hint(record: Record, field: Field) -> str | None:
    if field.pattern and field.pattern_hint:
        words = field.pattern_hint[:1].upper() + field.pattern_hint[1:]
        return f"{words}, for example {field.pattern_example}" if field.pattern_example else words
    if follows := fields.follows(field):
        count, unit = abs(follows[1]), _UNITS[follows[2]]
        words = f"{count} {unit[:-1] if count == 1 else unit} {'after' if follows[1] >= 0 else 'before'}"
        return f"Left empty: {words} “{record.field(follows[0]).label}”"
    return None
