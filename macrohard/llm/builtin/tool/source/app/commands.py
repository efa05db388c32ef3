"""What can be typed, and what is shown: commands become requests, and their answers lines of text or JSON."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from macrohard.llm.builtin.webapi.source.app.routes import Request, Response, Site
from macrohard.llm.builtin.webapp.source.app import conditions, listing, transfer
from macrohard.llm.builtin.webapp.source.app.declarations import Field, Product, Record
from macrohard.llm.builtin.webapp.source.app.storage import Row, Storage

CELL_CHARACTERS = 40
"""Longer values are cut in lists; `show` has them in full."""
_TAKEN = frozenset({"json", "help"})


def understood(product: Product, arguments: Sequence[str]) -> Namespace:
    """What was typed; what is wrong with it is said on standard error, and ends the program with 2."""
    parser = _parser(product)
    for one in arguments:
        if not one.isprintable() and one != one.encode("utf-8", "replace").decode():
            parser.error("an argument is not UTF-8 text")
    asked = parser.parse_args(arguments)
    if asked.command in ("list", "search", "export"):
        _check_question(asked, parser)
    return asked


def carry_out(storage: Storage, asked: Namespace) -> int:
    """Do it and tell it; 0, or 1 if it was refused."""
    record: Record = asked.of
    match asked.command:
        case "export":
            return _export(storage, asked)
        case "import":
            return _import(storage, record, Path(asked.file))
        case "list" | "search":
            response = Site(storage).answer(_question(asked))
        case "show":
            response = Site(storage).answer(Request("GET", f"{record.address}/{asked.number}"))
        case "add":
            response = Site(storage).answer(Request("POST", record.address, body=_body(record, asked)))
        case "edit":
            path = f"{record.address}/{asked.number}"
            response = Site(storage).answer(Request("PATCH", path, body=_body(record, asked)))
        case "delete":
            response = Site(storage).answer(Request("DELETE", f"{record.address}/{asked.number}"))
        case action:
            response = Site(storage).answer(Request("POST", f"{record.address}/{asked.number}/actions/{action}"))
    if response.status >= 400:
        told = response.value.get("error") if isinstance(response.value, dict) else None
        print(f"error: {told or 'this is not possible'}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(response.value or {"deleted": int(asked.number)}, ensure_ascii=False))
    else:
        print("\n".join(_told(storage, asked, response)))
    return 0


def option(field: Field) -> str:
    """How a field is given, e.g. `--due-date`."""
    name = field.name.replace("_", "-")
    return f"--the-{name}" if name in _TAKEN else f"--{name}"


def _parser(product: Product) -> ArgumentParser:
    kept = ", ".join(record.plural.lower() for record in product.records)
    parser = ArgumentParser(
        prog="python3 -m app", description=f"{product.title}: keeps {kept} in $DATA (./data).", allow_abbrev=False
    )
    if len(product.records) == 1:
        _add_commands(parser, product, product.records[0])
        return parser
    nouns = parser.add_subparsers(metavar="what", required=True)
    for record in product.records:
        said = f"everything about {record.plural.lower()}"
        noun = nouns.add_parser(record.address.strip("/"), help=said, description=said, allow_abbrev=False)
        _add_commands(noun, product, record)
    return parser


def _add_commands(parser: ArgumentParser, product: Product, record: Record) -> None:
    commands = parser.add_subparsers(metavar="command", dest="command", required=True)
    one, some = record.label.lower(), record.plural.lower()

    def command(name: str, said: str, *, json_too: bool = True) -> ArgumentParser:
        told = said.replace("%", "%%")
        added = commands.add_parser(name, help=told, description=f"{told[:1].upper()}{told[1:]}.", allow_abbrev=False)
        added.set_defaults(of=record, views=[view for view in product.views if view.record == record.name], json=False)
        if json_too:
            added.add_argument("--json", action="store_true", help="answer in JSON")
        return added

    _add_fields(command("add", f"add a {one}"), record, product)
    _add_question(command("list", f"list {some}"), record, product)
    search = command("search", f"list the {some} in which all of these words stand")
    search.add_argument("search", nargs="+", metavar="word")
    _add_question(search, record, product, searched=True)
    command("show", f"show one {one} in full").add_argument("number")
    edit = command("edit", f"change a {one}; what is not given stays as it was")
    edit.add_argument("number")
    _add_fields(edit, record, product)
    if record.deletable:
        command("delete", f"delete a {one}").add_argument("number")
    export = command("export", f"write {some} as CSV", json_too=False)
    export.add_argument("--file", help="where to; if not given, standard output")
    _add_question(export, record, product)
    if record.import_csv:
        taken = command("import", f"add the {some} of a CSV file", json_too=False)
        taken.add_argument("file", help="its first line names the fields")
    for action in product.actions:
        if action.record == record.name:
            command(action.name, f"{action.label.lower()}").add_argument("number")


def _add_fields(parser: ArgumentParser, record: Record, product: Product) -> None:
    for one in record.fields:
        if one.entered:
            told = [one.type if not one.choices else ", ".join(one.choices)]
            told += ["required"] * one.required
            if one.references:
                told = [f"the number of one of the {product.record(one.references).plural.lower()}", *told[1:]]
            said = "; ".join(told).replace("%", "%%")
            parser.add_argument(option(one), dest=f"field {one.name}", metavar="value", help=said)


def _add_question(parser: ArgumentParser, record: Record, product: Product, *, searched: bool = False) -> None:
    if not searched:
        parser.add_argument("--search", default="", metavar="words", help="only those in which all of the words stand")
    filters = listing.Question(record).filterable
    names = ", ".join(f"{one.name}-from, {one.name}-to" if one.type in listing.DATES else one.name for one in filters)
    parser.add_argument(
        "--filter", action="append", default=[], metavar="field=value", help=f"fields: {names or 'none here'}"
    )
    sortable = ", ".join(record.sortable)
    parser.add_argument("--sort", metavar="field", help=f"-field turns it round; fields: {sortable or 'none here'}")
    parser.add_argument("--page", type=int, default=1, metavar="n")
    views = ", ".join(_slug(view.address) for view in product.views if view.record == record.name)
    parser.add_argument("--view", metavar="name", help=f"one of: {views or 'none here'}")


def _check_question(asked: Namespace, parser: ArgumentParser) -> None:
    record: Record = asked.of
    known = set()
    for one in listing.Question(record).filterable:
        known |= {f"{one.name}-from", f"{one.name}-to"} if one.type in listing.DATES else {one.name}
    for given in asked.filter:
        name, equals, _ = given.partition("=")
        if not equals or name not in known:
            parser.error(f"--filter {given}: give field=value, with one of {', '.join(sorted(known)) or 'no fields'}")
    if asked.sort is not None and asked.sort.removeprefix("-") not in record.sortable:
        parser.error(f"--sort {asked.sort}: it can be one of {', '.join(record.sortable) or 'no fields'}")
    if asked.page < 1:
        parser.error("--page: pages are counted from 1")
    views = [_slug(view.address) for view in asked.views]
    if asked.view is not None and asked.view not in views:
        parser.error(f"--view {asked.view}: there is no such view; there are {', '.join(views) or 'none'}")


def _slug(address: str) -> str:
    return address.rpartition("/")[2]


def _query(asked: Namespace) -> dict[str, str]:
    words = asked.search if isinstance(asked.search, str) else " ".join(asked.search)
    query = {"search": words, "page": str(asked.page)}
    query |= {f"filter-{name}": chosen for name, _, chosen in (given.partition("=") for given in asked.filter)}
    return query | ({"sort": asked.sort} if asked.sort is not None else {})


def _question(asked: Namespace) -> Request:
    address = next((view.address for view in asked.views if _slug(view.address) == asked.view), asked.of.address)
    return Request("GET", address, _query(asked))


def _body(record: Record, asked: Namespace) -> bytes:
    given = vars(asked)
    texts = {one.name: given.get(f"field {one.name}") for one in record.fields}
    return json.dumps({name: text for name, text in texts.items() if text is not None}).encode()


def _told(storage: Storage, asked: Namespace, response: Response) -> Iterator[str]:
    record: Record = asked.of
    value = response.value if isinstance(response.value, dict) else {}
    if asked.command in ("list", "search"):
        yield from _listed(storage, record, value, narrowed=bool(asked.search or asked.filter or asked.view))
    elif asked.command == "show":
        row = storage.row(record.name, int(str(value["id"])))
        assert row is not None
        yield f"{record.label} {row.id}"
        for field in record.fields:
            yield f"  {field.label}: {conditions.shown(storage, row, field.name)}"
        for mark in conditions.highlights(storage, row):
            yield f"  ! {mark.label}"
    else:
        done = {"add": "added", "edit": "changed", "delete": "deleted"}.get(asked.command)
        number = value.get("id") or asked.number
        label = next((one.label for one in storage.product.actions if one.name == asked.command), "")
        yield f"{record.label} {number} {done}." if done else f"{record.label} {number}: {label}: done."


def _listed(storage: Storage, record: Record, value: dict[str, object], *, narrowed: bool) -> Iterator[str]:
    items = value["items"]
    assert isinstance(items, list)
    rows = [row for item in items if (row := storage.row(record.name, item["id"])) is not None]
    if rows:
        lines = [["#", *(field.label for field in record.fields)], *(_cells(storage, row) for row in rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    count = value["count"]
    if not count:
        yield f"No {record.plural.lower()} {'match' if narrowed else 'yet'}."
    else:
        yield f"{count} {record.label.lower() if count == 1 else record.plural.lower()}"
    if value["pages"] != 1 and count:
        yield f"Page {value['page']} of {value['pages']}"
    totals = value["totals"]
    assert isinstance(totals, dict)
    for label, total in totals.items():
        groups = total.items() if isinstance(total, dict) else ()
        yield f"{label}: {total}" if not isinstance(total, dict) else f"{label}:"
        yield from (f"  {name}: {number}" for name, number in groups)


def _cells(storage: Storage, row: Row) -> list[str]:
    texts = [" ".join(conditions.shown(storage, row, field.name).split()) for field in row.record.fields]
    cells = [text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1]}…" for text in texts]
    marks = "".join(f" ! {mark.label}" for mark in conditions.highlights(storage, row))
    return [str(row.id), *cells[:-1], f"{cells[-1]}{marks}"]


def _export(storage: Storage, asked: Namespace) -> int:
    record: Record = asked.of
    view = next((one for one in asked.views if _slug(one.address) == asked.view), None)
    rows = listing.answer(storage, listing.read(_query(asked), record, view)).rows
    content = transfer.export(storage, record, rows)
    if asked.file is None:
        print(content.decode("utf-8-sig"), end="")
        return 0
    try:
        Path(asked.file).write_bytes(content)
    except OSError as error:
        print(f"error: {asked.file} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{len(rows)} {record.label.lower() if len(rows) == 1 else record.plural.lower()} written to {asked.file}")
    return 0


def _import(storage: Storage, record: Record, file: Path) -> int:
    try:
        done = transfer.import_(storage, record, file.read_bytes())
    except OSError as error:
        print(f"error: {file} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    except transfer.Unreadable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{done.added} {record.plural.lower()} imported.")
    for problem in done.problems:
        print(problem, file=sys.stderr)
    return 1 if done.problems else 0
