"""What careful people try once something of theirs is there: use every button, filter, search, change, repeat, err."""

import re
from collections.abc import Callable, Collection, Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.page import Control, Page, folded
from macrohard.llm.builtin.users.person import Complaint, Doing, Judge, Person
from macrohard.llm.builtin.users.reading import cut_short, differing, number_of
from macrohard.llm.builtin.users.values import BEGIN, END, MEASURED, real_options
from macrohard.llm.builtin.users.ways import (
    Entry,
    fill_in,
    go_to_form,
    go_to_list,
    is_refusal,
    listed,
    save,
    save_button,
    search,
    times_listed,
    way_to_add,
)

BUTTONS = 4
CHOICES = 2
"""Of each filter."""
ERRORS = 3
_ENDING = re.compile(r"(delete|remove|cancel|discard|clear|reset)\b", re.I)
_LEAVING = re.compile(r"(log ?out|sign|close|menu|skip)\b", re.I)
_CONFIRMING = re.compile(r"(yes|ok|confirm|delete|remove|cancel (?:it|the))\b", re.I)
_MAY_BE_NEGATIVE = re.compile(r"\b(refund|negative|credit|balance|income|temperature|debt|earn)", re.I)
_ONCE = re.compile(
    r"[^.;]*(?:\b(?:never|not|nobody|no one|cannot|can't|no)\b[^.;]*\b(?:same|twice|again|else|double|already)\b|"
    r"\b(?:unique|only once)\b)[^.;]*",
    re.I,
)
_CONDITION = re.compile(r"\b(before|until|unless|while|as long as|if|when|except)\b", re.I)
_TELLS_TIME = re.compile(r"\b(ago|now|seconds?|just)\b", re.I)


def compare_row(person: Person, entry: Entry) -> None:
    """What stands in the list with what was entered; it costs no action."""
    for said in differing(person.page, entry.typed, entry.title):
        person.notice(2, said)
        return
    if not listed(person.page, entry) and (short := cut_short(person.page, entry.title)):
        person.notice(2, f"I entered “{entry.title}” and it is cut short: the list has only “{short}”")
    plain = re.sub(r"<[^<>]+>", "", entry.title)
    if plain != entry.title and not listed(person.page, entry) and person.page.shows(plain):
        person.notice(3, f"“{entry.title}” became part of the page: its markup is not shown as I typed it")


def to_list(person: Person, entry: Entry) -> Doing:
    """Where it stands among others, or stood."""
    is_there = person.page.address == entry.list_address and bool(person.page.table)
    if not times_listed(person.page, entry) and not is_there:
        yield from go_to_list(person, entry)
        if person.page.table:
            entry.list_address = person.page.address


def _told(row: str) -> str:
    """The cells that come first."""
    return " | ".join(row.split(" | ")[:3])


def reload(person: Person) -> Doing:
    """The page again: nothing else may stand there."""
    before = person.page

    def judge(page: Page) -> Complaint:
        if _TELLS_TIME.search(page.text) or page.address != before.address:
            return None
        gone = [row for row in before.rows if row not in page.rows]
        instead = [row for row in page.rows if row not in before.rows]
        if not gone:
            return None
        return 3, f"“{_told(gone[0])}” is not there any more" + (f", but “{_told(instead[0])}”" if instead else "")

    kept = f"The {len(before.rows)} rows as they are now" if before.rows else "The page as it is now"
    yield from person.act("See whether it was really stored", kept, "reload", judge=judge)


# --- one trial each ------------------------------------------------------------------------------------------


def use_buttons(person: Person, entry: Entry) -> Doing:
    """Press what is offered, what takes something away last; see that it did that, and nothing else."""
    yield from to_list(person, entry)
    victim = entry
    if len(person.page.rows) < 2 and (way_to_add(person.page) or person.page.is_form):
        other = yield from _add_another(person, entry)
        victim = other if other.saved else entry
    pressed: set[str] = set()
    for _ in range(BUTTONS):
        yield from to_list(person, entry)
        offered = offered_buttons(person.page, entry, pressed)
        if not offered or _ENDING.match(offered[0].name):
            break
        pressed.add(_bare(offered[0], entry))
        yield from _press(person, entry, offered[0])
    ending = [one for one in offered_buttons(person.page, victim) if _ENDING.match(one.name)]
    if ending:
        yield from _press(person, victim, ending[0])
        victim.saved = times_listed(person.page, victim) > 0


def _add_another(person: Person, entry: Entry) -> Generator[Call, str, Entry]:
    other = Entry(kind=entry.kind, number=entry.number + 1, list_address=entry.list_address)
    if not person.page.is_form:
        yield from go_to_form(person)
    if person.page.is_form:
        yield from fill_in(person, other, other.number, at_most=2, only_required=True, anew=True)
        yield from save(person, other)
    if other.saved:
        person.done.append(f"Added “{other.title}”")
        yield from to_list(person, other)
        compare_row(person, other)
    return other


def _bare(control: Control, entry: Entry) -> str:
    """Its name without that of the record."""
    return folded(control.name).replace(folded(entry.title), "…")


def offered_buttons(page: Page, entry: Entry, pressed: Collection[str] = ()) -> list[Control]:
    """What can be pressed that does something with it or with all, what takes away last."""
    form = save_button(page) if page.is_form else None
    mine = {number for number, row in enumerate(page.rows) if folded(entry.title) in folded(row)}
    return sorted(
        (
            one
            for one in page.controls
            if one.role == "button"
            and one is not form
            and "disabled" not in one.states
            and (one.row is None or one.row in mine)
            and not one.landmark.startswith(("search", "navigation", "banner"))
            and not _LEAVING.match(one.name)
            and not (page.filters and one in {page.sender(each) for each in page.filters})
            and _bare(one, entry) not in pressed
        ),
        key=lambda one: _ENDING.match(one.name) is not None,
    )


def press_judge(person: Person, button: Control) -> Judge:
    """Something changed, and that about this one alone."""
    before = person.page
    others = [row for number, row in enumerate(before.rows) if number != button.row]

    def judge(page: Page) -> Complaint:
        if button.row is None or page.alerts or "A dialog appeared" in person.heard or "downloaded" in person.heard:
            return None
        if page.content == before.content:
            return 2, "nothing changed"
        if page.address != before.address or not page.rows:
            return None
        if touched := [row for row in others if row not in page.rows]:
            return 3, f"the row of something else is not the same any more: “{_told(touched[0])}”"
        return None

    return judge


def _press(person: Person, entry: Entry, button: Control) -> Doing:
    before = person.page
    ends = _ENDING.match(button.name) is not None
    expectation = f"It is done with “{entry.title}”, and with nothing else" if button.row is not None else "It does so"
    yield from person.act(f"Use “{button.name}”", expectation, "click", button, judge=press_judge(person, button))
    confirm = next((one for one in person.page.controls if one.role == "button" and _CONFIRMING.match(one.name)), None)
    if ends and person.page.address != before.address and not person.page.rows and confirm is not None:
        yield from person.act(
            "Yes, I mean it", f"“{entry.title}” is gone", "click", confirm,
            judge=lambda page: (2, f"“{entry.title}” is still there") if times_listed(page, entry) else None,
        )  # fmt: skip
    entry.used = True
    person.done.append(f"used “{button.name}”")
    if person.page.rows and person.page.content != before.content:
        yield from reload(person)


def use_filters(person: Person, entry: Entry) -> Doing:
    """Choose something of each filter, and see that the rows have it, and that none that has it is missing."""
    yield from to_list(person, entry)
    before = person.page
    for one in before.filters:
        column = next((place for place, name in enumerate(before.columns) if folded(name) == folded(one.name)), None)
        options = [each for each in real_options(one) if each != one.value]
        if column is None or any(len(cells) != len(before.columns) for cells in before.cells):
            continue
        # First what a row has, then what none has: both can go wrong.
        here = {folded(cells[column]) for cells in before.cells}
        options.sort(key=lambda option: folded(option) in here)
        for option in (options[:1] + options[-1:])[: min(CHOICES, len(options))]:
            yield from _choose(person, before, one, option, column)
        person.done.append(f"filtered by {one.name}")
        if (there := person.page.again(one)) is not None and there.value != one.value:
            yield from person.act("See everything again", "All rows", "open", value=before.address)


def _choose(person: Person, before: Page, control: Control, option: str, column: int) -> Doing:
    there = person.page.again(control)
    if there is None:
        return
    intention, expectation = f"Show only {control.name} “{option}”", f"Only rows with “{option}”, and all of them"
    wanted = [cells[0] for cells in before.cells if folded(cells[column]) == folded(option)]

    def judge(page: Page) -> Complaint:
        for cells in page.cells:
            if len(cells) == len(before.columns) and folded(cells[column]) != folded(option):
                return 2, f"with {control.name} “{option}”, “{cells[0]}” is still listed, and is “{cells[column]}”"
        shown = {cells[0] for cells in page.cells}
        if page.is_whole and (missing := [title for title in wanted if title not in shown]):
            return 2, f"with {control.name} “{option}”, “{missing[0]}” is missing, though it is “{option}”"
        return None

    sender = person.page.sender(there)
    yield from person.act(intention, f"“{option}” is chosen", "choose", there, option, judge=None if sender else judge)
    if sender is not None:
        yield from person.act(intention, expectation, "click", person.page.again(sender) or sender, judge=judge)


def use_search(person: Person, entry: Entry) -> Doing:
    """In other letters than it was written, and for something that is nowhere."""
    yield from to_list(person, entry)
    address = person.page.address
    words = max(re.findall(r"[^\W\d_]{3,}", entry.title), key=len, default="")
    if not words or not times_listed(person.page, entry):
        return
    before = person.acts
    yield from search(
        person, words.upper(), intention=f"Find “{entry.title}” again", expectation=f"“{entry.title}” is found",
        judge=lambda page: None if times_listed(page, entry)
        else (2, f"I searched for “{words.upper()}” and “{entry.title}” was not found"),
    )  # fmt: skip
    if person.acts == before:
        return
    yield from search(
        person, "qqzz", intention="Search for what is not there", expectation="Nothing is found",
        judge=lambda page: (2, f"I searched for “qqzz” and “{entry.title}” was found") if times_listed(page, entry)
        else None,
    )  # fmt: skip
    person.done.append(f"searched for “{words}”")
    yield from person.act("See everything again", "The whole list", "open", value=address)


def change(person: Person, entry: Entry) -> Doing:
    """Open it, see that all of it is there, change its title, and see that this changed and nothing else."""
    yield from to_list(person, entry)
    before = person.page
    name = next((name for name, value in entry.typed.items() if value == entry.title), "")
    way = _way_to(person.page, entry)
    if way is None or times_listed(before, entry) > 1 or not re.fullmatch(r"[A-Za-z ]+", entry.title):
        return
    yield from person.act(
        f"Open “{entry.title}”", "Everything that I had entered", "click", way, judge=lambda page: _lacks(page, entry)
    )
    editing = next(
        (
            one for one in person.page.controls
            if one.role in {"link", "button"} and one.row is None and re.match(r"edit|change", one.name, re.I)
        ),
        None,
    )  # fmt: skip
    if person.page.find("textbox", name) is None and editing is not None:
        yield from person.act(
            f"Change “{entry.title}”", "The form with what I had entered", "click", editing,
            judge=lambda page: _lacks(page, entry),
        )  # fmt: skip
    field = person.page.find("textbox", name)
    if field is None or field.value != entry.title:
        return
    old, entry.title = entry.title, f"{entry.title} two"
    entry.typed[name] = entry.title
    yield from person.act(f"Give it another {name}", f"“{entry.title}” stands there", "fill", field, entry.title)
    yield from save(person, entry)
    if not entry.saved:
        return
    person.done.append(f"changed it to “{entry.title}”")
    if not person.page.rows:
        yield from to_list(person, entry)
    if not listed(person.page, entry):
        person.notice(3, f"I changed “{old}” to “{entry.title}” and saved, and it is still as before")
        entry.title = entry.typed[name] = old
        return
    compare_row(person, entry)
    others = [row for row in before.rows if folded(old) not in folded(row)]
    if person.page.address == before.address and (gone := [row for row in others if row not in person.page.rows]):
        person.notice(3, f"I changed “{entry.title}” alone, and “{_told(gone[0])}” is not the same any more")


def _way_to(page: Page, entry: Entry) -> Control | None:
    links = [one for one in page.controls if one.role == "link" and folded(one.name) == folded(entry.title)]
    mine = {number for number, row in enumerate(page.rows) if folded(entry.title) in folded(row)}
    editing = [
        one for one in page.controls
        if one.role in {"link", "button"} and one.row in mine and one.row is not None
        and re.match(r"edit|change", one.name, re.I)
    ]  # fmt: skip
    return next(iter([*links, *editing]), None)


def _lacks(page: Page, entry: Entry) -> Complaint:
    if page.is_form:
        fields = {one.name: one for one in page.fields if one.role in {"textbox", "combobox", "spinbutton"}}
        for name, value in entry.typed.items():
            held = fields[name].value if name in fields else value
            same = folded(held) == folded(value) or (
                number_of(held) is not None and number_of(held) == number_of(value)
            )
            if not same and (not held or re.fullmatch(r"[A-Za-z ]+", value)):
                return 2, f"{name} is “{held}” in the form, though I had entered “{value}”"
        return None
    gone = [f"{name} “{value}”" for name, value in entry.lacking(page)]
    return (2, f"it does not show what I entered: {', '.join(gone[:3])}") if gone else None


def same_again(person: Person, entry: Entry) -> Doing:
    """The same once more: refused where people were told that it cannot be there twice, and no crash anywhere."""
    if not entry.typed:
        return
    yield from to_list(person, entry)
    times = times_listed(person.page, entry)
    yield from go_to_form(person)
    if not person.page.is_form or save_button(person.page) is None:
        return
    for name, value in list(entry.typed.items()):
        field = next((one for one in person.page.fields if one.name == name), None)
        if field is not None and field.value != value and field.role in {"textbox", "combobox", "spinbutton"}:
            action = "choose" if field.options else "fill"
            yield from person.act(f"The same {name} again", f"“{value}” stands there", action, field, value)
    button = save_button(person.page)
    if button is None:
        return
    told = _ONCE.search(person.goal) if times else None
    if told is not None and entry.used and _CONDITION.search(told[0]):
        # What was done with it may be just what makes it possible again.
        told = None
    before = person.page

    def judge(page: Page) -> Complaint:
        now = times_listed(page, entry)
        accepted = now > max(times, 1) or (not is_refusal(page) and not page.rows and page.content != before.content)
        if told is None or is_refusal(page) or not accepted:
            return None
        return 2, f"the same was accepted again, now it is there {now} times, though I was told: “{told[0].strip()}”"

    expectation = "To be told that it is there already" if told else "It is there once more, or I am told why not"
    yield from person.act("Save the same once more", expectation, "click", button, judge=judge)
    entry.saved = entry.saved or not is_refusal(person.page)
    person.done.append("entered the same again")


def err_once(person: Person, entry: Entry) -> Doing:
    """All right but for one thing that cannot be: each must be refused."""
    for number in range(ERRORS):
        if not person.page.is_form or number == 0:
            yield from to_list(person, entry)
            yield from go_to_form(person)
            if not person.page.is_form:
                return
            trial = Entry(kind=entry.kind, number=entry.number + 2)
            yield from fill_in(person, trial, trial.number, at_most=6)
        mistakes = _mistakes(person, trial)
        if number >= len(mistakes):
            return
        yield from _err(person, trial, *mistakes[number])


def _mistakes(person: Person, entry: Entry) -> list[tuple[str, str, str]]:
    """Field, impossible value, and why nobody can mean it."""
    found = []
    begin = next((name for name in entry.typed if BEGIN.match(name)), None)
    end = next((name for name in entry.typed if END.match(name)), None)
    if begin and end:
        start = entry.typed[begin]
        if re.fullmatch(r"\d\d:\d\d", start) and start > "01:00":
            earlier = f"{int(start[:2]) - 1:02d}{start[2:]}"
            found.append((end, earlier, f"it is earlier than {begin} “{start}”"))
        elif re.match(r"\d{4}-\d\d-\d\d", start):
            found.append((end, "2001-02-03" + start[10:], f"it is before {begin} “{start}”"))
    for name, value in entry.typed.items():
        if MEASURED.search(name) and number_of(value) and not _MAY_BE_NEGATIVE.search(person.goal):
            found.append((name, f"-{value}", "it is negative"))
    return found


def _err(person: Person, entry: Entry, name: str, value: str, why: str) -> Doing:
    field = next((one for one in person.page.fields if one.name == name), None)
    if field is None:
        return
    yield from person.act(f"Get {name} wrong", "It stands there until I save", "fill", field, value, may_fail=True)
    button = save_button(person.page)
    if person.problem or button is None:
        return
    before = person.page

    def judge(page: Page) -> Complaint:
        if is_refusal(page) or page.content == before.content:
            return None
        return 2, f"“{value}” was accepted as {name}, though {why}"

    yield from person.act(f"Save it with {name} “{value}”", f"A message at {name}", "click", button, judge=judge)
    person.done.append(f"tried {name} “{value}”")
    field = next((one for one in person.page.fields if one.name == name), None)
    if person.page.is_form and field is not None:
        yield from person.act(f"Put {name} right again", "It stands there", "fill", field, entry.typed[name])


Trial = Callable[[Person, Entry], Generator[Call, str, None]]
CAREFUL: dict[str, tuple[Trial, ...]] = {
    "phone": (change, same_again, use_filters, use_buttons, use_search, err_once),
    "impatient": (same_again, use_buttons, use_search, use_filters, change),
    "wrong-input-first": (err_once, same_again, use_search, use_buttons),
    "returning": (use_filters, change, use_search, use_buttons, same_again),
    # They have no mouse; what they try is in their habit.
    "keyboard-only": (),
    "screen-reader": (),
}
USUAL: tuple[Trial, ...] = (same_again, use_buttons, use_filters, err_once, use_search, change)


def be_careful(person: Person, entry: Entry, persona: str) -> Doing:
    """One trial after the other, in the order that suits the person, as long as patience lasts."""
    for trial in CAREFUL.get(persona, USUAL):
        yield from trial(person, entry)
