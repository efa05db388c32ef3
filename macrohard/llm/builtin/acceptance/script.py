"""Writes the steps of one scenario while keeping track of what the product must hold by then."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import islice, product

from macrohard.domain import Step
from macrohard.domain.scenario import Check, Choose, Click, Fill, Open, See, SeeControl, SeeRow, SeeRows
from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, Row, cell_of, literal, typed
from macrohard.llm.builtin.acceptance.samples import FREE_TEXTS, NoSample, sample
from macrohard.llm.builtin.acceptance.situations import solutions
from macrohard.llm.builtin.acceptance.world import World
from macrohard.llm.builtin.blueprint import Action, Blueprint, Field, Record, Rule, View

_FOLLOWS = re.compile(r"(?!today|now)([a-z][a-z0-9_]*)\s*([+-])\s*(\d+)([dwmy])")
_DEEPEST = 5


class Script:
    """Steps so far and the records they lead to. Every method that acts adds steps; the world follows."""

    takes_files = True
    """Whether there is a page that takes many records at once."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.world = World(blueprint)
        self.steps: list[Step] = []
        self._serial: dict[str, int] = {}
        self._typed: dict[Row, frozenset[str]] = {}
        self._samples = 0
        # Texts of different record types differ, so that a reference is never taken for a record's own title.
        self._offsets = {
            id(field): 6 * place for place, record in enumerate(blueprint.records) for field in record.fields
        }
        self.relies_on_defaults = False
        """Leave to the product what it fills in by the clock; else it is typed, so that it is known."""

    # Planning records

    def draft(
        self,
        record: str,
        wanted: Mapping[str, Cell] | None = None,
        *,
        full: bool = False,
        breaking: Rule | None = None,
        depth: int = 0,
    ) -> Row:
        """A record that the product must accept, with the wanted values and else as few as possible, or with all.

        With `breaking`, one that it must refuse for that rule, and if possible for nothing else. It may refer to other
        drafts: `enter` adds those first.

        Raises:
            NoSample: nothing that was tried would be accepted.
        """
        if depth > _DEEPEST:
            raise NoSample(f"{record} refers to itself in the end")
        type_ = self.blueprint.record(record)
        second_best = None
        for attempt in range(8):
            for references in self._references(type_, wanted or {}, full=full, depth=depth):
                row = self._candidate(type_, {**(wanted or {}), **references}, full=full, attempt=attempt)
                self._mend(row, wanted or {})
                problems = self.world.problems(row)
                if problems == ([breaking.message] if breaking else []):
                    self._serial[record] = self._serial.get(record, 0) + 1
                    return row
                if breaking and breaking.message in problems:
                    second_best = second_best or row
        if second_best:
            return second_best
        raise NoSample(f"no acceptable {type_.label} with {', '.join(wanted or {}) or 'any values'}")

    def fitting(self, record: str, field: Field, *, depth: int = 0) -> Row:
        """A new draft that the reference field of the record type may point to.

        Raises:
            NoSample: there is none.
        """
        wanted: dict[str, Cell] = {}
        target = field.references or ""
        for rule in self._demands(record, field):
            for condition in rule.when:
                wanted |= next(solutions(self, target, condition, holds=True), {})
        return self.draft(target, wanted, depth=depth + 1)

    def blank(self, row: Row, *names: str) -> Row:
        """The same draft with these fields left empty, whether or not that is acceptable."""
        return self.changed(row, dict.fromkeys(names))

    def changed(self, row: Row, values: Mapping[str, Cell]) -> Row:
        """The same draft with these values instead, whether or not that is acceptable."""
        other = self.world.hypothetically(row, dict(values))
        self._typed[other] = self._typed.get(row, frozenset()) | frozenset(values)
        return other

    # Acting

    def do(self, *steps: Step) -> None:
        """Append steps that change no records."""
        self.steps.extend(steps)

    def see(self, text: str, *, present: bool = True, row: str | None = None) -> None:
        """Expect a text, which may hold placeholders."""
        self.do(See(text=text, present=present, row=row))

    def open_list(self, record: str) -> None:
        """Go to the list of the record type."""
        self.do(Open(path=self.path(record)))

    def open_form(self, record: str) -> None:
        """Go to the form that adds a record."""
        self.do(Open(path=f"{self.path(record)}/new"))

    def path(self, record: str) -> str:
        """The address of the record type's list."""
        return "/" + slug(self.blueprint.record(record).plural)

    def add(self, record: str, wanted: Mapping[str, Cell] | None = None, *, full: bool = False) -> Row:
        """Add a record through the form, after those it refers to, and expect it to be saved."""
        return self.enter(self.draft(record, wanted, full=full))

    def enter(self, row: Row) -> Row:
        """Add a drafted record through the form, after those it refers to, and expect it to be saved."""
        self.prepare(row)
        self.open_form(row.record)
        self.type_in(row)
        self.save(row)
        return row

    def prepare(self, row: Row) -> None:
        """Add the drafts it refers to."""
        for cell in row.values.values():
            if isinstance(cell, Row) and cell not in self.world.rows:
                self.enter(cell)

    def save(self, row: Row) -> None:
        """Save the form that is open and expect success; the record is in the world from now on."""
        self.do(Click(role="button", name="Save"))
        self.see(f"{literal(self.world.type(row).label)} saved.")
        if row not in self.world.rows:
            self.world.rows.append(row)

    def refuse(self, row: Row, *messages: str, texts: Mapping[str, str] | None = None) -> None:
        """Try to add a record, with `texts` typed instead of values, and expect these messages and no record."""
        self.prepare(row)
        self.open_form(row.record)
        self.type_in(row, texts or {})
        self.refused(row.record, *messages)

    def refused(self, record: str, *messages: str) -> None:
        """Save the form that is open and expect these messages."""
        self.do(Click(role="button", name="Save"))
        for message in messages:
            self.see(literal(message))
        self.see(f"{literal(self.blueprint.record(record).label)} saved.", present=False)

    def type_in(self, row: Row, texts: Mapping[str, str] | None = None) -> None:
        """Fill in the form that is open."""
        for field in self.world.type(row).fields:
            if field.computed or field.automatic:
                continue
            name = literal(field.label)
            if texts and field.name in texts:
                self.do(Fill(name=name, value=texts[field.name]))
            elif field.name in self._typed.get(row, ()):
                self._enter(field, row.values.get(field.name))

    def edit(self, row: Row, changes: Mapping[str, Cell]) -> None:
        """Change a record through its form and expect it to be saved."""
        self.open_edit(row)
        self.type_in(self.only(row, changes))
        self.do(Click(role="button", name="Save"))
        self.see(f"{literal(self.world.type(row).label)} saved.")
        row.values.update(changes)

    def only(self, row: Row, values: Mapping[str, Cell]) -> Row:
        """The record with these values instead, of which only these are typed."""
        other = self.world.hypothetically(row, dict(values))
        self._typed[other] = frozenset(values)
        return other

    def open_edit(self, row: Row) -> None:
        """Open the form of a listed record."""
        handle = self.world.handle(row)
        self.open_list(row.record)
        self.do(Click(role="link", name="Edit", row=handle))

    def open_detail(self, row: Row) -> None:
        """Open the page of a listed record."""
        handle = self.world.handle(row)
        self.open_list(row.record)
        self.do(Click(role="link", name=self.world.title(row), row=handle))

    def details(self, row: Row, names: Iterable[str]) -> None:
        """Expect the values of these fields on the record's page, which is open."""
        for name in dict.fromkeys(names):
            field = self.world.type(row).field(name)
            self.see(f"{literal(field.label)} {self.world.shown(row, name)}")

    def rows_shown(self, number: int) -> None:
        """Expect so many rows in the list that is open."""
        self.do(SeeRows(count=number))

    def typed_in(self, row: Row) -> frozenset[str]:
        """The fields that are filled in for this draft; the others keep what the form holds."""
        return self._typed.get(row, frozenset())

    def sample(self, field: Field, number: int) -> Cell:
        """The `number`-th valid value of a field of the blueprint.

        Raises:
            NoSample: there is none.
        """
        return sample(field, number + self._offsets[id(field)] if field.type in FREE_TEXTS else number)

    def next_number(self) -> int:
        """For samples that differ from those before."""
        self._samples += 1
        return self._samples + 10

    def act(self, row: Row, action: Action) -> None:
        """Press the action's button in the list, expect that it is said to be done."""
        handle = self.world.handle(row)
        self.open_list(row.record)
        self.do(Click(role="button", name=literal(action.label), row=handle))
        self.see(f"{literal(action.label)}: done.")
        row.values = self.world.after(row, action)

    def refuse_act(self, row: Row, action: Action, message: str) -> None:
        """Press the action's button in the list, and expect the message."""
        self.open_list(row.record)
        self.do(Click(role="button", name=literal(action.label), row=self.world.handle(row)))
        self.see(literal(message))

    def delete(self, row: Row) -> None:
        """Delete a listed record, expect that it is said to be done, and that it is gone."""
        handle = self.world.handle(row)
        self.open_list(row.record)
        self.do(Click(role="link", name="Delete", row=handle), Click(role="button", name="Delete"))
        self.see(f"{literal(self.world.type(row).label)} deleted.")
        self.do(SeeRow(texts=(handle,), present=False))
        self.world.rows.remove(row)

    def refuse_delete(self, row: Row, message: str) -> None:
        """Try to delete a listed record, and expect the message."""
        self.open_list(row.record)
        handle = self.world.handle(row)
        self.do(Click(role="link", name="Delete", row=handle), Click(role="button", name="Delete"))
        self.see(literal(message))

    def count(self, record: str) -> None:
        """Expect that the list holds as many records as the world."""
        type_ = self.blueprint.record(record)
        number = len(self.world.of(record))
        self.open_list(record)
        self.see(counted(type_, number))

    def listed(self, row: Row, *, present: bool = True) -> None:
        """Expect the record in the list that is open."""
        self.do(SeeRow(texts=(self.world.handle(row),), present=present))

    def open_view(self, view: View) -> None:
        """Reach the view through the navigation."""
        self.open_list(view.record)
        self.do(Click(role="link", name=literal(view.label)))
        self.do(SeeControl(role="heading", name=literal(view.label)))

    # How drafts come about

    def _candidate(self, type_: Record, wanted: Mapping[str, Cell], *, full: bool, attempt: int) -> Row:
        # Rising numbers first, so that records differ; then small ones, e.g. to take less than there is.
        number = self._serial.get(type_.name, 0) + attempt if attempt < 5 else attempt - 5
        values: dict[str, Cell] = {}
        typed_names = set()
        for field in type_.fields:
            if field.computed:
                continue
            if field.name in wanted:
                values[field.name] = wanted[field.name]
                typed_names.add(field.name)
                continue
            values[field.name] = self._untouched(field)
            if field.automatic or field.type == "reference" or _FOLLOWS.fullmatch(field.default or ""):
                continue
            by_clock = field.default == "now" and not self.relies_on_defaults
            needed = field.required or field.name == type_.title_field
            if full or by_clock or (needed and field.default is None):
                choosing = field.type in {"choice", "yes/no"}
                values[field.name] = self.sample(field, attempt if choosing else number)
                typed_names.add(field.name)
        row = Row(type_.name, values)
        self._follow(row, typed_names)
        self._typed[row] = frozenset(typed_names)
        return row

    def _untouched(self, field: Field) -> Cell:
        if field.default is not None and not _FOLLOWS.fullmatch(field.default):
            return cell_of(field, field.default)
        return False if field.type == "yes/no" else None

    def _follow(self, row: Row, typed_names: set[str]) -> None:
        for field in self.world.type(row).fields:
            base = row.values.get(matched[1]) if (matched := _FOLLOWS.fullmatch(field.default or "")) else None
            if matched and field.name not in typed_names:
                row.values[field.name] = later(base, int(matched[2] + matched[3]), unit=matched[4])

    def _references(
        self, type_: Record, wanted: Mapping[str, Cell], *, full: bool, depth: int
    ) -> Iterator[dict[str, Cell]]:
        """Ways to fill the references: with records there are, then with ever more new ones."""
        fields = [
            field
            for field in type_.fields
            if field.type == "reference" and field.name not in wanted and not field.computed and not field.automatic
            and (field.required or field.name == type_.title_field or (full and field.references != type_.name))
        ]  # fmt: skip
        fresh: dict[str, Row] = {}
        options = []
        for field in fields:
            there = [row for row in reversed(self.world.of(field.references or "")) if self._fits(type_, field, row)]
            options.append([*there[:6], None])
        # What a record is called should differ, so a reference that is the title points to a new record first.
        usual = [None if field.name == type_.title_field else 0 for field in fields]
        ways = sorted(
            islice(product(*options), 60),
            key=lambda way: sum((row is None) != (one is None) for row, one in zip(way, usual, strict=True)),
        )
        for way in ways:
            chosen: dict[str, Cell] = {}
            for field, row in zip(fields, way, strict=True):
                if row is None and field.name not in fresh:
                    fresh[field.name] = self.fitting(type_.name, field, depth=depth)
                chosen[field.name] = row or fresh[field.name]
            yield chosen

    def _fits(self, type_: Record, field: Field, row: Row) -> bool:
        return all(self.world.meets(row, rule.when) for rule in self._demands(type_.name, field))

    def _demands(self, record: str, field: Field) -> list[Rule]:
        return [
            rule
            for rule in self.blueprint.rules
            if rule.record == record and rule.kind == "reference condition" and rule.fields[:1] == (field.name,)
        ]

    def _mend(self, row: Row, wanted: Mapping[str, Cell]) -> None:
        names = set(self._typed[row])
        for rule in self.blueprint.rules:
            if rule.record != row.record or not self.world.breaks(row, rule):
                continue
            if rule.kind == "order":
                first, second = rule.fields[:2]
                apart = 3 if isinstance(self.world.value(row, first), (Day, Moment)) else 60
                if second not in wanted and first in row.values:
                    row.values[second] = later(row.values[first], apart)
                    names.add(second)
                elif first not in wanted and second in row.values:
                    row.values[first] = later(row.values[second], -apart)
                    names.add(first)
            elif rule.kind == "required when" and rule.fields[0] not in wanted:
                field = self.world.type(row).field(rule.fields[0])
                if field.type != "reference" and not field.automatic and not field.computed:
                    row.values[field.name] = self.sample(field, self._serial.get(row.record, 0))
                    names.add(field.name)
        self._follow(row, names)
        self._typed[row] = frozenset(names)

    def _enter(self, field: Field, cell: Cell) -> None:
        name = literal(field.label)
        match field.type:
            case "yes/no":
                self.do(Check(name=name, on=bool(cell)))
            case "choice" | "reference":
                if cell is not None:
                    self.do(Choose(name=name, value=self.world.text(field, cell)))
            case _:
                self.do(Fill(name=name, value=typed(field, cell)))


def follows(field: Field) -> str:
    """The field that the default counts from, e.g. "out_date" of "out_date + 21d"; empty if it counts from none."""
    matched = _FOLLOWS.fullmatch(field.default or "")
    return matched[1] if matched else ""


def later(cell: Cell, distance: int, *, unit: str = "d") -> Cell:
    """So many days (or weeks, months, years), for times minutes, for numbers units, after the value."""
    match cell:
        case Day():
            if unit in "my":
                return replace(cell, then_months=cell.then_months + distance * (12 if unit == "y" else 1))
            return cell.plus(distance * (7 if unit == "w" else 1))
        case Moment():
            day = later(cell.day, distance, unit=unit)
            return Moment(day, cell.minute) if isinstance(day, Day) else None
        case Clock():
            return cell if cell.minute is None else Clock(min(max(cell.minute + distance, 0), 24 * 60 - 1))
        case Decimal():
            return cell + distance
    return None


def slug(label: str) -> str:
    """How a label stands in an address."""
    return "-".join(re.findall(r"[a-z0-9]+", label.lower()))


def counted(record: Record, number: int) -> str:
    """How the list says how many there are."""
    if not number:
        return f"No {literal(record.plural.lower())} yet."
    return f"{number} {literal((record.label if number == 1 else record.plural).lower())}"
