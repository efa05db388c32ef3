"""The product tester: walks every screen of the design, compares it with what is there, and tries the forms."""

import re
from collections.abc import Generator

from pydantic import JsonValue

from macrohard.domain import Control as Wanted
from macrohard.domain import Design, JsonObject, Screen
from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.page import FIELD_ROLES, Page, folded
from macrohard.llm.builtin.users.person import Complaint, Enough, Person
from macrohard.llm.builtin.users.ways import Entry, chooses_from_nothing, fill_in, is_refusal, save

PATIENCE = 52
_VARIABLE = re.compile(r"<\w+>|\{\w+\}|:\w+")
_ALWAYS = FIELD_ROLES | {"link", "button", "heading", "navigation", "search", "searchbox"}
"""Roles whose absence is a defect; tables and their parts come with data."""
_ON_ROWS = re.compile(r"(edit|delete|remove|next|previous|open)\b", re.I)


class _Notes:
    """What the tester has seen so far."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.findings: list[JsonObject] = []
        self.visited: list[str] = []

    def find(self, title: str, detail: str, *, page: str, category: str, severity: int, element: str = "") -> None:
        found: JsonObject = {
            "title": title,
            "detail": detail,
            "page": page,
            "element": element,
            "category": category,
            "severity": severity,
        }
        if title not in {finding["title"] for finding in self.findings}:
            self.findings.append(found)


def inspect(material: JsonObject) -> Generator[Call, str, JsonObject]:
    """Visit all screens; the value is the report: a summary and the findings."""
    notes = _Notes(Design.model_validate(material["design"]))
    person = Person(patience=PATIENCE)
    try:
        yield from _walk(person, notes)
    except Enough:
        notes.visited.append("(not all: out of time)")
    for trouble in person.trouble:
        notes.find(trouble[:120], trouble, page=person.page.address, category="misleading", severity=3)
    findings: list[JsonValue] = list(notes.findings)
    verdict = f"{len(findings)} defects" if findings else "as designed"
    return {"summary": f"Visited {len(notes.visited)} screens: {verdict}.", "findings": findings}


def _walk(person: Person, notes: _Notes) -> Generator[Call, str, None]:
    yield from person.look()
    screens = list(notes.design.screens)
    forms = [screen for screen in screens if _is_form(screen)]
    waiting = forms
    for _ in range(3):
        postponed = []
        for screen in waiting:
            if not (yield from _try_form(person, notes, screen)):
                postponed.append(screen)
        if len(postponed) == len(waiting):
            break
        waiting = postponed
    for screen in screens:
        if screen not in forms and not _VARIABLE.search(screen.path):
            yield from _open(person, notes, screen)
            yield from _follow_rows(person, notes, screen)


def _is_form(screen: Screen) -> bool:
    fields = [control for control in screen.controls if control.role in FIELD_ROLES - {"searchbox"}]
    searches = any(control.role in {"search", "searchbox"} for control in screen.controls)
    return bool(fields) and not searches and not _VARIABLE.search(screen.path)


def _open(person: Person, notes: _Notes, screen: Screen) -> Generator[Call, str, None]:
    def judge(page: Page) -> Complaint:
        return (3, f"an answer of {page.status}") if page.status >= 400 else None

    yield from person.act(f"See the screen “{screen.title}”", screen.purpose, "open", value=screen.path, judge=judge)
    notes.visited.append(screen.path)
    _compare(person.page, notes, screen)


def _try_form(person: Person, notes: _Notes, screen: Screen) -> Generator[Call, str, bool]:
    """Add a record; False if there is nothing to choose from yet."""
    yield from _open(person, notes, screen)
    if not person.page.is_form:
        return True
    if chooses_from_nothing(person.page):
        return False
    entry = Entry(kind=screen.title.casefold())
    yield from fill_in(person, entry, 0, at_most=1)
    yield from save(person, entry)
    if is_refusal(person.page) and not person.page.alerts:
        notes.find(
            f"“{screen.title}” refuses a plausible record without saying why",
            f"Filled in {', '.join(entry.typed)} and saved; the form came back without a message.",
            page=screen.path, category="misleading", severity=3,
        )  # fmt: skip
    return True


def _follow_rows(person: Person, notes: _Notes, screen: Screen) -> Generator[Call, str, None]:
    """From a list to the screens about one record."""
    below = [one for one in notes.design.screens if _VARIABLE.search(one.path) and _parent(one.path) == screen.path]
    for one in below:
        suffix = one.path.rsplit("/", 1)[-1]
        if _VARIABLE.fullmatch(suffix):
            link = next(
                (control for control in person.page.controls if control.role == "link" and control.row == 0), None
            )
        else:
            link = next(
                (
                    control
                    for control in person.page.controls
                    if control.row is not None and re.match(suffix, control.name, re.I)
                ),
                None,
            )
        if link is None:
            continue
        yield from person.act(f"See the screen “{one.title}”", one.purpose, "click", link)
        notes.visited.append(one.path)
        _compare(person.page, notes, one)
        yield from person.act(f"Return to “{screen.title}”", screen.purpose, "open", value=screen.path)


def _parent(path: str) -> str:
    return _VARIABLE.split(path, maxsplit=1)[0].rstrip("/")


def _compare(page: Page, notes: _Notes, screen: Screen) -> None:
    """What the design promises and the page does not have."""
    if page.status >= 400:
        title = f"The screen “{screen.title}” answers {page.status}"
        notes.find(
            title, f"Opened {screen.path}; got “{page.head}”.", page=screen.path, category="dead end", severity=4
        )
        return
    is_about_rows = (
        "table" in {control.role for control in screen.controls} or _VARIABLE.search(screen.path) is not None
    )
    for wanted in screen.controls:
        if _has(page, wanted):
            continue
        if is_about_rows and _comes_with_data(page, screen, wanted):
            continue
        severity = 3 if wanted.role in FIELD_ROLES | {"button"} else 2
        notes.find(
            f"“{screen.title}” has no {wanted.role} “{wanted.name}”",
            f"Opened {page.address}; the design has a {wanted.role} “{wanted.name}” there. {_instead(page, wanted)}",
            page=screen.path,
            element=f'{wanted.role} "{wanted.name}"',
            category="accessibility" if _nameless(page, wanted) else "dead end",
            severity=severity,
        )


def _has(page: Page, wanted: Wanted) -> bool:
    if wanted.role == "heading":
        return any(folded(name) == folded(wanted.name) for _, name in page.headings)
    if wanted.role in FIELD_ROLES | {"link", "button", "searchbox"}:
        return page.find(wanted.role, wanted.name) is not None
    if wanted.role in {"table", "navigation", "search"}:
        return any(re.search(rf'{wanted.role} "{re.escape(wanted.name)}"', line) for line in page.lines)
    return page.shows(wanted.name)


def _comes_with_data(page: Page, screen: Screen, wanted: Wanted) -> bool:
    """Whether it need not be there as long as there is no record, or none that it is meant for."""
    if wanted.role not in _ALWAYS:
        return not page.rows
    if wanted.role == "button":
        # An action is offered where it is allowed.
        return not _is_form(screen) and wanted.name not in {"Save", "Show", "Print", "Import", "Delete"}
    if wanted.role == "link":
        is_column = any(one.role == "columnheader" and one.name == wanted.name for one in screen.controls)
        return (is_column or _ON_ROWS.match(wanted.name) is not None) and not page.rows
    return wanted.role == "heading" and _VARIABLE.search(screen.path) is not None


def _nameless(page: Page, wanted: Wanted) -> bool:
    return any(one.role == wanted.role and not one.name.strip() for one in page.controls)


def _instead(page: Page, wanted: Wanted) -> str:
    alike = [one.name for one in page.controls if one.role == wanted.role]
    if _nameless(page, wanted):
        return f"There is a {wanted.role} without a name."
    return f"Of this kind there are: {', '.join(dict.fromkeys(alike)) or 'none'}."
