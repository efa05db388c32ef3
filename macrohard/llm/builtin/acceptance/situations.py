"""Finds records that meet, or just miss, conditions: at the edges, through computed values, children and actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice, product
from typing import TYPE_CHECKING, TypeAlias

from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, Row, cell_of
from macrohard.llm.builtin.acceptance.samples import NUMBERS, NoSample, beyond, sample, within
from macrohard.llm.builtin.blueprint import Action, Computed, Condition, Field

if TYPE_CHECKING:
    from macrohard.llm.builtin.acceptance.script import Script

Wanted: TypeAlias = dict[str, Cell]
Test: TypeAlias = Callable[[Row], bool]
_DAYS = (0, -1, 1, -10, 10, -40, 40)
_AMOUNTS = (Decimal(2), Decimal(1), Decimal(5), Decimal(20), Decimal(100), Decimal(1000))


class Situation:
    """A drafted record, and what is to be done after adding it."""

    def __init__(self, row: Row, children: tuple[Row, ...] = (), actions: tuple[Action, ...] = ()) -> None:
        self.row = row
        self.children = children
        self.actions = actions

    def set_up(self, script: Script) -> Row:
        """Add the record and do the rest."""
        script.enter(self.row)
        for child in self.children:
            script.enter(child)
        for action in self.actions:
            script.act(self.row, action)
        return self.row


def set_up(script: Script, record: str, conditions: tuple[Condition, ...], base: Wanted | None = None) -> Row:
    """Add a record that meets the conditions.

    Raises:
        NoSample: none was found.
    """
    return situation(script, record, conditions, base=base).set_up(script)


def situation(
    script: Script,
    record: str,
    conditions: tuple[Condition, ...],
    *,
    missed: Condition | None = None,
    edge: Wanted | None = None,
    base: Wanted | None = None,
    also: Test | None = None,
) -> Situation:
    """A record that meets all conditions except `missed`; `edge` gives the values to meet or miss one of them with.

    `also` is what must hold for it besides.

    Raises:
        NoSample: none was found.
    """
    base = base or {}

    def right(row: Row) -> bool:
        meets = all(script.world.meets(row, (one,)) == (one is not missed) for one in conditions)
        return meets and (also is None or also(row))

    settled = edge or {}
    options = [
        list(islice(solutions(script, record, one, holds=one is not missed), 12)) or [{}]
        for one in conditions
        if not (set(settled) & _touched(script, record, one))
    ]
    drafts: list[Row] = []
    for way in islice(product(*options), 200):
        wanted: Wanted = {}
        for part in way:
            wanted = {**part, **wanted}
        try:
            row = script.draft(record, {**wanted, **settled, **base})
        except NoSample:
            continue
        if right(row):
            return Situation(row)
        if len(drafts) < 4:
            drafts.append(row)
    for row in drafts:
        if found := _with_children(script, row, conditions, right) or _with_actions(script, row, right):
            return found
    raise NoSample(f"no {script.blueprint.record(record).label} that meets these conditions")


def edges_of(script: Script, record: str, condition: Condition, *, holds: bool) -> list[Wanted]:
    """Values on the edge of the condition, for one that is about a date or a number; else any one way."""
    found = list(islice(solutions(script, record, condition, holds=holds), 12))
    field = script.blueprint.record(record).field(condition.field)
    if field.type in {"date", "date-time"} and condition.is_ not in {"equal", "not equal", "empty", "not empty"}:
        return found[:3]
    if condition.is_ in {"at most", "at least", "less", "more"} and not field.computed:
        return found[:2]
    return found[:1]


def solutions(script: Script, record: str, condition: Condition, *, holds: bool) -> Iterator[Wanted]:
    """Values to give a record so that the condition may hold, or may not; to be tried in this order."""
    field = script.blueprint.record(record).field(condition.field)
    if field.computed:
        yield from _through(script, record, field, field.computed, condition, holds)
        return
    for wanted in _direct(script, record, field, condition, holds):
        cell = wanted.get(field.name)
        base, _, distance = (field.default or "").partition(" + ")
        if field.automatic and distance.endswith("d") and isinstance(cell, Day):
            yield {base: cell.plus(-int(distance[:-1]))}
        elif not field.automatic:
            yield wanted


def _touched(script: Script, record: str, condition: Condition) -> set[str]:
    return {name for wanted in islice(solutions(script, record, condition, holds=True), 3) for name in wanted} | {
        condition.field
    }


def _direct(script: Script, record: str, field: Field, condition: Condition, holds: bool) -> Iterator[Wanted]:
    if condition.is_ in {"empty", "not empty"}:
        if (condition.is_ == "empty") == holds:
            yield {field.name: False if field.type == "yes/no" else None}
        elif field.type == "reference":
            for row in _referenced(script, field):
                yield {field.name: row}
        else:
            yield from ({field.name: script.sample(field, number)} for number in range(4))
        return
    if condition.other:
        yield from _compared(script, record, field, condition, holds)
        return
    if field.type in {"date", "date-time"} and condition.is_ not in {"equal", "not equal"}:
        for day in _days(condition, holds):
            yield {field.name: Moment(day, 9 * 60 + 30) if field.type == "date-time" else day}
        return
    target = cell_of(field, condition.value or "")
    yield from ({field.name: cell} for cell in _cells(field, condition.is_, target, holds))


def _days(condition: Condition, holds: bool) -> tuple[Day, ...]:
    within = int(condition.value or 0) if condition.is_ == "within days" else 0
    inside, outside = {
        "before today": ((Day(-1), Day(-30)), (Day(), Day(1))),
        "today": ((Day(),), (Day(-1), Day(1))),
        "after today": ((Day(1), Day(30)), (Day(), Day(-1))),
        "not before today": ((Day(), Day(1)), (Day(-1),)),
        "not after today": ((Day(), Day(-1)), (Day(1),)),
        "this month": (
            (Day(first_of_month=True), Day(), Day(-1, 1, first_of_month=True)),
            (Day(months=-1), Day(months=1), Day(months=-12)),
        ),
        "anniversary this month": (
            (Day(months=-360), Day(months=-240), Day()),
            (Day(months=-361), Day(months=-239), Day(months=-1)),
        ),
        "within days": ((Day(), Day(within)), (Day(within + 1), Day(-1))),
    }.get(condition.is_, ((), ()))
    days = inside if holds else outside
    return tuple(day for day in days if not (day.first_of_month and day.days))


def _cells(field: Field, relation: str, target: Cell, holds: bool) -> Iterator[Cell]:
    """Values that stand in the relation to the target, or do not, nearest first."""
    relation = relation if holds else _OPPOSITE[relation]
    if relation in {"at most", "at least", "equal"}:
        yield target
    if relation in {"equal"}:
        return
    if relation == "not equal":
        match target:
            case bool():
                yield not target
                return
            case str():
                others = field.choices or tuple(str(sample(field, number)) for number in range(3))
                yield from (other for other in others if other.casefold() != target.casefold())
                return
    for direction in {"less": (-1,), "at most": (-1,), "more": (1,), "at least": (1,)}.get(relation, (1, -1)):
        yield beyond(field, target, direction)
        if isinstance(target, Decimal):
            yield target + 10 * direction


_OPPOSITE = {
    "equal": "not equal", "not equal": "equal", "less": "at least", "at least": "less", "more": "at most",
    "at most": "more",
}  # fmt: skip


def _compared(script: Script, record: str, field: Field, condition: Condition, holds: bool) -> Iterator[Wanted]:
    other = script.blueprint.record(record).field(condition.other or "")
    if other.computed or other.automatic:
        return
    for number in (0, 3):
        target = script.sample(other, number)
        for cell in _cells(field, condition.is_, target, holds):
            yield {field.name: cell, other.name: target}


def _referenced(script: Script, field: Field) -> Iterator[Row]:
    yield from script.world.of(field.references or "")[-1:]
    yield script.draft(field.references or "")


def _through(
    script: Script, record: str, field: Field, computed: Computed, condition: Condition, holds: bool
) -> Iterator[Wanted]:
    """Through the values that a computed one comes from."""
    type_ = script.blueprint.record(record)
    if computed.how == "lookup":
        reference = type_.field(computed.fields[0])
        inner = condition.model_copy(update={"field": computed.fields[1]})
        for wanted in solutions(script, reference.references or "", inner, holds=holds):
            yield {reference.name: script.draft(reference.references or "", wanted)}
        return
    if computed.record is not None:
        yield from _thresholds(script, record, condition)
        return
    when = [next(solutions(script, record, one, holds=True), {}) for one in computed.when]
    fixed = {name: cell for part in when for name, cell in part.items()}
    operands = [type_.field(name) for name in computed.fields]
    today = script.world.today
    options = [[cell for cell in _grid(operand) if within(operand, cell, today)] for operand in operands]
    for cells in product(*options):
        values: Wanted = {**fixed, **dict(zip(computed.fields, cells, strict=True))}
        if script.world.meets(Row(record, dict(values)), (condition,)) == holds:
            yield {name: cell for name, cell in values.items() if cell is not None or name in fixed}


def _thresholds(script: Script, record: str, condition: Condition) -> Iterator[Wanted]:
    yield {}
    if condition.other:
        other = script.blueprint.record(record).field(condition.other)
        if other.type in NUMBERS and not other.computed and not other.automatic:
            for amount in (Decimal(5), Decimal(0), Decimal(10)):
                yield {other.name: amount}


def _grid(field: Field) -> Iterator[Cell]:
    if field.computed or field.automatic:
        yield None
    elif field.type in NUMBERS:
        yield from _AMOUNTS
    elif field.type == "date":
        yield from (Day(days) for days in _DAYS)
    elif field.type == "date-time":
        yield from (Moment(Day(days), 9 * 60 + 30) for days in _DAYS)
    elif field.type == "time":
        yield from (Clock(minute) for minute in (540, 600, 720))
    elif field.type != "reference":
        yield sample(field, 0)


def _with_children(script: Script, row: Row, conditions: tuple[Condition, ...], right: Test) -> Situation | None:
    type_ = script.world.type(row)
    rollups = [one.computed for one in map(type_.field, (c.field for c in conditions)) if one.computed]
    others = [type_.field(c.other).computed for c in conditions if c.other]
    for computed in [*rollups, *(other for other in others if other)]:
        if computed.record is None:
            continue
        child_type = script.blueprint.record(computed.record)
        link = next(field.name for field in child_type.fields if field.references == row.record)
        for amount in (*_AMOUNTS, Decimal(6), Decimal(10)):
            children: list[Row] = []
            script.world.rows.append(row)
            try:
                for _ in range(1 if computed.how == "rollup sum" else 4):
                    child = _child(script, computed, link, row, amount)
                    script.world.rows.append(child)
                    children.append(child)
                    if right(row):
                        return Situation(row, tuple(children))
            except NoSample:
                continue
            finally:
                for one in (row, *children):
                    script.world.rows.remove(one)
    return None


def _child(script: Script, computed: Computed, link: str, row: Row, amount: Decimal) -> Row:
    wanted: Wanted = {link: row}
    for condition in computed.when:
        wanted |= next(solutions(script, computed.record or "", condition, holds=True), {})
    if computed.how == "rollup sum":
        field = script.blueprint.record(computed.record or "").field(computed.fields[0])
        if field.computed:
            exactly = Condition(field=field.name, is_="equal", value=str(amount))
            wanted |= next(solutions(script, computed.record or "", exactly, holds=True), {})
        else:
            wanted[field.name] = amount
    return script.draft(computed.record or "", wanted)


def _with_actions(script: Script, row: Row, right: Test) -> Situation | None:
    """Up to two actions that lead there, each allowed when it is taken."""
    actions = [action for action in script.blueprint.actions if action.record == row.record]
    queue: list[tuple[Row, tuple[Action, ...]]] = [(row, ())]
    while queue:
        now, taken = queue.pop(0)
        if taken and right(now):
            return Situation(row, (), taken)
        for action in actions if len(taken) < 2 else ():
            if script.world.meets(now, action.when):
                then = script.world.hypothetically(now, script.world.after(now, action))
                if not script.world.problems(then):
                    queue.append((then, (*taken, action)))
    return None
