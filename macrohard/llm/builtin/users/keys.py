"""Getting around without a mouse: Tab, Enter, Space, arrows, typing."""

import re
from collections.abc import Callable, Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.page import Control, Page
from macrohard.llm.builtin.users.person import Complaint, Person
from macrohard.llm.builtin.users.trials import offered_buttons, press_judge, reload
from macrohard.llm.builtin.users.values import plausible, real_options
from macrohard.llm.builtin.users.ways import (
    Entry,
    chooses_from_nothing,
    complaints,
    is_refusal,
    listed,
    places,
    times_listed,
    title_of,
    way_to_add,
)

Reaching = Generator[Call, str, bool]
_DATE_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d")
FURTHEST = 14
"""So many Tabs without getting there are too many."""


def add_by_keyboard(person: Person) -> Generator[Call, str, Entry]:
    """Find the form, fill in what is needed, and save, all by keyboard."""
    entry = Entry(kind="record")
    if not (yield from _reach_form(person)):
        return entry
    entry.kind = re.sub(r"^(add|new|create|register)( an?)? ", "", person.page.head, flags=re.I).casefold()
    if chooses_from_nothing(person.page):
        person.done.append(f"Could not add the {entry.kind}: there is nothing to choose from yet")
        return entry
    _hear_names(person)
    wanted = [one for one in person.page.fields if "required" in one.states and not _answered(one)]
    wanted = wanted or [one for one in person.page.fields if one.role == "textbox"][:1]
    for field in wanted:
        if not (yield from _tab_to(person, _is(field.name), f"Get to {field.name}")):
            person.notice(2, f"I pressed Tab again and again and never reached the field {field.name}")
            return entry
        yield from _answer(person, entry, field, 0)
    entry.title = title_of(entry)
    yield from _send(person, entry)
    if entry.saved:
        person.done.append(f"Added the {entry.kind} “{entry.title}” by keyboard alone")
        if person.page.rows and not listed(person.page, entry):
            person.notice(3, f"I saved “{entry.title}” by keyboard, expected it in the list, and it is not there")
    else:
        person.done.append(f"Could not save the {entry.kind}: {complaints(person.page)[:200]}")
    return entry


def find_by_keyboard(person: Person, entry: Entry) -> Generator[Call, str, None]:
    """Search for what was added."""
    if not any(one.role == "searchbox" for one in person.page.controls) or len(entry.title) < 3:
        return
    if not (yield from _tab_to(person, lambda one: one.role == "searchbox", "Get to the search field")):
        person.notice(2, "I pressed Tab again and again and never reached the search field")
        return
    words = entry.title.split()[0].lower()
    yield from person.act(f"Search for “{words}”", "The letters stand in the search field", "type", value=words)
    yield from person.act(
        "Search", f"“{entry.title}” is found", "press", value="Enter",
        judge=lambda page: None if times_listed(page, entry) else (2, f"“{entry.title}” was not found"),
    )  # fmt: skip
    person.done.append("found it again with the search field")


def use_by_keyboard(person: Person, entry: Entry) -> Generator[Call, str, None]:
    """Reload, then press what is offered for it, and see that this is stored."""
    if not person.page.rows:
        return
    yield from reload(person)
    offered = [one for one in offered_buttons(person.page, entry) if one.row is not None]
    if not offered:
        return
    button = offered[0]
    if not (yield from _tab_to(person, _is(button.name, "button"), f"Get to “{button.name}”")):
        person.notice(2, f"I pressed Tab again and again and never reached the button “{button.name}”")
        return
    judge = press_judge(person, button)
    expectation = f"It is done with “{entry.title}”, and with nothing else"
    yield from person.act(f"Use “{button.name}”", expectation, "press", value="Enter", judge=judge)
    person.done.append(f"used “{button.name}”")
    yield from reload(person)


def _reach_form(person: Person) -> Reaching:
    for _ in range(3):
        adding = way_to_add(person.page)
        place = next(iter(places(person.page)), None)
        target = adding or place
        if target is None:
            break
        if not (yield from _tab_to(person, _is(target.name, target.role), f"Get to “{target.name}”")):
            person.notice(2, f"I pressed Tab again and again and never reached “{target.name}”")
            return False
        expectation = "A form to fill in" if adding else f"A page about {target.name.lower()}"
        yield from person.act(f"Open “{target.name}”", expectation, "press", value="Enter")
        if person.page.is_form:
            return True
    person.notice(2, f"I wanted to add something by keyboard and found no way from “{person.page.head}”")
    return False


def _tab_to(person: Person, wanted: Callable[[Control], bool], intention: str) -> Reaching:
    """Press Tab until the focus is there; use a skip link that comes by."""
    unseen = pressed = 0
    while pressed < FURTHEST:
        focused = person.page.focused
        if focused is not None and wanted(focused):
            return True
        if focused is not None and re.match(r"skip\b", focused.name, re.I) and not _before_content(person.page, wanted):
            yield from person.act("Skip the navigation", "The next Tab is in the content", "press", value="Enter")
            focused = None
        before = person.page
        yield from person.act(intention, "The focus moves on, and I can see where it is", "press", value="Tab")
        now = person.page.focused
        # A date has several parts, between which nothing seems to move.
        pressed += person.page.lines != before.lines
        unseen = unseen + 1 if now is None else 0
        if unseen == 3:
            person.notice(2, "I pressed Tab three times and cannot see where the focus is")
            return False
    focused = person.page.focused
    return focused is not None and wanted(focused)


def _is(name: str, role: str | None = None) -> Callable[[Control], bool]:
    return lambda one: one.name == name and role in {None, one.role}


def _before_content(page: Page, wanted: Callable[[Control], bool]) -> bool:
    """Whether it is the navigation that is wanted."""
    return any(wanted(one) and one.landmark.startswith(("navigation", "banner")) for one in page.controls)


def _hear_names(person: Person) -> None:
    """A field without a name is a field one cannot know what to type into."""
    nameless = [one for one in person.page.fields if not one.name.strip()]
    if nameless:
        head = person.page.head
        person.notice(2, f"On “{head}” a {nameless[0].role} has no name, so I cannot tell what belongs there")


def _answered(control: Control) -> bool:
    if control.role == "combobox":
        return control.value in real_options(control)
    return bool(control.value) or control.role in {"checkbox", "switch", "radio"}


def _answer(person: Person, entry: Entry, field: Control, number: int, *, hint: str = "") -> Generator[Call, str, None]:
    there = person.page.again(field) or field
    value = plausible(there, number, hint=hint or person.page.notes(there), about=entry.kind)
    if there.options:
        yield from person.act(f"Choose {field.name}", f"“{value}” is chosen", "type", value=value[:12], may_fail=True)
    else:
        if there.value:
            yield from person.act(f"Replace what is in {field.name}", "It is selected", "press", value="Control+A")
        tomorrow = plausible(Control(ref="", role="textbox", name="date"), number)
        for meant in (value, tomorrow, f"{tomorrow}T09:30", "09:30"):
            value = meant
            yield from person.act(
                f"Fill in {field.name}", f"“{value}” stands there", "type", value=value, may_fail=True
            )
            if "date or time" not in person.problem and "Malformed" not in person.problem:
                break
    if person.problem:
        person.notice(2, f"I typed “{value}” into {field.name}, and it did not work: {person.problem}")
        return
    now = person.page.again(field)
    entry.typed[field.name] = now.value if now is not None and now.value else value


def _send(person: Person, entry: Entry) -> Generator[Call, str, None]:
    """Enter saves a form; where it does not, the button does."""
    by_button = False
    for attempt in range(3):
        focused = person.page.focused
        # In a date, Enter is for its calendar.
        is_text = focused is not None and focused.role == "textbox" and not _DATE_OR_TIME.match(focused.value)
        if by_button or not is_text:
            reached = yield from _tab_to(person, lambda one: one.role == "button", "Get to the button that saves")
            if not reached:
                person.notice(2, "I pressed Tab again and again and never reached a button to save")
                return
        before = person.page

        def judge(page: Page, before: Page = before, sure: bool = by_button) -> Complaint:
            # In a text of several lines, Enter begins the next one.
            return (2, "nothing happened") if sure and page.lines == before.lines else None

        yield from person.act(
            f"Save the {entry.kind} with Enter",
            "A confirmation, and what I entered",
            "press",
            value="Enter",
            judge=judge,
        )
        if not is_refusal(person.page):
            entry.saved = not person.page.is_form or not person.page.address.startswith(before.address)
            if entry.saved or attempt == 2:
                return
            by_button = True
            continue
        marked = [one for one in person.page.fields if "invalid" in one.states]
        if attempt == 2 or not marked:
            return
        hint = " ".join(part for part in (person.page.notes(marked[0]), complaints(person.page)) if part)
        if not (yield from _tab_to(person, _is(marked[0].name), f"Get to {marked[0].name}")):
            return
        yield from _answer(person, entry, marked[0], attempt + 1, hint=hint)
        entry.title = title_of(entry)
