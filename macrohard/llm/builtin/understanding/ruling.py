"""Rules beyond single fields: only one at a time, at most n, no overlap, not when inactive, order of dates, …"""

import re

from macrohard.llm.builtin.blueprint import Condition, Rule
from macrohard.llm.builtin.understanding.clauses import Clause
from macrohard.llm.builtin.understanding.conditions import select
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, condition
from macrohard.llm.builtin.understanding.roles import by_role, closing_field, open_conditions
from macrohard.llm.builtin.understanding.words import NUMBER, article, lower_label, number, singular

NOT = (
    r"(?:can(?:no|')t|can ?not|can never|must not|mustn't|may not|shouldn't|should not|is not allowed to|are not "
    r"allowed to|not allowed to|must never|is never|cannot|won't|will not|not be able to)"
)


def names_of(record: RecordDraft) -> str:
    return "|".join(
        sorted(
            (re.escape(n) for n in {record.label.lower(), record.plural.lower(), *record.aliases}),
            key=len,
            reverse=True,
        )
    )


def named_in(record: RecordDraft, text: str) -> bool:
    return bool(re.search(rf"(?<![\w-])(?:{names_of(record)})(?:s|'s)?(?![\w-])", text))


def links(draft: Draft) -> list[tuple[RecordDraft, FieldDraft, RecordDraft]]:
    """Every reference: the record that has it, the field, and the record it points to."""
    return [
        (child, one, parent)
        for child in draft.records
        for one in child.fields
        if (parent := draft.record(one.value.references or ""))
    ]


def overlapping(clause: Clause, draft: Draft) -> bool:
    """ "no double booking", "bookings of a room must not overlap"."""
    text = clause.low
    if not re.search(
        (
            r"\boverlap\w*\b|\bdouble[- ]?book\w*|\bbooked twice\b|\btwo (?:bookings|reservations|appointments|"
            r"people|persons|\w+) (?:at|in|for) the same (?:time|slot)|\balready (?:booked|taken|reserved|"
            r"rented)\b|\bat the same time\b|\bconflict\w*\b|\bsame (?:slot|time ?slot|time)\b|\bbooked (?:only "
            r")?once\b|\btwo [\w ]+ at once\b|\bclash\w*|\bno double (?:appointments?|reservations?|rentals?|"
            r"slots?)"
        ),
        text,
    ):
        return False
    for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
        if closing_field(record) and open_conditions(record) and not re.search(r"overlap", text):
            continue  # what ends only when it is brought back is limited by what is open
        start, end = by_role(record, "start"), by_role(record, "end", "closing", "due")
        if start is end:
            end = next(
                (
                    one
                    for one in record.fields
                    if one is not start and one.type == (start.type if start else "") and one.value.computed is None
                ),
                None,
            )
        if start is None:
            continue
        parents = [(one, parent) for child, one, parent in links(draft) if child is record]
        named = [one for one, parent in parents if named_in(parent, text)]
        scope = (
            named[:1]
            or [
                one
                for one, parent in parents
                if not re.search(
                    r"customer|client|member|guest|employee|student|tenant|person|patient", parent.label.lower()
                )
            ][:1]
        )
        if not scope:
            fields = [
                one
                for one in record.of_type("text", "choice")
                if any(
                    re.search(rf"\b{re.escape(alias)}s?\b", text)
                    for alias in {one.label.lower(), *one.aliases, one.label.lower().split()[0]}
                )
            ]
            scope = (
                fields[:1]
                or [
                    one
                    for one in record.of_type("text", "choice")
                    if re.search(
                        (
                            r"room|table|court|vehicle|car|resource|doctor|desk|place|device|machine|slot|boat|"
                            r"hall|employee|stylist|therapist"
                        ),
                        one.label.lower(),
                    )
                ][:1]
            )
        if not scope and parents:
            scope = [parents[0][0]]
        names = [one.name for one in scope]
        thing = lower_label(scope[0].label) if scope else lower_label(record.label)
        taken = (
            f"This {thing} is already taken at that time."
            if scope
            else f"There is already {article(lower_label(record.label))} at that time."
        )
        day = (
            next((one for one in record.of_type("date") if one is not start and one is not end), None)
            if start.type == "time"
            else None
        )
        when = still_on(record)
        if end is not None and end.type == start.type:
            if day:
                names.append(day.name)
            draft.add_rule(
                Rule(
                    kind="no overlap",
                    record=record.name,
                    fields=(start.name, end.name),
                    scope=tuple(names),
                    when=when,
                    message=taken,
                ),
                clause.said,
            )
            order = Rule(
                kind="order",
                record=record.name,
                fields=(start.name, end.name),
                strict=True,
                message=f"{end.label} must be after {lower_label(start.label)}.",
            )
            if not any(rule.kind == "order" and rule.fields == order.fields for rule, _ in draft.rules):
                draft.add_rule(order, clause.said.model_copy(update={"words": ""}))
            return True
        moments = [
            one.name for one in record.fields if one.type in ("date", "time", "date-time") and "due" not in one.name
        ][:2]
        moments = [m for m in moments if m != (end.name if end else "")]
        if moments:
            draft.add_rule(
                Rule(
                    kind="unique together",
                    record=record.name,
                    fields=(*names, *moments),
                    when=when,
                    message=taken,
                ),
                clause.said,
            )
            return True
    return False


def still_on(record: RecordDraft) -> tuple[Condition, ...]:
    """Cancelled records take no room."""
    for one in record.of_type("choice", "yes/no"):
        if one.type == "yes/no" and re.search(r"cancel", one.name):
            return (condition(one.name, "equal", "no"),)
        for value in one.value.choices:
            if re.fullmatch(r"cancell?ed|rejected|declined", value.lower()):
                return (condition(one.name, "not equal", value),)
    return ()


def one_at_a_time(clause: Clause, draft: Draft) -> bool:
    (
        """ "a badge can be used by only one visitor at a time", "can't lend a book twice", "at most one open loan """
        """per book"."""
    )
    text = clause.low
    signal = re.search(
        (
            rf"\bat a time\b|\bonly (?:one|1|once)\b|\b(?:at most|max(?:imum)?\.?(?: of)?|no more than|not more "
            rf"than|up to) (?:one|1)\b(?! day| week| month| year| hour)|\btwice\b|\bmore than (?:one|once)\b|"
            rf"\bsame time\b|\bdouble\b|\balready (?:lent|on loan|out|borrowed|in use|used|taken|checked out|"
            rf"rented)\b|"
            rf"\btwo (?:people|persons|\w+) (?:{NOT} )?(?:can(?:no|')t )?(?:have|use|borrow|share)|\b{NOT} (?:be "
            rf")?(?:lend|lent|borrow\w*|loan\w*|rent\w*|used?|assigned|issued|given) .*\b(?:again|if|when|while|"
            rf"unless|until|before|that)\b|\bone \w+ loan per\b|\bonly if (?:it is |it's )?(?:available|in|free|"
            rf"not)"
        ),
        text,
    )
    if not signal:
        return False
    for child, one, parent in links(draft):
        if not named_in(parent, text) and not any(
            re.search(rf"\b{re.escape(alias)}\b", text) for alias in {one.label.lower()}
        ):
            continue
        when = open_conditions(child)
        if not when:
            continue
        if _subject_is(text, parent, child, draft):
            draft.add_rule(
                Rule(
                    kind="unique together",
                    record=child.name,
                    fields=(one.name,),
                    when=when,
                    message=f"This {lower_label(parent.label)} {_taken(child)}.",
                ),
                clause.said,
            )
            return True
    for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
        when = open_conditions(record)
        for one in record.fields:
            if one.type in ("yes/no", "date", "date-time", "time", "long text") or (
                one is record.main_text and len(record.fields) > 2 and not when
            ):
                continue
            names = {one.label.lower(), *one.aliases, one.label.lower().split()[0]} - {record.label.lower()}
            if any(len(name) > 2 and re.search(rf"\b{re.escape(name)}s?\b", text) for name in names):
                if when and re.search(
                    r"at a time|same time|already|while|until|unless|open|in use|\bnow\b|lend|lent|loan|borrow|out\b",
                    text,
                ):
                    draft.add_rule(
                        Rule(
                            kind="unique together",
                            record=record.name,
                            fields=(one.name,),
                            when=when,
                            message=f"This {lower_label(one.label)} is in use.",
                        ),
                        clause.said,
                    )
                elif re.search(r"\bper\b", text):
                    return False
                else:
                    one.change("unique", clause.said, unique=True)
                return True
    return False


def _taken(child: RecordDraft) -> str:
    word = child.label.lower()
    if re.search(r"loan|lend|borrow|checkout", word):
        return "is already on loan"
    if re.search(r"rent|hire", word):
        return "is already rented out"
    return "is already in use"


def _subject_is(text: str, parent: RecordDraft, child: RecordDraft, draft: Draft) -> bool:
    """Whether the text limits the parent, and not only mentions it: the thing, not the one who uses it."""
    others = [other for _, _, other in links(draft) if other is not parent and named_in(other, text)]
    if not others:
        return True
    thing = re.search(
        rf"(?:^|\b(?:an?|the same|same|each|every|one|no|the|lend|per|any))\s*(?:{names_of(parent)})\b", text
    )
    other = re.search(
        rf"(?:^|\b(?:an?|the same|same|each|every|one|no|the|lend|per|any))\s*(?:{names_of(others[0])})\b", text
    )
    return thing is not None and (other is None or thing.start() < other.start())


def limiting(clause: Clause, draft: Draft) -> bool:
    """ "max 5 open loans per pupil", "a member can have at most 3 books", "no more participants than the capacity"."""
    text = clause.low
    if re.search(r"\b(?:per|a|each|every) (?:day|week|month|year|hour|quarter)\b", text) and re.search(
        r"\b(?:max\w*|at most|no more than|not more than|only|up to|limit\w*)\b", text
    ):
        draft.leave_uncovered(f"A limit per day, week, month or year: “{clause.source}”.", clause.said)
        return True
    count = re.search(
        (
            rf"\b(?:at most|max(?:imum)?\.?(?: of)?|no more than|not more than|up to|limit(?:ed)? (?:of|to)|only|"
            rf"more than)\s+(?P<n>{NUMBER})\s+(?P<what>[a-z][\w -]*)|\bper [\w ]+?\b(?:max(?:imum)?|at "
            rf"most)\s*(?P<n2>{NUMBER})|(?:^|\b)(?P<n3>{NUMBER}) (?P<what3>[\w -]+?) (?:max(?:imum)?|at most|"
            rf"limit)\b"
        ),
        text,
    )
    if count:
        limit = int(float(number(count["n"] or count["n2"] or count["n3"])))
        what = count["what"] or count["what3"] or ""
        for child, one, parent in links(draft):
            if not named_in(parent, text):
                continue
            other_end = any(r is not parent and c is child and named_in(r, what) for c, _, r in links(draft))
            if not (
                named_in(child, text)
                or other_end
                or re.search(r"\b(?:things|items|participants|people|persons|places|pieces|times)\b", what)
            ):
                continue
            if named_in(parent, what.split(" per ")[0].split(" for ")[0]) and not re.search(
                r"\bper\b|\bfor (?:each|every)", what
            ):
                continue
            when = _limit_when(what, text, child)
            word = f"open {child.plural.lower()}" if when else child.plural.lower()
            if limit < 1:
                return False
            kind = "unique together" if limit == 1 else "at most"
            message = (
                f"This {lower_label(parent.label)} already has {limit if limit > 1 else 'one'} "
                f"{word if limit > 1 else singular(word)}."
            )
            draft.add_rule(
                Rule.model_validate(
                    {
                        "kind": kind,
                        "record": child.name,
                        "fields": (one.name,),
                        "when": when,
                        "limit": limit if limit > 1 else None,
                        "message": message,
                    }
                ),
                clause.said,
            )
            return True
    if re.search(
        (
            r"\bcapacity\b|\bmax(?:imum)?\.? (?:participants|people|guests|places|number)|\bfull\b|\bfully "
            r"booked\b|\bseats\b|\bplaces\b|\bspots\b|\bfree places\b"
        ),
        text,
    ):
        for child, one, parent in links(draft):
            size = next(
                (
                    f
                    for f in parent.of_type("whole number")
                    if re.search(r"capacity|max|seats|places|size|spots|limit", f.label.lower())
                ),
                None,
            )
            if (
                size
                and (named_in(parent, text) or named_in(child, text))
                and re.search(rf"{NOT}|more|exceed|full|limit|only|at most|until|over", text)
            ):
                draft.add_rule(
                    Rule(
                        kind="at most",
                        record=child.name,
                        fields=(one.name,),
                        when=still_on(child),
                        limit_field=size.name,
                        message=f"This {lower_label(parent.label)} is full.",
                    ),
                    clause.said,
                )
                return True
    return False


def _limit_when(what: str, text: str, child: RecordDraft) -> tuple[Condition, ...]:
    selection = select(what, child)
    if selection:
        return selection.when
    return (
        open_conditions(child)
        if re.search(r"at (?:a|the same) time|at once|open|borrow|\bout\b|lend|lent|loan|rent", text)
        and closing_field(child)
        else ()
    )


def referring(clause: Clause, draft: Draft) -> bool:
    """ "an inactive pupil can't borrow", "only active members can book", "no sale of products out of stock"."""
    text = clause.low
    negative = re.search(
        rf"{NOT}|\bno (?:new )?\w+ for\b|\bnot (?:be )?(?:possible|allowed)\b|\bisn't allowed|\bnot for\b|\bblocked\b",
        text,
    )
    positive = re.search(r"\bonly\b.*\b(?:can|may|are allowed|is allowed|allowed|possible|to|be)\b|\bmust be\b", text)
    if not negative and not positive:
        return False
    for child, one, parent in links(draft):
        if not named_in(parent, text) and not (
            re.search(r"\b(?:someone|somebody|people|person|who|they|he|she|anyone)\b", text)
            and parent.label in ("Member", "Customer", "Pupil", "Student", "Employee", "Person", "Patient")
        ):
            continue
        selection = select(text, parent)
        if selection is None or len(selection.when) != 1:
            continue
        only = selection.when[0]
        if negative and not (positive and re.search(r"\bonly\b", text) and not re.search(rf"{NOT}", text)):
            needed = _opposite(only)
            if needed is None:
                continue
            message = f"This {lower_label(parent.label)} is {selection.word[0].lower()}{selection.word[1:]}."
        else:
            needed = only
            message = f"Only {selection.word[0].lower()}{selection.word[1:]} {parent.plural.lower()} can be chosen."
        draft.add_rule(
            Rule(kind="reference condition", record=child.name, fields=(one.name,), when=(needed,), message=message),
            clause.said,
        )
        return True
    return False


_OPPOSITES = {
    "equal": "not equal",
    "not equal": "equal",
    "empty": "not empty",
    "not empty": "empty",
    "less": "at least",
    "at least": "less",
    "more": "at most",
    "at most": "more",
    "before today": "not before today",
    "not before today": "before today",
    "after today": "not after today",
}


def _opposite(one: Condition) -> Condition | None:
    if one.value in ("yes", "no") and one.is_ == "equal":
        return one.model_copy(update={"value": "no" if one.value == "yes" else "yes"})
    turned = _OPPOSITES.get(one.is_)
    return condition(one.field, turned, one.value, other=one.other) if turned else None
