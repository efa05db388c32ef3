"""Reads the outline of a page, and the differences that follow actions, as a person would take them in."""

import json
import re
from dataclasses import dataclass, field, replace

_ASKING = re.compile(r"(show|filter|apply|search|find|go|update|refresh)\b", re.I)
"""How a button is called that sends what is to be shown, and stores nothing."""
FIELD_ROLES = frozenset({"textbox", "searchbox", "combobox", "listbox", "checkbox", "radio", "switch", "spinbutton"})
TEXT_ROLES = frozenset({"textbox", "searchbox", "spinbutton"})
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CONTROL = re.compile(
    rf"\[((?:f\d+)?e\d+)\] ([a-z]+) ({_QUOTED})(?: \(([^()]*)\))?(?: = ({_QUOTED})(?: of ((?:{_QUOTED}(?:, )?)*))?)?"
)
_PAGE = re.compile(rf"page ({_QUOTED}) at (\S*)")
_HEADING = re.compile(rf"heading (\d?) ?({_QUOTED})")
_TABLE = re.compile(rf"(?:table|grid|treegrid)(?: ({_QUOTED}))? with (\d+) rows")
_LANDMARK = re.compile(
    r"(banner|navigation|main|search|complementary|contentinfo|region|form|dialog|alertdialog|group|radiogroup|"
    rf"tablist|menu|menubar|toolbar|article|figure)(?: ({_QUOTED}))?"
)
_ANNOUNCED = re.compile(rf"(status|alert|log)(?: {_QUOTED})?(?: \(focused\))?: · (.*)")
_FOCUSED = re.compile(r" \(focused\)|, focused(?=[,)])|(?<=\()focused, ")
_DESCRIBED = re.compile(rf" · described by {_QUOTED}")
"""What stands on the page besides, and would be told twice."""
_REFERENCE = re.compile(r"\[(?:f\d+)?e\d+\] ")


@dataclass(frozen=True)
class Control:
    """Something that can be operated."""

    ref: str
    role: str
    name: str
    states: frozenset[str] = frozenset()
    value: str = ""
    """What it holds; for a list, the chosen option."""
    options: tuple[str, ...] = ()
    row: int | None = None
    """Of a table: the number of the data row it stands in."""
    landmark: str = ""
    """E.g. `navigation "Main"`: the innermost part of the page it belongs to."""
    heading: str = ""
    """The heading it stands under."""

    @property
    def called(self) -> str:
        """As people say it: button "Save"."""
        return f'{self.role} "{self.name}"'

    @property
    def is_field(self) -> bool:
        """Whether something is entered in it."""
        return self.role in FIELD_ROLES


@dataclass(frozen=True)
class Page:
    """What a person sees on one page."""

    lines: tuple[str, ...] = ()
    title: str = ""
    address: str = ""
    status: int = 200
    bubble: str = ""
    overflow: int = 0
    said: tuple[str, ...] = ()
    """Statuses and alerts."""
    alerts: tuple[str, ...] = ()
    headings: tuple[tuple[int, str], ...] = ()
    controls: tuple[Control, ...] = ()
    rows: tuple[str, ...] = ()
    """The data rows of the first table, as text."""
    columns: tuple[str, ...] = ()
    """What its columns are called; none where it has no head."""
    table: str = ""
    """What it is called."""
    is_whole: bool = True
    """Whether all its rows are told, and there is no other table."""
    text: str = ""
    """All words, without references and roles of lines; texts only."""

    @property
    def head(self) -> str:
        """The main heading."""
        return next((name for level, name in self.headings if level == 1), self.title)

    @property
    def content(self) -> tuple[str, ...]:
        """The lines without references and without what has the focus, to see whether anything changed."""
        return tuple(_FOCUSED.sub("", _REFERENCE.sub("", line)) for line in self.lines)

    @property
    def focused(self) -> Control | None:
        """What has the focus."""
        return next((one for one in self.controls if "focused" in one.states), None)

    @property
    def fields(self) -> tuple[Control, ...]:
        """Fields of forms, without those for searching and filtering."""
        return tuple(one for one in self.controls if one.is_field and not self.asks(one))

    @property
    def filters(self) -> tuple[Control, ...]:
        """Lists to choose from that only say what is to be shown."""
        return tuple(one for one in self.controls if one.role == "combobox" and self.asks(one))

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """Of the data rows."""
        return tuple(tuple(cell.strip() for cell in row.split(" | ")) for row in self.rows)

    def asks(self, control: Control) -> bool:
        """Whether it stands in a search, or before a button that only shows."""
        if control.landmark.startswith("search"):
            return True
        return (button := self.sender(control)) is not None and _ASKING.match(button.name.strip()) is not None

    def sender(self, control: Control) -> Control | None:
        """The first button after it."""
        there = self.controls.index(control) if control in self.controls else len(self.controls)
        return next((one for one in self.controls[there:] if one.role == "button" and one.row is None), None)

    @property
    def is_form(self) -> bool:
        """Whether there is something to fill in beside a search."""
        return bool([one for one in self.fields if one.role != "searchbox" and one.row is None])

    def find(self, role: str, name: str) -> Control | None:
        """The first control of that role and name."""
        return next((one for one in self.controls if one.role == role and one.name == name), None)

    def again(self, control: Control) -> Control | None:
        """The same control on this page, which may be a later state."""
        return self.find(control.role, control.name)

    def notes(self, control: Control) -> str:
        """What stands right behind or below a field: its hint, and what is wrong with it."""
        found: list[str] = []
        labels = {f"{one.name} {mark}".strip() for one in self.controls for mark in ("", "(required)", "*")}
        inside = False
        for line in self.lines:
            text = line.strip()
            if f"[{control.ref}] " in line:
                inside = True
                behind = _CONTROL.split(line.partition(f"[{control.ref}] ")[2], maxsplit=1)[0]
                found += [part.strip() for part in behind.split(" · ")[1:] if part.strip() not in labels]
            elif inside and (_CONTROL.search(text) or _HEADING.match(text) or text.removeprefix("· ") in labels):
                break
            elif inside and text.startswith("· "):
                found.append(text[2:])
        return " ".join(found)

    def shows(self, text: str) -> bool:
        """Whether the text stands on the page, whatever its case and spacing."""
        return folded(text) in folded(self.text)


def folded(text: str) -> str:
    """For comparing: without case, and with single spaces."""
    return " ".join(text.casefold().split())


def read(outline: str) -> Page:
    """Understand a whole outline."""
    return _Reader(outline.splitlines()).page()


def follow(page: Page, answer: str) -> Page:
    """The page after an action, from what the action's answer tells."""
    lines = answer.splitlines()
    start = next((n for n, line in enumerate(lines) if _PAGE.match(line)), None)
    if start is not None:
        return read("\n".join(lines[start:]))
    marks = [n for n, line in enumerate(lines) if line == "Changed on the page:"]
    if not marks:
        return page
    return _changed(page, lines[marks[0] + 1 :])


def told(answer: str) -> tuple[str, str]:
    """What did not work and what broke, each empty if nothing did."""
    problem, broke = "", ""
    for line in answer.splitlines():
        if _PAGE.match(line) or line == "Changed on the page:":
            break
        if line.startswith("It did not work: "):
            problem = line.removeprefix("It did not work: ").rstrip(".")
        elif line.startswith("Error: "):
            problem = line.removeprefix("Error: ")
        elif line.startswith("The product broke: "):
            broke = broke or line.removeprefix("The product broke: ")
    return problem, broke


def _changed(page: Page, changes: list[str]) -> Page:
    """Apply a difference; new lines stand where the ones that they replace stood, or below the line named."""
    lines = list(page.lines)
    place = 1
    indent = ""
    for change in changes:
        sign, text = change[:2], change[2:]
        if sign in ("- ", "= "):
            found = next((n for n, line in enumerate(lines) if _REFERENCE.sub("", line).strip() == text.strip()), None)
            if found is not None:
                indent = lines[found][: len(lines[found]) - len(lines[found].lstrip())]
                place = found + 1
                if sign == "- ":
                    del lines[found]
                    place = found
        elif sign == "+ ":
            if text.startswith(("the server", "the browser", "the page", "measured: ")):
                lines.insert(1, text)
            else:
                lines.insert(place, (_indent_of_row(lines[:place]) if " | " in text else indent) + text)
            place += 1
    return _Reader(lines).page()


def _indent_of_row(above: list[str]) -> str:
    """Where a row stands that comes below these lines; a difference does not tell."""
    for line in reversed(above):
        indent = line[: len(line) - len(line.lstrip())]
        if " | " in line:
            return indent
        if _TABLE.fullmatch(line.strip()):
            return indent + "  "
    return ""


@dataclass
class _Reader:
    lines: list[str]
    landmarks: list[tuple[int, str]] = field(default_factory=list)
    table_indent: int | None = None
    next_row: int = 0
    tables: int = 0
    columns: tuple[str, ...] = ()
    table: str = ""
    hidden: int = 0

    def page(self) -> Page:
        found = Page(lines=tuple(self.lines))
        controls: list[Control] = []
        headings: list[tuple[int, str]] = []
        said: list[str] = []
        alerts: list[str] = []
        rows: list[str] = []
        texts: list[str] = []
        heading = ""
        for number, line in enumerate(self.lines):
            stripped = line.strip()
            indent = len(line) - len(line.lstrip())
            if (matched := _PAGE.match(stripped)) and not found.title:
                found = replace(found, title=_text(matched[1]), address=matched[2])
                continue
            if stripped.startswith("the server answered "):
                found = replace(found, status=int(stripped.rsplit(" ", 1)[1]))
                continue
            if stripped.startswith("the browser says at the focused field: "):
                found = replace(found, bubble=_text(stripped.split(": ", 1)[1]))
                continue
            if matched := re.match(r"the page is (\d+) pixels wider", stripped):
                found = replace(found, overflow=int(matched[1]))
                continue
            if stripped.startswith("measured: "):
                continue
            if matched := _ANNOUNCED.match(stripped):
                (alerts if matched[1] == "alert" else said).append(matched[2])
                texts.append(matched[2])
                continue
            landmark = self._place(stripped, indent)
            if matched := _HEADING.match(stripped):
                heading = _text(matched[2])
                headings.append((int(matched[1] or 2), heading))
            row = self._row(number, stripped, indent)
            if row is not None and self.tables == 1:
                rows.append(_words(stripped))
            texts.append(_words(stripped))
            controls += [replace(one, row=row, landmark=landmark, heading=heading) for one in _controls(stripped)]
        return replace(
            found,
            controls=tuple(controls),
            headings=tuple(headings),
            said=(*alerts, *said),
            alerts=tuple(alerts),
            rows=tuple(rows),
            columns=self.columns,
            table=self.table,
            is_whole=self.tables == 1 and not self.hidden,
            text="\n".join(texts),
        )

    def _place(self, stripped: str, indent: int) -> str:
        while self.landmarks and self.landmarks[-1][0] >= indent and stripped:
            self.landmarks.pop()
        if matched := _LANDMARK.fullmatch(stripped):
            self.landmarks.append((indent, stripped))
            return str(matched[0])
        return self.landmarks[-1][1] if self.landmarks else ""

    def _row(self, number: int, stripped: str, indent: int) -> int | None:
        """The number of the data row that the line is, if it is one."""
        if matched := _TABLE.fullmatch(stripped):
            shown, hidden = self._inside(number, indent)
            self.table_indent, self.tables = indent, self.tables + 1
            # On a small screen there may be no head.
            self.next_row = int(matched[2]) - hidden - shown
            self.hidden += hidden
            self.table = self.table or (_text(matched[1]) if matched[1] else "")
            return None
        if self.table_indent is None or indent <= self.table_indent:
            self.table_indent = None
            return None
        if stripped.startswith("…"):
            return None
        self.next_row += 1
        if self.next_row <= 0 and self.tables == 1:
            self.columns = tuple(cell.strip() for cell in _words(stripped).split(" | "))
        return self.next_row - 1 if self.next_row > 0 else None

    def _inside(self, number: int, indent: int) -> tuple[int, int]:
        """How many rows of the table that begins there are shown, its head included, and how many are not."""
        shown = hidden = 0
        for line in self.lines[number + 1 :]:
            if len(line) - len(line.lstrip()) <= indent:
                break
            if matched := re.match(r"… (\d+) more rows", line.lstrip()):
                hidden = int(matched[1])
            else:
                shown += 1
        return shown, hidden


def _controls(line: str) -> list[Control]:
    return [
        Control(
            ref=matched[1],
            role=matched[2],
            name=_text(matched[3]),
            states=frozenset(part.strip() for part in (matched[4] or "").split(",") if part.strip()),
            value=_text(matched[5]) if matched[5] else "",
            options=tuple(_text(option) for option in re.findall(_QUOTED, matched[6] or "")),
        )
        for matched in _CONTROL.finditer(line)
    ]


def _text(quoted: str) -> str:
    return str(json.loads(quoted))


def _words(line: str) -> str:
    """The page's own words in a line: names, values and texts."""
    line = _DESCRIBED.sub("", line)
    line = _HEADING.sub(lambda matched: f"· {_text(matched[2])}", line)
    line = _CONTROL.sub(lambda matched: _text(matched[3]) + (f" {_text(matched[5])}" if matched[5] else ""), line)
    return line.replace("· ", "")
