"""What the simulated users do with a product, each in their own way; all know only what the pages show."""

import re
from collections.abc import Callable, Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.keys import add_by_keyboard, find_by_keyboard, use_by_keyboard
from macrohard.llm.builtin.users.page import Page
from macrohard.llm.builtin.users.person import Complaint, Person
from macrohard.llm.builtin.users.trials import compare_row, to_list
from macrohard.llm.builtin.users.ways import (
    Entry,
    chooses_from_nothing,
    fill_in,
    go_to_form,
    go_to_list,
    go_to_needed_form,
    kind_of_form,
    listed,
    nothing_to_choose,
    open_entry,
    save,
    search,
    times_listed,
)
from macrohard.llm.builtin.users.wrong_input import blanks_only, nonsense, odd_but_right, odd_searches, save_empty

Adding = Generator[Call, str, Entry]
Visiting = Generator[Call, str, Entry | None]
"""A visit; its value is what is there in the end, if the goal was reached."""


def wrong_input_first(person: Person) -> Visiting:
    """Everything wrong before anything right."""
    yield from person.look()
    yield from go_to_form(person)
    if needed := nothing_to_choose(person.page):
        yield from go_to_needed_form(person, needed[0])
    if not person.page.is_form:
        _no_way(person)
        return None
    kind = kind_of_form(person.page)
    yield from save_empty(person, kind)
    yield from blanks_only(person, kind)
    yield from nonsense(person, kind)
    entry = yield from odd_but_right(person, kind)
    if not entry.saved:
        return None
    yield from _once(person, entry)
    compare_row(person, entry)
    yield from odd_searches(person, entry)
    return entry


def keyboard_only(person: Person) -> Visiting:
    """No mouse at all."""
    yield from person.look()
    entry = yield from add_by_keyboard(person)
    if not entry.saved:
        return None
    compare_row(person, entry)
    yield from find_by_keyboard(person, entry)
    yield from use_by_keyboard(person, entry)
    return entry


def phone(person: Person) -> Visiting:
    """A small window."""
    person.is_narrow = True
    yield from person.look()
    first = yield from add(person, 0, at_most=5)
    if not first.saved:
        return None
    second = yield from add(person, 1, at_most=2, only_required=True)
    yield from _find(person, first, second)
    return first


def returning(person: Person) -> Visiting:
    """What was entered is still there later."""
    yield from person.look()
    entries: list[Entry] = []
    for number in range(2):
        entry = yield from add(person, number, at_most=5, lists=True)
        if entry.saved:
            entries.append(entry)
        elif not entries:
            return None
    first, second = entries[0], entries[-1]
    yield from to_list(person, first)
    titles = " and ".join(f"“{entry.title}”" for entry in entries)
    yield from person.act(
        "Come back the next day", f"{titles} still there", "reload", judge=lambda page: _still_there(page, entries)
    )
    yield from person.act("Open the product anew", "The first page, as it was", "open", value="/")
    yield from to_list(person, first)
    yield from open_entry(person, first)
    yield from to_list(person, first)
    if second is not first:
        yield from _find(person, second, first)
    return first


def impatient(person: Person) -> Visiting:
    """Twice where once would do, and back."""
    yield from person.look()
    entry = yield from add(person, 0, at_most=3, only_required=True, double=True)
    if not entry.saved:
        return None
    yield from _once(person, entry)
    yield from person.act(
        "Make sure it is there", f"“{entry.title}” still stands there once", "reload",
        judge=lambda page: _twice(page, entry),
    )  # fmt: skip
    yield from person.act("Go back", "The page before, and nothing broken", "back", may_fail=True)
    yield from to_list(person, entry)
    yield from _delete_by_mistake(person, entry)
    return entry


def curious(person: Person) -> Visiting:
    """A persona whose habit is not known: add, and then what any careful person tries."""
    yield from person.look()
    entry = yield from add(person, 0, at_most=6)
    return entry if entry.saved else None


HABITS: dict[str, Callable[[Person], Visiting]] = {
    "wrong-input-first": wrong_input_first,
    "keyboard-only": keyboard_only,
    "screen-reader": keyboard_only,
    "phone": phone,
    "returning": returning,
    "impatient": impatient,
}
PATIENCE = {"gives-up": 12}
"""Actions."""
USUAL_PATIENCE = 36


def add(
    person: Person,
    number: int,
    *,
    at_most: int,
    only_required: bool = False,
    double: bool = False,
    lists: bool = False,
) -> Adding:
    """Add one thing and see that it is listed; `saved` tells whether that was possible."""
    yield from go_to_form(person)
    if needed := nothing_to_choose(person.page)[:3]:
        for name in needed:
            yield from _add_needed(person, name)
        yield from go_to_form(person)
    entry = Entry(kind=kind_of_form(person.page), number=number)
    if not person.page.is_form:
        _no_way(person)
        return entry
    if chooses_from_nothing(person.page):
        person.done.append(f"Could not add the {entry.kind}: there is nothing to choose from yet")
        return entry
    yield from fill_in(person, entry, number, at_most=at_most, only_required=only_required, lists=lists)
    yield from save(person, entry, double=double)
    if not entry.saved:
        person.done.append(f"Could not save the {entry.kind}: {' '.join(person.page.alerts)[:200]}")
        return entry
    person.done.append(f"Added the {entry.kind} “{entry.title}”")
    entry.list_address = person.page.address if person.page.rows else ""
    if not listed(person.page, entry):
        yield from to_list(person, entry)
    compare_row(person, entry)
    return entry


def _add_needed(person: Person, name: str) -> Generator[Call, str, None]:
    """Add what a list is to be chosen from."""
    yield from go_to_needed_form(person, name)
    if not person.page.is_form or chooses_from_nothing(person.page):
        return
    entry = Entry(kind=kind_of_form(person.page))
    yield from fill_in(person, entry, 0, at_most=2, only_required=True)
    yield from save(person, entry)
    if entry.saved:
        person.done.append(f"Added the {entry.kind} “{entry.title}” first")


def _no_way(person: Person) -> None:
    person.notice(2, f"I wanted to add something and found no way to do it from “{person.page.head}”")


# --- comparing -----------------------------------------------------------------------------------------------


def _once(person: Person, entry: Entry) -> Generator[Call, str, None]:
    if not times_listed(person.page, entry):
        yield from go_to_list(person, entry)
    times = times_listed(person.page, entry)
    if times > 1:
        person.notice(
            2, f"I saved “{entry.title}” once, expected it once in the list, and it stands there {times} times"
        )


def _twice(page: Page, entry: Entry) -> Complaint:
    times = times_listed(page, entry)
    if times > 1:
        return 2, f"it stands there {times} times"
    return None if listed(page, entry) else (3, f"“{entry.title}” is gone")


def _still_there(page: Page, entries: list[Entry]) -> Complaint:
    gone = [entry.title for entry in entries if not listed(page, entry)]
    return (3, f"“{gone[0]}” is gone") if gone else None


def _find(person: Person, wanted: Entry, other: Entry) -> Generator[Call, str, None]:
    """Search for one of two; the other vanishes unless the words stand in it too."""
    words = wanted.title.split()[0].lower() if wanted.title else ""
    if len(words) < 2 or wanted.title in wanted.chosen or wanted.title == other.title:
        return
    alike = any(words in value.casefold() for value in other.typed.values())

    def judge(page: Page) -> Complaint:
        if not times_listed(page, wanted):
            return 2, f"“{wanted.title}” was not found"
        if not alike and other.title and times_listed(page, other):
            return 2, f"“{other.title}” is still listed, though it has nothing of “{words}”"
        return None

    expectation = f"“{wanted.title}” alone" if not alike else f"“{wanted.title}” among what is found"
    before = person.acts
    yield from search(person, words, intention=f"Find “{wanted.title}” again", expectation=expectation, judge=judge)
    if person.acts > before:
        person.done.append(f"searched for “{words}”")
    clear = next((one for one in person.page.controls if one.name == "Clear" and one.role in {"link", "button"}), None)
    if clear is not None and other.saved:
        yield from person.act("See everything again", "The whole list", "click", clear)


def _delete_by_mistake(person: Person, entry: Entry) -> Generator[Call, str, None]:
    rows = [n for n, row in enumerate(person.page.rows) if entry.title and entry.title.casefold() in row.casefold()]
    delete = next(
        (
            one
            for one in person.page.controls
            if re.match(r"delete|remove", one.name, re.I) and (not rows or one.row in rows)
        ),
        None,
    )
    if delete is None:
        return
    yield from person.act(
        "Hit Delete by mistake", "To be asked first", "click", delete,
        # Nobody promised to ask.
        judge=lambda page: (1, "it was deleted without asking")
        if not listed(page, entry) and not re.search(r"delete|sure|confirm", page.text, re.I)
        else None,
    )  # fmt: skip
    is_asked = re.search(r"delete|sure|confirm", person.page.head, re.I) is not None
    entry.saved = is_asked or listed(person.page, entry)
    cancel = next((one for one in person.page.controls if re.match(r"cancel|no\b|back|keep", one.name, re.I)), None)
    if cancel is not None and is_asked:
        yield from person.act(
            "Call it off", f"“{entry.title}” is still there", "click", cancel,
            judge=lambda page: None if listed(page, entry) else (3, f"“{entry.title}” is gone"),
        )  # fmt: skip
