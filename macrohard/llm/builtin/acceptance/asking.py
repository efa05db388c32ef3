"""The same scripts for services without pages: what a person would do on a page, a program asks for in JSON."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from pydantic import JsonValue

from macrohard.domain import BrowserStep, Step
from macrohard.domain.scenario import Keep, Request, SeeJson, SeeOutput, SeeStatus
from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, Row, digits, typed
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.blueprint import Action, Blueprint, Field, View
from macrohard.llm.builtin.webapp.addresses import record_address, view_address


class AskingScript(Script):
    """Asks a service; what only pages show, such as controls, is left out."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self._names: dict[Row, str] = {}
        self._body: dict[str, JsonValue] = {}
        self._open = ("POST", "/")

    takes_files = False

    def do(self, *steps: Step) -> None:
        """Append what is no step on a page."""
        super().do(*(step for step in steps if not isinstance(step, BrowserStep)))

    def path(self, record: str) -> str:
        return record_address(self.blueprint.record(record))

    def address(self, row: Row) -> str:
        """Of one record that was added."""
        return f"{self.path(row.record)}/{self.id_of(row)}"

    def id_of(self, row: Row) -> str:
        """The number that the product gave the record."""
        return f"{{kept:{self._names[row]}}}"

    def ask(self, method: str, path: str, status: int, body: Mapping[str, JsonValue] | None = None) -> None:
        """Ask, and expect the status."""
        request = {"method": method, "path": path, "json_body": dict(body) if body is not None else None}
        self.do(Request.model_validate(request), SeeStatus(status=status))

    def tell(self, text: str) -> None:
        """Expect a text in the answer."""
        self.do(SeeOutput(text=json.dumps(text, ensure_ascii=False)[1:-1]))

    def open_list(self, record: str) -> None:
        self.ask("GET", self.path(record), 200)

    def open_form(self, record: str) -> None:
        self._body, self._open = {}, ("POST", self.path(record))

    def open_edit(self, row: Row) -> None:
        self._body, self._open = {}, ("PATCH", self.address(row))

    def open_detail(self, row: Row) -> None:
        self.ask("GET", self.address(row), 200)

    def open_view(self, view: View) -> None:
        self.ask("GET", view_address(view), 200)

    def type_in(self, row: Row, texts: Mapping[str, str] | None = None) -> None:
        for field in self.world.type(row).fields:
            if field.computed or field.automatic:
                continue
            if texts and field.name in texts:
                self._body[field.name] = said(texts[field.name])
            elif field.name in self.typed_in(row):
                self._body[field.name] = self.sent(field, row.values.get(field.name))

    def save(self, row: Row) -> None:
        new = row not in self.world.rows
        self.ask(*self._open, 201 if new else 200, self._body)
        if new:
            self._names[row] = f"id_{len(self._names) + 1}"
            self.do(Keep(name=self._names[row], at="id"))
            self.world.rows.append(row)

    def edit(self, row: Row, changes: Mapping[str, Cell]) -> None:
        self.open_edit(row)
        self.type_in(self.only(row, changes))
        self.save(row)
        row.values.update(changes)

    def refused(self, record: str, *messages: str) -> None:
        self.ask(*self._open, 422, self._body)
        for message in messages:
            # So the page begins that a form comes back on.
            if message != "Please correct":
                self.tell(message)

    def act(self, row: Row, action: Action) -> None:
        self.ask("POST", f"{self.address(row)}/actions/{action.name}", 200)
        row.values = self.world.after(row, action)

    def refuse_act(self, row: Row, action: Action, message: str) -> None:
        self.ask("POST", f"{self.address(row)}/actions/{action.name}", 409)
        if message:
            self.tell(message)

    def delete(self, row: Row) -> None:
        self.ask("DELETE", self.address(row), 204)
        self.ask("GET", self.address(row), 404)
        self.world.rows.remove(row)

    def refuse_delete(self, row: Row, message: str) -> None:
        self.ask("DELETE", self.address(row), 409)
        self.tell(message)

    def count(self, record: str) -> None:
        self.open_list(record)
        self.do(SeeJson(at="count", value=len(self.world.of(record))))

    def rows_shown(self, number: int) -> None:
        self.do(SeeJson(at="items", count=number))

    def listed(self, row: Row, *, present: bool = True) -> None:
        self.do(SeeJson(at=f"items[id={self.id_of(row)}]", present=present))

    def details(self, row: Row, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            field = self.world.type(row).field(name)
            cell = self.world.value(row, name)
            if isinstance(cell, Moment | Clock) and cell.minute is None:
                self.do(SeeJson(at=name, type="text"))
            else:
                self.do(SeeJson(at=name, value=self.sent(field, cell)))

    def sent(self, field: Field, cell: Cell) -> JsonValue:
        """A value as JSON, to be sent and to be seen."""
        match cell:
            case None | "":
                return None
            case bool():
                return cell
            case Decimal():
                return int(cell) if cell == cell.to_integral_value() else float(digits(cell))
            case Row():
                return self.id_of(cell)
            case Day() | Clock() | Moment():
                return typed(field, cell)
        return cell


def said(text: str) -> str:
    """A text of a page's step as one of a program's, in which no braces are doubled."""
    return text.replace("{{", "{").replace("}}", "}")
