"""Which address does what: from a request to the page, file or redirection that answers it."""

import json
import os
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from . import conditions, forms, layout, listing, pages, register, transfer
from .declarations import Record, View
from .layout import Html, Message
from .register import Refused
from .storage import Row, Storage

HTML = "text/html; charset=utf-8"
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_REMEMBERED = 1_000


@dataclass(frozen=True)
class Request:
    """What a browser asks for."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    file: bytes | None = None
    told: str = ""
    """The cookie with a message for the next page."""


@dataclass(frozen=True)
class Response:
    """What it gets."""

    status: int
    body: bytes = b""
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


class Site:
    """The whole product as a function from requests to responses."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._product = storage.product
        folder = Path(__file__).parent / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}
        self._version = f"{zlib.crc32(b''.join(self._static.values())):08x}"
        self._sent: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Tickets of forms that were saved, with a sum of their content: a double click must not save twice."""

    def answer(self, request: Request) -> Response:
        """The response; unknown addresses and wrong methods get a page that says so."""
        get = request.method in {"GET", "HEAD"}
        if not get and request.method != "POST":
            return self.refusal(405)
        parts = [part for part in request.path.split("/") if part]
        if request.path != "/" + "/".join(parts) and request.path != "/":
            return self.refusal(404)
        if get and request.path == "/health":
            return Response(200, b"ok", "text/plain; charset=utf-8")
        if get and parts[:1] == ["static"]:
            return self._file(parts)
        if request.path == "/":
            return self._start(request) if get else self.refusal(405)
        for view in self._product.views:
            if request.path in {view.address, f"{view.address}/export.csv"}:
                record = self._product.record(view.record)
                return self._list(request, record, view) if get else self.refusal(405)
        for record in self._product.records:
            if f"/{parts[0]}" == record.address:
                return self._record(request, record, parts[1:], get=get)
        return self.refusal(404)

    def refusal(self, status: int) -> Response:
        """A page that says what is wrong, with a way back."""
        heading, text = {
            400: ("Not understood", "The browser sent something that cannot be understood."),
            403: ("Not allowed", "The form was sent from another site, so nothing was changed."),
            404: ("Not found", "There is nothing at this address. It may have been deleted."),
            405: ("Not possible", "This address cannot be used in that way."),
            411: ("Not understood", "The browser did not say how much it sends."),
            413: ("Too large", "What was sent is too large, so nothing was changed."),
            500: ("Something went wrong", "This is our mistake; it was noted. Nothing was changed."),
        }.get(status, ("Not possible", "The request cannot be answered."))
        headers = (("Allow", "GET, HEAD, POST"),) if status == 405 else ()
        response = self._page(Request("GET", ""), heading, pages.notice(heading, text), status=status)
        return Response(status, response.body, HTML, headers)

    def _record(self, request: Request, record: Record, parts: list[str], *, get: bool) -> Response:
        match parts:
            case [] | ["export.csv"]:
                return self._list(request, record, None) if get else self.refusal(405)
            case ["new"]:
                return self._form(request, record, None) if get else self._add(request, record)
            case ["import"] if record.import_csv:
                return self._import_page(request, record) if get else self._import(request, record)
        number = parts[0] if parts and parts[0].isascii() and parts[0].isdecimal() and len(parts[0]) < 19 else "0"
        row = self._storage.row(record.name, int(number))
        if row is None:
            return self.refusal(404)
        match parts[1:]:
            case []:
                return self._detail(request, row) if get else self.refusal(405)
            case ["edit"]:
                return self._form(request, record, row) if get else self._change(request, row)
            case ["delete"] if record.deletable:
                return self._ask_deletion(request, row, None) if get else self._delete(request, row)
            case ["actions", name]:
                return self.refusal(405) if get else self._act(request, row, name)
        return self.refusal(404)

    def _start(self, request: Request) -> Response:
        if not self._product.has_overview:
            return Response(303, headers=(("Location", self._product.records[0].address),))
        return self._page(request, self._product.title, pages.overview(self._storage), here="/")

    def _list(self, request: Request, record: Record, view: View | None) -> Response:
        question = listing.read(request.query, record, view)
        if request.path.endswith("/export.csv"):
            if not record.export_csv:
                return self.refusal(404)
            rows = listing.answer(self._storage, question).rows
            name = (view.address if view else record.address).rpartition("/")[2]
            headers = (("Content-Disposition", f'attachment; filename="{name}.csv"'),)
            return Response(200, transfer.export(self._storage, record, rows), "text/csv; charset=utf-8", headers)
        heading = view.label if view else record.plural
        return self._page(request, heading, pages.records(self._storage, question), here=question.address)

    def _detail(self, request: Request, row: Row) -> Response:
        content = pages.detail(self._storage, row)
        return self._page(request, conditions.title(self._storage, row), content, here=row.record.address)

    def _form(self, request: Request, record: Record, row: Row | None, refused: Refused | None = None) -> Response:
        if refused:
            texts = dict(request.form)
        else:
            texts = forms.texts_of(row) if row else forms.start_texts(record, request.query)
        ticket = os.urandom(9).hex()
        content = pages.entry(self._storage, record, texts, row=row, refused=refused, ticket=ticket)
        heading = f"{'Edit' if row else 'Add'} {record.label.lower()}"
        return self._page(request, heading, content, here=record.address, status=422 if refused else 200)

    def _add(self, request: Request, record: Record) -> Response:
        content = repr(sorted(request.form.items())).encode()
        sent = (request.form.get("_ticket", ""), zlib.crc32(content))
        try:
            with self._storage.transaction():
                if not sent[0] or sent not in self._sent:
                    register.add(self._storage, record, request.form)
                    self._sent[sent] = None
        except Refused as refused:
            return self._form(request, record, None, refused)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        return _go(record.address, f"{record.label} saved.")

    def _change(self, request: Request, row: Row) -> Response:
        revision = request.form.get("_revision", "")
        try:
            register.change(self._storage, row, request.form, revision=int(revision) if revision.isdecimal() else None)
        except Refused as refused:
            return self._form(request, row.record, self._storage.row(row.record.name, row.id) or row, refused)
        return _go(row.address, f"{row.record.label} saved.")

    def _ask_deletion(self, request: Request, row: Row, refused: Refused | None) -> Response:
        content = pages.deletion(self._storage, row, refused)
        heading = f"Delete {row.record.label.lower()}?"
        return self._page(request, heading, content, here=row.record.address, status=422 if refused else 200)

    def _delete(self, request: Request, row: Row) -> Response:
        try:
            register.delete(self._storage, row)
        except Refused as refused:
            return self._ask_deletion(request, row, refused)
        return _go(row.record.address, f"{row.record.label} deleted.")

    def _act(self, request: Request, row: Row, name: str) -> Response:
        back = request.form.get("back", "")
        # Only an address of this site: "//host" and "/\host" would lead elsewhere.
        if not back.startswith("/") or back[1:2] in {"/", "\\"} or not back.isprintable():
            back = row.address
        for action in self._product.actions:
            if action.record == row.record.name and action.name.replace("_", "-") == name:
                try:
                    register.act(self._storage, row, action)
                except Refused as refused:
                    return _go(back, str(refused), is_problem=True)
                return _go(back, f"{action.label}: done.")
        return self.refusal(404)

    def _import_page(
        self, request: Request, record: Record, *, done: transfer.Imported | None = None, problem: str | None = None
    ) -> Response:
        content = pages.import_(record, done=done, problem=problem)
        heading = f"Import {record.plural.lower()}"
        return self._page(request, heading, content, here=record.address, status=422 if problem else 200)

    def _import(self, request: Request, record: Record) -> Response:
        if not request.file:
            return self._import_page(request, record, problem="Please correct: choose a CSV file first.")
        try:
            done = transfer.import_(self._storage, record, request.file)
        except transfer.Unreadable as error:
            return self._import_page(request, record, problem=str(error))
        return self._import_page(request, record, done=done)

    def _file(self, parts: list[str]) -> Response:
        name = parts[1] if len(parts) == 2 else ""
        if name not in STATIC:
            return self.refusal(404)
        return Response(200, self._static[name], STATIC[name], (("Cache-Control", "max-age=86400"),))

    def _page(
        self, request: Request, heading: str, content: list[Html | None], *, here: str = "", status: int = 200
    ) -> Response:
        message = _told(request.told)
        body = layout.page(self._product, heading, *content, here=here, message=message, version=self._version)
        forget = (("Set-Cookie", "told=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),) if message else ()
        return Response(status, body, HTML, forget)


def _go(address: str, text: str, *, is_problem: bool = False) -> Response:
    """Lead the browser to another page that shows the text."""
    told = quote(json.dumps([text, is_problem]), safe="")
    cookie = f"told={told}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    return Response(303, headers=(("Location", quote(address, safe="/?&=%-_.~+")), ("Set-Cookie", cookie)))


def _told(cookie: str) -> Message | None:
    try:
        match json.loads(unquote(cookie)):
            case [str(text), bool(is_problem)]:
                return Message(text, is_problem=is_problem)
    except ValueError:
        pass  # Not ours, or cut off: there is nothing to tell.
    return None
