"""What a right product would hold, show and refuse: the oracle that every expectation in a scenario comes from."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from macrohard.llm.builtin.acceptance.cells import EMPTY, Cell, Clock, Day, Moment, Row, cell_of, literal
from macrohard.llm.builtin.acceptance.samples import NUMBERS, edges, shown_number
from macrohard.llm.builtin.blueprint import Action, Blueprint, Computed, Condition, Field, Record, Rule

_RELATIONS = frozenset({"equal", "not equal", "less", "at most", "more", "at least"})


class World:
    """The records of one scenario, and what follows from the blueprint for them."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.today = date.today()
        self.rows: list[Row] = []

    def of(self, record: str) -> list[Row]:
        """The records of that type, in the order they were added."""
        return [row for row in self.rows if row.record == record]

    def type(self, row: Row) -> Record:
        """The record type of the row."""
        return self.blueprint.record(row.record)

    def value(self, row: Row, name: str) -> Cell:
        """What the field holds, or what is computed for it."""
        field = self.type(row).field(name)
        return self._computed(row, field.computed) if field.computed else row.values.get(name)

    def shown(self, row: Row, name: str) -> str:
        """As lists and details show it, with placeholders for dates."""
        return self.text(self.type(row).field(name), self.value(row, name))

    def text(self, field: Field, cell: Cell) -> str:
        """The value as lists and details show it."""
        match cell:
            case None | "":
                return EMPTY
            case bool():
                return "Yes" if cell else "No"
            case Decimal():
                return literal(shown_number(field, cell))
            case Day() | Clock() | Moment():
                return cell.text
            case Row():
                return self.title(cell)
        return literal(cell)

    def title(self, row: Row) -> str:
        """What the record is called in lists and references."""
        return self.shown(row, self.type(row).title_field)

    def handle(self, row: Row, columns: Iterable[str] | None = None) -> str:
        """A text that stands in this row of its list and in no other.

        Raises:
            LookupError: the row looks like another one.
        """
        record = self.type(row)
        names = [record.title_field, *(columns or (field.name for field in record.fields))]
        others = [other for other in self.of(row.record) if other is not row]
        taken = [self.shown(other, field.name) for other in others for field in record.fields]
        for name in dict.fromkeys(names):
            shown = self.shown(row, name)
            if shown != EMPTY and len(shown) > 1 and not any(shown in text for text in taken):
                return shown
        raise LookupError(f"no text tells this {record.label} from the others")

    def meets(self, row: Row, conditions: Iterable[Condition]) -> bool:
        """Whether all conditions hold for the record."""
        return all(self._holds(row, condition) for condition in conditions)

    def problems(self, row: Row) -> list[str]:
        """The messages of all that forbids to save the record as it is; the row itself may be among the rows."""
        record = self.type(row)
        found = [message for field in record.fields for message in self._field_problems(row, field)]
        return found + [
            rule.message for rule in self.blueprint.rules if rule.record == row.record and self.breaks(row, rule)
        ]

    def after(self, row: Row, action: Action) -> dict[str, Cell]:
        """The record's values once the action was carried out."""
        values = dict(row.values)
        record = self.type(row)
        for name, setting in action.sets.items():
            values[name] = self._set(record.field(name), row.values.get(name), setting)
        return values

    def hypothetically(self, row: Row, values: dict[str, Cell]) -> "Row":
        """A copy of the record with these values instead; not among the rows."""
        return Row(row.record, {**row.values, **values}, instead_of=row)

    def _set(self, field: Field, now: Cell, setting: str) -> Cell:
        if setting == "empty":
            return False if field.type == "yes/no" else None
        if setting[:1] in "+-" and isinstance(now, Day) and setting.endswith("d"):
            return now.plus(int(setting[:-1]))
        if setting[:1] in "+-" and isinstance(now, Moment) and setting.endswith("d"):
            return Moment(now.day.plus(int(setting[:-1])), now.minute)
        if setting[:1] in "+-" and field.type in NUMBERS:
            return (now if isinstance(now, Decimal) else Decimal(0)) + Decimal(setting)
        return cell_of(field, setting)

    def plain(self, cell: Cell) -> str | Decimal | int | bool | Row | None:
        """The value in a form that can be compared with others of its type."""
        match cell:
            case Day():
                return cell.on(self.today).toordinal() * 1440
            case Moment():
                return cell.day.on(self.today).toordinal() * 1440 + (720 if cell.minute is None else cell.minute)
            case Clock():
                return 720 if cell.minute is None else cell.minute
            case str():
                return cell.strip().casefold() or None
        return cell

    def sort_key(self, row: Row, field: Field) -> tuple[object, ...] | None:
        """What a list is sorted by; None for no value, which comes last either way."""
        cell = self.value(row, field.name)
        if isinstance(cell, Row):
            return natural(self.title(cell))
        plain = self.plain(cell)
        if plain is None:
            return None
        if field.type == "choice" and cell in field.choices:
            return (field.choices.index(str(cell)),)
        return natural(str(cell)) if isinstance(cell, str) else (plain,)

    def _holds(self, row: Row, condition: Condition) -> bool:
        cell = self.value(row, condition.field)
        if isinstance(cell, Moment) and condition.is_ not in _RELATIONS:
            cell = cell.day
        match condition.is_:
            case "empty":
                return cell in (None, "")
            case "not empty":
                return cell not in (None, "")
            case "equal" | "not equal":
                same = self.plain(cell) == self.plain(self._operand(row, condition))
                return same == (condition.is_ == "equal")
        if cell is None:
            return False
        if isinstance(cell, Day):
            there, days = cell.on(self.today), (cell.on(self.today) - self.today).days
            match condition.is_:
                case "before today":
                    return days < 0
                case "today":
                    return days == 0
                case "after today":
                    return days > 0
                case "not before today":
                    return days >= 0
                case "not after today":
                    return days <= 0
                case "this month":
                    return (there.year, there.month) == (self.today.year, self.today.month)
                case "anniversary this month":
                    return there.month == self.today.month
                case "within days":
                    return 0 <= days <= int(condition.value or 0)
        mine, other = self.plain(cell), self.plain(self._operand(row, condition))
        if isinstance(mine, (Decimal, int)) and isinstance(other, (Decimal, int)):
            match condition.is_:
                case "less":
                    return mine < other
                case "at most":
                    return mine <= other
                case "more":
                    return mine > other
                case "at least":
                    return mine >= other
        return False

    def _operand(self, row: Row, condition: Condition) -> Cell:
        if condition.other:
            return self.value(row, condition.other)
        return cell_of(self.type(row).field(condition.field), condition.value or "")

    def _computed(self, row: Row, computed: Computed) -> Cell:
        match computed.how:
            case "lookup":
                target = row.values.get(computed.fields[0])
                return self.value(target, computed.fields[1]) if isinstance(target, Row) else None
            case "concat":
                texts = [self.shown(row, name) for name in computed.fields]
                return " ".join(text for text in texts if text != EMPTY)
            case "rollup sum" | "rollup count":
                return self._rollup(row, computed)
        cells = [self.value(row, name) for name in computed.fields]
        if computed.how in {"product", "sum"}:
            numbers = [cell for cell in cells if isinstance(cell, Decimal)]
            if computed.how == "sum":
                return sum(numbers, Decimal(0)) if numbers else None
            result = Decimal(1)
            for number in numbers:
                result *= number
            return result if len(numbers) == len(cells) else None
        if computed.how == "difference":
            return self._difference(cells[0], cells[1])
        day = cells[0].day if isinstance(cells[0], Moment) else cells[0]
        if not isinstance(day, Day):
            return None
        then = day.on(self.today)
        match computed.how:
            case "days late":
                late = (self.today - then).days
                return Decimal(max(late, 0)) if self.meets(row, computed.when) else None
            case "days until":
                return Decimal((then - self.today).days)
        return Decimal(self.today.year - then.year - ((self.today.month, self.today.day) < (then.month, then.day)))

    def _difference(self, one: Cell, other: Cell) -> Cell:
        if isinstance(one, Decimal) and isinstance(other, Decimal):
            return one - other
        first, second = self.plain(one), self.plain(other)
        if not isinstance(first, int) or not isinstance(second, int):
            return None
        hours_or_days = Decimal(first - second) / (1440 if isinstance(one, Day) else 60)
        return hours_or_days.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def _rollup(self, row: Row, computed: Computed) -> Decimal:
        total = Decimal(0)
        record = self.blueprint.record(computed.record or "")
        links = [field.name for field in record.fields if field.references == row.record]
        for child in self.of(record.name):
            if not any(child.values.get(link) is row for link in links):
                continue
            amount = Decimal(1)
            if computed.how == "rollup sum":
                cell = self.value(child, computed.fields[0])
                amount = cell if isinstance(cell, Decimal) else Decimal(0)
            if computed.minus_when and self.meets(child, computed.minus_when):
                total -= amount
            elif self.meets(child, computed.when):
                total += amount
        return total

    def _field_problems(self, row: Row, field: Field) -> Iterator[str]:
        cell = self.value(row, field.name)
        if cell in (None, ""):
            if field.required:
                yield f"{field.label} is required."
            return
        if field.computed:
            return
        if field.unique and any(
            self.plain(other.values.get(field.name)) == self.plain(cell) for other in self.others(row)
        ):
            yield f"{field.label} is already used."
        mine = self.plain(cell.day if isinstance(cell, Moment) else cell)
        lowest, highest = (
            self.plain(edge.day if isinstance(edge, Moment) else edge) if field.minimum or field.maximum else None
            for edge in edges(field)
        )
        if isinstance(mine, (int, Decimal)):
            if isinstance(lowest, (int, Decimal)) and mine < lowest:
                yield f"{field.label} must be at least"
            if isinstance(highest, (int, Decimal)) and mine > highest:
                yield f"{field.label} must be at most"

    def breaks(self, row: Row, rule: Rule) -> bool:
        """Whether saving the record as it is would break the rule."""
        match rule.kind:
            case "order":
                first, second = (self.plain(self.value(row, name)) for name in rule.fields[:2])
                if not isinstance(first, (int, Decimal)) or not isinstance(second, (int, Decimal)):
                    return False
                if not self.meets(row, rule.when):
                    return False
                return first > second or (rule.strict and first == second)
            case "unique together":
                return self.meets(row, rule.when) and any(
                    self._alike(row, other, rule.fields) for other in self._bound(row, rule)
                )
            case "at most":
                limit = self.limit(row, rule)
                alike = sum(self._alike(row, other, rule.fields) for other in self._bound(row, rule))
                return limit is not None and self.meets(row, rule.when) and alike + 1 > limit
            case "no overlap":
                return self.meets(row, rule.when) and any(
                    self._alike(row, other, rule.scope) and self._overlap(row, other, rule.fields)
                    for other in self._bound(row, rule)
                )
            case "reference condition":
                target = row.values.get(rule.fields[0])
                return isinstance(target, Row) and not self.meets(target, rule.when)
            case "required when":
                return self.meets(row, rule.when) and self.value(row, rule.fields[0]) in (None, "")
            case "not below zero":
                return self._below_zero(row, rule)
        return False

    def limit(self, row: Row, rule: Rule) -> int | None:
        """How many are allowed with this record's scope; None: no limit is set."""
        if rule.limit_field is None:
            return rule.limit
        for name in rule.fields:
            target = row.values.get(name)
            if isinstance(target, Row) and any(field.name == rule.limit_field for field in self.type(target).fields):
                cell = self.value(target, rule.limit_field)
                return int(cell) if isinstance(cell, Decimal) else None
        return None

    def others(self, row: Row) -> list[Row]:
        """The other records of its type."""
        return [other for other in self.of(row.record) if other is not row and other is not row.instead_of]

    def _bound(self, row: Row, rule: Rule) -> list[Row]:
        return [other for other in self.others(row) if self.meets(other, rule.when)]

    def _alike(self, one: Row, other: Row, names: Iterable[str]) -> bool:
        pairs = [(self.plain(self.value(one, name)), self.plain(self.value(other, name))) for name in names]
        return all(mine is not None and mine == theirs for mine, theirs in pairs)

    def _overlap(self, one: Row, other: Row, names: tuple[str, ...]) -> bool:
        spans = []
        for row in (one, other):
            start, end = (self.plain(self.value(row, name)) for name in names[:2])
            if not isinstance(start, (int, Decimal)):
                return False
            spans.append((start, end if isinstance(end, (int, Decimal)) else Decimal("Infinity")))
        (_, first_end), (second_start, _) = sorted(spans, key=lambda span: span[0])
        return second_start < first_end or spans[0][0] == spans[1][0]

    def _below_zero(self, row: Row, rule: Rule) -> bool:
        target = row.values.get(rule.fields[1])
        if not isinstance(target, Row):
            return False
        kept = self.rows
        self.rows = [other for other in kept if other is not row and other is not row.instead_of] + [row]
        try:
            total = self.value(target, rule.fields[0])
        finally:
            self.rows = kept
        return isinstance(total, Decimal) and total < 0


def natural(text: str) -> tuple[object, ...]:
    """Sorts without case, and numbers within by their size: 5a before 10a."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)
