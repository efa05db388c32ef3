"""What is built, in sentences that a test can decide."""

import re

from macrohard.llm.builtin.blueprint import Blueprint, Condition, Field, Record, Rule
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft
from macrohard.llm.builtin.understanding.words import article, is_plural, listed, lower_label


def with_article(items: list[str]) -> str:
    """The list with an article before its first thing, if that needs one."""
    first = items[0].split(" (")[0]
    if not first.startswith("“") and not is_plural(first.split()[-1]) and first not in _UNCOUNTABLE:
        items = [article(items[0]), *items[1:]]
    return listed(items)


_UNCOUNTABLE = (
    "feedback",
    "stock",
    "equipment",
    "information",
    "text",
    "time in",
    "time out",
    "availability",
    "mileage",
)


def described_field(one: FieldDraft, draft: Draft) -> str:
    name = lower_label(one.label)
    if one.type == "choice":
        return f"{name} ({', '.join(one.value.choices)})"
    if one.type == "yes/no":
        return f"“{one.label}” (yes or no)"
    if one.type == "long text":
        return f"{name} (several lines)"
    if one.type == "reference" and (target := draft.record(one.value.references or "")):
        return f"{name} (one of the {lower_label(target.plural)})" if target.label != one.label else f"{name}"
    return name


def unit_text(value: Field) -> str:
    if value.type == "money" and value.currency:
        return f", shown with {value.currency}"
    return f", in {value.unit}" if value.unit else ""


def moment_text(value: str) -> str:
    """ "today+30d" in words."""
    match = re.fullmatch(r"today([+-])(\d+)([dwmy])", value)
    if not match:
        return value
    unit = {"d": "day", "w": "week", "m": "month", "y": "year"}[match[3]]
    count = f"{match[2]} {unit}{'s' if match[2] != '1' else ''}"
    return f"{count} {'from now' if match[1] == '+' else 'ago'}"


def range_text(value: Field) -> str:
    """What `minimum` and `maximum` allow."""
    low, high = value.minimum, value.maximum
    if value.type in ("date", "date-time"):
        if low == "today" and high is None:
            return "today or later"
        if high == "today" and low is None:
            return "today or earlier"
        parts = ([f"not before {moment_text(low)}"] if low else []) + (
            [f"not after {moment_text(high)}"] if high else []
        )
        return " and ".join(parts)
    if low is not None and high is not None:
        return (
            f"{'more than' if value.exclusive_minimum else 'from'} {low} "
            f"{'and at most' if value.exclusive_minimum else 'to'} {high}"
        )
    if low is not None:
        return f"{'more than' if value.exclusive_minimum else 'at least'} {low}"
    return f"at most {high}"


def length_text(value: Field) -> str:
    """What the lengths allow."""
    low, high = value.min_length, value.max_length
    if low is not None and high is not None:
        return f"exactly {low} characters" if low == high else f"{low} to {high} characters"
    return f"at least {low} characters" if low is not None else f"at most {high} characters"


def default_text(value: Field, record: RecordDraft) -> str:
    """What a form offers at first."""
    name, default = lower_label(value.label), value.default or ""
    if match := re.fullmatch(r"(\w+) \+ (\d+)d", default):
        source = record.get(match[1])
        return (
            f"{name} = {lower_label(source.label) if source else match[1]} plus {match[2]} days, unless another is "
            f"entered"
        )
    if default in ("today", "now"):
        return f"{default if default == 'today' else 'the current time'} as {name}"
    if default.startswith("today+"):
        return f"{name} {moment_text(default)}"
    return f"“{default}” as {name}"


def computed_text(value: Field, record: RecordDraft, blueprint: Blueprint) -> str:
    """How a computed value comes about."""
    made = value.computed
    assert made is not None
    labels = {one.name: lower_label(one.label) for one in record.fields}
    names = [labels.get(name, name) for name in made.fields]
    start = f"{value.label} of {article(lower_label(record.label))} is shown and can't be entered:"
    if made.how in ("rollup sum", "rollup count"):
        child = blueprint.record(made.record or "")
        many = lower_label(child.plural)
        when = f" where {conditions_text(made.when, child)}" if made.when else ""
        if made.how == "rollup count":
            return f"{start} it is the number of its {many}{when}."
        what = lower_label(child.field(made.fields[0]).label)
        less = f", less those where {conditions_text(made.minus_when, child)}" if made.minus_when else ""
        return f"{start} it is the sum of {what} of its {many}{when}{less}."
    if made.how == "lookup":
        return f"{start} it is that of the chosen {names[0]}."
    if made.how == "days late":
        condition = f" while {conditions_text(made.when, blueprint.record(record.name))}" if made.when else ""
        return f"{start} it is the number of days since {names[0]}{condition}, else 0 or nothing."
    how = {
        "product": f"{' × '.join(names)}",
        "sum": " + ".join(names),
        "difference": " − ".join(names),
        "days until": f"days from today to {names[0]}",
        "age": f"full years since {names[0]}",
        "concat": " and ".join(names),
    }[made.how]
    return f"{start} it is {how}."


def conditions_text(when: tuple[Condition, ...], record: Record) -> str:
    """Conditions as a phrase: "returned on is empty and due date is before today"."""
    return " and ".join(_condition_text(one, record) for one in when)


def _condition_text(one: Condition, record: Record) -> str:
    field = record.field(one.field)
    name = lower_label(field.label)
    if field.type == "yes/no":
        yes = (one.value == "yes") == (one.is_ == "equal")
        return f"{name} is {'ticked' if yes else 'not ticked'}"
    value = lower_label(record.field(one.other).label) if one.other else (one.value or "")
    shown = f"“{value}”" if field.type in ("choice", "text", "reference") and not one.other else value
    words = {
        "equal": f"is {shown}", "not equal": f"is not {shown}", "empty": "is empty", "not empty": "is filled in",
        "less": f"is less than {value}", "at most": f"is at most {value}",
        "more": f"is more than {value}", "at least": f"is at least {value}", "before today": "is before today",
        "today": "is today", "after today": "is after today",
        "not before today": "is today or later", "not after today": "is today or earlier",
        "this month": "is in this month", "within days": f"is from today to {value} days from now",
        "anniversary this month": "falls into this month in any year",
    }  # fmt: skip
    return f"{name} {words[one.is_]}"


def set_text(field: Field, value: str) -> str:
    name = lower_label(field.label)
    if field.type == "yes/no":
        return f"{name} to {'yes' if value == 'yes' else 'no'}"
    if match := re.fullmatch(r"([+-])(\d+)d", value):
        return f"{name} {match[2]} days {'later' if match[1] == '+' else 'earlier'}"
    if value in ("+1", "-1"):
        return f"{name} one {'higher' if value == '+1' else 'lower'}"
    if value == "empty":
        return f"{name} to nothing"
    return f"{name} to {'the current time' if value == 'now' else value if value == 'today' else f'“{value}”'}"


def rule_text(rule: Rule, blueprint: Blueprint) -> str:
    """A rule as a testable sentence."""
    record = blueprint.record(rule.record)
    low = lower_label(record.label)
    names = [
        lower_label(record.field(name).label) for name in rule.fields if any(one.name == name for one in record.fields)
    ]
    condition_of = record if rule.kind != "reference condition" else _target(rule, blueprint)
    where = f" among {lower_label(record.plural)} where {conditions_text(rule.when, condition_of)}" if rule.when else ""
    end = f" is refused with “{rule.message}”."
    if rule.kind == "order":
        word = (
            ("the same as or before" if rule.strict else "before")
            if record.field(rule.fields[0]).type in ("date", "date-time", "time")
            else ("not more than" if rule.strict else "less than")
        )
        return f"{article(low).capitalize()} whose {names[1]} is {word} its {names[0]}{end}"
    if rule.kind == "unique together":
        return f"A second {low} with the same {listed(names)}{where}{end}"
    if rule.kind == "at most":
        limit = (
            f"the {lower_label(_target(rule, blueprint).field(rule.limit_field).label)} of the {names[0]}"
            if rule.limit_field
            else str(rule.limit)
        )
        return f"One more {low} than {limit} for the same {listed(names)}{where}{end}"
    if rule.kind == "no overlap":
        scope = [lower_label(record.field(name).label) for name in rule.scope]
        same = f" for the same {listed(scope)}" if scope else ""
        return (
            f"{article(low).capitalize()} whose time from {names[0]} to {names[1]} overlaps that of "
            f"another{same}{where}{end}"
        )
    if rule.kind == "reference condition":
        return (
            f"{article(low).capitalize()} is refused with “{rule.message}” unless, for the chosen {names[0]}, "
            f"{conditions_text(rule.when, _target(rule, blueprint))}."
        )
    if rule.kind == "required when":
        return f"{article(low).capitalize()} without {names[0]}, where {conditions_text(rule.when, record)},{end}"
    if rule.kind == "not below zero":
        target = blueprint.record(record.field(rule.fields[1]).references or "")
        return (
            f"{article(low).capitalize()} that would make {lower_label(target.field(rule.fields[0]).label)} of its "
            f"{lower_label(target.label)} negative{end}"
        )
    return f"Deleting {article(low)} that other records still point to{end}"


def _target(rule: Rule, blueprint: Blueprint) -> Record:
    return blueprint.record(blueprint.record(rule.record).field(rule.fields[0]).references or "")
