"""Everything that can be typed wrongly into a form, and what a good product makes of it."""

import re
from collections.abc import Generator

from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users.page import Control, Page
from macrohard.llm.builtin.users.person import Complaint, Person
from macrohard.llm.builtin.users.values import MEASURED, real_options
from macrohard.llm.builtin.users.ways import (
    Entry,
    enter,
    go_to_form,
    go_to_list,
    is_refusal,
    listed,
    save,
    save_button,
    search,
    times_listed,
    title_of,
)

ODD = 'O\'Neil & <b>Söhne</b> "100 %" 🎉'
_ENDLESS = "abcdef żółć ñandú 🎉 " * 50


Adding = Generator[Call, str, Entry]


def _texts(page: Page) -> list[Control]:
    return [
        one for one in page.fields if one.role == "textbox" and not re.match(r"\d{4}-\d\d-\d\d|\d\d:\d\d", one.value)
    ]


def save_empty(person: Person, kind: str) -> Generator[Call, str, None]:
    button = save_button(person.page)
    if button is None:
        person.notice(2, f"The form “{person.page.head}” has no button to save it")
        return
    required = [one for one in person.page.fields if "required" in one.states and not one.value]
    expectation = "A message beside each field that is needed" if required else "A message, or a saved record"

    before = person.page

    def judge(page: Page) -> Complaint:
        if not is_refusal(page):
            return (
                _let_through(page, before, f"the {kind} was accepted without {required[0].name}") if required else None
            )
        return None if page.alerts or _messages(page) else (2, "the form again, without a word about what is wrong")

    yield from person.act(f"Save an empty {kind}", expectation, "click", button, judge=judge)
    yield from _back_to_form(person)


def _let_through(page: Page, before: Page, accepted: str) -> Complaint:
    """What was not refused was accepted, or lost without a word."""
    if page.content == before.content:
        return 2, "nothing happened, without a word about what is wrong"
    if not page.is_form and not page.rows and not page.said:
        return 2, f"“{page.head}” without a word about what is wrong, and nothing is stored"
    return 2, accepted


def blanks_only(person: Person, kind: str) -> Generator[Call, str, None]:
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


def nonsense(person: Person, kind: str) -> Generator[Call, str, None]:
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
        if len(wrong) < 2 and (is_mail or MEASURED.search(field.name)):
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
    before = person.page

    def judge(page: Page) -> Complaint:
        if not is_refusal(page):
            accepted = f"“{typed[wrong[0].name]}” was accepted as {wrong[0].name}" if wrong else ""
            return _let_through(page, before, accepted) if wrong else None
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


def odd_but_right(person: Person, kind: str) -> Adding:
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
            if not listed(person.page, entry) and not person.is_surprised:
                person.notice(2, f"I saved “{entry.title}” and it is shown as something else, or not at all")
    return entry


def _must_choose(control: Control) -> bool:
    return "required" in control.states and control.value not in real_options(control)


def odd_searches(person: Person, entry: Entry) -> Generator[Call, str, None]:
    for words in ("_", "'%"):
        if any(words in value for value in entry.typed.values()):
            continue
        yield from search(
            person, words, intention=f"Search for “{words}”", expectation="Nothing is found, and it says so",
            judge=lambda page: (2, f"“{entry.title}” was found, though it has nothing of the kind")
            if times_listed(page, entry)
            else None,
        )  # fmt: skip
