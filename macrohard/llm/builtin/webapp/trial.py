"""One test of a product: carried out while it is written, so that only what holds is written down."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from macrohard.llm.builtin.webapp.samples import To, Typed, plain
from macrohard.llm.builtin.webapp.source.app import conditions, listing, register
from macrohard.llm.builtin.webapp.source.app.declarations import Product, View
from macrohard.llm.builtin.webapp.source.app.fields import Invalid
from macrohard.llm.builtin.webapp.source.app.register import Refused
from macrohard.llm.builtin.webapp.source.app.storage import Row, Storage

_WIDTH = 120


class Unfit(Exception):
    """The test cannot be written in this way, e.g. because no fitting values are known."""


@dataclass(frozen=True)
class Made:
    """A record that was added in the test, by the name of its variable."""

    name: str
    row: Row


Given = Mapping[str, Typed | To | Made]


class Trial:
    """A product with empty data and the lines that a test consists of so far."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._storage = Storage(Path(":memory:"), product)
        self._lines: list[tuple[str, str]] = []
        """The variable, if the line gives one, and what follows."""
        self._added: dict[str, Made] = {}

    def add(self, name: str, given: Given) -> Made:
        """Add a record that must be accepted."""
        texts, source = self._entered(given)
        try:
            row = register.add(self._storage, self.product.record(name), texts)
        except (Refused, Invalid, ValueError, OverflowError) as error:
            raise Unfit(str(error)) from error
        count = sum(re.fullmatch(rf"{name}_\d+", variable) is not None for variable, _ in self._lines) + 1
        made = Made(f"{name}_{count}", row)
        self._lines.append((made.name, f'self.add("{name}", {source})'))
        return made

    def refuse(self, name: str, given: Given, message: str) -> None:
        """Try to add a record that must be refused with this message, or one that begins with it and "…"."""
        texts, source = self._entered(given)
        try:
            register.add(self._storage, self.product.record(name), texts)
        except Refused as refused:
            said = [*refused.problems.values(), *refused.messages]
            begin = message.removesuffix("…")
            matching = [text for text in said if text == message or (begin != message and text.startswith(begin))]
            if not matching:
                raise Unfit(f"refused for another reason: {said}") from refused
            self.say(f'self.refused("{name}", {source}, {plain(matching[0]).source})')
            return
        raise Unfit("it was accepted")

    def show(self, made: Made, field: str, expected: Typed | None = None) -> None:
        """Expect what the field shows now, or just that."""
        row = self._current(made)
        shown = conditions.shown(self._storage, row, field)
        if expected is not None and shown != expected.text.replace("T", " "):
            raise Unfit(f"{field} shows {shown}")
        source = plain(shown).source
        if re.search(r"\d{4}-\d\d-\d\d", shown):
            if expected is None or "minute" in expected.source:
                return
            source = expected.source
        self.say(f'self.assertEqual({source}, self.shown({made.name}, "{field}"))')

    def listed(self, view: View | None, name: str, parameters: Mapping[str, Typed], expected: list[Made]) -> None:
        """Expect these records in a list or view, in any order."""
        found = self._found(view, name, parameters)
        if sorted(found) != sorted(made.row.id for made in expected):
            raise Unfit(f"listed are {found}")
        ids = ", ".join(f"{made.name}.id" for made in expected)
        call = f"sorted({self._list_call(view, name, parameters)})"
        self.say(f"self.assertEqual([{ids}], {call})" if expected else f"self.assertEqual([], {call})")

    def in_order(self, name: str, parameters: Mapping[str, Typed], expected: list[Made]) -> None:
        """Expect these records in the list in this order."""
        found = self._found(None, name, parameters)
        if found != [made.row.id for made in expected]:
            raise Unfit(f"listed are {found}")
        ids = ", ".join(f"{made.name}.id" for made in expected)
        self.say(f"self.assertEqual([{ids}], {self._list_call(None, name, parameters)})")

    def badge(self, made: Made, label: str, *, present: bool) -> None:
        """Expect the highlight's word in the record's row, or not."""
        found = [one.label for one in conditions.highlights(self._storage, self._current(made))]
        if (label in found) != present:
            raise Unfit(f"the marks are {found}")
        check = "assertIn" if present else "assertNotIn"
        self.say(f"self.{check}({plain(label).source}, self.marks({made.name}))")

    def total(self, label: str) -> None:
        """Expect the total to be what it is now."""
        (one,) = [total for total in self.product.totals if total.label == label]
        rows = self._storage.rows(one.record)
        found: object
        if one.group_by:
            found = dict(listing.grouped(self._storage, one, rows))
        else:
            found = listing.total(self._storage, one, rows)
        if re.search(r"\d{4}-\d\d", str(found)):
            raise Unfit("it differs from month to month")
        written = (
            "{" + ", ".join(f"{plain(key).source}: {plain(text).source}" for key, text in found.items()) + "}"
            if isinstance(found, dict)
            else plain(str(found)).source
        )
        self.say(f"self.assertEqual({written}, self.total({plain(label).source}))")

    def act(self, made: Made, action: str) -> None:
        """Press an action's button, which must work."""
        (one,) = [act for act in self.product.actions if (act.record, act.name) == (made.row.record.name, action)]
        try:
            register.act(self._storage, made.row, one)
        except (Refused, Invalid) as error:
            raise Unfit(str(error)) from error
        self.say(f'self.act({made.name}, "{action}")')

    def refuse_act(self, made: Made, action: str) -> None:
        """Press an action's button, which must be refused."""
        (one,) = [act for act in self.product.actions if (act.record, act.name) == (made.row.record.name, action)]
        try:
            register.act(self._storage, made.row, one)
        except Refused as refused:
            self.say("with self.assertRaises(Refused) as refusal:")
            self.say(f'    self.act({made.name}, "{action}")')
            self.say(f"self.assertEqual({plain(str(refused)).source}, str(refusal.exception))")
            return
        raise Unfit("it was done")

    def refuse_delete(self, made: Made, message: str) -> None:
        """Try to delete a record, which must be refused."""
        try:
            register.delete(self._storage, self._current(made))
        except Refused as refused:
            if str(refused) != message:
                raise Unfit(str(refused)) from refused
            self.say("with self.assertRaises(Refused) as refusal:")
            self.say(f"    register.delete(self.storage, {made.name})")
            self.say(f"self.assertEqual({plain(message).source}, str(refusal.exception))")
            return
        raise Unfit("it was deleted")

    def say(self, line: str) -> None:
        """Add a line that gives no variable."""
        self._lines.append(("", line))

    def source(self, name: str) -> str:
        """The method, with variables for those records only that are spoken of again.

        Raises:
            Unfit: nothing is expected.
        """
        if not any("assert" in line or "self.refused" in line for _, line in self._lines):
            raise Unfit("nothing is expected")
        body = []
        for place, (variable, line) in enumerate(self._lines):
            again = any(re.search(rf"\b{variable}\b", later) for _, later in self._lines[place + 1 :])
            body.append(fitted(f"{variable} = {line}" if variable and again else line, 8))
        return f"    def {name}(self) -> None:\n" + "".join(body)

    def _entered(self, given: Given) -> tuple[dict[str, str], str]:
        texts, pieces = {}, []
        for name, one in given.items():
            if isinstance(one, To):
                key = repr(one)
                if key not in self._added:
                    self._added[key] = self.add(one.record, one.texts)
                one = self._added[key]
            texts[name] = str(one.row.id) if isinstance(one, Made) else one.text
            pieces.append(f'"{name}": {one.name if isinstance(one, Made) else one.source}')
        return texts, "{" + ", ".join(pieces) + "}"

    def _current(self, made: Made) -> Row:
        row = self._storage.row(made.row.record.name, made.row.id)
        assert row is not None
        return row

    def _found(self, view: View | None, name: str, parameters: Mapping[str, Typed]) -> list[int]:
        asked = {key: one.text for key, one in parameters.items()}
        question = listing.read(asked, self.product.record(name), view)
        return [row.id for row in listing.answer(self._storage, question).rows]

    def _list_call(self, view: View | None, name: str, parameters: Mapping[str, Typed]) -> str:
        arguments = [f'"{name}"'] + ([plain(view.label).source] if view else [])
        asked = ", ".join(f'"{key}": {one.source}' for key, one in parameters.items())
        return f"self.listed({', '.join([*arguments, *(['asked={' + asked + '}'] if asked else [])])})"


def fitted(line: str, indent: int) -> str:
    """The line, so far indented; a long one with each argument, or each field, on a line of its own."""
    blank = " " * indent
    opening = re.match(r"(.*?[({])(.*)([)}])$", line)
    if len(blank + line) <= _WIDTH or not opening:
        return f"{blank}{line}\n"
    if opening[1].endswith(" = {"):
        inner = "".join(f"{blank}    {piece},\n" for piece in _split(opening[2]))
    else:
        inner = "".join(_argument(piece, indent + 4) for piece in _split(opening[2]))
    return f"{blank}{opening[1]}\n{inner}{blank}{opening[3]}\n"


def _argument(piece: str, indent: int) -> str:
    blank = " " * indent
    if len(piece) + indent + 1 <= _WIDTH or not piece.startswith("{"):
        return f"{blank}{piece},\n"
    return f"{blank}{{\n" + "".join(f"{blank}    {one},\n" for one in _split(piece[1:-1])) + f"{blank}}},\n"


def _split(text: str) -> list[str]:
    """At the commas that are in no brackets and no quotes."""
    pieces, depth, quoted, begin = [], 0, False, 0
    for place, character in enumerate(text):
        if character == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        if quoted:
            continue
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            pieces.append(text[begin:place].strip())
            begin = place + 1
    return [*pieces, text[begin:].strip()]
