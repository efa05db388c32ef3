"""Which records a list shows, in which order, on which page, and what they add up to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from urllib.parse import urlencode

from . import conditions, fields
from .declarations import Field, Record, Total, View
from .fields import Value
from .storage import Row, Storage

DATES = frozenset({"date", "date-time"})


@dataclass(frozen=True)
class Question:
    """What somebody wants to see of a record type or view."""

    record: Record
    view: View | None = None
    search: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    """Parameter → what is chosen; for dates "<field>-from" and "<field>-to"."""
    sort: str | None = None
    descending: bool = False
    page: int = 1

    @property
    def address(self) -> str:
        """Of the list without any filter."""
        return self.view.address if self.view else self.record.address

    @property
    def filterable(self) -> tuple[Field, ...]:
        """The fields that can be filtered by."""
        names = (self.view.filters if self.view else ()) or self.record.filters
        return tuple(self.record.field(name) for name in names)

    @property
    def columns(self) -> tuple[Field, ...]:
        """The fields that are shown."""
        names = self.view.columns if self.view else ()
        return tuple(self.record.field(name) for name in names) or self.record.fields

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is searched or filtered."""
        return bool(self.search or self.filters)

    def link(self, *, file: str = "", **changes: object) -> str:
        """The address of this list, or of a file of it, with changes to the question."""
        other = replace(self, **changes)  # type: ignore[arg-type]  # the fields above, by name
        parameters = [("search", other.search)] if other.search else []
        parameters += [(f"filter-{name}", chosen) for name, chosen in other.filters]
        if (other.sort, other.descending) != _usual_order(self.record, self.view):
            parameters.append(("sort", f"{'-' if other.descending else ''}{other.sort or ''}"))
        if other.page > 1:
            parameters.append(("page", str(other.page)))
        return f"{self.address}{file}" + (f"?{urlencode(parameters)}" if parameters else "")


@dataclass(frozen=True)
class Answer:
    """What there is to show."""

    question: Question
    rows: list[Row]
    """All that match, in order."""
    pages: int

    @property
    def shown(self) -> list[Row]:
        """Those on the page that was asked for."""
        size = self.question.record.page_size
        return self.rows[(self.question.page - 1) * size : self.question.page * size]


def read(parameters: Mapping[str, str], record: Record, view: View | None = None) -> Question:
    """The question in the parameters of an address; what makes no sense in it is left out."""
    question = Question(record, view, search=" ".join(parameters.get("search", "").split()))
    filters = []
    for field in question.filterable:
        names = [f"{field.name}-from", f"{field.name}-to"] if field.type in DATES else [field.name]
        for name in names:
            chosen = parameters.get(f"filter-{name}", "").strip()
            if chosen and (field.type not in DATES or _day(chosen)):
                filters.append((name, chosen))
    sort, descending = _usual_order(record, view)
    asked = parameters.get("sort", "")
    if asked.removeprefix("-") in {*record.sortable, sort}:
        sort, descending = asked.removeprefix("-"), asked.startswith("-")
    page = parameters.get("page", "")
    number = int(page) if re.fullmatch(r"[0-9]{1,9}", page) else 1
    return replace(question, filters=tuple(filters), sort=sort, descending=descending, page=max(number, 1))


def answer(storage: Storage, question: Question) -> Answer:
    """The records that match, in order; a page beyond the last becomes the last."""
    when = question.view.when if question.view else ()
    words = fields.folded(question.search).split()
    rows = [
        row
        for row in storage.rows(question.record.name)
        if conditions.holds(storage, row, when)
        and all(_passes(storage, row, name, chosen) for name, chosen in question.filters)
        and (not words or _contains(storage, row, words))
    ]
    rows = ordered(storage, rows, question.sort, descending=question.descending)
    pages = max(-(-len(rows) // question.record.page_size), 1)
    return Answer(replace(question, page=min(question.page, pages)), rows, pages)


def ordered(storage: Storage, rows: list[Row], name: str | None, *, descending: bool) -> list[Row]:
    """The rows by one field, empty ones last; by no field: the newest first."""
    if name is None:
        return sorted(rows, key=lambda row: row.id, reverse=True)
    keyed = [(_sort_key(storage, row, name), row) for row in rows]
    filled = [pair for pair in keyed if pair[0] is not None]
    filled.sort(key=lambda pair: pair[0] or (), reverse=descending)
    return [row for _, row in filled] + [row for key, row in keyed if key is None]


def options(storage: Storage, field: Field, record: Record) -> list[tuple[str, str]]:
    """What a filter offers: the parameter's value and the text."""
    source = conditions.looked_up(storage, record.name, field)
    if source.type == "yes/no":
        return [("yes", "Yes"), ("no", "No")]
    if source.type == "choice":
        return [(choice, choice) for choice in source.choices]
    if source.references:
        return titles(storage, source.references)
    found = {}
    for row in storage.rows(record.name):
        value = conditions.value(storage, row, field.name)
        if value is not None:
            found[fields.plain(source, value)] = fields.show(source, value)
    return sorted(found.items(), key=lambda item: _natural(item[1]))


def titles(storage: Storage, name: str) -> list[tuple[str, str]]:
    """The number and title of each record of a type, by title; alike ones are told apart by their numbers."""
    called = [(str(row.id), conditions.title(storage, row)) for row in storage.rows(name)]
    called.sort(key=lambda item: _natural(item[1]))
    known = [text for _, text in called]
    alike = {text for text, other in pairwise(known) if text == other}
    return [(number, f"{text} (#{number})" if text in alike else text) for number, text in called]


def total(storage: Storage, one: Total, rows: list[Row]) -> str:
    """The number as people read it."""
    counted = [row for row in rows if conditions.holds(storage, row, one.when)]
    if one.how == "count" or one.field is None:
        return str(len(counted))
    field = conditions.looked_up(storage, one.record, counted[0].record.field(one.field)) if counted else None
    values = [conditions.value(storage, row, one.field) for row in counted]
    numbers = [Decimal(value) for value in values if isinstance(value, int | Decimal)]
    field = field or storage.product.record(one.record).field(one.field)
    if one.how == "average":
        return fields.show(field, fields.cents(sum(numbers, Decimal(0)) / len(numbers)) if numbers else None)
    return fields.show(field, sum(numbers, Decimal(0)))


def grouped(storage: Storage, one: Total, rows: list[Row]) -> list[tuple[str, str]]:
    """The total for each value of its `group_by`, in that field's order; dates by month, no value last."""
    assert one.group_by is not None
    groups: dict[str, list[Row]] = {}
    for row in ordered(storage, rows, one.group_by, descending=False):
        groups.setdefault(_group_name(storage, row, one.group_by), []).append(row)
    return [(name, total(storage, one, members)) for name, members in groups.items()]


def _usual_order(record: Record, view: View | None) -> tuple[str | None, bool]:
    return (view.sort, view.descending) if view and view.sort else (record.sort, record.descending)


def _passes(storage: Storage, row: Row, name: str, chosen: str) -> bool:
    field_name, _, edge = name.partition("-")
    value = conditions.value(storage, row, field_name)
    if edge:
        on, limit = fields.day(value), _day(chosen)
        return on is not None and limit is not None and (on >= limit if edge == "from" else on <= limit)
    field = conditions.looked_up(storage, row.record.name, row.record.field(field_name))
    return fields.plain(field, value).casefold() == chosen.casefold()


def _contains(storage: Storage, row: Row, words: list[str]) -> bool:
    """Whether each of the words is found in one of the searched fields."""
    searched = row.record.search or tuple(field.name for field in row.record.fields if field.type != "yes/no")
    text = "\n".join(fields.folded(conditions.shown(storage, row, name)) for name in searched)
    return all(word in text for word in words)


def _sort_key(storage: Storage, row: Row, name: str) -> tuple[object, ...] | None:
    field, target = conditions.resolved(storage, row, name)
    if target is not None:
        return _natural(conditions.title(storage, target))
    value = conditions.value(storage, row, name)
    if value is None or value == "" or field.references:
        return None
    source = conditions.looked_up(storage, row.record.name, field)
    if source.type == "choice" and value in source.choices:
        return (source.choices.index(str(value)),)
    return _natural(value) if isinstance(value, str) else (value,)


def _natural(text: str) -> tuple[object, ...]:
    """Sorts without case and accents, and numbers within by their size: 5a before 10a."""
    parts = re.split(r"([0-9]+)", fields.folded(text))
    return tuple(_part(text) for text in parts if text)


def _part(text: str) -> tuple[int, int, str]:
    number = text.lstrip("0")
    return (0, len(number), number) if text.isdecimal() else (1, 0, text)


def _group_name(storage: Storage, row: Row, name: str) -> str:
    value: Value = conditions.value(storage, row, name)
    on = fields.day(value)
    return on.strftime("%Y-%m") if on else conditions.shown(storage, row, name)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
