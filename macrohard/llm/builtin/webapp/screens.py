"""The interface contract in the designer's words: every screen with its controls, and what holds on all of them."""

from collections.abc import Iterable, Iterator

from macrohard.domain import Control, Screen
from macrohard.llm.builtin.blueprint import Blueprint, Field, Record, View
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

_DATES = frozenset({"date", "date-time"})


def screens(blueprint: Blueprint) -> tuple[Screen, ...]:
    """All screens with all controls, named letter for letter."""
    found: list[Screen] = []
    if _has_overview(blueprint):
        controls = [*_everywhere(blueprint), Control(role="heading", name=blueprint.title)]
        found.append(_screen("/", blueprint.title, "How many records there are of each kind, and where.", controls))
    for record in blueprint.records:
        found.extend(_of_record(blueprint, record))
    for view in blueprint.views:
        record = blueprint.record(view.record)
        controls = [*_everywhere(blueprint), *_list_controls(blueprint, record, view)]
        controls += [Control(role="button", name="Print")] * view.printable
        purpose = f"Lists the {record.plural.lower()} that belong to “{view.label}”."
        found.append(_screen(view_address(view), view.label, purpose, controls))
    return tuple(found)


def conventions(blueprint: Blueprint) -> tuple[str, ...]:
    """What holds on every screen."""
    start = "/ is an overview with counts." if _has_overview(blueprint) else "/ leads to the list."
    return (
        start,
        "Labels stand on the screens letter for letter as in the data model; required fields are marked “(required)”.",
        "Every page works without JavaScript, with the keyboard alone, and at a width of 375 px without scrolling "
        "sideways; one main landmark with one h1; a skip link “Skip to content”; navigation “Main”.",
        "Dates are written 2026-11-22, times 09:30, date-times 2026-11-22 09:30, money with the currency before it and "
        "two decimals; an empty value is “–”; yes/no is “Yes” or “No”.",
        "After adding: the list with status “<label> saved.”; after editing: the record's page with the same; after "
        "deleting, which asks first: the list with “<label> deleted.”; after an action: the same page with “<action>: "
        "done.”.",
        "A form with mistakes comes back (HTTP 422) with an alert “Please correct …”, what was typed, and a message "
        "beside each broken field; a broken rule's message stands in the alert.",
        "Messages: “<label> is required.” · “… must be a whole number.” · “… must be at least/at most/more than X.” · "
        "“… must not be before/after X.” or “in the past/future.” · “… must have at least/at most n characters.” · "
        "“… must be <hint>.” · “… has a wrong check digit.” · “… is already used.” · “Choose one of the offered values "
        "for <label>.”",
        "Empty lists say “No <plural> yet.”, filtered ones “No <plural> match.”; below a list stand the count, totals "
        "(“<label>: <value>”), grouped totals as tables, and the pages.",
        "Text is trimmed; uniqueness ignores case; “today” is the server's local day; search ignores case and accents "
        "and wants every word.",
        "Lists that name no order show the newest first; empty values come last; choices sort in the order they are "
        "declared; numbers within text sort by size.",
        "Unknown addresses and records give a page “Not found” (404) with a way back; nothing a person types may lead "
        "to an error page.",
        "Data is kept in ./data and survives a kill and a restart; GET /health answers “ok”.",
    )


def _of_record(blueprint: Blueprint, record: Record) -> Iterator[Screen]:
    address, lower = record_address(record), record.label.lower()
    everywhere = _everywhere(blueprint)
    listed = [*everywhere, *_list_controls(blueprint, record, None)]
    yield _screen(address, record.plural, f"Find, sort and filter {record.plural.lower()}.", listed)
    form = [
        *everywhere,
        *(_entry(field) for field in record.fields if not field.computed and not field.automatic),
        Control(role="button", name="Save"),
        Control(role="link", name="Cancel"),
    ]
    yield _screen(f"{address}/new", f"Add {lower}", f"Enter a new {lower}.", [*_heading(f"Add {lower}"), *form])
    yield _screen(f"{address}/<id>/edit", f"Edit {lower}", f"Change a {lower}.", [*_heading(f"Edit {lower}"), *form])
    children = [child for child in blueprint.records if any(field.references == record.name for field in child.fields)]
    detail = [
        *everywhere,
        *(Control(role="term", name=field.label) for field in record.fields),
        Control(role="link", name="Edit"),
        *[Control(role="link", name="Delete")] * record.deletable,
        Control(role="link", name=f"Back to {record.plural.lower()}"),
        *(Control(role="button", name=one.label) for one in blueprint.actions if one.record == record.name),
    ]
    for child in children:
        detail += [
            Control(role="heading", name=child.plural),
            Control(role="table", name=child.plural),
            Control(role="link", name=f"Add {child.label.lower()}"),
        ]
    yield _screen(f"{address}/<id>", record.label, f"All about one {lower}, and what belongs to it.", detail)
    if record.deletable:
        controls = [
            *_heading(f"Delete {lower}?"),
            *everywhere,
            Control(role="button", name="Delete"),
            Control(role="link", name="Cancel"),
        ]
        yield _screen(f"{address}/<id>/delete", f"Delete {lower}?", "Asks before deleting.", controls)
    if record.import_csv:
        controls = [
            *_heading(f"Import {record.plural.lower()}"),
            *everywhere,
            Control(role="button", name="CSV file"),
            Control(role="button", name="Import"),
        ]
        yield _screen(f"{address}/import", f"Import {record.plural.lower()}", "Takes records from a file.", controls)


def _everywhere(blueprint: Blueprint) -> list[Control]:
    names = ["Overview"] if _has_overview(blueprint) else []
    names += [record.plural for record in blueprint.records] + [view.label for view in blueprint.views]
    return [
        Control(role="link", name="Skip to content"),
        Control(role="navigation", name="Main"),
        *(Control(role="link", name=name) for name in names),
    ]


def _list_controls(blueprint: Blueprint, record: Record, view: View | None) -> list[Control]:
    columns = [record.field(name) for name in (view.columns if view else ())] or list(record.fields)
    filters = [record.field(name) for name in ((view.filters if view else ()) or record.filters)]
    controls = [
        *_heading(view.label if view else record.plural),
        Control(role="link", name=f"Add {record.label.lower()}"),
        Control(role="search", name=f"Find {record.plural.lower()}"),
        Control(role="searchbox", name="Search"),
        *_filters(filters),
        Control(role="button", name="Show"),
        Control(role="link", name="Clear"),
        Control(role="table", name=record.plural),
        *(Control(role="columnheader", name=field.label) for field in columns),
        *(Control(role="link", name=field.label) for field in columns if field.name in record.sortable),
        Control(role="link", name="Edit"),
    ]
    controls += [Control(role="link", name="Delete")] * record.deletable
    controls += [Control(role="button", name=one.label) for one in blueprint.actions if one.record == record.name]
    controls += [
        Control(role="table", name=one.label) for one in blueprint.totals if one.record == record.name and one.group_by
    ]
    controls += [Control(role="link", name="Export CSV")] * record.export_csv
    return controls + [Control(role="link", name="Import CSV")] * (record.import_csv and view is None)


def _filters(fields: Iterable[Field]) -> Iterator[Control]:
    for field in fields:
        if field.type in _DATES:
            yield Control(role="textbox", name=f"{field.label} from")
            yield Control(role="textbox", name=f"{field.label} to")
        else:
            yield Control(role="combobox", name=field.label)


def _entry(field: Field) -> Control:
    role = {"yes/no": "checkbox", "choice": "combobox", "reference": "combobox"}.get(field.type, "textbox")
    return Control(role=role, name=field.label)


def _heading(name: str) -> list[Control]:
    return [Control(role="heading", name=name)]


def _has_overview(blueprint: Blueprint) -> bool:
    return len(blueprint.records) > 1 or bool(blueprint.views)


def _screen(path: str, title: str, purpose: str, controls: Iterable[Control]) -> Screen:
    return Screen(path=path, title=title, purpose=purpose, controls=tuple(dict.fromkeys(controls)))
