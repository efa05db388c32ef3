"""What the simulated users do with a product, each in their own way; all know only what the pages show."""

import re
from collections.abc import Callable, Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.keys import add_by_keyboard, find_by_keyboard
from macrohard.llm.builtin.users.page import Control, Page
from macrohard.llm.builtin.users.person import Complaint, Person
from macrohard.llm.builtin.users.values import real_options
from macrohard.llm.builtin.users.ways import (
    Entry,
    chooses_from_nothing,
    enter,
    fill_in,
    go_to_form,
    go_to_list,
    is_refusal,
    listed,
    open_entry,
    own_actions,
    save,
    save_button,
    search,
    times_listed,
    title_of,
)

ODD = 'O\'Neil & <b>Söhne</b> "100 %" 🎉'
_ENDLESS = "abcdefghi " * 100
_SURELY_NUMBERS = re.compile(r"\b(price|cost|quantity|age|year|seats)\b", re.I)


Visiting = Generator[Call, str, bool]
"""A visit; its value is whether the goal was reached."""
Adding = Generator[Call, str, Entry]


def wrong_input_first(person: Person) -> Visiting:
    """Everything wrong before anything right."""
    yield from person.look()
    yield from go_to_form(person)
    if not person.page.is_form:
        return _no_way(person)
    kind = _kind(person.page)
    yield from _save_empty(person, kind)
    yield from _blanks_only(person, kind)
    yield from _nonsense(person, kind)
    entry = yield from _odd_but_right(person, kind)
    if not entry.saved:
        return False
    yield from _once(person, entry)
    yield from _odd_searches(person, entry)
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
        if not entry.saved:
            return bool(entries)
        entries.append(entry)
    first, second = entries
    yield from _to_list(person, first)
    _check_numbers(person, entries)
    yield from person.act(
        "Come back the next day", f"“{first.title}” and “{second.title}” are still there", "reload",
        judge=lambda page: _still_there(page, entries),
    )  # fmt: skip
    yield from person.act("Open the product anew", "The first page, as it was", "open", value="/")
    yield from _to_list(person, first)
    yield from open_entry(person, first)
    yield from _to_list(person, first)
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
    "phone": phone,
    "returning": returning,
    "impatient": impatient,
}
PATIENCE = {"keyboard-only": 36}
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
    entry = Entry(kind=_kind(person.page), number=number)
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


def _kind(page: Page) -> str:
    return re.sub(r"^(add|new|create|register|edit)( an?)? ", "", page.head, flags=re.I).casefold() or "record"


def _no_way(person: Person) -> bool:
    person.notice(2, f"I wanted to add something and found no way to do it from “{person.page.head}”")
    return False


# --- wrong input ---------------------------------------------------------------------------------------------


def _texts(page: Page) -> list[Control]:
    return [
        one for one in page.fields if one.role == "textbox" and not re.match(r"\d{4}-\d\d-\d\d|\d\d:\d\d", one.value)
    ]


def _save_empty(person: Person, kind: str) -> Generator[Call, str, None]:
    button = save_button(person.page)
    if button is None:
        person.notice(2, f"The form “{person.page.head}” has no button to save it")
        return
    required = [one for one in person.page.fields if "required" in one.states and not one.value]
    expectation = "A message beside each field that is needed" if required else "A message, or a saved record"

    def judge(page: Page) -> Complaint:
        if not is_refusal(page):
            return (2, f"the {kind} was accepted without {required[0].name}") if required else None
        return None if page.alerts or _messages(page) else (2, "the form again, without a word about what is wrong")

    yield from person.act(f"Save an empty {kind}", expectation, "click", button, judge=judge)
    yield from _back_to_form(person)


def _blanks_only(person: Person, kind: str) -> Generator[Call, str, None]:
    field = next((one for one in _texts(person.page) if "required" in one.states), None)
    if field is None:
        return
    yield from person.act(
        f"Type blanks only into {field.name}", "The field takes them for now", "fill", field, "   ", may_fail=True
    )
    button = save_button(person.page)
    if button is None or person.problem:
        return

    def judge(page: Page) -> Complaint:
        return None if is_refusal(page) else (2, f"a {kind} whose {field.name} is nothing but blanks was accepted")

    yield from person.act("Save it like that", f"A message that {field.name} is needed", "click", button, judge=judge)
    yield from _back_to_form(person)


def _nonsense(person: Person, kind: str) -> Generator[Call, str, None]:
    """Too long, of the wrong kind, impossible: must be refused if anything is surely wrong; all input stays."""
    texts = _texts(person.page)
    if not texts:
        return
    typed: dict[str, str] = {}
    wrong: list[Control] = []
    intention, expectation = f"Type far too much into {texts[0].name}", "All of it, or as much as is allowed"
    yield from person.act(intention, expectation, "fill", texts[0], _ENDLESS, may_fail=True)
    if not person.problem:
        typed[texts[0].name] = _ENDLESS
    for field in texts[1:]:
        is_mail = re.search(r"e-?mail", field.name, re.I) is not None
        if len(wrong) < 2 and (is_mail or _SURELY_NUMBERS.search(field.name)):
            nonsense = "no mail" if is_mail else "-many"
            yield from person.act(
                f"Type nonsense into {field.name}",
                "It stands there until I save",
                "fill",
                field,
                nonsense,
                may_fail=True,
            )
            if not person.problem:
                typed[field.name] = nonsense
                wrong.append(field)
    button = save_button(person.page)
    if button is None or not typed:
        return

    def judge(page: Page) -> Complaint:
        if not is_refusal(page):
            return (2, f"“{typed[wrong[0].name]}” was accepted as {wrong[0].name}") if wrong else None
        for name, value in typed.items():
            there = next((one for one in page.fields if one.name == name), None)
            if there is not None and there.value[:40] != value[:40].strip() and there.value[:40] != value[:40]:
                return 2, f"what I had typed into {name} is gone"
        return None if page.alerts or _messages(page) else (2, "the form again, without a word about what is wrong")

    expectation = (
        "A message beside each wrong field, and my input still there" if wrong else "A message, or all of it saved"
    )
    yield from person.act("Save nonsense", expectation, "click", button, judge=judge)
    yield from _back_to_form(person)


def _messages(page: Page) -> str:
    return " ".join(page.notes(one) for one in page.fields if "invalid" in one.states)


def _back_to_form(person: Person) -> Generator[Call, str, None]:
    if not person.page.is_form:
        yield from go_to_form(person)


def _odd_but_right(person: Person, kind: str) -> Adding:
    """The characters that break careless products, in a field that takes any text."""
    entry = Entry(kind=kind)
    if not person.page.is_form:
        return entry
    texts = _texts(person.page)
    field = next((one for one in texts if re.search(r"title|name|subject|purpose", one.name, re.I)), None)
    field = field or next((one for one in texts if "required" in one.states), None)
    if field is not None and not person.page.notes(field).startswith("Left empty"):
        yield from person.act(
            f"Type odd but right characters into {field.name}", "They stand there", "fill", field, ODD, may_fail=True
        )
        if not person.problem:
            entry.typed[field.name] = ODD
    for other in person.page.fields:
        if other.name in entry.typed:
            continue
        wrong = other.value in {"no mail", "-many"} or other.value.startswith(_ENDLESS[:30])
        is_open = "required" in other.states and other.role == "textbox" and not other.value.strip()
        if wrong or is_open or (other.role == "combobox" and _must_choose(other)):
            yield from enter(person, entry, other, 0)
    yield from save(person, entry)
    entry.title = title_of(entry)
    if entry.saved:
        person.done.append(f"Added the {kind} “{entry.title}” after many wrong tries")
        if not listed(person.page, entry):
            yield from go_to_list(person, entry)
            if not listed(person.page, entry):
                person.notice(2, f"I saved “{entry.title}” and it is shown as something else, or not at all")
    return entry


def _must_choose(control: Control) -> bool:
    return "required" in control.states and control.value not in real_options(control)


def _odd_searches(person: Person, entry: Entry) -> Generator[Call, str, None]:
    for words in ("_", "'%"):
        if any(words in value for value in entry.typed.values()):
            continue
        yield from search(
            person, words, intention=f"Search for “{words}”", expectation="Nothing is found, and it says so",
            judge=lambda page: (2, f"“{entry.title}” was found, though it has nothing of the kind")
            if times_listed(page, entry)
            else None,
        )  # fmt: skip


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
    if len(words) < 2:
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
