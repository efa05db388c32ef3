"""Which address does what: from a request to the JSON that answers it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from http import HTTPStatus

from macrohard.llm.builtin.webapp.source.app import conditions, fields, listing, register
from macrohard.llm.builtin.webapp.source.app.declarations import Field, Record, View
from macrohard.llm.builtin.webapp.source.app.fields import Value
from macrohard.llm.builtin.webapp.source.app.register import Refused
from macrohard.llm.builtin.webapp.source.app.storage import Row, Storage


@dataclass(frozen=True)
class Request:
    """What a program asks for."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """What it gets: JSON, or nothing."""

    status: int
    value: object = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def body(self) -> bytes:
        """As it is sent."""
        return b"" if self.status == 204 else json.dumps(self.value, ensure_ascii=False).encode()


class _NotPossible(Exception):
    def __init__(self, status: int, error: str = "", **more: object) -> None:
        super().__init__(error)
        self.response = Response(status, {"error": error or HTTPStatus(status).phrase, **more})


class Site:
    """The whole product as a function from requests to responses."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._product = storage.product

    def answer(self, request: Request) -> Response:
        """The response; what is refused says why under "error", and for each field under "fields"."""
        try:
            return self._answer(request)
        except _NotPossible as refusal:
            return refusal.response

    def _answer(self, request: Request) -> Response:
        parts = [part for part in request.path.split("/") if part]
        if request.path == "/health":
            return Response(200, {"status": "ok"})
        if not parts:
            return Response(200, {"title": self._product.title, "lists": self._addresses()})
        for view in self._product.views:
            if request.path == view.address:
                self._allow(request, "GET")
                return self._list(request, self._product.record(view.record), view)
        for record in self._product.records:
            if f"/{parts[0]}" == record.address:
                return self._record(request, record, parts[1:])
        raise _NotPossible(404)

    def _addresses(self) -> list[str]:
        return [*(one.address for one in self._product.records), *(one.address for one in self._product.views)]

    def _allow(self, request: Request, *methods: str) -> None:
        if request.method not in methods:
            raise _NotPossible(405, f"{request.method} is not possible here; {', '.join(methods)} is")

    def _record(self, request: Request, record: Record, parts: list[str]) -> Response:
        if not parts:
            self._allow(request, "GET", "POST")
            return self._list(request, record, None) if request.method == "GET" else self._add(request, record)
        number = parts[0] if parts[0].isascii() and parts[0].isdecimal() and len(parts[0]) < 19 else "0"
        row = self._storage.row(record.name, int(number))
        if row is None:
            raise _NotPossible(404, f"there is no such {record.label.lower()}")
        match parts[1:]:
            case []:
                self._allow(request, "GET", "PATCH", *(["DELETE"] if record.deletable else []))
                return self._one(request, row)
            case ["actions", name]:
                self._allow(request, "POST")
                return self._act(row, name)
        raise _NotPossible(404)

    def _one(self, request: Request, row: Row) -> Response:
        if request.method == "GET":
            return Response(200, self._told(row))
        try:
            if request.method == "DELETE":
                register.delete(self._storage, row)
                return Response(204)
            texts = {one.name: fields.plain(one, row.values[one.name]) for one in row.record.fields if one.entered}
            changed = register.change(self._storage, row, {**texts, **self._texts(request, row.record)})
        except Refused as refused:
            raise self._refusal(409 if request.method == "DELETE" else 422, refused) from refused
        return Response(200, self._told(changed))

    def _add(self, request: Request, record: Record) -> Response:
        texts = {}
        for one in record.fields:
            if one.entered and (start := fields.start_value(one)) is not None:
                texts[one.name] = fields.plain(one, start)
        try:
            row = register.add(self._storage, record, {**texts, **self._texts(request, record)})
        except Refused as refused:
            raise self._refusal(422, refused) from refused
        return Response(201, self._told(row), (("Location", f"{record.address}/{row.id}"),))

    def _act(self, row: Row, name: str) -> Response:
        for action in self._product.actions:
            if (action.record, action.name) == (row.record.name, name):
                try:
                    return Response(200, self._told(register.act(self._storage, row, action)))
                except Refused as refused:
                    raise self._refusal(409, refused) from refused
        raise _NotPossible(404)

    def _list(self, request: Request, record: Record, view: View | None) -> Response:
        answer = listing.answer(self._storage, listing.read(request.query, record, view))
        totals: dict[str, object] = {}
        for one in self._product.totals:
            if one.record == record.name and view is None:
                grouped = one.group_by is not None
                groups = listing.grouped(self._storage, one, answer.rows) if grouped else []
                totals[one.label] = dict(groups) if grouped else listing.total(self._storage, one, answer.rows)
        items = [self._told(row) for row in answer.shown]
        page = {"page": answer.question.page, "pages": answer.pages}
        return Response(200, {"items": items, "count": len(answer.rows), **page, "totals": totals})

    def _told(self, row: Row) -> dict[str, object]:
        values = {one.name: _json(conditions.value(self._storage, row, one.name)) for one in row.record.fields}
        marks = [one.label for one in conditions.highlights(self._storage, row)]
        return {"id": row.id, **values, "marks": marks}

    def _texts(self, request: Request, record: Record) -> dict[str, str]:
        """What was sent, as if it had been typed."""
        try:
            sent = json.loads(request.body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise _NotPossible(400, "the body is not JSON") from error
        if not isinstance(sent, dict):
            raise _NotPossible(400, "the body is not an object")
        known = {one.name: one for one in record.fields if one.entered}
        problems = {name: f"There is no field {name!r} to be set." for name in sent if name not in known}
        texts = {}
        for name, value in sent.items():
            if name in known and isinstance(value, list | dict):
                problems[name] = f"{known[name].label} must be one value."
            elif name in known:
                texts[name] = _text(known[name], value)
        if problems:
            raise self._refusal(422, Refused(problems=problems))
        return texts

    def _refusal(self, status: int, refused: Refused) -> _NotPossible:
        return _NotPossible(status, str(refused), fields=refused.problems, messages=refused.messages)


def _json(value: Value) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | time():
            return value.isoformat(timespec="minutes")
    return value.isoformat()


def _text(one: Field, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | Decimal():
            return fields.digits(value)
    return str(value)
