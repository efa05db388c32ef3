"""Ways through any web product: finding where to add something, filling in, saving, finding it again."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from macrohard.llm.builtin.users.page import FIELD_ROLES, TEXT_ROLES, Control, Page, folded
from macrohard.llm.builtin.users.person import Complaint, Doing, Judge, Person
from macrohard.llm.builtin.users.values import BEGIN, END, form_of, kind_of, plausible, real_options, seen_as

_ADDING = re.compile(r"(add|new|create|register|enter|book|log|check in)\b|\+", re.I)
_SAVING = re.compile(r"(save|add|create|submit|register|ok|done|send|book|store|update)\b", re.I)
_SAVED = re.compile(r"\b(saved|added|created|updated|stored|success|done|thank)", re.I)
_REFUSED = re.compile(r"\b(correct|required|must|invalid|error|already|cannot|please|not valid|wrong|missing)\b", re.I)


@dataclass
class Entry:
    """Something the person added and remembers."""

    kind: str
    """As the product's button called it: "task" of "Add task"."""
    title: str = ""
    """By what it can be recognised."""
    typed: dict[str, str] = field(default_factory=dict)
    """Label → what was entered."""
    chosen: set[str] = field(default_factory=set)
    """Those of the values that were offered by a list."""
    list_address: str = ""
    number: int = 0
    """The how-many-eth the person adds."""
    saved: bool = False
    used: bool = False
    """Something was done with it since it was entered."""

    def lacking(self, page: Page) -> list[tuple[str, str]]:
        """Field and value of what was entered and is not shown."""
        return [
            (name, value)
            for name, value in self.typed.items()
            if value.strip() and not any(page.shows(way[:200]) for way in seen_as(value))
        ]


def wanted(person: Person, name: str) -> int:
    """How often what the name is about comes up in the person's goal."""
    words = _words(re.sub(r"^(add|new|create)\b", "", name, flags=re.I))
    return sum(
        re.sub(r"(ies|es|s|y|e)$", "", word) in words for word in re.findall(r"[a-z]{3,}", person.goal.casefold())
    )


def way_to_add(page: Page, rank: Callable[[str], int] = lambda name: 0) -> Control | None:
    """The link or button that leads to a new record, of several the one that ranks highest."""
    offered = [
        one
        for one in page.controls
        if one.role in {"link", "button"} and one.row is None and _ADDING.match(one.name.strip())
    ]
    outside = [one for one in offered if not one.landmark.startswith(("navigation", "search"))]
    return max(outside or offered, key=lambda one: rank(one.name), default=None)


def places(page: Page) -> list[Control]:
    """Where the navigation leads, the places that list things first."""
    links = [one for one in page.controls if one.role == "link" and one.landmark.startswith("navigation")]
    links = [one for one in links if one.name.casefold() not in {"overview", "home", "start", "skip to content"}]
    unique: dict[str, Control] = {}
    for one in links:
        unique.setdefault(one.name, one)
    return list(unique.values())


def kind_of_form(page: Page) -> str:
    """What the form is for: "task" of "Add task"."""
    return re.sub(r"^(add|new|create|register|edit)( an?)? ", "", page.head, flags=re.I).casefold() or "record"


def save_button(page: Page) -> Control | None:
    """What sends the form."""
    buttons = [one for one in page.controls if one.role == "button" and not one.landmark.startswith("search")]
    return next((one for one in buttons if _SAVING.match(one.name.strip())), None)


def go_to_form(person: Person) -> Doing:
    """Find the form for adding what the person wants most."""

    def rank(name: str) -> int:
        return wanted(person, name)

    seen: set[str] = set()
    for _ in range(4):
        adding = way_to_add(person.page, rank)
        place = max(
            (one for one in places(person.page) if one.name not in seen), key=lambda one: rank(one.name), default=None
        )
        if place is not None and (adding is None or rank(place.name) > rank(adding.name)):
            seen.add(place.name)
            yield from person.act(
                f"Find where I can add something, perhaps under {place.name}",
                f"A page about {place.name.lower()}",
                "click",
                place,
            )
            continue
        if adding is None or (person.page.is_form and adding == save_button(person.page)):
            return
        yield from person.act("Add something", "A form to fill in", "click", adding, judge=_form_expected)
        return


def _form_expected(page: Page) -> Complaint:
    return None if page.is_form else (2, f"no form, but “{page.head}”")


def go_to_needed_form(person: Person, name: str) -> Doing:
    """Find the form for adding what a list is to be chosen from, e.g. a room for the list "Room"."""
    place = next((one for one in places(person.page) if _words(one.name) & _words(name)), None)
    if place is None:
        return
    yield from person.act(
        f"There is no {name.lower()} to choose yet, so add one first",
        f"A page about {place.name.lower()}",
        "click",
        place,
    )
    adding = way_to_add(person.page)
    if adding is not None:
        yield from person.act(f"Add a {name.lower()}", "A form to fill in", "click", adding, judge=_form_expected)


def nothing_to_choose(page: Page) -> list[str]:
    """Lists that must be answered and offer nothing yet."""
    return [
        one.name for one in page.fields if one.role == "combobox" and "required" in one.states and not real_options(one)
    ]


def chooses_from_nothing(page: Page) -> bool:
    """Whether a list that must be answered offers nothing yet."""
    return bool(nothing_to_choose(page))


def fill_in(
    person: Person,
    entry: Entry,
    number: int,
    *,
    at_most: int,
    only_required: bool = False,
    lists: bool = False,
    anew: bool = False,
) -> Doing:
    """Fill the form in with plausible values, what is required first.

    With `lists`, choose where a choice stands; with `anew`, replace what was typed before.
    """
    fields = [one for one in person.page.fields if one.role in FIELD_ROLES and one.role != "searchbox"]
    open_ = [
        one
        for one in fields
        if not _is_answered(one) or (anew and one.role == "textbox") or (lists and len(real_options(one)) > 1)
    ]
    needed = [one for one in open_ if "required" in one.states]
    others = [one for one in open_ if "required" not in one.states]
    others = [] if only_required and needed else others
    chosen = [*needed, *others[: max(at_most - len(needed), 0)]]
    # In the order of the form, as people do.
    for one in [one for one in fields if one in chosen]:
        yield from enter(person, entry, one, number)


def _is_answered(control: Control) -> bool:
    if control.role == "combobox":
        return control.value in real_options(control)
    return bool(control.value) or control.role in {"checkbox", "switch", "radio"}


def enter(person: Person, entry: Entry, control: Control, number: int, *, hint: str = "") -> Doing:
    """Answer one field, and remember the answer."""
    there = person.page.again(control) or control
    if there.role == "combobox" or there.options:
        value = plausible(there, number)
        if not value:
            return
        yield from person.act(
            f"Choose {control.name}", f"“{value}” stands in {control.name}", "choose", there, value,
        )  # fmt: skip
        if not person.problem:
            entry.typed[control.name] = value
            entry.chosen.add(value)
        return
    hint = hint or " ".join((person.learned.get(control.name, ""), person.page.notes(there))).strip()
    form = _form_for(person, entry, control)
    for value in sorted(_candidates(there, number, hint, entry.kind), key=lambda one: form not in {"", form_of(one)}):
        yield from person.act(
            f"Fill in {control.name}", f"“{value}” stands in {control.name}", "fill", there, value, may_fail=True
        )
        if not person.problem:
            entry.typed[control.name] = value
            person.forms[control.name] = form_of(value)
            if hint:
                person.learned[control.name] = hint
            return
        if not re.search(r"date or time|takes only a number", person.problem):
            person.notice(2, f"I wanted to fill in {control.name} and could not: {person.problem}")
            return


def _form_for(person: Person, entry: Entry, control: Control) -> str:
    """Whether dates, times or text belong there, as far as one has learned; an end is like its beginning."""
    if (known := person.forms.get(control.name)) is not None or not END.match(control.name):
        return known or ""
    return next((person.forms[name] for name in entry.typed if BEGIN.match(name) and name in person.forms), "")


def _candidates(control: Control, number: int, hint: str, about: str) -> list[str]:
    """What to try: fields for dates and numbers look like any other until something else is typed."""
    value = plausible(control, number, hint=hint, about=about)
    day = plausible(Control(ref="", role="textbox", name="date"), number)
    time = f"{(10 if END.match(control.name) else 9) + number:02d}:30"
    others = {
        "date": [f"{value}T{time}"],
        "date-time": [value.split("T")[0], time],
        "time": [f"{day}T{value}", day],
        "number": [day, time],
    }.get(
        kind_of(control.name) if not hint else "text",
        [day, time, f"{day}T{time}", str(3 + number)],
    )
    return [value, *others][:4]


def save(person: Person, entry: Entry, *, double: bool = False, may_be_refused: bool = True) -> Doing:
    """Send the form; correct what is pointed out, twice at most."""
    for attempt in range(3):
        button = save_button(person.page)
        if button is None:
            person.notice(2, f"I filled in “{person.page.head}” and found no button to save it")
            return
        entry.title = title_of(entry)
        before_saving = person.page
        yield from person.act(
            f"Save the {entry.kind}" if not attempt else f"Save the corrected {entry.kind}",
            "A confirmation, and what I entered on the next page",
            "double click" if double else "click",
            button,
            judge=_saved_judge(person.page, entry),
        )
        if not is_refusal(person.page) or _is_added(person.page, before_saving, entry):
            entry.saved = not person.problem and person.page.status < 400
            return
        if attempt == 2 or not may_be_refused:
            return
        before = person.acts
        yield from _correct(person, entry, 3 * entry.number + attempt + 1)
        if person.acts == before:
            return


def _saved_judge(before: Page, entry: Entry) -> Judge:
    return lambda page: _after_saving(page, before, entry)


def _after_saving(page: Page, before: Page, entry: Entry) -> Complaint:
    # Where form and list are one page, the second click of two finds the form empty.
    if page.bubble or _is_added(page, before, entry):
        return None
    if is_refusal(page):
        lost = [
            name for name, value in entry.typed.items()
            if (there := next((one for one in page.fields if one.name == name), None)) and not _kept(there, value)
        ]  # fmt: skip
        if lost:
            return 2, f"it was refused and what I had entered in {lost[0]} is gone"
        pointed = [one for one in page.fields if "invalid" in one.states] or page.alerts
        return None if pointed else (2, "the form again, without a word about what is wrong")
    if page.address == before.address and page.content == before.content:
        return 2, "nothing happened"
    return None


def _is_added(page: Page, before: Page, entry: Entry) -> bool:
    return times_listed(page, entry) > times_listed(before, entry)


def _kept(control: Control, value: str) -> bool:
    if control.role in {"checkbox", "switch"}:
        return True
    return folded(control.value)[:40] == folded(value)[:40]


def is_refusal(page: Page) -> bool:
    """Whether the form is still there with complaints."""
    marked = any("invalid" in one.states for one in page.fields)
    return page.is_form and (marked or bool(page.alerts) or bool(page.bubble) or page.status in {400, 409, 422})


def complaints(page: Page) -> str:
    """What the page says is wrong."""
    return " ".join([page.bubble, *page.alerts]).strip()


def _correct(person: Person, entry: Entry, number: int) -> Doing:
    """Answer what was pointed out with something else."""
    marked = [one for one in person.page.fields if "invalid" in one.states]
    said = complaints(person.page)
    if not marked:
        marked = [one for one in person.page.fields if one.name.casefold() in said.casefold() and one.name]
    for one in marked[:3]:
        hint = " ".join(part for part in (person.page.notes(one), said) if part)
        yield from enter(person, entry, one, number, hint=hint)


def title_of(entry: Entry) -> str:
    """What the person would recognise it by: its name or title, else the first words they typed."""
    texts = {name: value for name, value in entry.typed.items() if re.search(r"[A-Za-z]{3}", value)}
    for name, value in texts.items():
        if re.search(r"title|name|subject|purpose", name, re.I) and "@" not in value:
            return value
    return next(iter([*texts.values(), *entry.typed.values()]), "")


def go_to_list(person: Person, entry: Entry) -> Doing:
    """Where things of this kind are listed."""
    words = _words(entry.kind)
    links = [one for one in places(person.page) if words & _words(one.name)]
    if links:
        yield from person.act(
            f"See all {links[0].name.lower()}", f"A list with “{entry.title}”", "click", links[0],
            judge=lambda page: _not_listed(page, entry),
        )  # fmt: skip
    elif entry.list_address:
        yield from person.act("See the list again", f"A list with “{entry.title}”", "open", value=entry.list_address)


def _words(text: str) -> set[str]:
    """Stems, so that "Category" is found under "Categories"."""
    return {_stem(word) for word in re.findall(r"[a-z]{3,}", text.casefold())}


def _stem(word: str) -> str:
    return re.sub(r"(ies|es|s|y|e)$", "", word)


def listed(page: Page, entry: Entry) -> bool:
    """Whether the page shows it."""
    if len(page.rows) >= 12:
        return True
    return any(page.shows(way) for way in seen_as(entry.title))


def _not_listed(page: Page, entry: Entry) -> Complaint:
    return None if not entry.title or not entry.saved or listed(page, entry) else (3, f"no “{entry.title}” in the list")


def _not_shown(page: Page, entry: Entry) -> Complaint:
    gone = [f"{name} “{value}”" for name, value in entry.lacking(page)]
    return (2, f"it does not show what I entered: {', '.join(gone[:3])}") if gone else None


def times_listed(page: Page, entry: Entry) -> int:
    """In how many rows it stands."""
    return sum(any(folded(way) in folded(row) for way in seen_as(entry.title)) for row in page.rows)


def open_entry(person: Person, entry: Entry) -> Doing:
    """Open the record from the list and compare it with what was entered."""
    links = [one for one in person.page.controls if one.role == "link" and folded(one.name) == folded(entry.title)]
    if len(links) != 1:
        return
    yield from person.act(
        f"Read “{entry.title}” in full", "A page with everything I entered", "click", links[0],
        judge=lambda page: _not_shown(page, entry),
    )  # fmt: skip


def search(person: Person, words: str, *, intention: str, expectation: str, judge: Judge | None = None) -> Doing:
    """Look for something with the page's search, if it has one."""
    box = next((one for one in person.page.controls if one.role == "searchbox"), None) or next(
        (one for one in person.page.controls if one.role in TEXT_ROLES and re.match(r"search|find", one.name, re.I)),
        None,
    )
    if box is None:
        return
    yield from person.act(intention, "The words stand in the search field", "fill", box, words)
    if person.problem:
        return
    yield from person.act(intention, expectation, "press", value="Enter", judge=judge)
