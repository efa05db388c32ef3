"""The interface contract of a service in the designer's words: every route, and what holds on all of them."""

from collections.abc import Iterator

from macrohard.domain import Route
from macrohard.llm.builtin.blueprint import Blueprint, Record
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

_LIST = '200 with {"items": […], "count": all that match, "page", "pages", "totals"}'


def routes(blueprint: Blueprint) -> tuple[Route, ...]:
    """All routes, with what they take and answer."""
    found = [
        Route(method="GET", path="/health", purpose="Says that the service is ready.", answer='200 {"status": "ok"}'),
        Route(method="GET", path="/", purpose="Names the lists.", answer='200 {"title", "lists"}'),
    ]
    for record in blueprint.records:
        found.extend(_of_record(blueprint, record))
    for view in blueprint.views:
        purpose = f"Lists the {blueprint.record(view.record).plural.lower()} that belong to “{view.label}”."
        found.append(Route(method="GET", path=view_address(view), purpose=purpose, request=_ASKED, answer=_LIST))
    return tuple(found)


_ASKED = (
    "Query: search (words, in any case), filter-<field>=<value> (of dates filter-<field>-from and -to), sort=<field> "
    "or sort=-<field>, page."
)


def conventions() -> tuple[str, ...]:
    """What holds for every route."""
    return (
        "JSON in and out, in UTF-8; the names of fields are those of the data model. Numbers and money are numbers, "
        "yes/no is true or false, dates are 2026-11-22, times 09:30, date-times 2026-11-22T09:30, a reference is the "
        "number of the other record, no value is null.",
        'Every record has its number under "id", and under "marks" the labels of the highlights that apply to it.',
        'A refusal answers {"error": all of it in words}; 422 and 409 also "fields" (field → message) and "messages" '
        "(of broken rules). 400: the body is not JSON, or not an object. 404: there is nothing at this address. 405: "
        "not in this way. 422: a value or rule. 409: deleting or an action that is not possible now.",
        "Messages: “<label> is required.” · “… must be a whole number.” · “… must be at least/at most/more than X.” · "
        "“… must not be before/after X.” or “in the past/future.” · “… must have at least/at most n characters.” · "
        "“… must be <hint>.” · “… has a wrong check digit.” · “… is already used.” · “Choose one of the offered values "
        "for <label>.”",
        "“totals” holds under each total's label its text as people read it; of grouped ones an object by group.",
        "Text is trimmed; uniqueness ignores case; “today” is the server's local day; search ignores case and accents. "
        "Lists that name no order give the newest first; empty values come last.",
        "Data is kept in ./data and survives a kill and a restart.",
    )


def _of_record(blueprint: Blueprint, record: Record) -> Iterator[Route]:
    address, one = record_address(record), record.label.lower()
    entered = ", ".join(field.name for field in record.fields if not field.computed and not field.automatic)
    yield Route(method="GET", path=address, purpose=f"Lists {record.plural.lower()}.", request=_ASKED, answer=_LIST)
    yield Route(
        method="POST",
        path=address,
        purpose=f"Adds a {one}.",
        request=f"An object with {entered}; what is left out has its default, or no value.",
        answer="201 with the record and its address under Location; 400; 422",
    )
    each = f"{address}/<id>"
    yield Route(method="GET", path=each, purpose=f"Gives one {one}.", answer="200 with the record; 404")
    yield Route(
        method="PATCH",
        path=each,
        purpose=f"Changes a {one}.",
        request="An object with the fields that change.",
        answer="200 with the record; 400; 404; 422",
    )
    deleting = "204; 404; 409 if something forbids it" if record.deletable else "405: it is never deleted"
    yield Route(method="DELETE", path=each, purpose=f"Deletes a {one}.", answer=deleting)
    for action in blueprint.actions:
        if action.record == record.name:
            path = f"{each}/actions/{action.name}"
            answer = f"200 with the record; 404; 409 “{action.refusal}”" if action.refusal else "200; 404; 409"
            yield Route(method="POST", path=path, purpose=f"{action.label}.", answer=answer)
