"""Scenarios about what must hold beyond single fields, and about the buttons that change records."""

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

from macrohard.domain.scenario import SeeControl
from macrohard.llm.builtin.acceptance.beginning import begun
from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, Row, literal
from macrohard.llm.builtin.acceptance.samples import NoSample, beyond
from macrohard.llm.builtin.acceptance.script import Script, later
from macrohard.llm.builtin.acceptance.situations import Situation, Wanted, edges_of, situation, solutions
from macrohard.llm.builtin.blueprint import Action, Blueprint, Claim, Condition, Field, Rule

Written = Iterator[tuple[str, Script]]


def rule(blueprint: Blueprint, claim: Claim) -> Written:
    """What the rule allows is saved, what it forbids is refused with its message."""
    if claim.index is None:
        raise NoSample("the claim names no rule")
    one = blueprint.rules[claim.index]
    script = begun(blueprint)
    yield _WRITERS[one.kind](script, one), script


def action(blueprint: Blueprint, claim: Claim) -> Written:
    """It is offered only where it is allowed, and does what it says."""
    if claim.index is None:
        raise NoSample("the claim names no action")
    one = blueprint.actions[claim.index]
    script, record = begun(blueprint), blueprint.record(one.record)
    allowed = actionable(script, one)
    row = allowed.set_up(script)
    handle = script.world.handle(row)
    for condition in one.when:
        for edge in edges_of(script, record.name, condition, holds=False):
            with suppress(NoSample):
                other = situation(script, record.name, one.when, missed=condition, edge=edge).set_up(script)
                script.open_list(record.name)
                other_handle = script.world.handle(other)
                script.do(SeeControl(role="button", name=literal(one.label), present=False, row=other_handle))
    script.open_list(record.name)
    script.do(SeeControl(role="button", name=literal(one.label), row=handle))
    script.act(row, one)
    script.open_detail(row)
    script.details(row, one.sets)
    still = script.world.meets(row, one.when)
    script.do(SeeControl(role="button", name=literal(one.label), present=still))
    script.open_list(record.name)
    script.do(SeeControl(role="button", name=literal(one.label), present=still, row=script.world.handle(row)))
    yield f"“{one.label}” is offered only where it is allowed, and changes the {record.label.lower()}", script


def actionable(script: Script, one: Action) -> Situation:
    """A record on which the action is allowed and breaks nothing; one on which it can be seen, if possible."""

    def works(row: Row) -> bool:
        return not script.world.problems(script.world.hypothetically(row, script.world.after(row, one)))

    def shows(row: Row) -> bool:
        after = script.world.after(row, one)
        return works(row) and all(after[name] != row.values.get(name) for name in one.sets)

    with suppress(NoSample):
        return situation(script, one.record, one.when, also=shows)
    return situation(script, one.record, one.when, also=works)


def _order(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    first, second = record.field(one.fields[0]), record.field(one.fields[1])
    if second.automatic:
        return _order_by_action(script, one, first, second)
    base = _meeting(script, one)
    row = script.draft(record.name, {**base, **_both(script, one)})
    start = row.values[first.name]
    wrong = script.changed(row, {second.name: _moved(start, -1)})
    script.refuse(wrong, one.message)
    same = script.changed(row, {second.name: start})
    if one.strict:
        script.refuse(same, one.message)
        script.count(record.name)
        script.enter(row)
    else:
        script.count(record.name)
        script.enter(same)
    script.count(record.name)
    return f"{second.label} before {first.label} is refused with a message"


def _order_by_action(script: Script, one: Rule, first: Field, second: Field) -> str:
    """The second value is only ever set by a button."""
    button = next(
        (one_ for one_ in script.blueprint.actions if one_.record == one.record and second.name in one_.sets), None
    )
    if button is None:
        raise NoSample(f"{second.label} is never set")

    def refused(row: Row) -> bool:
        then = script.world.hypothetically(row, script.world.after(row, button))
        return one.message in script.world.problems(then)

    days = (Day(40), Day(5), Day(1))
    starts: list[Cell] = [Moment(day, 570) if first.type == "date-time" else day for day in days]
    for start in starts:
        with suppress(NoSample):
            row = situation(script, one.record, button.when, base={first.name: start}, also=refused).set_up(script)
            break
    else:
        raise NoSample(f"“{button.label}” never breaks the order")
    script.refuse_act(row, button, one.message)
    script.open_detail(row)
    script.details(row, [second.name])
    right = actionable(script, button).set_up(script)
    script.act(right, button)
    return f"“{button.label}” is refused with a message when {second.label} would be before {first.label}"


def _both(script: Script, one: Rule) -> Wanted:
    """Acceptable values for both fields of an order."""
    record = script.blueprint.record(one.record)
    first, second = record.field(one.fields[0]), record.field(one.fields[1])
    for number in range(12):
        start = script.sample(first, number)
        for end in (_moved(start, 3), _moved(start, 1)):
            wanted: Wanted = {first.name: start, second.name: end}
            with suppress(NoSample):
                script.draft(record.name, wanted)
                return wanted
    raise NoSample(f"no {first.label} before {second.label}")


def _moved(cell: Cell, distance: int) -> Cell:
    return later(cell, distance * (60 if isinstance(cell, Clock) else 1))


def _unique_together(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    base = _meeting(script, one)
    first = script.draft(record.name, {**base, **_filled(script, one, one.fields, base)})
    script.enter(first)
    alike = {name: first.values[name] for name in one.fields}
    again = _broken(script, one, {**base, **alike})
    script.refuse(again, one.message)
    script.count(record.name)
    for name in one.fields[:3]:
        if name in base:
            continue
        other = _filled(script, one, (name,), base)
        with suppress(NoSample):
            script.enter(script.draft(record.name, {**base, **alike, **other}))
    _outside(script, one, alike)
    script.count(record.name)
    labels = " and ".join(record.field(name).label for name in one.fields)
    return f"No two {record.plural.lower()} have the same {labels}"


def _at_most(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    base = _meeting(script, one)
    limit = 2
    scope: Wanted = {}
    if one.limit_field:
        reference = next(record.field(name) for name in one.fields if record.field(name).type == "reference")
        target = reference.references or ""
        field = script.blueprint.record(target).field(one.limit_field)
        amount = Decimal(2) if field.minimum is None or Decimal(field.minimum) <= 2 else Decimal(field.minimum)
        limit = int(amount)
        scope = {reference.name: script.draft(target, {one.limit_field: amount})}
    elif one.limit is not None:
        limit = one.limit
    first = None
    for _ in range(limit):
        row = script.draft(record.name, {**base, **scope})
        if first is None:
            scope |= _filled(script, one, tuple(name for name in one.fields if name not in scope), base)
            row = script.draft(record.name, {**base, **scope})
            first = row
        script.enter(row)
    beyond_limit = _broken(script, one, {**base, **scope})
    script.refuse(beyond_limit, one.message)
    script.count(record.name)
    for name in one.fields[:2]:
        if name not in base:
            with suppress(NoSample):
                script.enter(script.draft(record.name, {**base, **scope, **_filled(script, one, (name,), base)}))
    _outside(script, one, scope)
    script.count(record.name)
    return f"One {record.label.lower()} more than allowed is refused with a message, elsewhere it is saved"


def _no_overlap(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    base = _meeting(script, one)
    scope = _filled(script, one, one.scope, base)
    start_field, end_field = (record.field(name) for name in one.fields[:2])
    wanted = {**base, **scope}
    first = None
    for number in range(2, 10):
        start = script.sample(start_field, 3 * number)
        end = _further(start, 4)
        with suppress(NoSample):
            first = script.draft(record.name, {**wanted, start_field.name: start, end_field.name: end})
            break
    if first is None:
        raise NoSample("no span of time fits")
    script.enter(first)
    start, end = first.values[start_field.name], first.values[end_field.name]

    def span(begin: Cell, finish: Cell) -> Wanted:
        return {start_field.name: begin, end_field.name: finish}

    for overlapping in (
        span(_further(start, 1), _further(start, 2)),
        span(_further(start, -1), _further(start, 1)),
        span(_further(start, 3), _further(end, 2)),
        span(_further(start, -1), _further(end, 1)),
    ):
        with suppress(NoSample):
            script.refuse(_broken(script, one, {**wanted, **overlapping}), one.message)
    script.count(record.name)
    for touching in (span(end, _further(end, 2)), span(_further(start, -2), start)):
        with suppress(NoSample):
            script.enter(script.draft(record.name, {**wanted, **touching}))
    for name in one.scope[:2]:
        if name not in base:
            with suppress(NoSample):
                other = _filled(script, one, (name,), base)
                script.enter(script.draft(record.name, {**wanted, **span(start, end), **other}))
    _outside(script, one, {**scope, **span(start, end)})
    script.count(record.name)
    return f"{record.plural} that overlap are refused with a message, those that only touch are saved"


def _further(cell: Cell, distance: int) -> Cell:
    """On a scale of hours or days."""
    if isinstance(cell, Moment) and cell.minute is not None:
        return Moment(cell.day, cell.minute + 60 * distance)
    return later(cell, distance * (60 if isinstance(cell, Clock) else 1))


def _reference_condition(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    reference = record.field(one.fields[0])
    target = reference.references or ""
    tried = 0
    for condition in one.when:
        for edge in edges_of(script, target, condition, holds=False)[:2]:
            with suppress(NoSample):
                unfit = situation(script, target, one.when, missed=condition, edge=edge).set_up(script)
                script.refuse(_broken(script, one, {reference.name: unfit}), one.message)
                tried += 1
    if not tried:
        raise NoSample(f"no {target} that is unfit")
    script.count(record.name)
    script.enter(script.draft(record.name, {reference.name: situation(script, target, one.when).set_up(script)}))
    script.count(record.name)
    label = script.blueprint.record(target).label.lower()
    return f"A {record.label.lower()} with a {label} that is not allowed is refused with a message"


def _required_when(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    field = record.field(one.fields[0])
    base = _meeting(script, one)
    filled = script.draft(record.name, {**base, field.name: _value(script, field.name, one)})
    script.refuse(script.blank(filled, field.name), one.message)
    script.count(record.name)
    script.enter(filled)
    _outside(script, one, {field.name: None})
    script.count(record.name)
    return f"{field.label} may be left empty only where it is not needed"


def _not_below_zero(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    reference = record.field(one.fields[1])
    target = script.blueprint.record(reference.references or "")
    total = target.field(one.fields[0])
    how = total.computed
    if how is None or how.how != "rollup sum" or how.record != record.name:
        raise NoSample(f"{total.label} is not summed from {record.plural}")
    amount = record.field(how.fields[0])
    if amount.computed or amount.automatic:
        raise NoSample(f"{amount.label} cannot be entered")
    row = script.add(target.name)
    plus = _direction(script, record.name, how.when)
    minus = _direction(script, record.name, how.minus_when)
    five = beyond(amount, script.sample(amount, 1), 1)
    script.add(record.name, {**plus, reference.name: row, amount.name: five})
    script.open_detail(row)
    script.details(row, [total.name])
    too_much = script.draft(record.name, {**minus, reference.name: row, amount.name: five})
    script.refuse(script.changed(too_much, {amount.name: beyond(amount, five, 1)}), one.message)
    script.count(record.name)
    script.enter(too_much)
    script.open_detail(row)
    script.details(row, [total.name])
    return f"{total.label} cannot fall below zero: what would take more than there is is refused"


def _direction(script: Script, record: str, conditions: tuple[Condition, ...]) -> Wanted:
    wanted: Wanted = {}
    for condition in conditions:
        wanted |= next(solutions(script, record, condition, holds=True), {})
    return wanted


def _keep_while_referenced(script: Script, one: Rule) -> str:
    record = script.blueprint.record(one.record)
    children = [
        (child, field)
        for child in script.blueprint.records
        for field in child.fields
        if field.references == record.name and not field.automatic
    ]
    if not children:
        raise NoSample(f"nothing refers to a {record.label}")
    held, free = script.add(record.name), script.add(record.name)
    child, field = children[0]
    script.add(child.name, {field.name: held})
    script.refuse_delete(held, one.message)
    script.open_list(record.name)
    script.listed(held)
    script.delete(free)
    script.count(record.name)
    return f"A {record.label.lower()} that is still used cannot be deleted, another one can"


_WRITERS = {
    "order": _order,
    "unique together": _unique_together,
    "at most": _at_most,
    "no overlap": _no_overlap,
    "reference condition": _reference_condition,
    "required when": _required_when,
    "not below zero": _not_below_zero,
    "keep while referenced": _keep_while_referenced,
}


def _meeting(script: Script, one: Rule) -> Wanted:
    """Values with which the rule's conditions hold."""
    wanted: Wanted = {}
    for condition in one.when:
        wanted |= next(solutions(script, one.record, condition, holds=True), {})
    return wanted


def _filled(script: Script, one: Rule, names: tuple[str, ...], base: Wanted) -> Wanted:
    """New values for these fields."""
    return {name: _value(script, name, one) for name in names if name not in base}


def _value(script: Script, name: str, one: Rule) -> Cell:
    field = script.blueprint.record(one.record).field(name)
    if field.type == "reference":
        return script.fitting(one.record, field)
    return script.sample(field, script.next_number())


def _broken(script: Script, one: Rule, wanted: Wanted) -> Row:
    """A draft that is refused for this rule and nothing else.

    Raises:
        NoSample: there is none.
    """
    return script.draft(one.record, wanted, breaking=one)


def _outside(script: Script, one: Rule, alike: Wanted) -> None:
    """What is alike but not meant by the rule's conditions is saved."""
    for condition in one.when:
        with suppress(NoSample):
            kept = {name: cell for name, cell in alike.items() if name != condition.field}
            situation(script, one.record, one.when, missed=condition, base=kept).set_up(script)
