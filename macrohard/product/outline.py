"""A page in few words for a model: what it says, what can be operated, and nothing of how it is built.

Everything in an outline comes from the page and is data: a line's own words (roles, states, counts) are ours, what
stands in quotes or behind `·` is the page's.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

import yaml
from pydantic import Field

from macrohard.domain import Value
from macrohard.product import boards
from macrohard.product.browser import Measured, PageView
from macrohard.product.service import readable

ROWS_SHOWN = 12
BOARD_ROWS_SHOWN = 40
"""Of rows that are told in few words each."""
OPTIONS_SHOWN = 12
TEXT_CHARACTERS = 300
CHARACTERS_AT_MOST = 12_000

_KEY = re.compile(r'^([a-z]+)(?: ("(?:[^"\\]|\\.)*"))?((?: \[[^\]]*\])*)$', re.S)
_REFERENCE = re.compile(r"\[((?:f\d+)?e\d+)\] ")
_OPERATED = frozenset({
    "button", "link", "textbox", "searchbox", "combobox", "listbox", "checkbox", "radio", "switch", "slider",
    "spinbutton", "option", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "treeitem",
})  # fmt: skip
_LANDMARKS = frozenset({
    "banner", "navigation", "main", "search", "complementary", "contentinfo", "region", "form", "dialog",
    "alertdialog", "group", "radiogroup", "tablist", "menu", "menubar", "toolbar", "article", "figure",
})  # fmt: skip
_ANNOUNCED = frozenset({"status", "alert", "log"})
_FIELDS = frozenset({"textbox", "searchbox", "spinbutton", "combobox"})
_DESCRIBED = _FIELDS | {"listbox", "checkbox", "radio", "switch", "slider"}
_CELLS = frozenset({"cell", "gridcell", "rowheader"})
_RUNNING = frozenset({"paragraph", "definition", "caption", "listitem", "code", "blockquote", "strong"})
_FOCUSED = re.compile(r" \(focused\)|, focused(?=[,)])|(?<=\()focused, ")
_STATES = ("placeholder", "checked", "disabled", "expanded", "pressed", "selected", "invalid")


@dataclass
class _Node:
    role: str
    name: str = ""
    states: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["_Node"] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return self.states.get("ref", "")

    def walk(self) -> Iterator["_Node"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def words(self) -> str:
        """All text in it, options left out."""
        own = self.name if not self.children and not self.text else self.text
        inner = (child.words() for child in self.children if child.role != "option")
        return " ".join(part for part in (own, *inner) if part)


class Outline(Value):
    """One page at one moment."""

    address: str
    title: str
    lines: tuple[str, ...]
    names: dict[str, str]
    """Reference to role and name: {"e5": 'textbox "Title"'}."""
    focused: str
    """The reference of what has the focus; empty if nothing has."""
    bubble: str = ""
    """What the browser says over a field that it does not accept."""
    load: str = ""
    """Which of the loads of this window it came with."""
    references: dict[str, str] = Field(default_factory=dict)
    """What the page calls now what is told under the name it had before: {"e5": "f1e5"}."""
    is_drawn: bool = False
    """Whether there are pictures on the page that can change without a word."""

    @property
    def text(self) -> str:
        """The whole outline."""
        return "\n".join(self.lines)

    @property
    def bare(self) -> tuple[str, ...]:
        """The lines without references, to compare pages by."""
        return tuple(_REFERENCE.sub("", line) for line in self.lines)

    @property
    def content(self) -> tuple[str, ...]:
        """The same without what has the focus."""
        return tuple(boards.FOCUSED.sub("", _FOCUSED.sub("", line)) for line in self.bare)

    def place_of(self, reference: str) -> int:
        """How many elements of the same role and name come before it."""
        name = self.names.get(reference)
        alike = [each for each, called in self.names.items() if called == name]
        return alike.index(reference) if reference in alike else 0

    def reference_of(self, name: str, place: int) -> str:
        """The element of this role and name that has so many before it; empty if there is none."""
        alike = [each for each, called in self.names.items() if called == name]
        return alike[place] if place < len(alike) else ""


def outline_of(view: PageView) -> Outline:
    """The outline of a page.

    Everything stands in the order of the page. Tables and lists are cut after twelve rows.
    """
    # The base loader leaves every scalar the text that it is.
    nodes = [_node(item) for item in yaml.load(view.snapshot, Loader=yaml.CBaseLoader) or []]
    for node in nodes:
        if node.role == "generic":
            # The page's body, which has the focus where nothing else has.
            node.states.pop("active", None)
    root = _Node("generic", children=nodes)
    lines = [f"page {_quoted(view.title)} at {view.address}"]
    if view.status is not None and view.status >= 400:
        lines.append(f"the server answered {view.status}")
    if view.bubble:
        lines.append(f"the browser says at the focused field: {_quoted(view.bubble)}")
    if view.overflow:
        lines.append(f"the page is {view.overflow} pixels wider than the window")
    lines += [_measured(one) for one in view.measured]
    labels = {node.name for node in root.walk() if node.role in _OPERATED}
    lines += _Writer(view, labels).block(root, "")
    names = {node.reference: _role_and_name(node) for node in root.walk() if node.reference and node.name}
    focused = next((node.reference for node in root.walk() if "active" in node.states), "")
    return Outline(
        address=view.address,
        title=view.title,
        lines=tuple(_bounded(lines)),
        names=names,
        focused=focused,
        bubble=view.bubble,
        load=next((node.reference.partition("e")[0] for node in root.walk() if node.reference), ""),
        is_drawn=view.is_drawn,
    )


def carried_over(before: Outline | None, after: Outline) -> Outline:
    """The page after, with what was there before under the references it had.

    A page that is loaded again numbers everything anew; who looks at it would have to be told all of it.
    """
    if before is None or before.address != after.address:
        return after
    told = {new: old for old, new in before.references.items()} if before.load == after.load else {}
    if before.load != after.load:
        for i, j in _common(before.bare, after.bare):
            told.update(zip(_references(after.lines[j]), _references(before.lines[i]), strict=True))

    def name(reference: str) -> str:
        return told.get(reference, reference)

    return after.model_copy(
        update={
            "lines": tuple(_REFERENCE.sub(lambda found: f"[{name(found[1])}] ", line) for line in after.lines),
            "names": {name(reference): called for reference, called in after.names.items()},
            "focused": name(after.focused),
            "references": {old: new for new, old in told.items()},
        }
    )


def was_loaded(before: Outline, after: Outline) -> bool:
    """Whether the page came anew from the product."""
    return before.address != after.address or before.load != after.load


def difference(before: Outline | None, after: Outline) -> str:
    """What a person looking at the page has to be told after something happened, references included.

    What is new stands behind `+`, what is gone behind `-`; `=` is the line above something new. It is never longer than
    the page itself.
    """
    if before is None or before.address != after.address:
        return after.text
    if before.bare == after.bare:
        return "The page was loaded again and shows the same." if was_loaded(before, after) else "Nothing changed."
    kept = [before.lines[i] == after.lines[j] for i, j in _common(before.bare, after.bare)]
    changes = _changes(before.bare, after.bare, after.lines, with_place=True)
    told = "\n".join(["Changed on the page:", *changes])
    return told if all(kept) and len(told) < len(after.text) else after.text


def change_in_words(before: Outline | None, after: Outline) -> str:
    """The same for people who read a log: where one is now, and at most eight lines that are new or gone."""
    moved = before is None or before.address != after.address
    where = [f'now at {after.address} "{after.title}"'] if moved else []
    if before is None or (moved and before.title != after.title):
        announced = [line.strip() for line in after.bare if line.strip().split(" ")[0].rstrip(":") in _ANNOUNCED]
        return "; ".join([*where, *announced])
    changes = [
        change
        for change in _changes(before.bare, after.bare, after.bare)
        if not change.startswith(("+ page", "- page"))
    ]
    if not moved and not changes:
        return "nothing changed"
    more = [f"… {len(changes) - 8} more changes"] if len(changes) > 8 else []
    return "; ".join([*where, *changes[:8], *more])


def _common(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        yield from ((block.a + offset, block.b + offset) for offset in range(block.size))


def _changes(
    before: tuple[str, ...], after: tuple[str, ...], shown: tuple[str, ...], *, with_place: bool = False
) -> list[str]:
    changes = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "insert" and with_place and c > 0:
            changes.append(f"= {after[c - 1].strip()}")
        if kind != "equal":
            changes += [f"- {line.strip()}" for line in before[a:b]] + [f"+ {line.strip()}" for line in shown[c:d]]
    return changes


def _references(line: str) -> list[str]:
    return [str(found) for found in _REFERENCE.findall(line)]


def _measured(one: Measured) -> str:
    what = f"measured: {one.what} {_quoted(one.name)}" if one.name else f"measured: {one.what}"
    match one.kind:
        case "outside":
            return f"{what} reaches {one.pixels} px beyond the window's right edge"
        case "small":
            return f"{what} is {one.pixels} px {one.direction}"
        case "cut":
            return f"{what} is cut off: {one.pixels} px of its text cannot be seen"
        case "overlap":
            return f"{what} overlaps {_quoted(one.other)} by {one.pixels} px"


class _Writer:
    """Writes nodes as lines."""

    def __init__(self, view: PageView, labels: set[str]) -> None:
        self._required, self._blank = frozenset(view.required), frozenset(view.blank)
        self._described = {label: iter(texts) for label, texts in view.described}
        self._labels = labels

    def block(self, node: _Node, indent: str) -> list[str]:
        """The lines of a node's content."""
        lines: list[str] = []
        # A field's label says nothing that its name does not say.
        if node.text and node.text not in self._labels:
            lines.append(f"{indent}· {_cut(node.text)}")
        children = iter(_with_boards(node.children))
        for child in children:
            if isinstance(child, str):
                lines.append(f"{indent}{child}")
            elif child.role == "term":
                definition = next(children, _Node("definition"))
                assert isinstance(definition, _Node), "a definition is no button"
                lines.append(f"{indent}{self._inline(child)}: {self._inline(definition)}")
            else:
                lines += self.lines(child, indent)
        return lines

    def lines(self, node: _Node, indent: str) -> list[str]:
        """The lines of a node."""
        if node.role in _ANNOUNCED:
            operated = [line for child in node.children for line in self.lines(child, indent + "  ") if "[" in line]
            words = node.words() or node.name
            return [f"{indent}{_announced(node)}{_focus(node)}: · {_cut(words)}", *operated] if words else operated
        if node.role in ("table", "grid", "treegrid"):
            return self._table(node, indent)
        if node.role in ("list", "tree"):
            return self._list(node, indent)
        if node.role == "heading":
            inner = " ".join(self._inline(child) for child in node.children if child.role in _OPERATED)
            level = node.states.get("level", "")
            named = f"heading {level} {_quoted(node.name or node.words())}{_focus(node)}"
            return [f"{indent}{named} {inner}".rstrip()]
        if node.role in _OPERATED or self._clickable(node):
            return [f"{indent}{self._inline(node)}"]
        if node.role in _LANDMARKS:
            inner_lines = self.block(node, indent + "  ")
            head = f"{indent}{_role_and_name(node)}{_focus(node)}"
            return [head, *inner_lines] if node.name or node.role != "form" or inner_lines else []
        if node.role == "img":
            return [f"{indent}image {_quoted(node.name)}{_focus(node)}"] if node.name else []
        announces = any(inner.role in _ANNOUNCED for inner in node.walk())
        if node.role in _RUNNING and not announces:
            inline = self._inline(node)
            return [f"{indent}{inline}"] if inline else []
        if "active" in node.states:
            # Somebody who moves by keys comes to parts that scroll, whatever their role.
            return [f"{indent}part of the page{_focus(node)}", *self.block(node, indent)]
        return self.block(node, indent)

    def _inline(self, node: _Node) -> str:
        """A node and what it holds on one line."""
        if node.role in _OPERATED or self._clickable(node):
            return self._control(node)
        if node.role in _CELLS and node.name and not _operates(node):
            if "cursor" in node.states or "active" in node.states:
                return self._control(node)
            # A name of its own says more than what stands there, as in a game.
            if _squeezed(node.name) != _squeezed(node.words()):
                return f"{node.role} {_quoted(node.name)}"
        if node.role in ("list", "table"):
            return " ".join(self._inline(child) for child in node.children) + _focus(node)
        parts = [f"· {_cut(node.text)}"] if node.text else []
        if not parts and not node.children and node.name:
            parts = [f"· {_cut(node.name)}"]
        parts += [inline for child in node.children if (inline := self._inline(child))]
        return " ".join(parts) + (_focus(node) if parts else "")

    def _clickable(self, node: _Node) -> bool:
        """Something without a role that only the shape of the pointer, or a name, shows to be a control."""
        if node.role != "generic" or not (node.name or node.states.get("cursor") == "pointer"):
            return False
        return not any(inner.role in _OPERATED for inner in node.walk())

    def _control(self, node: _Node) -> str:
        role = "clickable" if node.role == "generic" else node.role
        # What stands in a field is no name for it.
        name = node.name or ("" if node.role in _FIELDS else node.words())
        states = [key if value in ("", "true") else f"{key}: {value}" for key, value in self._states(node)]
        text = f"[{node.reference}] " if node.reference else ""
        text += f"{role} {_quoted(name)}" + (f" ({', '.join(states)})" if states else "")
        options = [option for option in node.children if option.role == "option"]
        if options:
            chosen = [option.name for option in options if "selected" in option.states]
            text += f" = {_quoted(', '.join(chosen))} of {_listed(option.name for option in options)}"
        elif node.role in _FIELDS:
            text += f" = {_quoted(node.text)}" + (" (blanks only)" if name in self._blank and not node.text else "")
        elif node.text and node.text != name:
            text += f" = {_quoted(node.text)}"
        if node.role in _DESCRIBED and (description := next(self._described.get(name, iter(())), "")):
            text += f" · described by {_quoted(description)}"
        return text

    def _states(self, node: _Node) -> Iterator[tuple[str, str]]:
        if node.name in self._required and node.role in _OPERATED - {"button", "link"}:
            yield "required", ""
        for state in _STATES:
            if state in node.states:
                yield state, node.states[state]
        if "active" in node.states:
            yield "focused", ""

    def _table(self, node: _Node, indent: str) -> list[str]:
        rows = [inner for inner in node.walk() if inner.role == "row"]
        head = [row for row in rows if row.children and all(cell.role == "columnheader" for cell in row.children)]
        body = [row for row in rows if row not in head]
        lines = [f"{indent}{_role_and_name(node)}{_focus(node)} with {len(body)} rows"]
        is_board = any(
            told for row in body for _, told in boards.folded("cell", [_square(cell) for cell in row.children])
        )
        shown = BOARD_ROWS_SHOWN if is_board else ROWS_SHOWN
        lines += [f"{indent}  {self._row(row)}" for row in [*head, *body[:shown]]]
        if len(body) > shown:
            lines.append(f"{indent}  … {len(body) - shown} more rows")
        return lines

    def _row(self, row: _Node) -> str:
        told, rest = [], list(row.children)
        for role, group in groupby(rest, key=lambda cell: _acted_on(cell).role):
            cells = list(group)
            for count, line in boards.folded(role, [_square(cell) for cell in cells]):
                told += [line] if line else [self._inline(cell) or "–" for cell in cells[:count]]
                cells = cells[count:]
        return " | ".join(told) + _focus(row)

    def _list(self, node: _Node, indent: str) -> list[str]:
        head = [f"{indent}{_role_and_name(node)}{_focus(node)}"] if "active" in node.states else []
        items = [line for child in node.children for line in self.lines(child, indent)]
        cut = len(node.children) - ROWS_SHOWN
        if cut <= 0:
            return [*head, *items]
        items = [line for child in node.children[:ROWS_SHOWN] for line in self.lines(child, indent)]
        return [*head, *items, f"{indent}… {cut} more items"]


def _focus(node: _Node) -> str:
    return " (focused)" if "active" in node.states else ""


def _with_boards(nodes: list[_Node]) -> Iterator[_Node | str]:
    """The same with a line in the place of buttons whose names count on."""
    for role, group in groupby(nodes, key=lambda node: node.role):
        children = list(group)
        if role != "button":
            yield from children
            continue
        for count, line in boards.folded(role, [_square(child) for child in children]):
            yield from [line] if line else children[:count]
            children = children[count:]


def _acted_on(cell: _Node) -> _Node:
    """The button that a cell only frames, or the cell."""
    framed = cell.children[0] if len(cell.children) == 1 and not cell.text else cell
    return framed if framed.role == "button" else cell


def _square(cell: _Node) -> boards.Square:
    node = _acted_on(cell)
    if node.role != "button" and (node.role != "gridcell" or _operates(cell)):
        return boards.Square("")
    states = [key for key in _STATES if key in node.states]
    return boards.Square(_cut(node.name), ", ".join(states), "active" in node.states)


def _operates(node: _Node) -> bool:
    return any(inner.role in _OPERATED for inner in node.walk())


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _node(item: Any) -> _Node:
    if isinstance(item, str):
        return _from_key(item)
    (key, content), *_ = item.items()
    if key == "text":
        return _Node("text", text=content)
    node = _from_key(key)
    if isinstance(content, str):
        node.text = content
        return node
    for child in content or []:
        if isinstance(child, dict) and (property_name := next(iter(child))).startswith("/"):
            if property_name == "/placeholder":
                node.states["placeholder"] = child[property_name]
            continue
        node.children.append(_node(child))
    # A field with a placeholder tells its value in a line of its own.
    if node.role in _FIELDS and node.children and all(child.role == "text" for child in node.children):
        node.text, node.children = " ".join(child.text for child in node.children), []
    return node


def _from_key(key: str) -> _Node:
    match = _KEY.match(key)
    if match is None:
        return _Node("text", text=key)
    states = dict([*part.split("=", 1), ""][:2] for part in re.findall(r"\[([^\]]*)\]", match[3]))
    return _Node(match[1], name=json.loads(match[2]) if match[2] else "", states=states)


def _announced(node: _Node) -> str:
    # An alert is often named by the very words it says.
    is_named = node.name and node.words() and _squeezed(node.name) != _squeezed(node.words())
    return _role_and_name(node) if is_named else node.role


def _role_and_name(node: _Node) -> str:
    return f"{node.role} {_quoted(node.name)}" if node.name else node.role


def _quoted(text: str) -> str:
    return json.dumps(_cut(text), ensure_ascii=False)


def _listed(texts: Iterable[str]) -> str:
    shown = list(texts)
    more = f" and {len(shown) - OPTIONS_SHOWN} more" if len(shown) > OPTIONS_SHOWN else ""
    return ", ".join(_quoted(text) for text in shown[:OPTIONS_SHOWN]) + more


def _cut(text: str) -> str:
    text = " ".join(readable(text).split())
    return text if len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS]} … (shortened here)"


def _bounded(lines: list[str]) -> Iterator[str]:
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > CHARACTERS_AT_MOST:
            yield f"… {len(lines) - number} more lines"
            return
        yield line
