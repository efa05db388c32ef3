"""Tables of records: searched and filtered, with what can be done with each row, paging and totals."""

from . import conditions, fields, listing, register
from .declarations import Field, Record
from .layout import Html, tag
from .listing import Answer, Question
from .storage import Row, Storage

_SHORT = frozenset({"date", "time", "date-time", "yes/no", "choice", "phone"})


def search_form(storage: Storage, question: Question) -> Html:
    """Search, filters, "Show" and "Clear"; a small script shows the matches while one types."""
    chosen = dict(question.filters)
    order = tag("input", type="hidden", name="sort", value=_order(question.sort, question.descending))
    return tag(
        "form",
        tag("div", tag("label", "Search", for_="search"), _searchbox(question), class_="field grow"),
        [_filter(storage, question, field, chosen) for field in question.filterable],
        order if question.sort else None,
        tag(
            "div",
            tag("button", "Show", type="submit", class_="quiet"),
            tag("a", "Clear", href=question.address, class_="button quiet"),
            class_="buttons",
        ),
        role="search",
        aria_label=f"Find {question.record.plural.lower()}",
        action=question.address,
        method="get",
        class_="find",
        data_live=True,
    )


def results(storage: Storage, answer: Answer) -> list[Html]:
    """The table with its count, totals, paging and files."""
    question, record = answer.question, answer.question.record
    if answer.rows:
        shown = table(storage, answer.shown, question.columns, record.plural, question=question)
    else:
        shown = tag("p", _nothing(storage, question), class_="empty")
    return [
        tag("div", shown, id="rows", data_swap=True),
        tag("p", record.named(len(answer.rows)), id="count", class_="count", aria_live="polite", data_swap=True),
        tag("div", _totals(storage, answer), _paging(answer), _files(question), id="more", data_swap=True),
    ]


def table(
    storage: Storage, rows: list[Row], columns: tuple[Field, ...], name: str, *, question: Question | None = None
) -> Html:
    """The rows; with a question also sortable headers and what can be done with each row."""
    headers = [_header(field, question) for field in columns]
    if question:
        headers.append(
            tag("th", tag("span", "Actions", class_="unseen"), role="columnheader", scope="col", class_="heads-do")
        )
    body = [_row(storage, row, columns, question) for row in rows]
    # The roles stand here because styles that make cards of rows on small screens take them away in some browsers.
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", headers, role="row"), role="rowgroup"),
            tag("tbody", body, role="rowgroup"),
            role="table",
            aria_label=name,
        ),
        class_="scroll dense" if len(columns) > 6 else "scroll",
    )


def action_buttons(storage: Storage, row: Row, back: str) -> list[Html]:
    """A button for each action that is possible now; afterwards one is led back."""
    return [
        tag(
            "form",
            tag("input", type="hidden", name="back", value=back),
            tag("button", action.label, type="submit", class_="action"),
            method="post",
            action=f"{row.address}/actions/{action.name.replace('_', '-')}",
        )
        for action in register.actions(storage, row)
    ]


def cell(storage: Storage, row: Row, field: Field) -> Html:
    """The value as it stands in a table or on the record's page."""
    text = conditions.shown(storage, row, field.name)
    source = conditions.looked_up(storage, row.record.name, field)
    if text == fields.EMPTY:
        return tag("span", text, class_="nothing")
    if source.type == "choice" or source.type == "yes/no":
        return tag("span", text, class_=f"chip tone-{_tone(source, text)}")
    return tag("span", text, class_="long") if source.type == "long text" else tag("span", text)


def badges(storage: Storage, row: Row) -> list[Html]:
    """The words of the highlights that apply to the record."""
    found = conditions.highlights(storage, row)
    return [tag("span", highlight.label, class_=f"badge {highlight.tone}") for highlight in found]


def _searchbox(question: Question) -> Html:
    return tag("input", type="search", id="search", name="search", value=question.search, autocomplete="off")


def _filter(storage: Storage, question: Question, field: Field, chosen: dict[str, str]) -> Html:
    if field.type in listing.DATES:
        edges = [_date_filter(field, edge, chosen.get(f"{field.name}-{edge}", "")) for edge in ("from", "to")]
        return tag("div", edges, class_="pair")
    name = f"filter-{field.name}"
    offered = [("", "Any"), *listing.options(storage, field, question.record)]
    current = chosen.get(field.name, "")
    return tag(
        "div",
        tag("label", field.label, for_=name),
        tag(
            "select",
            [tag("option", text, value=value, selected=value == current) for value, text in offered],
            name=name,
            id=name,
        ),
        class_="field",
    )


def _date_filter(field: Field, edge: str, value: str) -> Html:
    name = f"filter-{field.name}-{edge}"
    return tag(
        "div",
        tag("label", f"{field.label} {edge}", for_=name),
        tag("input", type="date", id=name, name=name, value=value),
        class_="field",
    )


def _order(sort: str | None, descending: bool) -> str:
    return f"{'-' if descending else ''}{sort or ''}"


def _header(field: Field, question: Question | None) -> Html:
    kind = "number" if field.type in fields.NUMBERS else None
    if not question or field.name not in question.record.sortable:
        return tag("th", field.label, role="columnheader", scope="col", class_=kind)
    is_current = question.sort == field.name
    address = question.link(sort=field.name, descending=is_current and not question.descending, page=1)
    arrow = tag("span", class_="arrow", aria_hidden="true")
    direction = ("descending" if question.descending else "ascending") if is_current else None
    link = tag("a", field.label, arrow, href=address)
    return tag(
        "th", link, role="columnheader", scope="col", aria_sort=direction, class_=f"sortable {kind or ''}".strip()
    )


def _row(storage: Storage, row: Row, columns: tuple[Field, ...], question: Question | None) -> Html:
    highlights = conditions.highlights(storage, row)
    title = row.record.title_field
    names = [field.name for field in columns]
    lead = title if title in names else names[0]
    cells = []
    for field in columns:
        kind = _kind(storage, row.record, field)
        if field.name == lead:
            text = conditions.title(storage, row) if field.name == title else conditions.shown(storage, row, field.name)
            content = [tag("a", text, href=row.address), *((" ", badge) for badge in badges(storage, row))]
            kind = "title"
        else:
            content = [cell(storage, row, field)]
        cells.append(tag("td", content, role="cell", data_label=field.label, class_=kind))
    if question:
        cells.append(
            tag("td", tag("div", _row_actions(storage, row, question), class_="buttons"), role="cell", class_="do")
        )
    return tag("tr", cells, role="row", class_=f"stands-out {highlights[0].tone}" if highlights else None)


def _row_actions(storage: Storage, row: Row, question: Question) -> list[Html]:
    done = action_buttons(storage, row, question.link())
    done.append(tag("a", "Edit", href=f"{row.address}/edit"))
    if row.record.deletable:
        done.append(tag("a", "Delete", href=f"{row.address}/delete"))
    return done


def _nothing(storage: Storage, question: Question) -> str:
    record = question.record
    narrowed = question.is_narrowed or (question.view and storage.rows(record.name))
    return f"No {record.plural.lower()} {'match' if narrowed else 'yet'}."


def _totals(storage: Storage, answer: Answer) -> list[Html]:
    of_record = [one for one in storage.product.totals if one.record == answer.question.record.name]
    single = [
        tag("p", f"{one.label}: ", tag("strong", listing.total(storage, one, answer.rows)))
        for one in of_record
        if not one.group_by
    ]
    grouped = [
        _grouped(storage, one.label, answer.question.record, one.group_by, listing.grouped(storage, one, answer.rows))
        for one in of_record
        if one.group_by and answer.rows
    ]
    return [tag("div", single, class_="totals")] * bool(single) + [tag("div", grouped, class_="groups")] * bool(grouped)


def _grouped(storage: Storage, label: str, record: Record, group_by: str, groups: list[tuple[str, str]]) -> Html:
    heads = (record.field(group_by).label, "Total")
    return tag(
        "table",
        tag("caption", label),
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", [tag("tr", tag("td", name), tag("td", value, class_="number")) for name, value in groups]),
        class_="group",
    )


def _paging(answer: Answer) -> Html | None:
    if answer.pages == 1:
        return None
    question, number = answer.question, answer.question.page
    earlier = tag("a", "Previous", href=question.link(page=number - 1), rel="prev", class_="button quiet")
    later = tag("a", "Next", href=question.link(page=number + 1), rel="next", class_="button quiet")
    return tag(
        "nav",
        earlier if number > 1 else None,
        tag("span", f"Page {number} of {answer.pages}"),
        later if number < answer.pages else None,
        aria_label="Pages",
        class_="pages",
    )


def _files(question: Question) -> Html | None:
    links = []
    if question.record.export_csv:
        links.append(tag("a", "Export CSV", href=question.link(file="/export.csv", page=1), class_="button quiet"))
    if question.record.import_csv and not question.view:
        links.append(tag("a", "Import CSV", href=f"{question.record.address}/import", class_="button quiet"))
    return tag("div", links, class_="files") if links else None


def _kind(storage: Storage, record: Record, field: Field) -> str | None:
    """How a cell is laid out: numbers at the right; what is short does not break."""
    source = conditions.looked_up(storage, record.name, field)
    if source.type in fields.NUMBERS:
        return "number"
    is_code = source.checksum or source.pattern or (source.max_length or 99) <= 20
    return "short" if source.type in _SHORT or is_code else None


def _tone(field: Field, text: str) -> int:
    """Each choice has a shade of its own; yes stands out, no does not."""
    if field.type == "yes/no":
        return 2 if text == "Yes" else 0
    return 1 + field.choices.index(text) % 6 if text in field.choices else 0
