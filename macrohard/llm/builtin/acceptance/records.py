"""Scenarios about whole records: adding, changing, deleting, keeping, and taking them in and out as files."""

from collections.abc import Iterator

from macrohard.domain.scenario import (
    Click,
    Download,
    Fill,
    NewBrowser,
    Open,
    Press,
    Reload,
    Resize,
    Restart,
    SeeControl,
    SeeFits,
    SeeRow,
    SeeValue,
    Upload,
)
from macrohard.llm.builtin.acceptance.cells import EMPTY, Cell, Row, literal, typed
from macrohard.llm.builtin.acceptance.samples import FREE_TEXTS, NoSample, not_matching, of_length, refused
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Field, Record

Written = Iterator[tuple[str, Script]]
PHONE = Resize(width=375, height=667)


def add_and_list(blueprint: Blueprint, claim: Claim) -> Written:
    """A record that is added from the list stands in it with what was entered."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    row = script.draft(record.name, full=True)
    script.prepare(row)
    script.open_list(record.name)
    script.see(f"No {literal(record.plural.lower())} yet.", present=bool(script.world.of(record.name)) is False)
    script.do(Click(role="link", name=add_link(record)))
    script.type_in(row)
    script.save(row)
    script.listed(row)
    script.open_detail(row)
    script.do(SeeControl(role="heading", name=script.world.title(row)))
    script.add(record.name)
    script.count(record.name)
    yield f"A {record.label.lower()} that is added stands in the list with what was entered", script


def edit(blueprint: Blueprint, claim: Claim) -> Written:
    """The form holds what was entered; what is changed changes, and nothing else does."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    row = script.add(record.name, full=True)
    other = script.add(record.name)
    script.open_edit(row)
    for one in record.fields:
        cell = row.values.get(one.name)
        if not one.computed and not one.automatic and (cell is not None or one.type == "yes/no"):
            script.do(SeeValue(name=literal(one.label), value=_held(script, one, cell)))
    name, cell = change_of(script, row)
    before = script.world.shown(row, name)
    script.type_in(script.only(row, {name: cell}))
    script.do(Click(role="button", name="Save"))
    script.see(f"{literal(record.label)} saved.")
    row.values[name] = cell
    script.details(row, [one.name for one in record.fields])
    if before != EMPTY and len(before) > 2 and before not in script.world.shown(row, name):
        script.see(f"{literal(record.field(name).label)} {before}", present=False)
    script.open_list(record.name)
    script.listed(row)
    script.listed(other)
    script.count(record.name)
    yield f"A {record.label.lower()} can be changed, and what was not changed stays", script


def delete(blueprint: Blueprint, claim: Claim) -> Written:
    """Deleting asks first, and removes this record alone; or it is offered nowhere."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    if not record.deletable:
        kept = script.add(record.name)
        script.open_detail(kept)
        script.do(SeeControl(role="link", name="Edit"))
        for role in ("link", "button"):
            script.do(SeeControl(role=role, name="Delete", present=False))
        script.open_list(record.name)
        for role in ("link", "button"):
            script.do(SeeControl(role=role, name="Delete", present=False, row=script.world.handle(kept)))
        yield f"A {record.label.lower()} cannot be deleted: it is offered nowhere", script
        return
    row, other = script.add(record.name), script.add(record.name)
    handle = script.world.handle(row)
    script.open_list(record.name)
    script.do(Click(role="link", name="Delete", row=handle))
    script.see(f"Delete {literal(record.label.lower())}?")
    script.do(Click(role="link", name="Cancel"))
    script.open_list(record.name)
    script.listed(row)
    script.do(Click(role="link", name="Delete", row=handle), Click(role="button", name="Delete"))
    script.see(f"{literal(record.label)} deleted.")
    script.open_list(record.name)
    script.do(SeeRow(texts=(handle,), present=False))
    script.world.rows.remove(row)
    script.listed(other)
    script.count(record.name)
    yield f"A {record.label.lower()} is deleted only after being asked, and no other with it", script


def survives_restart(blueprint: Blueprint, claim: Claim) -> Written:
    """All that was entered is there after a reload and after the product was started anew."""
    script = Script(blueprint)
    rows = [script.add(record.name, full=True) for record in referenced_first(blueprint)]
    script.do(Reload())
    main = [row for row in rows if row.record == claim.record] or rows
    script.open_list(main[0].record)
    script.listed(main[0])
    script.do(Restart(), NewBrowser())
    for row in rows:
        script.open_detail(row)
        script.details(row, [one.name for one in script.world.type(row).fields])
        script.count(row.record)
    yield "Everything that was entered is still there after a reload and a restart", script


def detail_history(blueprint: Blueprint, claim: Claim) -> Written:
    """A record's page lists those that refer to it, and only those."""
    script, child = Script(blueprint), blueprint.record(claim.record or "")
    link = next(
        one for one in child.fields
        if one.type == "reference" and not one.automatic and (claim.field is None or one.name == claim.field)
    )  # fmt: skip
    target = blueprint.record(link.references or "")
    mine, other = script.add(target.name), script.add(target.name)
    others = [
        one
        for one in child.fields
        if one.type == "reference" and one.name != link.name and one.required and not one.automatic
    ]
    here, there = (
        script.add(
            child.name, {**{one.name: script.fitting(child.name, one) for one in others}, link.name: target_}, full=True
        )
        for target_ in (mine, other)
    )
    script.open_detail(mine)
    several = sum(one.references == target.name for one in child.fields) > 1
    heading = f"{child.plural} ({link.label})" if several else child.plural
    script.do(SeeControl(role="heading", name=literal(heading)))
    script.do(SeeControl(role="link", name=add_link(child)))
    own = _own_handle(script, here, there, link)
    script.do(SeeRow(texts=(own[0],)), SeeRow(texts=(own[1],), present=False))
    script.open_detail(other)
    script.do(SeeRow(texts=(own[1],)), SeeRow(texts=(own[0],), present=False))
    yield f"The page of a {target.label.lower()} lists its {child.plural.lower()} and no others", script


def paging(blueprint: Blueprint, claim: Claim) -> Written:
    """More than a page of records is spread over pages that lead to each other."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    rows = many(script, record, record.page_size + 1)
    script.open_list(record.name)
    script.do(SeeControl(role="navigation", name="Pages"))
    script.see("Page 1 of 2")
    script.see(f"{len(rows)} {literal(record.plural.lower())}")
    script.do(SeeControl(role="link", name="Previous", present=False))
    script.do(Click(role="link", name="Next"))
    script.see("Page 2 of 2")
    script.do(SeeControl(role="link", name="Next", present=False))
    script.rows_shown(1)
    script.do(Click(role="link", name="Previous"))
    script.see("Page 1 of 2")
    script.rows_shown(record.page_size)
    yield f"A long list of {record.plural.lower()} is spread over pages", script


def export(blueprint: Blueprint, claim: Claim) -> Written:
    """The file holds a header, the records that are filtered for, and nothing that a spreadsheet would run."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    row, other = script.add(record.name, full=True), script.add(record.name)
    labels = tuple(literal(one.label) for one in record.fields if not one.computed and not one.automatic)
    handles = script.world.handle(row), script.world.handle(other)
    script.open_list(record.name)
    script.do(Download(role="link", name="Export CSV", texts=(*labels, *handles)))
    title = record.field(record.title_field)
    if record.search and title.type == "text" and not title.pattern and (title.max_length or 99) >= 8:
        script.do(Fill(name="Search", value=handles[1]), Press(key="Enter"))
        script.do(SeeRow(texts=(handles[0],), present=False))
        script.do(Download(role="link", name="Export CSV", texts=(labels[0], handles[1]), absent=(handles[0],)))
        if title.min_length is None or title.min_length <= 6:
            script.add(record.name, {title.name: "=2+3+4"})
            script.open_list(record.name)
            script.do(Download(role="link", name="Export CSV", texts=("'=2+3+4",)))
    yield f"The {record.plural.lower()} that are shown are exported as CSV with a header", script


def import_(blueprint: Blueprint, claim: Claim) -> Written:
    """Good lines are taken, each bad one is reported with its number."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    content, good, message = importable(script, record)
    script.do(Open(path=f"{script.path(record.name)}/import"))
    script.do(Upload(name="CSV file", filename="some.csv", content=content))
    script.do(Click(role="button", name="Import"))
    script.see(f"3 {literal(record.plural.lower())} imported.")
    script.see(f"Line 4: {literal(message)}")
    script.world.rows.extend(good)
    script.count(record.name)
    for row in good:
        script.listed(row)
    yield f"Good lines of a CSV file become {record.plural.lower()}, bad ones are reported by their number", script


def importable(script: Script, record: Record) -> tuple[str, list[Row], str]:
    """A CSV file with three good lines and, as line 4, one that is refused; the three, and why the other is not."""
    good = [script.draft(record.name) for _ in range(3)]
    typed_in = {name for row in good for name in script.typed_in(row)}
    bad_field, bad_text, message = _bad(record, typed_in)
    columns = [one for one in record.fields if one.name in typed_in | {bad_field.name}]
    for row in good:
        script.prepare(row)
    bad = script.draft(record.name)
    lines = [
        _line(script, columns, good[0]),
        _line(script, columns, good[1]),
        _line(script, columns, bad, {bad_field.name: bad_text}),
        _line(script, columns, good[2]),
    ]
    header = ",".join(_quoted(literal(one.label.upper())) for one in columns)
    return "\n".join([header, *lines, ""]), good, message


def phone_layout(blueprint: Blueprint, claim: Claim) -> Written:
    """On a phone a record can be added, found and read."""
    script, record = Script(blueprint), blueprint.record(claim.record or "")
    row = script.draft(record.name)
    script.prepare(row)
    script.do(PHONE)
    script.open_list(record.name)
    script.do(SeeControl(role="link", name=add_link(record)))
    script.do(SeeFits())
    script.do(Click(role="link", name=add_link(record)))
    script.do(SeeControl(role="button", name="Save"))
    script.do(SeeFits())
    script.type_in(row)
    script.save(row)
    script.listed(row)
    script.do(SeeFits())
    script.do(Open(path="/"))
    script.do(SeeControl(role="link", name=literal(record.plural)))
    script.do(SeeFits())
    script.open_detail(row)
    script.do(SeeControl(role="link", name="Edit"))
    script.do(SeeFits())
    for other in blueprint.records:
        if other.name != record.name:
            script.open_list(other.name)
            script.do(SeeFits())
            script.open_form(other.name)
            script.do(SeeFits())
    for view in blueprint.views:
        script.open_view(view)
        script.do(SeeFits())
    yield f"On a phone's screen a {record.label.lower()} can be added and found, and no page is too wide", script


def many(script: Script, record: Record, number: int) -> list[Row]:
    """So many records: by a file if the record type takes one, else through the form."""
    if not record.import_csv or not script.takes_files:
        return [script.add(record.name) for _ in range(number)]
    first = script.draft(record.name)
    columns = [one for one in record.fields if one.name in script.typed_in(first)]
    rows = [first]
    script.prepare(first)
    script.world.rows.append(first)
    while len(rows) < number:
        row = script.draft(record.name)
        script.prepare(row)
        script.world.rows.append(row)
        rows.append(row)
    header = ",".join(_quoted(literal(one.label)) for one in columns)
    content = "\n".join([header, *(_line(script, columns, row) for row in rows), ""])
    script.do(Open(path=f"{script.path(record.name)}/import"))
    script.do(Upload(name="CSV file", filename="many.csv", content=content))
    script.do(Click(role="button", name="Import"))
    script.see(f"{number} {literal(record.plural.lower())} imported.")
    return rows


def add_link(record: Record) -> str:
    """The link that leads to the form."""
    return f"Add {literal(record.label.lower())}"


def _line(script: Script, columns: list[Field], row: Row, texts: dict[str, str] | None = None) -> str:
    cells = []
    for one in columns:
        cell = row.values.get(one.name)
        if texts and one.name in texts:
            cells.append(texts[one.name])
        elif isinstance(cell, Row):
            cells.append(script.world.title(cell))
        else:
            cells.append(typed(one, cell))
    return ",".join(_quoted(cell) for cell in cells)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n') else text


def _bad(record: Record, typed_in: set[str]) -> tuple[Field, str, str]:
    """A field, what is wrong for it, and the message; fields that good lines hold first."""
    entered = [one for one in record.fields if not one.computed and not one.automatic]
    entered.sort(key=lambda one: one.name not in typed_in)
    for one in entered:
        if one.pattern:
            return one, literal(not_matching(one)[0]), f"{one.label} must be"
    for one in entered:
        if wrong := refused(one):
            return one, *wrong[0]
    for one in entered:
        # A line without anything is no line at all.
        if one.required and one.type not in {"reference", "yes/no"} and len(typed_in) > 1:
            return one, "", f"{one.label} is required."
    for one in entered:
        if one.max_length and one.type in FREE_TEXTS:
            return one, of_length(one, one.max_length + 1), f"{one.label} must have at most"
    raise NoSample("no line can be wrong")


def _held(script: Script, one: Field, cell: Cell) -> str:
    if isinstance(cell, bool):
        return "on" if cell else "off"
    return script.world.text(one, cell) if one.type in {"choice", "reference"} else typed(one, cell)


def change_of(script: Script, row: Row) -> tuple[str, Cell]:
    """A field with another acceptable value, the title if possible."""
    record = script.world.type(row)
    fields = sorted(record.fields, key=lambda one: one.name != record.title_field)
    for one in fields:
        if one.computed or one.automatic or one.type == "reference":
            continue
        for attempt in range(4):
            cell = script.sample(one, script.next_number() + attempt)
            changed = script.world.hypothetically(row, {one.name: cell})
            if cell != row.values.get(one.name) and not script.world.problems(changed):
                return one.name, cell
    raise NoSample(f"nothing of a {record.label} can be changed")


def _own_handle(script: Script, here: Row, there: Row, link: Field) -> tuple[str, str]:
    """Texts that tell two records apart in lists that leave out the field `link`."""
    record = script.world.type(here)
    for one in [record.field(record.title_field), *record.fields]:
        if one.name == link.name:
            continue
        mine, other = script.world.shown(here, one.name), script.world.shown(there, one.name)
        apart = mine not in other and other not in mine
        if apart and EMPTY not in {mine, other} and len(min(mine, other, key=len)) > 1:
            return mine, other
    raise NoSample(f"two {record.plural} cannot be told apart")


def referenced_first(blueprint: Blueprint) -> list[Record]:
    placed: list[Record] = []
    waiting = list(blueprint.records)
    while waiting:
        names = {record.name for record in placed}
        ready = [
            record for record in waiting
            if all(one.references in names | {None, record.name} for one in record.fields)
        ] or waiting[:1]  # fmt: skip
        placed += ready
        waiting = [record for record in waiting if record not in ready]
    return placed
