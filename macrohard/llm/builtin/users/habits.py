"""What the simulated users do with a product, each in their own way; all know only what the pages show."""

import re
from collections.abc import Callable, Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.keys import add_by_keyboard, find_by_keyboard
from macrohard.llm.builtin.users.page import Page
from macrohard.llm.builtin.users.person import Complaint, Person
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
    own_actions,
    save,
    search,
    times_listed,
)
from macrohard.llm.builtin.users.wrong_input import blanks_only, nonsense, odd_but_right, odd_searches, save_empty

Visiting = Generator[Call, str, bool]
"""A visit; its value is whether the goal was reached."""
Adding = Generator[Call, str, Entry]


def wrong_input_first(person: Person) -> Visiting:
    """Everything wrong before anything right."""
    person.goal = ""
    yield from person.look()
    yield from go_to_form(person)
    if needed := nothing_to_choose(person.page):
        yield from go_to_needed_form(person, needed[0])
    if not person.page.is_form:
        return _no_way(person)
    kind = kind_of_form(person.page)
    yield from save_empty(person, kind)
    yield from blanks_only(person, kind)
    yield from nonsense(person, kind)
    entry = yield from odd_but_right(person, kind)
    if not entry.saved:
        return False
    yield from _once(person, entry)
    yield from odd_searches(person, entry)
    return True


def keyboard_only(person: Person) -> Visiting:
    """No mouse at all."""
    yield from person.look()
    entry = yield from add_by_keyboard(person)
    if not entry.saved:
        return False
    yield from find_by_keyboard(person, entry)
    return True


def phone(person: Person) -> Visiting:
    """A small window."""
    person.is_narrow = True
    yield from person.look()
    first = yield from add(person, 0, at_most=5)
    if not first.saved:
        return False
    second = yield from add(person, 1, at_most=2, only_required=True)
    yield from _find(person, first, second)
    yield from open_entry(person, first)
    yield from _change(person, first)
    yield from _use_action(person)
    return True


def returning(person: Person) -> Visiting:
    """What was entered is still there later."""
    yield from person.look()
    entries: list[Entry] = []
    for number in range(2):
        entry = yield from add(person, number, at_most=5, lists=True)
        if entry.saved:
            entries.append(entry)
        elif not entries:
            return False
    first, second = entries[0], entries[-1]
    yield from _to_list(person, first)
    _check_numbers(person, entries)
    titles = " and ".join(f"“{entry.title}”" for entry in entries)
    yield from person.act(
        "Come back the next day", f"{titles} still there", "reload", judge=lambda page: _still_there(page, entries)
    )
    yield from person.act("Open the product anew", "The first page, as it was", "open", value="/")
    yield from _to_list(person, first)
    yield from open_entry(person, first)
    yield from _to_list(person, first)
    if second is not first:
        yield from _find(person, second, first)
        yield from _filter(person, first, second)
    return True


def impatient(person: Person) -> Visiting:
    """Twice where once would do, and back."""
    yield from person.look()
    entry = yield from add(person, 0, at_most=3, only_required=True, double=True)
    if not entry.saved:
        return False
    yield from _once(person, entry)
    yield from person.act(
        "Make sure it is there", f"“{entry.title}” still stands there once", "reload",
        judge=lambda page: _twice(page, entry),
    )  # fmt: skip
    yield from _use_action(person)
    yield from person.act("Go back", "The page before, and nothing broken", "back", may_fail=True)
    yield from _to_list(person, entry)
    yield from _delete_by_mistake(person, entry)
    return True


def curious(person: Person) -> Visiting:
    """A persona whose habit is not known: add, find, read, change, use what is offered."""
    yield from person.look()
    entry = yield from add(person, 0, at_most=6)
    if not entry.saved:
        return False
    yield from _to_list(person, entry)
    yield from open_entry(person, entry)
    yield from _change(person, entry)
    yield from _use_action(person)
    return True


HABITS: dict[str, Callable[[Person], Visiting]] = {
    "wrong-input-first": wrong_input_first,
    "keyboard-only": keyboard_only,
    "screen-reader": keyboard_only,
    "phone": phone,
    "returning": returning,
    "impatient": impatient,
}
PATIENCE = {"keyboard-only": 36, "screen-reader": 36, "gives-up": 12}
"""Actions; a keyboard needs more of them."""
USUAL_PATIENCE = 25


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
        yield from go_to_list(person, entry)
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


def _no_way(person: Person) -> bool:
    person.notice(2, f"I wanted to add something and found no way to do it from “{person.page.head}”")
    return False


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


def _to_list(person: Person, entry: Entry) -> Generator[Call, str, None]:
    if not times_listed(person.page, entry):
        yield from go_to_list(person, entry)


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


def _filter(person: Person, first: Entry, second: Entry) -> Generator[Call, str, None]:
    """Choose what only the first of two has."""
    for one in person.page.controls:
        mine, theirs = first.typed.get(one.name), second.typed.get(one.name)
        if one.role != "combobox" or not one.landmark.startswith("search") or mine is None or mine == theirs:
            continue
        if mine not in one.options:
            continue

        def judge(page: Page, mine: str = mine) -> Complaint:
            if not times_listed(page, first):
                return 2, f"“{first.title}” is missing, though it is “{mine}”"
            return (2, f"“{second.title}” is still listed") if times_listed(page, second) else None

        yield from person.act(f"Show only {one.name} “{mine}”", f"“{mine}” is chosen", "choose", one, mine)
        show = next(
            (
                button
                for button in person.page.controls
                if button.role == "button" and button.landmark.startswith("search")
            ),
            None,
        )
        if show is not None:
            yield from person.act(
                "Apply the filter", f"“{first.title}”, without “{second.title}”", "click", show, judge=judge
            )
            person.done.append(f"filtered by {one.name}")
        return


def _check_numbers(person: Person, entries: list[Entry]) -> None:
    """Compare counts and totals that the page states with what was entered; only where both are unmistakable."""
    page = person.page
    if len(page.rows) != len(entries) or "Page 1 of" in page.text:
        return
    for matched in re.finditer(r"^total ([\w ]+): \D{0,4}(-?[\d.,]+)", page.text, re.I | re.M):
        label, stated = matched[1].casefold().strip(), matched[2].rstrip(".").replace(",", "")
        values = [value for entry in entries for name, value in entry.typed.items() if name.casefold() == label]
        if len(values) == len(entries) and all(re.fullmatch(r"\d+(\.\d+)?", value) for value in values):
            total = sum(map(float, values))
            if abs(total - float(stated)) > 0.005:
                person.notice(
                    2,
                    f"I entered {' and '.join(values)} as {label}, expected a total of {total:g}, and it says {stated}",
                )


# --- changing ------------------------------------------------------------------------------------------------


def _change(person: Person, entry: Entry) -> Generator[Call, str, None]:
    """Edit the title, and see that it changed."""
    if times_listed(person.page, entry) > 1:
        return
    editing = [
        one
        for one in person.page.controls
        if one.role in {"link", "button"} and re.match(r"edit|change", one.name, re.I)
    ]
    if len(editing) > 1:
        rows = [n for n, row in enumerate(person.page.rows) if entry.title and entry.title.casefold() in row.casefold()]
        editing = [one for one in editing if one.row in rows] or editing[:1]
    if not editing:
        return
    yield from person.act(
        f"Change “{entry.title}”", "The form with what I had entered", "click", editing[0],
        judge=lambda page: _holds_entry(page, entry),
    )  # fmt: skip
    name = next((name for name, value in entry.typed.items() if value == entry.title), None)
    field = next((one for one in person.page.fields if one.name == name and one.role == "textbox"), None)
    if field is None or not re.fullmatch(r"[A-Za-z ]+", entry.title):
        return
    old, new = entry.title, f"{entry.title} two"
    yield from person.act(f"Give it another {name}", f"“{new}” stands there", "fill", field, new)
    entry.typed[str(name)] = entry.title = new
    yield from save(person, entry)
    if entry.saved:
        person.done.append(f"changed it to “{entry.title}”")
        if not listed(person.page, entry):
            person.notice(2, f"I changed “{old}” to “{entry.title}”, saved, and do not see the new one")


def _holds_entry(page: Page, entry: Entry) -> Complaint:
    if not page.is_form:
        return 2, f"no form, but “{page.head}”"
    empty = [
        one.name for one in page.fields
        if entry.typed.get(one.name) and one.role in {"textbox", "combobox"} and not one.value
    ]  # fmt: skip
    return (2, f"{empty[0]} is empty in the form, though I had entered it") if empty else None


def _use_action(person: Person) -> Generator[Call, str, None]:
    """Press a button that the product offers for a record."""
    offered = own_actions(person.page)
    if not offered:
        return
    action = offered[0]
    before = person.page

    def judge(page: Page) -> Complaint:
        if page.alerts:
            return 1, f"it was refused: {page.alerts[0][:120]}"
        return (2, "nothing changed") if page.lines == before.lines else None

    yield from person.act(f"Use “{action.name}”", "It is done, and I can see that it is", "click", action, judge=judge)
    person.done.append(f"used “{action.name}”")


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
        judge=lambda page: (2, "it was deleted without asking")
        if not listed(page, entry) and not re.search(r"delete|sure|confirm", page.text, re.I)
        else None,
    )  # fmt: skip
    cancel = next((one for one in person.page.controls if re.match(r"cancel|no\b|back|keep", one.name, re.I)), None)
    if cancel is not None:
        yield from person.act(
            "Call it off", f"“{entry.title}” is still there", "click", cancel,
            judge=lambda page: None if listed(page, entry) else (3, f"“{entry.title}” is gone"),
        )  # fmt: skip
