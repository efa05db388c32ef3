"""Scenarios about whole records and lists of services without pages."""

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

from macrohard.domain.scenario import Request, Restart, SeeHeader, SeeJson, SeeStatus
from macrohard.llm.builtin.acceptance import fields
from macrohard.llm.builtin.acceptance.asking import AskingScript, said
from macrohard.llm.builtin.acceptance.beginning import asking
from macrohard.llm.builtin.acceptance.cells import Row
from macrohard.llm.builtin.acceptance.fields import with_rollup
from macrohard.llm.builtin.acceptance.lists import (
    amount,
    fragment_of,
    group_name,
    group_value,
    inside_and_outside,
    searchable,
    sortable_value,
    total_of,
    unordered,
    value_for,
)
from macrohard.llm.builtin.acceptance.records import change_of, many, referenced_first
from macrohard.llm.builtin.acceptance.rules import actionable
from macrohard.llm.builtin.acceptance.samples import NoSample
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.acceptance.situations import Wanted, edges_of, situation
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Field

Written = Iterator[tuple[str, Script]]


def add_and_list(blueprint: Blueprint, claim: Claim) -> Written:
    """A record that is added is answered, found at its address, and listed; odd bodies are refused."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    row = script.draft(record.name, full=True)
    script.prepare(row)
    script.count(record.name)
    script.open_form(record.name)
    script.type_in(row)
    script.save(row)
    script.do(SeeHeader(name="Location", text=script.path(record.name) + "/"))
    names = [one.name for one in record.fields]
    script.details(row, names)
    script.open_list(record.name)
    script.listed(row)
    script.open_detail(row)
    script.details(row, names)
    script.add(record.name)
    script.do(Request(method="POST", path=script.path(record.name), text_body='{"'), SeeStatus(status=400))
    script.do(Request(method="POST", path=script.path(record.name), json_body=[1]), SeeStatus(status=400))
    script.ask("GET", f"{script.path(record.name)}/999999", 404)
    script.count(record.name)
    yield f"A {record.label.lower()} that is added is found with what was sent", script


def edit(blueprint: Blueprint, claim: Claim) -> Written:
    """What is changed changes, and nothing else does."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    row, other = script.add(record.name, full=True), script.add(record.name)
    name, cell = change_of(script, row)
    script.edit(row, {name: cell})
    for one in (row, other):
        script.open_detail(one)
        script.details(one, [field.name for field in record.fields])
    script.count(record.name)
    yield f"A {record.label.lower()} can be changed, and what was not changed stays", script


def delete(blueprint: Blueprint, claim: Claim) -> Written:
    """Deleting removes this record alone; or it is not possible."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    row, other = script.add(record.name), script.add(record.name)
    if not record.deletable:
        script.ask("DELETE", script.address(row), 405)
        script.count(record.name)
        yield f"A {record.label.lower()} cannot be deleted", script
        return
    script.delete(row)
    script.open_detail(other)
    script.count(record.name)
    yield f"A {record.label.lower()} can be deleted, and no other with it", script


def survives_restart(blueprint: Blueprint, claim: Claim) -> Written:
    """All that was sent is there after the product was started anew."""
    script = asking(blueprint)
    rows = [script.add(record.name, full=True) for record in referenced_first(blueprint)]
    script.do(Restart())
    for row in rows:
        script.open_detail(row)
        script.details(row, [one.name for one in script.world.type(row).fields])
        script.count(row.record)
    yield "Everything that was sent is still there after a restart", script


def choices(blueprint: Blueprint, claim: Claim) -> Written:
    """Its values are kept, and no other is accepted."""
    for title, script in fields.choices(blueprint, claim):
        record = blueprint.record(claim.record or "")
        one = record.field(claim.field or "")
        script.refuse(script.draft(record.name), f"for {one.label}", texts={one.name: "xqzwv"})
        script.count(record.name)
        yield title, script


def action(blueprint: Blueprint, claim: Claim) -> Written:
    """It is accepted only where it is allowed, and does what it says."""
    one = blueprint.actions[claim.index or 0]
    script, record = asking(blueprint), blueprint.record(one.record)
    allowed = actionable(script, one)
    row = allowed.set_up(script)
    for condition in one.when:
        for edge in edges_of(script, record.name, condition, holds=False):
            with suppress(NoSample):
                other = situation(script, record.name, one.when, missed=condition, edge=edge).set_up(script)
                script.refuse_act(other, one, one.refusal)
    script.act(row, one)
    script.open_detail(row)
    script.details(row, one.sets)
    yield f"“{one.label}” is accepted only where it is allowed, and changes the {record.label.lower()}", script


def view(blueprint: Blueprint, claim: Claim) -> Written:
    """It lists what meets its conditions, edges included, and nothing else, in its order."""
    one = blueprint.views[claim.index or 0]
    script, record = asking(blueprint), blueprint.record(one.record)
    members, others = inside_and_outside(script, record.name, one.when)
    script.open_view(one)
    _exactly(script, members, others)
    if one.sort:
        _in_order(script, members, record.field(one.sort), descending=one.descending)
    yield f"“{one.label}” lists the {record.plural.lower()} that belong there and no others", script


def search(blueprint: Blueprint, claim: Claim) -> Written:
    """A part of a value in any case leaves what matches; something else leaves nothing."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    names = [name for name in record.search if searchable(script, record, name)] or [record.title_field]
    rows = []
    for number in range(3):
        values: Wanted = {}
        for name in names:
            values |= value_for(script, record, name, number)
        rows.append(script.add(record.name, values))
    for name in names:
        fragment = said(fragment_of(script, rows, name))
        script.ask("GET", f"{script.path(record.name)}?search={quote(fragment)}", 200)
        _exactly(script, rows[:1], rows[1:])
    script.ask("GET", f"{script.path(record.name)}?search=xqzwv", 200)
    script.rows_shown(0)
    labels = ", ".join(record.field(name).label for name in names)
    yield f"Searching finds {record.plural.lower()} by a part of {labels} and leaves the others out", script


def filter_(blueprint: Blueprint, claim: Claim) -> Written:
    """What is chosen leaves what matches and leaves out the others."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or record.filters[0])
    is_date = one.type in {"date", "date-time"}
    for number in range(4 if one.type == "choice" else 2):
        with suppress(NoSample):
            script.add(record.name, value_for(script, record, one.name, 2 * number if is_date else number))
    everyone = script.world.of(record.name)
    shown = {script.world.shown(row, one.name) for row in everyone}
    if len(shown) < 2:
        raise NoSample(f"{one.label} has but one value")
    start = f"{script.path(record.name)}?filter-{one.name}"
    if is_date:
        everyone.sort(key=lambda row: str(script.world.plain(script.world.value(row, one.name))))
        first, last = everyone[0], everyone[-1]
        for edge, row in (("from", last), ("to", first)):
            day = script.world.shown(row, one.name).partition(" ")[0]
            script.ask("GET", f"{start}-{edge}={day}", 200)
            _exactly(script, [row], [other for other in everyone if other is not row])
    for row in everyone[:3] if not is_date else ():
        wanted = script.world.value(row, one.name)
        text = script.sent(one, wanted)
        chosen = {True: "yes", False: "no"}[wanted] if isinstance(wanted, bool) else str(text)
        # The number of another record is known only when the scenario runs.
        asked = chosen if isinstance(wanted, Row) else quote(chosen)
        script.ask("GET", f"{start}={asked}", 200)
        same = [other for other in everyone if script.world.value(other, one.name) == wanted]
        _exactly(script, same, [other for other in everyone if other not in same])
    yield f"Filtering {record.plural.lower()} by {one.label} gives what matches and nothing else", script


def sort(blueprint: Blueprint, claim: Claim) -> Written:
    """The list is put in order, and in the reverse one."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    one = record.field(claim.field or record.sort or record.sortable[0])
    rows: list[Row] = []
    if one.computed and one.computed.record:
        rows = with_rollup(script, record.name, one.computed)
    for number in unordered(one) if not rows else ():
        with suppress(NoSample):
            rows.append(script.add(record.name, sortable_value(script, record, one.name, number)))
    if len({script.world.shown(row, one.name) for row in rows}) < 2:
        raise NoSample(f"{one.label} has but one value")
    everyone = script.world.of(record.name)
    for descending in (False, True):
        script.ask("GET", f"{script.path(record.name)}?sort={'-' if descending else ''}{one.name}", 200)
        _in_order(script, everyone, one, descending=descending)
    yield f"The list of {record.plural.lower()} is put in order by {one.label}", script


def paging(blueprint: Blueprint, claim: Claim) -> Written:
    """More than a page of records is spread over pages."""
    script, record = asking(blueprint), blueprint.record(claim.record or "")
    rows = many(script, record, record.page_size + 1)
    for page, number in ((1, record.page_size), (2, 1)):
        script.ask("GET", f"{script.path(record.name)}?page={page}", 200)
        script.rows_shown(number)
        script.do(SeeJson(at="count", value=len(rows)), SeeJson(at="pages", value=2))
    yield f"A long list of {record.plural.lower()} is spread over pages", script


def total(blueprint: Blueprint, claim: Claim) -> Written:
    """The exact number for the whole list."""
    one = blueprint.totals[claim.index or 0]
    script, record = asking(blueprint), blueprint.record(one.record)
    for number in range(3):
        wanted: Wanted = {}
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
    groups: dict[str, list[Row]] = {}
    for row in rows if one.group_by else ():
        groups.setdefault(group_name(script, row, one.group_by or ""), []).append(row)
    place = f'totals["{one.label}"]'
    if not one.group_by:
        script.do(SeeJson(at=place, value=said(total_of(script, record, one, rows))))
    for name, members in groups.items():
        script.do(SeeJson(at=f'{place}["{said(name)}"]', value=said(total_of(script, record, one, members))))
    yield f"“{one.label}” is exact for all {record.plural.lower()}", script


def highlight(blueprint: Blueprint, claim: Claim) -> Written:
    """What meets the conditions carries the word, edges included, and nothing else does."""
    one = blueprint.highlights[claim.index or 0]
    script, record = asking(blueprint), blueprint.record(one.record)
    members, others = inside_and_outside(script, record.name, one.when)
    labels = [each.label for each in blueprint.highlights if each.record == one.record]
    for row in (*members, *others):
        script.open_detail(row)
        if len(labels) == 1:
            script.do(SeeJson(at="marks", value=[one.label] if row in members else []))
        elif row in members:
            script.tell(one.label)
    yield f"“{one.label}” marks the {record.plural.lower()} it is meant for and no others", script


def _exactly(script: AskingScript, members: list[Row], others: list[Row]) -> None:
    for row in members:
        script.listed(row)
    for row in others:
        script.listed(row, present=False)
    script.rows_shown(len(members))


def _in_order(script: AskingScript, rows: list[Row], field: Field, *, descending: bool) -> None:
    keyed = [(script.world.sort_key(row, field), row) for row in rows]
    filled = [(key, row) for key, row in keyed if key is not None]
    filled.sort(key=lambda pair: pair[0], reverse=descending)
    for place, (key, row) in enumerate(filled):
        # Which of those that are alike comes first is left open.
        if sum(key == other for other, _ in filled) == 1:
            script.do(SeeJson(at=f"items[{place}].id", value=script.id_of(row)))
