"""Questions about records, and values that are computed from others."""

from datetime import date, datetime, time
from decimal import Decimal

from . import clock, fields
from .declarations import Computed, Condition, Field, Highlight
from .fields import Value, compare, day
from .storage import Row, Storage


def value(storage: Storage, row: Row, name: str) -> Value:
    """What the field of this record holds, computed fields included."""
    field = row.record.field(name)
    if field.computed is None:
        return row.values[name]
    return _computed(storage, row, field, field.computed)


def shown(storage: Storage, row: Row, name: str) -> str:
    """The same as people read it."""
    field, target = resolved(storage, row, name)
    if target is not None:
        return title(storage, target)
    return fields.show(field, None if field.references else value(storage, row, name))


def resolved(storage: Storage, row: Row, name: str) -> tuple[Field, Row | None]:
    """The field, and the record it points to if it is, or looks up, a reference that is filled in."""
    field = row.record.field(name)
    source = looked_up(storage, row.record.name, field)
    if not source.references:
        return field, None
    found = value(storage, row, name)
    assert found is None or isinstance(found, int)
    return source, None if found is None else storage.row(source.references, found)


def looked_up(storage: Storage, record: str, field: Field) -> Field:
    """The field itself, or the one at the end of its look-ups."""
    while field.computed and field.computed.how == "lookup":
        reference, name = field.computed.fields
        record = storage.product.record(record).field(reference).references or record
        field = storage.product.record(record).field(name)
    return field


def title(storage: Storage, row: Row) -> str:
    """What the record is called."""
    text = shown(storage, row, row.record.title_field)
    return f"{row.record.label} {row.id}" if text == fields.EMPTY else text


def highlights(storage: Storage, row: Row) -> list[Highlight]:
    """The highlights that apply to the record."""
    return [
        one for one in storage.product.highlights if one.record == row.record.name and holds(storage, row, one.when)
    ]


def holds(storage: Storage, row: Row, conditions: tuple[Condition, ...]) -> bool:
    """Whether the record meets all of the conditions."""
    return all(_holds(storage, row, condition) for condition in conditions)


def _holds(storage: Storage, row: Row, condition: Condition) -> bool:
    found = value(storage, row, condition.field)
    if condition.test in {"empty", "not empty"}:
        return (found is None or found == "") == (condition.test == "empty")
    if condition.test in {"equal", "not equal"}:
        same = _comparable(found) == _comparable(_compared(storage, row, condition))
        return same == (condition.test == "equal")
    if condition.test in {"less", "at most", "more", "at least"}:
        return _in_order(found, _compared(storage, row, condition), condition.test)
    on = day(found)
    return on is not None and _about_today(on, condition)


def _about_today(on: date, condition: Condition) -> bool:
    today = clock.today()
    match condition.test:
        case "before today":
            return on < today
        case "today":
            return on == today
        case "after today":
            return on > today
        case "not before today":
            return on >= today
        case "not after today":
            return on <= today
        case "this month":
            return (on.year, on.month) == (today.year, today.month)
        case "anniversary this month":
            return on.month == today.month
        case "within days":
            return 0 <= (on - today).days <= int(condition.value or 0)
    raise ValueError(f"unknown condition: {condition.test}")


def _compared(storage: Storage, row: Row, condition: Condition) -> Value:
    """What a condition compares with; for a reference also the title of the record it points to."""
    if condition.other is not None:
        return value(storage, row, condition.other)
    field = looked_up(storage, row.record.name, row.record.field(condition.field))
    text = condition.value or ""
    if field.references:
        matching = [
            one for one in storage.rows(field.references) if _comparable(title(storage, one)) == text.casefold()
        ]
        return matching[0].id if matching else None
    return fields.literal(field, text)


def _comparable(found: Value) -> Value:
    if isinstance(found, str):
        return found.casefold()
    return None if found == "" else found


def _in_order(left: Value, right: Value, test: str) -> bool:
    if left is None or right is None or isinstance(left, str) or isinstance(right, str):
        return False
    order = compare(left, right)
    return {"less": order < 0, "at most": order <= 0, "more": order > 0, "at least": order >= 0}[test]


def _computed(storage: Storage, row: Row, field: Field, computed: Computed) -> Value:
    match computed.how:
        case "rollup sum" | "rollup count":
            return _rollup(storage, row, field, computed)
        case "lookup":
            target = resolved(storage, row, computed.fields[0])[1]
            return None if target is None else value(storage, target, computed.fields[1])
        case "days late" | "days until" | "age":
            return _since(storage, row, computed)
        case "concat":
            texts = [shown(storage, row, name) for name in computed.fields]
            return " ".join(text for text in texts if text != fields.EMPTY) or None
    operands = [value(storage, row, name) for name in computed.fields]
    if computed.how == "difference" and isinstance(operands[0], date | time):
        return _span(operands[0], operands[1])
    numbers = [_number(operand) for operand in operands]
    known = [number for number in numbers if number is not None]
    if not known or (computed.how != "sum" and len(known) < len(numbers)):
        return None
    result = known[0]
    for number in known[1:]:
        if computed.how == "product":
            result *= number
        else:
            result += number if computed.how == "sum" else -number
    return _as_type(field, result)


def _rollup(storage: Storage, row: Row, field: Field, computed: Computed) -> Value:
    assert computed.record is not None
    result = Decimal(0)
    children = {
        child.id: child
        for record, reference in storage.product.referrers(row.record.name)
        if record.name == computed.record
        for child in storage.alike(record.name, reference.name, row.id)
    }
    for child in children.values():
        amount = Decimal(1)
        if computed.how == "rollup sum":
            amount = _number(value(storage, child, computed.fields[0])) or Decimal(0)
        if computed.minus_when and holds(storage, child, computed.minus_when):
            result -= amount
        elif holds(storage, child, computed.when):
            result += amount
    return _as_type(field, result)


def _since(storage: Storage, row: Row, computed: Computed) -> Value:
    on, today = day(value(storage, row, computed.fields[0])), clock.today()
    if on is None:
        return None
    if computed.how == "days until":
        return (on - today).days
    if computed.how == "age":
        return today.year - on.year - ((today.month, today.day) < (on.month, on.day))
    return max((today - on).days, 0) if holds(storage, row, computed.when) else None


def _span(start: Value, end: Value) -> Value:
    """The first minus the second: of dates in days, of times and date-times in hours."""
    if isinstance(start, time) and isinstance(end, time):
        minutes = (start.hour - end.hour) * 60 + start.minute - end.minute
        return fields.cents(Decimal(minutes) / 60)
    if isinstance(start, datetime) and isinstance(end, datetime):
        return fields.cents(Decimal(int((start - end).total_seconds())) / 3600)
    first, second = day(start), day(end)
    return None if first is None or second is None else (first - second).days


def _number(found: Value) -> Decimal | None:
    return Decimal(found) if isinstance(found, int | Decimal) else None


def _as_type(field: Field, number: Decimal) -> Value:
    if field.type == "money":
        return fields.cents(number)
    return int(number) if number == number.to_integral_value() else number
