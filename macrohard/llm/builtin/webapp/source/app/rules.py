"""What must hold beyond single fields; see `RULES` in `records.py` for this product's own."""

from . import conditions
from .declarations import Rule
from .fields import Value, compare
from .storage import Row, Storage


def broken_by_saving(storage: Storage, before: Row | None, after: Row) -> list[Rule]:
    """The rules that a saved record breaks; ask within the transaction that saved it.

    `before` is the record as it was, None for a new one: what was allowed once does not hinder other changes.
    """
    found = []
    for rule in storage.product.rules:
        if rule.kind == "not below zero":
            if any(_is_negative(storage, rule, row) for row in (before, after) if row):
                found.append(rule)
        elif rule.record == after.record.name and _CHECKS.get(rule.kind, _fine)(storage, rule, before, after):
            found.append(rule)
    return found


def broken_by_deleting(storage: Storage, row: Row) -> list[Rule]:
    """The rules that deleting a record would break, or broke if asked afterwards."""
    found = []
    for rule in storage.product.rules:
        if rule.kind == "keep while referenced" and rule.record == row.record.name and referrers(storage, row):
            found.append(rule)
        if rule.kind == "not below zero" and rule.record == row.record.name and _is_negative(storage, rule, row):
            found.append(rule)
    return found


def referrers(storage: Storage, row: Row) -> list[Row]:
    """The records that point to this one."""
    return [
        child
        for record, field in storage.product.referrers(row.record.name)
        for child in storage.alike(record.name, field.name, row.id)
    ]


def _fine(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    return False


def _wrong_order(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """fields[0] comes before fields[1], or is the same unless the rule is strict."""
    first, second = _values(storage, after, rule.fields)
    if first is None or second is None or not conditions.holds(storage, after, rule.when):
        return False
    return compare(first, second) > (-1 if rule.strict else 0)


def _not_unique(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """No two records are alike in all of the fields, among those that meet the conditions."""
    return _enters(storage, rule, before, after) and len(_group(storage, rule, rule.fields, after)) > 0


def _too_many(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """At most so many records are alike in all of the fields, among those that meet the conditions."""
    if not _enters(storage, rule, before, after):
        return False
    limit: Value = rule.limit
    if rule.limit_field:
        target = conditions.resolved(storage, after, rule.fields[0])[1]
        limit = conditions.value(storage, target, rule.limit_field) if target else None
    return limit is not None and compare(len(_group(storage, rule, rule.fields, after)) + 1, limit) > 0


def _overlaps(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """From fields[0] up to, not including, fields[1]; an empty end is never. Alike in all fields of the scope."""
    if not conditions.holds(storage, after, rule.when):
        return False
    start, end = _values(storage, after, rule.fields)
    if start is None:
        return False
    for other in _group(storage, rule, rule.scope, after):
        other_start, other_end = _values(storage, other, rule.fields)
        if other_start is None:
            continue
        starts_before_end = other_end is None or compare(start, other_end) < 0
        ends_after_start = end is None or compare(other_start, end) < 0
        if (starts_before_end and ends_after_start) or start == other_start:
            return True
    return False


def _wrong_reference(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """The record that fields[0] points to meets the conditions at the moment it is chosen."""
    name = rule.fields[0]
    if before and before.values[name] == after.values[name]:
        return False
    target = conditions.resolved(storage, after, name)[1]
    return target is not None and not conditions.holds(storage, target, rule.when)


def _missing(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """fields[0] is filled in when the conditions hold."""
    empty = conditions.value(storage, after, rule.fields[0]) in {None, ""}
    return empty and conditions.holds(storage, after, rule.when)


def _is_negative(storage: Storage, rule: Rule, row: Row) -> bool:
    """The sum fields[0] of the record that fields[1] points to has fallen below zero."""
    name, reference = rule.fields
    target: Row | None = None
    if row.record.name == rule.record:
        target = conditions.resolved(storage, row, reference)[1]
    elif row.record.name == storage.product.record(rule.record).field(reference).references:
        target = storage.row(row.record.name, row.id)
    level = conditions.value(storage, target, name) if target else None
    return level is not None and compare(level, 0) < 0


def _enters(storage: Storage, rule: Rule, before: Row | None, after: Row) -> bool:
    """Whether the record joins a group of records that are alike, rather than having been in it all along."""
    keys = _values(storage, after, rule.fields)
    if any(key in {None, ""} for key in keys) or not conditions.holds(storage, after, rule.when):
        return False
    if before is None or _values(storage, before, rule.fields) != keys:
        return True
    return not conditions.holds(storage, before, rule.when)


def _group(storage: Storage, rule: Rule, names: tuple[str, ...], row: Row) -> list[Row]:
    """The other records that are alike in all of these fields and meet the rule's conditions."""
    keys = _values(storage, row, names)
    candidates = storage.rows(rule.record)
    if names and row.record.field(names[0]).stored:
        candidates = storage.alike(rule.record, names[0], keys[0])
    return [
        other
        for other in candidates
        if other.id != row.id
        and all(map(_alike, _values(storage, other, names), keys))
        and conditions.holds(storage, other, rule.when)
    ]


def _values(storage: Storage, row: Row, names: tuple[str, ...]) -> list[Value]:
    return [conditions.value(storage, row, name) for name in names]


def _alike(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return one == other


_CHECKS = {
    "order": _wrong_order,
    "unique together": _not_unique,
    "at most": _too_many,
    "no overlap": _overlaps,
    "reference condition": _wrong_reference,
    "required when": _missing,
}
