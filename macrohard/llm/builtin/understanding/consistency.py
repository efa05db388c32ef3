"""Whether a blueprint holds together: every name resolves and every claim is about something that is there."""

import re
from collections.abc import Iterable

from macrohard.llm.builtin.blueprint import Blueprint, Condition, Record, Rule

_INDEXED = {
    "rule": "rules",
    "action": "actions",
    "view": "views",
    "print": "views",
    "total": "totals",
    "highlight": "highlights",
}
_ABOUT_FIELD = (
    "required",
    "unique",
    "range",
    "length",
    "pattern",
    "checksum",
    "type",
    "choices",
    "default",
    "computed",
    "filter",
    "sort",
    "detail history",
)


def consistent(blueprint: Blueprint) -> list[str]:
    """What is wrong with a blueprint, in words; empty if nothing is."""
    return [*_records(blueprint), *_parts(blueprint), *_claims(blueprint)]


def _records(blueprint: Blueprint) -> list[str]:
    problems = []
    records = {one.name: one for one in blueprint.records}
    if len(records) != len(blueprint.records):
        problems.append("two record types have the same name")
    if len({one.plural.lower() for one in blueprint.records} | {view.label.lower() for view in blueprint.views}) != len(
        blueprint.records
    ) + len(blueprint.views):
        problems.append("two record types or views have the same label")
    for record in blueprint.records:
        names = [one.name for one in record.fields]
        where = f"record {record.name}"
        if len(set(names)) != len(names):
            problems.append(f"{where}: two fields have the same name")
        if len({one.label.lower() for one in record.fields}) != len(names):
            problems.append(f"{where}: two fields have the same label")
        for use, used in (
            ("title", (record.title_field,)),
            ("search", record.search),
            ("filters", record.filters),
            ("sortable", record.sortable),
            ("sort", (record.sort,) if record.sort else ()),
        ):
            problems += [f"{where}: {use} names unknown field {name}" for name in used if name not in names]
        for one in record.fields:
            at = f"{where}, field {one.name}"
            if one.type == "reference" and one.references not in records:
                problems.append(f"{at}: refers to unknown record {one.references}")
            if one.type == "choice" and not one.choices:
                problems.append(f"{at}: a choice without values")
            if one.type == "choice" and one.default and one.default not in one.choices:
                problems.append(f"{at}: default {one.default} is none of the values")
            if one.pattern and not re.fullmatch(one.pattern, one.pattern_example or ""):
                problems.append(f"{at}: the example does not match the pattern")
            if one.min_length is not None and one.max_length is not None and one.min_length > one.max_length:
                problems.append(f"{at}: no length is possible")
            if one.default and " + " in one.default and one.default.split(" + ")[0] not in names:
                problems.append(f"{at}: default follows an unknown field")
            if (
                one.minimum
                and one.maximum
                and _number(one.minimum) is not None
                and _number(one.maximum) is not None
                and float(one.minimum) > float(one.maximum)
            ):
                problems.append(f"{at}: no value is possible")
            if made := one.computed:
                problems += _computed(
                    blueprint, record, made.how, made.fields, made.record, made.when, made.minus_when, at
                )
    return problems


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(?:\.\d+)?", text) else None


def _computed(
    blueprint: Blueprint,
    record: Record,
    how: str,
    fields: tuple[str, ...],
    other: str | None,
    when: tuple[Condition, ...],
    minus: tuple[Condition, ...],
    at: str,
) -> list[str]:
    names = {one.name: one for one in record.fields}
    if how.startswith("rollup"):
        child = next((one for one in blueprint.records if one.name == other), None)
        if child is None:
            return [f"{at}: sums up unknown record {other}"]
        there = {one.name for one in child.fields}
        problems = [f"{at}: sums up unknown field {name}" for name in fields if name not in there]
        if not any(one.references == record.name for one in child.fields):
            problems.append(f"{at}: {child.name} does not refer to {record.name}")
        return problems + _conditions((*when, *minus), child, at)
    if how == "lookup":
        source = names.get(fields[0])
        target = next((one for one in blueprint.records if source and one.name == source.references), None)
        if target is None or fields[1] not in {one.name for one in target.fields}:
            return [f"{at}: looks up what is not there"]
        return []
    return [f"{at}: uses unknown field {name}" for name in fields if name not in names] + _conditions(when, record, at)


def _conditions(when: tuple[Condition, ...], record: Record, at: str) -> list[str]:
    fields = {one.name: one for one in record.fields}
    problems = []
    for one in when:
        if one.field not in fields:
            problems.append(f"{at}: a condition asks for unknown field {one.field}")
            continue
        if one.other and one.other not in fields:
            problems.append(f"{at}: a condition compares with unknown field {one.other}")
        field = fields[one.field]
        if field.type == "choice" and one.is_ in ("equal", "not equal") and one.value not in field.choices:
            problems.append(f"{at}: {one.value} is no value of {field.name}")
        if (
            one.is_ in ("equal", "not equal", "less", "at most", "more", "at least", "within days")
            and one.value is None
            and one.other is None
        ):
            problems.append(f"{at}: a condition on {field.name} compares with nothing")
        dated = field.type in ("date", "date-time")
        if not dated and one.is_ in (
            "before today",
            "today",
            "after today",
            "not before today",
            "not after today",
            "this month",
            "within days",
            "anniversary this month",
        ):
            problems.append(f"{at}: {field.name} is no date")
    return problems


def _parts(blueprint: Blueprint) -> list[str]:
    problems = []
    records = {one.name: one for one in blueprint.records}
    for index, rule in enumerate(blueprint.rules):
        problems += _rule(rule, records, f"rule {index}")
    for index, action in enumerate(blueprint.actions):
        problems += _part(action.record, action.when, action.sets, records, f"action {index}")
    for index, view in enumerate(blueprint.views):
        used = (*view.columns, *view.filters, *((view.sort,) if view.sort else ()))
        problems += _part(view.record, view.when, used, records, f"view {index}")
    for index, total in enumerate(blueprint.totals):
        used = tuple(name for name in (total.field, total.group_by) if name)
        problems += _part(total.record, total.when, used, records, f"total {index}")
        if total.how != "count" and not total.field:
            problems.append(f"total {index}: adds up nothing")
    for index, highlight in enumerate(blueprint.highlights):
        problems += _part(highlight.record, highlight.when, (), records, f"highlight {index}")
    return problems


def _part(
    name: str, when: tuple[Condition, ...], used: Iterable[str], records: dict[str, Record], at: str
) -> list[str]:
    record = records.get(name)
    if record is None:
        return [f"{at}: unknown record {name}"]
    names = {one.name for one in record.fields}
    return [f"{at}: unknown field {field}" for field in used if field not in names] + _conditions(when, record, at)


def _rule(rule: Rule, records: dict[str, Record], at: str) -> list[str]:
    record = records.get(rule.record)
    if record is None:
        return [f"{at}: unknown record {rule.record}"]
    names = {one.name: one for one in record.fields}
    own = rule.fields[1:] if rule.kind == "not below zero" else rule.fields
    problems = [f"{at}: unknown field {name}" for name in (*own, *rule.scope) if name not in names]
    first = names.get(rule.fields[0]) if rule.fields else None
    referred = records.get(first.references or "") if first else None
    if rule.kind == "reference condition" and referred is None:
        problems.append(f"{at}: its field is no reference")
    if rule.limit_field and (referred is None or rule.limit_field not in {one.name for one in referred.fields}):
        problems.append(f"{at}: unknown limit {rule.limit_field}")
    if rule.kind == "at most" and rule.limit is None and rule.limit_field is None:
        problems.append(f"{at}: no limit")
    target = referred if rule.kind == "reference condition" and referred else record
    return problems + _conditions(rule.when, target, at)


def _claims(blueprint: Blueprint) -> list[str]:
    problems = []
    records = {one.name: one for one in blueprint.records}
    for number, claim in enumerate(blueprint.claims, 1):
        at = f"claim {number} ({claim.kind})"
        if claim.kind == "not covered":
            continue
        if claim.record not in records:
            problems.append(f"{at}: unknown record {claim.record}")
            continue
        names = {one.name for one in records[claim.record].fields}
        if claim.kind in _ABOUT_FIELD and claim.field not in names:
            problems.append(f"{at}: unknown field {claim.field}")
        if claim.kind in _INDEXED:
            parts = getattr(blueprint, _INDEXED[claim.kind])
            if claim.index is None or not 0 <= claim.index < len(parts):
                problems.append(f"{at}: there is no {claim.kind} {claim.index}")
    return problems
