"""From a requirement in plain English to a reading of it."""

import re
from collections.abc import Mapping

from macrohard.domain import Exclusion, Question
from macrohard.llm.builtin.blueprint import Field, Reading
from macrohard.llm.builtin.understanding.acting import toggle
from macrohard.llm.builtin.understanding.claims import build
from macrohard.llm.builtin.understanding.completion import unbounded
from macrohard.llm.builtin.understanding.constraints import CURRENCIES, CURRENCY, choice_values
from macrohard.llm.builtin.understanding.domains import bundle_in, domains_in
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.fields import field_list, make_field
from macrohard.llm.builtin.understanding.interpret import Interpreter
from macrohard.llm.builtin.understanding.screening import (
    Finding,
    exclude,
    is_vague,
    looks_like_code,
    not_a_requirement,
    out_of_scope,
    screen,
)
from macrohard.llm.builtin.understanding.spelling import correct, known_share
from macrohard.llm.builtin.understanding.subjects import subject_of
from macrohard.llm.builtin.understanding.text import LONGEST_TEXT, Passage, fold, passages
from macrohard.llm.builtin.understanding.words import article, identifier, label, listed, lower_label

_KEPT, _BUTTON, _WHO = (
    "What is kept in the list, and which details of each entry?",
    "What does the button do?",
    "Who uses it?",
)
NO_ANSWERS: Mapping[str, str] = {}


def read(requirement: str, answers: Mapping[str, str] = NO_ANSWERS) -> Reading:
    """What is to be built from `requirement`, or why nothing is; `answers` are texts by the ids of earlier questions.

    Never raises for any text. The same text and answers always give the same reading.
    """
    text, exclusions = exclude(fold(requirement[:LONGEST_TEXT]))
    beyond_reach = len(requirement) > LONGEST_TEXT and requirement[LONGEST_TEXT:].strip() != ""
    found = passages(text)
    recordable = _names_something(found)
    finding = screen(text, recordable=recordable)
    if finding is not None and exclusions and not re.search(r"[A-Za-z]{3}", text):
        finding = Finding(
            "refuse",
            (
                "All of the text is addressed to the factory and its agents; none of it describes a product. "
                "Nothing was followed and nothing was built. Say what you want to keep track of."
            ),
        )
    if finding is None:
        finding = out_of_scope(text)
    if finding is not None:
        return _refused(finding, exclusions, text)
    vague = is_vague(text) and not _specific(found)
    if vague:
        return _asked(answers, exclusions)
    if known_share(text) < 0.5:
        return _refused(not_a_requirement(text), exclusions, text)
    draft = Interpreter().read(found)
    _prune(draft)
    if not draft.records or not _meant(found, draft):
        if (
            _WANTS.search(text)
            and len(text.split()) <= 25
            and not looks_like_code(text)
            and not text.rstrip().endswith("?")
        ):
            return _asked(answers, exclusions, _UNSAID)
        return _refused(not_a_requirement(text), exclusions, text)
    if beyond_reach:
        draft.leave_uncovered(
            f"Not read: the text beyond its first {LONGEST_TEXT} characters.", Said(words="(the rest of the text)")
        )
    return _built(draft, found, answers, exclusions)


def _prune(draft: Draft) -> None:
    """Drop buttons for values that a later sentence replaced."""
    kept = []
    for action, said in draft.actions:
        record = draft.record(action.record)
        offered = {one.name: one.value.choices for one in record.of_type("choice")} if record else {}
        used = [*action.sets.items(), *((one.field, one.value) for one in action.when)]
        if all(value in offered.get(name, (value,)) for name, value in used):
            kept.append((action, said))
        else:
            draft.leave_uncovered(f"The button “{action.label}”: other values were stated.", said)
    draft.actions = kept


def _names_something(found: list[Passage]) -> bool:
    return any(subject_of(one.text) for one in found[:20])


def _specific(found: list[Passage]) -> bool:
    """Whether a text that points elsewhere still says itself what is kept."""
    draft = Interpreter().read(
        [
            Passage(one.source, one.text, one.headings, one.heading, one.bullet, one.indent, one.cells, one.children)
            for one in found
        ]
    )
    return any(sum(field.stated for field in record.fields) >= 2 for record in draft.records)


_ASKING = re.compile(
    r"(?i)\b(?:app|application|tool|program|system|software|web ?site|tracker|log(?:book)?|list|register|"
    r"database|manager|planner|inventory|catalog(?:ue)?|directory|organi[sz]er|need|want|would like|please|"
    r"build|make|create|track|keep|record|manage|store|save|search|filter|must|should|field|fields|table|add|"
    r"book(?:ing)?|crm|address book|export|remember|something (?:to|for|where|that)|note)\w*\b"
)


def _meant(found: list[Passage], draft: Draft) -> bool:
    """Whether a text asks for something, and is no poem or question that happens to name a thing."""
    whole = " ".join(one.text for one in found)
    stated = sum(one.stated for record in draft.records for one in record.fields)
    if (
        whole.rstrip().endswith("?")
        and len(found) == 1
        and re.match(r"(?i)\s*(?:what|who|when|where|why|how|is|are|do|does|did|which|whose|was|were|am)\b", whole)
        and stated < 2
    ):
        return False
    if stated >= 2:
        return True
    return bool(_ASKING.search(whole)) or (
        len(whole.split()) <= 12 and len(found) <= 2 and bool(domains_in(whole) or bundle_in(whole))
    )


def _refused(finding: Finding, exclusions: tuple[Exclusion, ...], text: str) -> Reading:
    words = re.sub(r"[^\w '-]", " ", text).split()[:6]
    title = label(" ".join(words))[:60] if words else "Nothing to build"
    return Reading(decision="refuse", reason=finding.reason, title=f"Refused: {title}", exclusions=exclusions)


_WANTS = re.compile(
    r"(?i)\b(?:app|application|tool|program|system|software|web ?site|database|list|tracker|register|planner|"
    r"organi[sz]er|build|make|create|develop|manage|stuff|something|keep track)\b"
)
_ELSEWHERE = "The text points to something that was said or built elsewhere, which I can't know."
_UNSAID = "The text does not say what is to be recorded."


def _asked(answers: Mapping[str, str], exclusions: tuple[Exclusion, ...], why: str = _ELSEWHERE) -> Reading:
    """A text that points to something never said here: ask once; unanswered, a plain list is built and says so."""
    questions = (
        Question(id="Q-1", text=_KEPT, default="Entries with a title, a note and whether they are done."),
        Question(id="Q-2", text=_BUTTON, default="It marks an entry as done."),
        Question(id="Q-3", text=_WHO, default="One person, without logging in."),
    )
    kept = answers.get("Q-1", "").strip()
    if kept and re.search(r"[A-Za-z]{3}", kept):
        rest = " ".join(f"{one.strip().rstrip('.')}." for key in ("Q-2", "Q-3") if (one := answers.get(key, "")))
        opening = kept if subject_of(kept) else f"App to keep track of {kept}"
        reading = read(f"{opening.rstrip('.')}.\n{rest}", {})
        if reading.decision == "build":
            return reading.model_copy(update={"exclusions": (*exclusions, *reading.exclusions)})
    draft = Draft(title="Simple list")
    record = RecordDraft("entry", "Entry", "Entries", aliases={"entry"})
    for name, shown, type_, facts in (
        ("title", "Title", "text", {"required": True}),
        ("note", "Note", "long text", {}),
        ("done", "Done", "yes/no", {"default": "no"}),
    ):
        record.fields.append(
            FieldDraft(
                Field.model_validate({"name": name, "label": shown, "type": type_, **facts}),
                {"field": Said()},
                {shown.lower()},
            )
        )
    record.title = "title"
    record.filters["done"] = Said()
    draft.records.append(record)
    toggle(draft, record, record.fields[2], Said(), back=True)
    draft.assume(
        f"{why} So this is a simple list with a "
        "button that marks an entry as done, built only so that there is something to look at."
    )
    for question in questions:
        if answers.get(question.id, "").strip():
            draft.assume(f"{question.text} Answered: {answers[question.id].strip()[:200]}")
    return Reading(
        decision="ask",
reason=(
    f"{why} Three short answers are enough to build the right thing; without them I build a simple list and label "
    f"it as such."
),
        title="Simple list",
        summary=(
            "A simple list of entries with a button that marks them as done, because the text does not say what is "
            "to be kept."
        ),
        stories=("As a user, I add an entry and find it in the list.", "As a user, I mark an entry as done."),
        blueprint=build(draft), assumptions=tuple(draft.assumptions), questions=() if answers else questions,
        exclusions=exclusions,
    )  # fmt: skip


def _built(
    draft: Draft, found: list[Passage], answers: Mapping[str, str], exclusions: tuple[Exclusion, ...]
) -> Reading:
    questions = _questions(draft, answers)
    for record in draft.records:
        for one in record.of_type("choice"):
            if one.said.get("choices", Said()).words:
                draft.assumptions = [
                    text
                    for text in draft.assumptions
                    if not text.startswith(f"{one.label} of {record.plural.lower()} is one of")
                ]
    draft.title = (draft.title or _title(draft, found))[:60].strip() or draft.main.plural
    blueprint = build(draft)
    kinds = listed([lower_label(one.plural) for one in draft.records])
    return Reading(
        decision="build", title=draft.title, summary=f"A web app that keeps {kinds}{_abilities(draft)}.",
        stories=_stories(draft), blueprint=blueprint,
        assumptions=tuple(draft.assumptions), questions=questions, exclusions=exclusions,
    )  # fmt: skip


def _title(draft: Draft, found: list[Passage]) -> str:
    """What the person calls the app, if they do: "Visitor log", "Address book"."""
    opening = _BEFORE.sub("", _spelt(found[0].text.strip(" .:!"))) if found else ""
    if (
        2 <= len(opening.split()) <= 5
        and found[0].text.count(",") == 0
        and not re.search(
            (
                r"(?i)\b(?:need|want|build|make|create|please|app|software|tool|program|system|application|"
                r"managing|keeping|tracking|i|we|is|are|should|must|can|hi|hello|with|has|have|so|my|our|of)\b"
            ),
            opening,
        )
    ):
        return label(opening)
    kinds = (
        r"(?:log ?book|log|book|register|registry|tracker|database|planner|catalog(?:ue)?|directory|inventory|"
        r"diary|journal|list|manager|calendar|organi[sz]er|crm|helpdesk|library|collection)"
    )
    for one in found[:3]:
        match = re.search(
            (
                rf"(?i)\b((?:(?!(?:a|an|the|my|our|for|of|to|need|want|simple|small|build|make|create|me|us|please|"
                rf"app|with|and|just|like|little|keep|new|good|nice|easy|some|have|in|on|is|by|it|that|this|all|"
                rf"which|from|should|there|each|every)(?![\w'-]))[a-z][\w'-]*[ ]){{1,2}}{kinds})\b"
            ),
            _spelt(one.text),
        )
        if match and len(match[1]) <= 40:
            text = re.sub(r"(?i)^(?:i|we|hi|so|list|show|print|see) ", "", match[1])
            if len(text.split()) >= 2 and not re.search(
                r"(?i)\b(?:list|show|search|filter|print|today|overdue)\b \w", text
            ):
                return label(correct(text))
    if len(draft.records) == 1:
        return f"{draft.main.label} list" if draft.main.plural == draft.main.label else draft.main.plural
    first, *others = draft.records[:3]
    return listed([first.plural, *(lower_label(one.plural) for one in others)])


_BEFORE = re.compile(r"(?i)^(?:an?|the|my|our) ")


def _spelt(text: str) -> str:
    """With what is one word in a title as one word."""
    return re.sub(r"(?i)\b(to) (do)(?= (?:list|app|tracker|planner|manager)s?\b)", r"\1-\2", text)


def _abilities(draft: Draft) -> str:
    parts = []
    if draft.views:
        parts.append(f"lists “{'”, “'.join(view.label for view, _ in draft.views[:4])}”")
    if draft.rules:
        parts.append(f"checks {len(draft.rules)} rule{'s' if len(draft.rules) != 1 else ''}")
    if draft.totals:
        parts.append("shows totals")
    return f", {listed(parts)}" if parts else ""


def _stories(draft: Draft) -> tuple[str, ...]:
    """Goals for people who try the product."""
    roles = draft.roles or ["user"]
    goals = []
    main = next((one for one in reversed(draft.records) if any(f.type == "reference" for f in one.fields)), draft.main)
    low = lower_label(main.label)
    parents = [one for one in draft.records if one is not main][:2]
    if parents:
        goals.append(
            f"I add {listed([article(lower_label(one.label)) for one in parents])} and then {article(low)} for "
            f"{'it' if len(parents) == 1 else 'them'}"
        )
    else:
        goals.append(f"I add {article(low)} with all its details and find it in the list")
    if below := unbounded(draft):
        # Whoever is not told takes it for a mistake that it is accepted.
        record, one = below[0]
        goals.append(f"I enter {article(lower_label(record.label))} with a negative {lower_label(one.label)}")
    if draft.actions:
        action = draft.actions[0][0]
        owner = draft.record(action.record) or main
        goals.append(f"I use “{action.label}” on {article(lower_label(owner.label))} and see that it worked")
    if draft.views:
        goals.append(f"I look at “{draft.views[0][0].label}” to see who or what belongs there")
    if any(one.search or one.filters for one in draft.records):
        goals.append(f"I find one particular {low} again among several")
    if draft.totals:
        goals.append(f"I read “{draft.totals[0][0].label}” and it agrees with what I entered")
    if len(goals) < 3:
        goals.append(f"I correct a mistake in {article(low)} that I entered before")
    return tuple(f"As {article(roles[index % len(roles)])}, {goal}." for index, goal in enumerate(goals[:5]))


def _questions(draft: Draft, answers: Mapping[str, str]) -> tuple[Question, ...]:
    """What only the person knows, each with its default; answers that are given are applied instead."""
    asked: list[Question] = []

    def ask(text: str, default: str) -> str:
        question = Question(id=f"Q-{len(asked) + 1}", text=text, default=default)
        asked.append(question)
        return answers.get(question.id, "").strip()

    moneys = [one for record in draft.records for one in record.of_type("money")]
    if moneys and not any(one.value.currency for one in moneys):
        answer = ask("Which currency are amounts in?", "Amounts are shown without a currency sign.")
        match = re.search(rf"(?i){CURRENCY}", answer)
        if match:
            for one in moneys:
                one.value = one.value.model_copy(update={"currency": CURRENCIES[match.group().lower()]})
                one.said["type"] = Said(words=answer)
    elif moneys:
        sign = next(one.value.currency for one in moneys if one.value.currency)
        for one in moneys:
            if one.value.currency is None:
                one.value = one.value.model_copy(update={"currency": sign})
    for record in draft.records:
        for one in record.of_type("choice"):
            if not one.said.get("choices", Said()).words and one.stated and len(asked) < 4:
                answer = ask(f"Which values can {lower_label(one.label)} have?", f"{listed(list(one.value.choices))}.")
                values = choice_values(answer)
                if len(values) >= 2:
                    _replace_choices(draft, record, one, values, answer)
    if len(asked) < 4 and not any(one.stated for record in draft.records for one in record.fields):
        main = draft.main
        usual = listed([lower_label(one.label) for one in main.fields])
        answer = ask(
            f"Which details do you keep of {article(lower_label(main.label))}?", f"{usual[0].upper()}{usual[1:]}."
        )
        if answer:
            _add_details(draft, main, answer)
    return tuple(one for one in asked if not answers.get(one.id, "").strip())


def _replace_choices(draft: Draft, record: RecordDraft, one: FieldDraft, values: tuple[str, ...], answer: str) -> None:
    used = {
        c.value
        for parts in (draft.rules, draft.views, draft.highlights, draft.totals)
        for part, _ in parts
        if part.record == record.name
        for c in part.when
        if c.field == one.name
    }
    used |= {
        value
        for action, _ in draft.actions
        if action.record == record.name
        for name, value in action.sets.items()
        if name == one.name
    }
    used |= {
        c.value
        for action, _ in draft.actions
        if action.record == record.name
        for c in action.when
        if c.field == one.name
    }
    missing = tuple(
        value for value in one.value.choices if value in used and value.lower() not in {v.lower() for v in values}
    )
    known = {choice.lower(): choice for choice in one.value.choices if choice in used}
    chosen = tuple(known.get(v.lower(), v) for v in values) + missing
    default = one.value.default if one.value.default in chosen else None
    one.change("choices", Said(words=answer), choices=chosen, default=default)
    draft.assumptions = [
        text for text in draft.assumptions if not text.startswith(f"{one.label} of {record.plural.lower()} is one of")
    ]


def _add_details(draft: Draft, record: RecordDraft, answer: str) -> None:
    for item in field_list(correct(answer)):
        one, _ = make_field(item, Said(words=item.source))
        if identifier(one.label) and not (one.type == "choice" and not one.value.choices):
            record.add(one)
