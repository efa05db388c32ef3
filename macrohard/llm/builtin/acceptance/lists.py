"""Scenarios about finding: views, search, filters, order, totals, what stands out, printing."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from macrohard.domain.scenario import Choose, Click, Fill, Press, See, SeeControl, SeeOrder, SeeRow
from macrohard.llm.builtin.acceptance.cells import EMPTY, Cell, Day, Moment, Row, literal
from macrohard.llm.builtin.acceptance.fields import with_rollup
from macrohard.llm.builtin.acceptance.samples import NUMBERS, NoSample, shown_number
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.acceptance.situations import Wanted, edges_of, situation, solutions
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Condition, Field, Record, Total

Written = Iterator[tuple[str, Script]]


def view(blueprint: Blueprint, claim: Claim) -> Written:
    """It lists what meets its conditions, edges included, and nothing else, in its order."""
    one = blueprint.views[claim.index or 0]
    script, record = Script(blueprint), blueprint.record(one.record)
    members, others = inside_and_outside(script, record.name, one.when)
    script.open_view(one)
    columns = one.columns or None
    for row in members:
        script.do(SeeRow(texts=(script.world.handle(row, columns),)))
    for row in others:
        script.do(SeeRow(texts=(script.world.handle(row, columns),), present=False))
    script.rows_shown(len(members))
    if one.sort and len(members) > 1:
        _in_order(script, members, record.field(one.sort), columns, descending=one.descending)
    shown = [record.field(name) for name in one.columns[:6]]
    for field in shown:
        if members and (text := script.world.shown(members[0], field.name)) != EMPTY:
            script.do(SeeRow(texts=(script.world.handle(members[0], columns), text)))
    for row in members[:1]:
        if _is_distinct(script, row, record.title_field):
            script.do(Fill(name="Search", value=script.world.title(row)), Press(key="Enter"))
            script.rows_shown(1)
    yield f"“{one.label}” lists the {record.plural.lower()} that belong there and no others", script


def inside_and_outside(script: Script, record: str, conditions: tuple[Condition, ...]) -> tuple[list[Row], list[Row]]:
    edges: list[tuple[Wanted, Condition | None]] = []
    for place in range(3):
        for condition in conditions:
            edges += [(edge, None) for edge in edges_of(script, record, condition, holds=True)[place : place + 1]]
            edges += [(edge, condition) for edge in edges_of(script, record, condition, holds=False)[place : place + 1]]
    inside = outside = 0
    for edge, missed in edges:
        if len(script.world.of(record)) + 2 > script.blueprint.record(record).page_size:
            break
        with suppress(NoSample):
            situation(script, record, conditions, missed=missed, edge=edge).set_up(script)
            inside, outside = inside + (missed is None), outside + (missed is not None)
    if not inside:
        situation(script, record, conditions).set_up(script)
    if conditions and not outside:
        raise NoSample("every record belongs there")
    # What was set up later may have changed what was before, e.g. through what refers to it.
    everyone = script.world.of(record)
    members = [row for row in everyone if script.world.meets(row, conditions)]
    return members, [row for row in everyone if row not in members]


def search(blueprint: Blueprint, claim: Claim) -> Written:
    """A part of a value in any case leaves what matches; something else leaves nothing."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    names = [name for name in record.search if searchable(script, record, name)] or [record.title_field]
    wanted: list[Wanted] = []
    for number in range(3):
        values: Wanted = {}
        for name in names:
            values |= value_for(script, record, name, number)
        wanted.append(values)
    rows = [script.add(record.name, one) for one in wanted]
    for name in names:
        fragment = fragment_of(script, rows, name)
        script.open_list(record.name)
        script.do(Fill(name="Search", value=fragment), Press(key="Enter"))
        for row in rows:
            script.listed(row, present=row is rows[0])
    script.do(Fill(name="Search", value="xqzwv"), Press(key="Enter"))
    script.see(f"No {literal(record.plural.lower())} match.")
    script.do(Click(role="link", name="Clear"))
    for row in rows:
        script.listed(row)
    labels = ", ".join(record.field(name).label for name in names)
    yield f"Searching finds {record.plural.lower()} by a part of {labels} and hides the others", script


def filter_(blueprint: Blueprint, claim: Claim) -> Written:
    """What is chosen leaves what matches and hides the others; both can be undone."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    names = (claim.field,) if claim.field else record.filters
    for name in names:
        field = record.field(name)
        if field.type in {"date", "date-time"}:
            _filter_dates(script, record, field)
        else:
            _filter_values(script, record, field)
    if not script.steps:
        raise NoSample("nothing to filter by")
    labels = " and ".join(record.field(name).label for name in names)
    yield f"Filtering {record.plural.lower()} by {labels} shows what matches and hides the others", script


def _filter_dates(script: Script, record: Record, field: Field) -> None:
    rows = []
    for number in range(3):
        with suppress(NoSample):
            rows.append(script.add(record.name, value_for(script, record, field.name, 2 * number)))
    if len(rows) < 2:
        raise NoSample(f"{field.label} has but one value")
    rows.sort(key=lambda row: str(script.world.plain(script.world.value(row, field.name))))
    first, last = rows[0], rows[-1]
    label = literal(field.label)
    script.open_list(record.name)
    script.do(Fill(name=f"{label} from", value=_day_text(script, last, field)), Click(role="button", name="Show"))
    for row in rows:
        script.listed(row, present=row is last)
    script.open_list(record.name)
    script.do(Fill(name=f"{label} to", value=_day_text(script, first, field)), Click(role="button", name="Show"))
    for row in rows:
        script.listed(row, present=row is first)
    script.do(Click(role="link", name="Clear"))
    for row in rows:
        script.listed(row)


def _day_text(script: Script, row: Row, field: Field) -> str:
    cell = script.world.value(row, field.name)
    return cell.day.text if isinstance(cell, Moment) else script.world.text(field, cell)


def _filter_values(script: Script, record: Record, field: Field) -> None:
    source = field
    groups: dict[str, list[Row]] = {}
    for number in range(max(2, min(len(source.choices), 4)) if source.type == "choice" else 2):
        with suppress(NoSample):
            row = script.add(record.name, value_for(script, record, field.name, number))
            groups.setdefault(script.world.shown(row, field.name), []).append(row)
    if len(groups) < 2:
        raise NoSample(f"{field.label} has but one value")
    label = literal(field.label)
    everyone = script.world.of(record.name)
    script.open_list(record.name)
    for shown in list(groups)[:3]:
        script.do(Choose(name=label, value=shown), Click(role="button", name="Show"))
        for row in everyone:
            script.listed(row, present=script.world.shown(row, field.name) == shown)
    script.do(Choose(name=label, value="Any"), Click(role="button", name="Show"))
    for row in everyone:
        script.listed(row)


def sort(blueprint: Blueprint, claim: Claim) -> Written:
    """The header of a column puts the list in its order, and again in the reverse one."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    names = (claim.field,) if claim.field else (record.sortable or ((record.sort,) if record.sort else ()))
    for name in names:
        field = record.field(name)
        rows = []
        if field.computed and field.computed.record:
            rows = with_rollup(script, record.name, field.computed)
        for number in unordered(field) if not rows else ():
            with suppress(NoSample):
                rows.append(script.add(record.name, sortable_value(script, record, name, number)))
        if len({script.world.shown(row, name) for row in rows}) < 2:
            raise NoSample(f"{field.label} has but one value")
        everyone = script.world.of(record.name)
        script.open_list(record.name)
        usual = record.sort == name
        if usual:
            _in_order(script, everyone, field, None, descending=record.descending)
        if name in record.sortable or not usual:
            direction = not record.descending if usual else False
            for descending in (direction, not direction):
                script.do(Click(role="link", name=literal(field.label)))
                _in_order(script, everyone, field, None, descending=descending)
    if not script.steps:
        raise NoSample("nothing to sort by")
    labels = " and ".join(record.field(name).label for name in names)
    yield f"The list of {record.plural.lower()} is put in order by {labels}", script


def unordered(field: Field) -> tuple[int, ...]:
    return (1, 2, 0) if field.type not in {"choice", "yes/no"} else (1, 0)


def sortable_value(script: Script, record: Record, name: str, number: int) -> Wanted:
    """Values whose order as numbers is not that of their digits."""
    field = record.field(name)
    if field.type in NUMBERS and not field.computed and not field.automatic:
        low = Decimal(field.minimum) if field.minimum and field.minimum != "this year" else Decimal(0)
        for amount in (low + (9, 10, 100)[number],):
            with suppress(NoSample):
                script.draft(record.name, {name: amount})
                return {name: amount}
    return value_for(script, record, name, number if field.type in {"choice", "yes/no"} else number * 3)


def _in_order(
    script: Script, rows: list[Row], field: Field, columns: tuple[str, ...] | None, *, descending: bool
) -> None:
    keyed = [(script.world.sort_key(row, field), row) for row in rows]
    filled = [(key, row) for key, row in keyed if key is not None]
    filled.sort(key=lambda pair: pair[0], reverse=descending)
    texts, last = [], None
    for key, row in filled:
        if key != last:
            texts.append(script.world.handle(row, columns))
        last = key
    if len(texts) > 1:
        script.do(SeeOrder(texts=tuple(texts)))


def total(blueprint: Blueprint, claim: Claim) -> Written:
    """The exact number over the list, and over what is filtered."""
    one = blueprint.totals[claim.index or 0]
    script, record = Script(blueprint), blueprint.record(one.record)
    base: Wanted = {}
    for number in range(3):
        wanted: Wanted = dict(base)
        if one.group_by:
            wanted |= group_value(script, record, one.group_by, number // 2)
        if one.field:
            wanted |= amount(script, record, one.field, number)
        situation(script, record.name, one.when, base=wanted).set_up(script)
    for condition in one.when:
        with suppress(NoSample):
            situation(script, record.name, one.when, missed=condition).set_up(script)
    rows = script.world.of(record.name)
    script.open_list(record.name)
    _expect_total(script, record, one, rows)
    narrowed = [row for row in rows if _is_distinct(script, row, record.title_field)]
    if narrowed:
        script.do(Fill(name="Search", value=script.world.title(narrowed[0])), Press(key="Enter"))
        script.rows_shown(1) if one.group_by is None else script.listed(narrowed[0])
        _expect_total(script, record, one, narrowed[:1])
    yield f"“{one.label}” is exact for all {record.plural.lower()} and for what is filtered", script


def _expect_total(script: Script, record: Record, one: Total, rows: list[Row]) -> None:
    if one.group_by is None:
        script.see(f"{literal(one.label)}: {total_of(script, record, one, rows)}")
        return
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(group_name(script, row, one.group_by), []).append(row)
    for name, members in groups.items():
        script.do(SeeRow(texts=(name, total_of(script, record, one, members))))


def group_name(script: Script, row: Row, name: str) -> str:
    cell = script.world.value(row, name)
    day = cell.day if isinstance(cell, Moment) else cell
    if isinstance(day, Day):
        return f"{day.fixed:%Y-%m}" if day.fixed else "{this month}"
    return script.world.shown(row, name)


def group_value(script: Script, record: Record, name: str, number: int) -> Wanted:
    field = record.field(name)
    if field.type not in {"date", "date-time"} or field.computed or field.automatic:
        return value_for(script, record, name, number)
    fixed = (date(date.today().year - 1, 3, 14), date(date.today().year - 1, 5, 9))[number]
    for day in (Day(fixed=fixed), Day()):
        cell: Cell = Moment(day, 570) if field.type == "date-time" else day
        with suppress(NoSample):
            script.draft(record.name, {name: cell})
            return {name: cell}
    raise NoSample(f"no month for {field.label}")


def total_of(script: Script, record: Record, one: Total, rows: list[Row]) -> str:
    counted = [row for row in rows if script.world.meets(row, one.when)]
    if one.how == "count" or one.field is None:
        return str(len(counted))
    field = record.field(one.field)
    numbers = [cell for row in counted if isinstance(cell := script.world.value(row, one.field), Decimal)]
    if one.how == "sum":
        return literal(shown_number(field, sum(numbers, Decimal(0))))
    if not numbers:
        return EMPTY
    return literal(
        shown_number(field, (sum(numbers, Decimal(0)) / len(numbers)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    )


def amount(script: Script, record: Record, name: str, number: int) -> Wanted:
    field = record.field(name)
    if field.computed is None:
        return {} if field.automatic else {name: script.sample(field, number)}
    if field.computed.record is not None or field.computed.how in {"lookup", "days late", "days until", "age"}:
        return {}
    operands = [record.field(operand) for operand in field.computed.fields]
    return {
        operand.name: script.sample(operand, 2 * number + (1 if place == 0 else 0))
        for place, operand in enumerate(operands)
        if not operand.computed and not operand.automatic and operand.type != "reference"
    }


def highlight(blueprint: Blueprint, claim: Claim) -> Written:
    """What meets the conditions carries the word, edges included, and nothing else does."""
    one = blueprint.highlights[claim.index or 0]
    script, record = Script(blueprint), blueprint.record(one.record)
    members, others = inside_and_outside(script, record.name, one.when)
    script.open_list(record.name)
    for row, present in [(row, True) for row in members] + [(row, False) for row in others]:
        script.do(See(text=literal(one.label), row=script.world.handle(row), present=present))
    yield f"“{one.label}” marks the {record.plural.lower()} it is meant for and no others", script


def print_(blueprint: Blueprint, claim: Claim) -> Written:
    """The view that can be printed offers it and shows what belongs on the paper."""
    chosen = [one for one in blueprint.views if one.printable]
    one = blueprint.views[claim.index] if claim.index is not None else chosen[0]
    script = Script(blueprint)
    row = situation(script, one.record, one.when).set_up(script)
    script.open_view(one)
    script.do(SeeControl(role="button", name="Print"))
    script.do(SeeRow(texts=(script.world.handle(row, one.columns or None),)))
    yield f"“{one.label}” can be printed", script


def searchable(script: Script, record: Record, name: str) -> bool:
    try:
        return bool(value_for(script, record, name, 0))
    except NoSample:
        return False


def value_for(script: Script, record: Record, name: str, number: int) -> Wanted:
    """Values with which the field, computed or not, holds its `number`-th value.

    Raises:
        NoSample: it cannot be chosen.
    """
    field = record.field(name)
    if field.computed and field.computed.how == "lookup":
        reference = record.field(field.computed.fields[0])
        target = script.blueprint.record(reference.references or "")
        inner = value_for(script, target, field.computed.fields[1], number)
        return {reference.name: script.draft(target.name, {**_demanded(script, record, reference), **inner})}
    if field.computed and field.computed.how in {"days late", "days until", "age"}:
        day = {
            "days late": Day(-3 - 10 * number),
            "days until": Day(3 + 10 * number),
            # Half a year from any birthday.
            "age": Day(-180, months=-12 * (25 + 2 * number)),
        }[field.computed.how]
        base: Wanted = {field.computed.fields[0]: day}
        for condition in field.computed.when:
            base |= next(solutions(script, record.name, condition, holds=True), {})
        return _indirect(script, record, base)
    if field.computed and field.computed.record is None:
        return amount(script, record, name, number)
    if field.automatic or field.computed:
        raise NoSample(f"{field.label} cannot be chosen")
    if field.type == "reference":
        return {name: script.fitting(record.name, field)}
    return {name: script.sample(field, number)}


def _indirect(script: Script, record: Record, wanted: Wanted) -> Wanted:
    """Dates that only follow others are set through those."""
    found: Wanted = {}
    for name, cell in wanted.items():
        field = record.field(name)
        base, _, distance = (field.default or "").partition(" + ")
        if field.automatic and isinstance(cell, Day) and distance.endswith("d"):
            found[base] = cell.plus(-int(distance[:-1]))
        elif not field.automatic and not field.computed:
            found[name] = cell
    return found


def _demanded(script: Script, record: Record, reference: Field) -> Wanted:
    wanted: Wanted = {}
    for rule in script.blueprint.rules:
        if rule.record == record.name and rule.kind == "reference condition" and rule.fields[:1] == (reference.name,):
            for condition in rule.when:
                wanted |= next(solutions(script, reference.references or "", condition, holds=True), {})
    return wanted


def fragment_of(script: Script, rows: list[Row], name: str) -> str:
    """A part of the first row's value, in other case, that is in no other row.

    Raises:
        NoSample: there is none.
    """
    record = script.world.type(rows[0])
    text = script.world.shown(rows[0], name)
    if "{" in text:
        return text
    others = [script.world.shown(row, field.name).casefold() for row in rows[1:] for field in record.fields]
    for length in range(min(3, len(text)), len(text) + 1):
        for start in range(len(text) - length + 1):
            part = text[start : start + length].strip()
            if len(part) == length and not any(part.casefold() in other for other in others):
                return part.swapcase()
    raise NoSample(f"{record.field(name).label} looks alike everywhere")


def _is_distinct(script: Script, row: Row, name: str) -> bool:
    """Whether searching for the value of the field leaves this row alone."""
    record = script.world.type(row)
    if record.search and name not in record.search:
        return False
    shown = script.world.shown(row, name).casefold()
    others = [
        script.world.shown(other, field.name).casefold()
        for other in script.world.of(row.record)
        if other is not row
        for field in record.fields
    ]
    return shown != EMPTY and "{" not in shown and not any(shown in other for other in others)
