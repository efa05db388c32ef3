"""Scenarios about single fields: that they are kept, and what they refuse."""

from collections.abc import Iterator
from contextlib import suppress

from macrohard.domain.scenario import Choose, SeeControl, SeeValue
from macrohard.llm.builtin.acceptance.beginning import begun
from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, Row, literal, typed
from macrohard.llm.builtin.acceptance.samples import (
    NoSample,
    beyond,
    edges,
    not_matching,
    of_length,
    refused,
    with_check_digit,
    with_wrong_check_digit,
)
from macrohard.llm.builtin.acceptance.script import Script, follows
from macrohard.llm.builtin.acceptance.situations import situation, solutions
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Computed, Condition, Field

Written = Iterator[tuple[str, Script]]


def field(blueprint: Blueprint, claim: Claim) -> Written:
    """All plain fields are offered, kept and shown."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    row = script.draft(record.name, full=True)
    script.prepare(row)
    script.open_form(record.name)
    for one in record.fields:
        if not one.computed and not one.automatic and (role := _role(one)):
            script.do(SeeControl(role=role, name=literal(one.label)))
    script.type_in(row)
    script.save(row)
    script.open_detail(row)
    script.details(row, [one.name for one in record.fields])
    yield f"A {record.label.lower()} keeps and shows what is entered in each of its fields", script


def required(blueprint: Blueprint, claim: Claim) -> Written:
    """Left empty it is refused and nothing is kept; filled in it is saved."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    row = script.draft(record.name, {one.name: _any(script, one)})
    message = f"{one.label} is required."
    if one.type == "yes/no":
        raise NoSample("a box is always answered")
    texts = {} if one.type in {"choice", "reference"} else {one.name: ""}
    unanswered = script.blank(row, one.name) if not texts else row
    script.prepare(row)
    script.refuse(unanswered, "Please correct", message, texts=texts)
    if one.type in {"text", "long text"}:
        script.type_in(script.only(row, {}), {one.name: "   "})
        script.refused(record.name, message)
    script.count(record.name)
    script.enter(row)
    script.count(record.name)
    yield f"A {record.label.lower()} without {one.label} is refused with a message and not kept", script


def unique(blueprint: Blueprint, claim: Claim) -> Written:
    """The same again is refused, in other case too; another is saved, and so is the record itself when edited."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    message = f"{one.label} is already used."
    first = script.add(record.name, {one.name: _any(script, one)})
    taken = first.values[one.name]
    again = script.changed(script.draft(record.name), {one.name: taken})
    script.refuse(again, message)
    if isinstance(taken, str) and one.type != "choice" and one.pattern is None and one.checksum is None:
        other_case = taken.upper() if taken != taken.upper() else taken.lower()
        script.refuse(again, message, texts={one.name: f" {literal(other_case)} "})
    script.count(record.name)
    script.add(record.name, {one.name: _any(script, one)})
    script.count(record.name)
    script.edit(first, _small_change(script, first, one))
    yield f"{one.label} is used only once, whatever the case, and a {record.label.lower()} can still be edited", script


def range_(blueprint: Blueprint, claim: Claim) -> Written:
    """Both edges are accepted, the next value beyond is refused."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    for edge, direction in zip(edges(one), (-1, 1), strict=True):
        if edge is None:
            continue
        row = script.draft(record.name, {one.name: edge})
        outside = beyond(one, edge, direction)
        script.refuse(script.changed(row, {one.name: outside}), _range_message(one, edge, direction))
        script.enter(row)
        script.open_detail(row)
        script.details(row, [one.name])
    script.count(record.name)
    yield f"{one.label} accepts its limits themselves and refuses what is beyond, with a message", script


def length(blueprint: Blueprint, claim: Claim) -> Written:
    """Texts as long as allowed are accepted, one character more or less is refused."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    for limit, step, words in ((one.min_length, -1, "at least"), (one.max_length, 1, "at most")):
        if limit is None or limit < 1:
            continue
        row = script.draft(record.name, {one.name: of_length(one, limit)})
        if limit + step > 0:
            message = f"{one.label} must have {words} {limit} characters."
            wrong = of_length(one, limit + step)
            script.refuse(row, message if limit != 1 else f"{one.label} must have", texts={one.name: wrong})
        script.enter(row)
    script.count(record.name)
    yield f"{one.label} accepts texts of the allowed length and refuses others with a message", script


def pattern(blueprint: Blueprint, claim: Claim) -> Written:
    """What fits is accepted, what nearly fits is refused."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    row = script.draft(record.name, {one.name: script.sample(one, 0)})
    message = f"{one.label} must be {one.pattern_hint}" if one.pattern_hint else f"{one.label} must be"
    for wrong in not_matching(one):
        script.refuse(row, message, texts={one.name: literal(wrong)})
    script.count(record.name)
    script.enter(row)
    script.count(record.name)
    yield f"{one.label} is refused with a message unless it is written as it should be", script


def checksum(blueprint: Blueprint, claim: Claim) -> Written:
    """The right check digit is accepted, a wrong one is refused."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    if one.checksum is None:
        raise NoSample(f"{one.label} has no check digit")
    message = f"{one.label} has a wrong check digit."
    row = script.draft(record.name, {one.name: with_check_digit(one.checksum, 0)})
    script.refuse(row, message, texts={one.name: with_wrong_check_digit(one.checksum, 0)})
    script.refuse(row, message, texts={one.name: with_wrong_check_digit(one.checksum, 3)})
    script.count(record.name)
    script.enter(row)
    script.add(record.name, {one.name: with_check_digit(one.checksum, 3)})
    script.count(record.name)
    yield f"{one.label} with a wrong check digit is refused, with the right one it is saved", script


def type_(blueprint: Blueprint, claim: Claim) -> Written:
    """What is no value of the field's type is refused, what was typed stays; a right value is kept."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    row = script.draft(record.name, {one.name: _any(script, one)})
    wrongs = refused(one)
    for wrong, message in wrongs:
        script.refuse(row, message, texts={one.name: wrong})
        script.do(SeeValue(name=literal(one.label), value=wrong))
    if wrongs:
        script.count(record.name)
    else:
        script.prepare(row)
        script.open_form(record.name)
    script.enter(row)
    script.open_detail(row)
    script.details(row, [one.name])
    yield f"{one.label} accepts a value of its kind and refuses anything else with a message", script


def choices(blueprint: Blueprint, claim: Claim) -> Written:
    """Each of the values can be chosen and is kept."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    row = script.add(record.name, {one.name: one.choices[0]})
    script.open_detail(row)
    script.details(row, [one.name])
    script.open_edit(row)
    for choice in one.choices:
        script.do(Choose(name=literal(one.label), value=literal(choice)))
        script.do(SeeValue(name=literal(one.label), value=literal(choice)))
    for choice in one.choices[1:]:
        changed = script.world.hypothetically(row, {one.name: choice})
        if not script.world.problems(changed):
            script.edit(row, {one.name: choice})
            script.details(row, [one.name])
            break
    yield f"Each value of {one.label} can be chosen and is kept", script


def default(blueprint: Blueprint, claim: Claim) -> Written:
    """It is there without being entered, and can be replaced."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    script.relies_on_defaults = True
    row = script.draft(record.name, _default_base(script, record.name, one))
    script.prepare(row)
    script.open_form(record.name)
    cell = script.world.value(row, one.name)
    fixed = one.default is not None and one.default != "now" and not follows(one)
    if fixed and not one.automatic and one.type != "reference":
        shown = ("on" if cell else "off") if isinstance(cell, bool) else typed(one, cell)
        script.do(SeeValue(name=literal(one.label), value=shown))
    script.type_in(row)
    script.save(row)
    script.open_detail(row)
    script.details(row, [one.name])
    if not one.automatic and one.type != "reference":
        other = next(other for number in range(4) if (other := script.sample(one, number)) != cell)
        changed = script.add(record.name, {one.name: other})
        script.open_detail(changed)
        script.details(changed, [one.name])
    yield f"{one.label} is filled in by itself when nothing is entered, and what is entered counts instead", script


def computed(blueprint: Blueprint, claim: Claim) -> Written:
    """It is worked out from what was entered, exactly, and cannot be entered itself."""
    script, record = begun(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or "")
    how = one.computed
    if how is None:
        raise NoSample(f"{one.label} is entered")
    rows = with_rollup(script, record.name, how) if how.record else [_with_operands(script, record.name, how, 0)]
    for row in rows:
        if row not in script.world.rows:
            script.enter(row)
        script.open_detail(row)
        script.details(row, [one.name])
    if not how.record:
        second = script.enter(_with_operands(script, record.name, how, 1))
        script.open_detail(second)
        script.details(second, [one.name])
    script.open_form(record.name)
    script.do(SeeControl(role="textbox", name=literal(one.label), present=False))
    yield f"{one.label} is worked out exactly from what was entered", script


def _any(script: Script, one: Field) -> Cell:
    if one.type == "reference":
        return script.draft(one.references or "")
    if one.type == "choice":
        return script.sample(one, 0)
    return script.sample(one, script.next_number())


def _role(one: Field) -> str | None:
    if one.type in {"date", "time", "date-time"}:
        return None
    return {"choice": "combobox", "reference": "combobox", "yes/no": "checkbox"}.get(one.type, "textbox")


def _small_change(script: Script, row: Row, one: Field) -> dict[str, Cell]:
    for other in script.world.type(row).fields:
        if other.name == one.name or other.computed or other.automatic or other.unique or other.type == "reference":
            continue
        for number in range(3):
            cell = script.sample(other, script.next_number() + number)
            if cell == row.values.get(other.name):
                continue
            if not script.world.problems(script.world.hypothetically(row, {other.name: cell})):
                return {other.name: cell}
    return {one.name: row.values[one.name]}


def _range_message(one: Field, edge: Cell, direction: int) -> str:
    bound = one.minimum if direction < 0 else one.maximum
    if isinstance(edge, (Day, Moment)):
        if bound in {"today", "now"}:
            return f"{one.label} must not be in the {'past' if direction < 0 else 'future'}"
        return f"{one.label} must not be {'before' if direction < 0 else 'after'}"
    if isinstance(edge, Clock):
        return f"{one.label} must"
    words = ("more than" if one.exclusive_minimum else "at least") if direction < 0 else "at most"
    return f"{one.label} must be {words}"


def _default_base(script: Script, record: str, one: Field) -> dict[str, Cell]:
    base = follows(one)
    if not base:
        return {}
    field_ = script.blueprint.record(record).field(base)
    return {base: script.sample(field_, 2)}


def _with_operands(script: Script, record: str, how: Computed, number: int) -> Row:
    """A draft with every operand filled, distinct from the one before."""
    type_ = script.blueprint.record(record)
    wanted: dict[str, Cell] = {}
    for condition in how.when:
        wanted |= next(solutions(script, record, condition, holds=True), {})
    for place, name in enumerate(how.fields[:1] if how.how == "lookup" else how.fields):
        operand = type_.field(name)
        if operand.computed or operand.automatic or name in wanted:
            continue
        if operand.type == "reference":
            target = script.blueprint.record(operand.references or "")
            inner = target.field(how.fields[1]) if how.how == "lookup" else target.field(target.title_field)
            filled = {} if inner.computed or inner.automatic else {inner.name: _any(script, inner)}
            wanted[name] = script.draft(target.name, filled)
        elif how.how in {"days late", "days until", "age"}:
            wanted[name] = _day_for(how.how, operand, number)
        elif how.how == "difference":
            wanted[name] = script.sample(operand, 5 * number + (4 if place == 0 else 1))
        else:
            wanted[name] = script.sample(operand, 3 * number + place + 1)
    return script.draft(record, wanted)


def _day_for(how: str, operand: Field, number: int) -> Cell:
    day = {
        "days late": (Day(-17), Day(23)),
        "days until": (Day(17), Day(46)),
        "age": (Day(months=-12 * 31), Day(1, -12 * 42)),
    }[how][number]
    return Moment(day, 9 * 60 + 30) if operand.type == "date-time" else day


def with_rollup(script: Script, record: str, how: Computed) -> list[Row]:
    """Two records with children: those that count, those that do not, those that count against."""
    child = script.blueprint.record(how.record or "")
    link = next(one.name for one in child.fields if one.references == record)
    rows = [script.add(record), script.add(record)]
    amount = child.field(how.fields[0]) if how.how == "rollup sum" else None

    def add(conditions: tuple[Condition, ...], number: int, target: Row, missed: Condition | None = None) -> None:
        base: dict[str, Cell] = {link: target}
        if amount and not amount.computed and not amount.automatic:
            base[amount.name] = script.sample(amount, number)
        situation(script, child.name, conditions, missed=missed, base=base).set_up(script)

    counts = how.when or how.minus_when
    against = how.minus_when[0] if how.minus_when and not how.when else None
    for number, target in ((4, rows[0]), (3, rows[1])):
        add(counts, number, target, against)
    # A second one may be forbidden, e.g. when only one loan is open at a time.
    with suppress(NoSample):
        add(counts, 5, rows[0], against)
    for condition in how.when:
        with suppress(NoSample):
            add(how.when, 1, rows[0], condition)
    if how.minus_when:
        add(how.minus_when, 0, rows[0])
    return rows
