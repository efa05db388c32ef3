"""Adding, changing and deleting records: everything is checked, then done completely or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal

from . import clock, conditions, fields, rules
from .declarations import Action, Field, Record
from .fields import Invalid, Value
from .storage import Row, Storage


@dataclass
class Refused(Exception):
    """A change that was not made."""

    problems: dict[str, str] = field(default_factory=dict)
    """Field → what is wrong with it."""
    messages: list[str] = field(default_factory=list)
    """What is wrong beyond single fields."""
    concerned: set[str] = field(default_factory=set)
    """The fields that the messages are about."""

    def __str__(self) -> str:
        return " ".join([*self.problems.values(), *self.messages])


def add(storage: Storage, record: Record, texts: Mapping[str, str]) -> Row:
    """Keep a new record of what was typed.

    Raises:
        Refused: a value is not accepted, or a rule is broken.
    """
    with storage.transaction():
        values = _read(storage, record, texts, None)
        for one in record.fields:
            if one.automatic and one.stored:
                values[one.name] = _followed(one, values) or fields.start_value(one)
        row = storage.insert(record.name, values)
        _hold_rules(storage, None, row)
        return row


def change(storage: Storage, row: Row, texts: Mapping[str, str], *, revision: int | None = None) -> Row:
    """Replace what people entered in a record; `revision` is the one they looked at.

    Raises:
        Refused: a value is not accepted, a rule is broken, or somebody else changed the record meanwhile.
    """
    with storage.transaction():
        current = storage.row(row.record.name, row.id)
        if current is None:
            raise Refused(messages=[f"This {row.record.label.lower()} was deleted meanwhile."])
        if revision is not None and revision != current.revision:
            raise Refused(
                messages=[f"Somebody else changed this {row.record.label.lower()} meanwhile. Save again to replace it."]
            )
        new = storage.update(current, _read(storage, row.record, texts, current))
        _hold_rules(storage, current, new)
        return new


def delete(storage: Storage, row: Row) -> None:
    """Remove a record; optional references to it become empty.

    Raises:
        Refused: a rule forbids it, or a record that needs it is left.
    """
    with storage.transaction():
        if broken := rules.broken_by_deleting(storage, row):
            raise Refused(messages=[rule.message for rule in broken])
        for child in rules.referrers(storage, row):
            pointing = [one for one in child.record.fields if one.stored and one.references == row.record.name]
            held = [one for one in pointing if child.values[one.name] == row.id]
            if any(one.required for one in held):
                raise Refused(messages=[f"This {row.record.label.lower()} is still used by {_called(storage, child)}."])
            storage.update(child, {one.name: None for one in held})
        storage.delete(row)
        if broken := rules.broken_by_deleting(storage, row):
            raise Refused(messages=[rule.message for rule in broken])


def act(storage: Storage, row: Row, action: Action) -> Row:
    """Carry out an action on a record.

    Raises:
        Refused: its conditions do not hold, a value would pass its limits, or a rule would be broken.
    """
    with storage.transaction():
        current = storage.row(row.record.name, row.id)
        if current is None or not conditions.holds(storage, current, action.when):
            raise Refused(messages=[action.refusal or f"“{action.label}” is not possible now."])
        values = {}
        for name, text in action.sets.items():
            one = current.record.field(name)
            values[name] = _set_to(one, current.values[name], text)
            try:
                fields.check(one, values[name])
            except Invalid as error:
                raise Refused(messages=[str(error)]) from error
        new = storage.update(current, values)
        _hold_rules(storage, current, new)
        return new


def actions(storage: Storage, row: Row) -> list[Action]:
    """The actions that are possible on the record now."""
    return [
        action
        for action in storage.product.actions
        if action.record == row.record.name and conditions.holds(storage, row, action.when)
    ]


def _read(storage: Storage, record: Record, texts: Mapping[str, str], current: Row | None) -> dict[str, Value]:
    values: dict[str, Value] = {}
    problems: dict[str, str] = {}
    for one in sorted(record.fields, key=lambda one: fields.follows(one) is not None):
        if not one.entered:
            continue
        text = texts.get(one.name, "")
        try:
            if not text.strip() and current is None and (followed := _followed(one, values)):
                text = fields.plain(one, followed)
            values[one.name] = fields.parse(one, text)
            _hold_against_others(storage, record, one, values[one.name], current)
        except Invalid as error:
            problems[one.name] = str(error)
    if problems:
        raise Refused(problems=problems)
    return values


def _followed(one: Field, values: Mapping[str, Value]) -> Value:
    """The default that follows another field, e.g. 21 days after "out_date"."""
    parts = fields.follows(one)
    if not parts:
        return None
    start = values.get(parts[0])
    if not isinstance(start, date):
        return None
    if one.type == "date":
        return clock.later(fields.day(start) or start, parts[1], parts[2])
    moment = start if isinstance(start, datetime) else datetime.combine(start, time())
    return clock.later(moment, parts[1], parts[2])


def _hold_against_others(storage: Storage, record: Record, one: Field, value: Value, current: Row | None) -> None:
    if value is None:
        return
    if one.references and (not isinstance(value, int) or storage.row(one.references, value) is None):
        raise Invalid(f"Choose one of the offered values for {one.label}.")
    if one.unique and any(
        current is None or row.id != current.id for row in storage.alike(record.name, one.name, value)
    ):
        raise Invalid(f"{one.label} is already used.")


def _hold_rules(storage: Storage, before: Row | None, after: Row) -> None:
    if broken := rules.broken_by_saving(storage, before, after):
        concerned = {name for rule in broken if rule.record == after.record.name for name in rule.fields}
        raise Refused(messages=[rule.message for rule in broken], concerned=concerned)


def _set_to(one: Field, old: Value, text: str) -> Value:
    """What an action makes of a value: a literal, "today", "now", "empty", "+1", "+7d"."""
    if re.fullmatch(r"[+-][0-9]+", text) and one.type in fields.NUMBERS:
        number = old if isinstance(old, int | Decimal) else 0
        return number + int(text)
    parts = clock.offset(text)
    if parts and parts[0] == "" and one.type in {"date", "date-time"}:
        start = old if isinstance(old, date) else (clock.now() if one.type == "date-time" else clock.today())
        return clock.later(start, parts[1], parts[2])
    return fields.literal(one, text)


def _called(storage: Storage, row: Row) -> str:
    return f"{row.record.label.lower()} “{conditions.title(storage, row)}”"
