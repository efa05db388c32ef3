"""The pages of the product; each function gives the content of one."""

from collections.abc import Mapping

from . import conditions, forms, listing, tables
from .declarations import Field, Record, View
from .layout import Html, tag
from .listing import Question
from .register import Refused
from .storage import Row, Storage
from .transfer import Imported

RELATED = 100
"""So many records are listed on the page of the one they belong to."""


def overview(storage: Storage) -> list[Html | None]:
    """All record types and views with how many records they hold."""
    product = storage.product
    cards = [_record_card(storage, record) for record in product.records]
    views = [
        _card(view.label, view.address, len(listing.answer(storage, listing.read({}, _of(storage, view), view)).rows))
        for view in product.views
    ]
    return [
        tag("h1", product.title),
        tag("ul", cards, class_="cards"),
        tag("h2", "Views") if views else None,
        tag("ul", views, class_="cards") if views else None,
    ]


def records(storage: Storage, question: Question) -> list[Html | None]:
    """The list of a record type, or a view of it."""
    record, view = question.record, question.view
    print_button = tag("button", "Print", type="button", class_="quiet", data_print=True)
    heading = tag(
        "div",
        tag("h1", view.label if view else record.plural),
        tag(
            "div",
            print_button if view and view.printable else None,
            tag("a", f"Add {record.label.lower()}", href=f"{record.address}/new", class_="button primary"),
            class_="buttons",
        ),
        class_="heading",
    )
    return [heading, tables.search_form(storage, question), *tables.results(storage, listing.answer(storage, question))]


def detail(storage: Storage, row: Row) -> list[Html | None]:
    """One record with all its fields, and the records that belong to it."""
    record = row.record
    heading = tag(
        "div",
        tag("h1", conditions.title(storage, row)),
        tag("div", tables.badges(storage, row), class_="badges"),
        tag(
            "div",
            tables.action_buttons(storage, row, row.address),
            tag("a", "Edit", href=f"{row.address}/edit", class_="button primary"),
            tag("a", "Delete", href=f"{row.address}/delete", class_="button quiet") if record.deletable else None,
            class_="buttons",
        ),
        class_="heading",
    )
    values = [tag("div", tag("dt", one.label), tag("dd", _full(storage, row, one))) for one in record.fields]
    related = [_related(storage, row, child, field) for child, field in storage.product.referrers(record.name)]
    back = tag("p", tag("a", f"Back to {record.plural.lower()}", href=record.address), class_="back")
    return [back, heading, tag("dl", values, class_="values"), *related]


def entry(
    storage: Storage,
    record: Record,
    texts: Mapping[str, str],
    *,
    row: Row | None,
    refused: Refused | None = None,
    ticket: str,
) -> list[Html | None]:
    """The form of a new or an existing record."""
    heading = f"{'Edit' if row else 'Add'} {record.label.lower()}"
    alert = None
    if refused:
        first = f"Please correct the marked {'field' if len(refused.problems) == 1 else 'fields'}."
        said = refused.messages or [first]
        lead = "Please correct the following:" if refused.messages else None
        alert = tag(
            "div",
            tag("p", lead) if lead else None,
            [tag("p", text) for text in said],
            role="alert",
            class_="message problem",
            id="problems",
        )
    body = forms.form(storage, record, texts, row=row, refused=refused, ticket=ticket)
    return [tag("h1", heading), alert, tag("div", body, class_="sheet")]


def deletion(storage: Storage, row: Row, refused: Refused | None = None) -> list[Html | None]:
    """Asks once more before a record is deleted."""
    label = row.record.label.lower()
    alert = (
        tag("div", [tag("p", text) for text in refused.messages], role="alert", class_="message problem")
        if refused
        else None
    )
    return [
        tag("h1", f"Delete {label}?"),
        alert,
        tag(
            "form",
            tag("p", "“", tag("strong", conditions.title(storage, row)), "” will be deleted for good."),
            tag(
                "div",
                tag("button", "Delete", type="submit", class_="danger"),
                tag("a", "Cancel", href=row.address, class_="button quiet"),
                class_="buttons",
            ),
            method="post",
            class_="sheet",
        ),
    ]


def import_(record: Record, *, done: Imported | None = None, problem: str | None = None) -> list[Html | None]:
    """Choosing a CSV file, and what became of it."""
    columns = [one.label for one in record.fields if one.entered]
    result: list[Html | None] = []
    if problem:
        result = [tag("div", tag("p", problem), role="alert", class_="message problem", id="problems")]
    if done:
        lines = [tag("p", text) for text in done.problems]
        result = [
            tag("div", tag("p", f"{record.named(done.added)} imported."), role="status", class_="message done"),
            tag("div", tag("h2", "Lines left out"), lines, class_="message problem") if lines else None,
        ]
    return [
        tag("p", tag("a", f"Back to {record.plural.lower()}", href=record.address), class_="back"),
        tag("h1", f"Import {record.plural.lower()}"),
        *result,
        tag(
            "form",
            tag("p", "The first line names the columns: ", tag("strong", ", ".join(columns)), "."),
            tag(
                "div",
                tag("label", "CSV file", for_="file"),
                tag("input", type="file", id="file", name="file", accept=".csv,text/csv,text/plain"),
                class_="field",
            ),
            tag("div", tag("button", "Import", type="submit", class_="primary"), class_="buttons"),
            method="post",
            enctype="multipart/form-data",
            class_="sheet",
        ),
    ]


def notice(heading: str, text: str) -> list[Html | None]:
    """Something could not be done; with a way back."""
    return [
        tag("h1", heading),
        tag("p", text),
        tag("p", tag("a", "Back to the start", href="/", class_="button primary")),
    ]


def _of(storage: Storage, view: View) -> Record:
    return storage.product.record(view.record)


def _record_card(storage: Storage, record: Record) -> Html:
    rows = storage.rows(record.name)
    totals = [
        tag("p", f"{one.label}: {listing.total(storage, one, rows)}")
        for one in storage.product.totals
        if one.record == record.name and not one.group_by
    ]
    add = tag("a", f"Add {record.label.lower()}", href=f"{record.address}/new", class_="button quiet")
    return _card(record.plural, record.address, len(rows), *totals, add)


def _card(text: str, address: str, count: int, *more: Html) -> Html:
    name = tag("a", text, href=address, class_="name")
    return tag("li", name, " ", tag("span", str(count), class_="number"), *more)


def _full(storage: Storage, row: Row, field: Field) -> Html:
    """The value, as a link where it leads somewhere."""
    source, target = conditions.resolved(storage, row, field.name)
    value = conditions.value(storage, row, field.name)
    text = conditions.shown(storage, row, field.name)
    if target is not None:
        return tag("a", text, href=target.address)
    if isinstance(value, str) and value:
        if source.type == "web address":
            return tag("a", text, href=value, rel="noopener noreferrer")
        if source.type == "e-mail":
            return tag("a", text, href=f"mailto:{value}")
        if source.type == "phone":
            return tag("a", text, href="tel:" + "".join(one for one in value if one.isdigit() or one == "+"))
    return tables.cell(storage, row, field)


def _related(storage: Storage, row: Row, child: Record, field: Field) -> Html:
    """The records of a type that point to this one."""
    several = sum(record.name == child.name for record, _ in storage.product.referrers(row.record.name)) > 1
    name = f"{child.plural} ({field.label})" if several else child.plural
    found = storage.alike(child.name, field.name, row.id)
    found = listing.ordered(storage, found, child.sort, descending=child.descending)
    columns = tuple(one for one in child.fields if one.name != field.name or one.name == child.title_field)
    add = tag(
        "a", f"Add {child.label.lower()}", href=f"{child.address}/new?{field.name}={row.id}", class_="button quiet"
    )
    more = f"The first {RELATED} of {len(found)} are shown." if len(found) > RELATED else None
    return tag(
        "section",
        tag("div", tag("h2", name), add, class_="heading"),
        tables.table(storage, found[:RELATED], columns, name)
        if found
        else tag("p", f"No {child.plural.lower()} yet.", class_="empty"),
        tag("p", more, class_="count") if more else None,
    )
