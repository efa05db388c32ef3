"""Buttons: done and undone, check in and out, return, extend, and the steps of a workflow."""

import re
from itertools import pairwise

from macrohard.llm.builtin.blueprint import Action, Condition, Field
from macrohard.llm.builtin.understanding.clauses import Clause
from macrohard.llm.builtin.understanding.constraints import choice_values
from macrohard.llm.builtin.understanding.draft import DEFAULT, Draft, FieldDraft, RecordDraft, Said, condition
from macrohard.llm.builtin.understanding.offering import SAID_OF_IT
from macrohard.llm.builtin.understanding.roles import (
    by_role,
    closing_field,
    done_field,
    find_field,
    open_conditions,
    state_field,
)
from macrohard.llm.builtin.understanding.words import NUMBER, identifier, lower_label, number

_VERBS = {
    "open": "Reopen", "in progress": "Start", "closed": "Close", "done": "Mark done", "resolved": "Resolve",
    "approved": "Approve",
    "rejected": "Reject", "cancelled": "Cancel", "canceled": "Cancel", "confirmed": "Confirm", "paid": "Mark paid",
    "sent": "Mark sent",
    "shipped": "Ship", "delivered": "Mark delivered", "hired": "Hire", "archived": "Archive", "accepted": "Accept",
    "declined": "Decline",
    "completed": "Complete", "finished": "Finish", "started": "Start", "submitted": "Submit", "published": "Publish",
    "returned": "Return",
    "checked in": "Check in", "checked out": "Check out", "on hold": "Put on hold", "waiting": "Put on hold",
    "active": "Activate",
    "inactive": "Deactivate", "planned": "Plan", "doing": "Start", "received": "Receive", "ordered": "Order",
    "packed": "Pack", "fixed": "Fix",
}  # fmt: skip


def _add(draft: Draft, said: Said, **facts: object) -> None:
    action = Action.model_validate(facts)
    draft.add_action(action, said)


def set_choice(
    draft: Draft, record: RecordDraft, state: FieldDraft, value: str, before: tuple[str, ...], said: Said
) -> None:
    """A button that sets a state, offered while the record is in the state before, or in any other."""
    shown = _VERBS.get(value.lower(), f"Set to {value.lower()}")
    when = (
        (condition(state.name, "equal", before[0]),)
        if len(before) == 1
        else (condition(state.name, "not equal", value),)
    )
    needed = (
        f"only while {lower_label(state.label)} is {before[0].lower()}"
        if len(before) == 1
        else f"not while {lower_label(state.label)} is already {value.lower()}"
    )
    _add(
        draft, said, name=identifier(shown), label=shown, record=record.name, when=when, sets={state.name: value},
        refusal=f"“{shown}” is possible {needed}.",
    )  # fmt: skip


def toggle(draft: Draft, record: RecordDraft, one: FieldDraft, said: Said, *, back: bool) -> None:
    """A button that ticks a yes/no field, and one that takes it back."""
    low = lower_label(one.label)
    _add(
        draft, said, name=identifier(f"mark {low}"), label=f"Mark {low}", record=record.name,
        when=(condition(one.name, "equal", "no"),),
        sets={one.name: "yes"}, refusal=f"This {lower_label(record.label)} is already {low}.",
    )  # fmt: skip
    if back:
        _add(
            draft, said, name=identifier(f"mark not {low}"), label=f"Mark not {low}", record=record.name,
            when=(condition(one.name, "equal", "yes"),),
            sets={one.name: "no"}, refusal=f"This {lower_label(record.label)} is not {low}.",
        )  # fmt: skip


def close(draft: Draft, record: RecordDraft, one: FieldDraft, shown: str, said: Said) -> None:
    """A button that fills in the date or time at which a record ends."""
    word = lower_label(one.label)
    _add(
        draft, said, name=identifier(shown), label=shown, record=record.name, when=(condition(one.name, "empty"),),
        sets={one.name: "today" if one.type == "date" else "now"}, refusal=f"{one.label} is already filled in.",
    )  # fmt: skip
    del word


def workflow(clause: Clause, draft: Draft) -> bool:
    """ "open -> in progress -> closed"."""
    spoken = re.search(
        (
            r"(?i)\b(?:goes?|moves?|changes?|switch\w*|progress\w*|status|state|workflow)\b.*?\bfrom (?P<a>[\w "
            r"]+?) (?P<b>(?:to [\w ]+?)(?: (?:and )?(?:then )?to [\w ]+?)*)(?:$|,| and\b| but\b|\.)"
        ),
        clause.text,
    )
    chain = (
        f"{spoken['a']} -> " + " -> ".join(re.split(r"(?i)(?:^| )(?:and )?(?:then )?to ", spoken["b"])[1:])
        if spoken
        else clause.text
    )
    match = re.search(r"(?P<v>[a-z][\w ]{1,24}(?:\s*(?:-+>|=>|→)\s*[a-z][\w ]{1,24}){1,8})", chain, re.IGNORECASE)
    if not match:
        return False
    values = [
        re.sub(
            r"(?i)^(?:.*\b(?:goes|go|moves?|from|are|is|be|status|workflow|states?|stages?)\b:?\s+)", "", part
        ).strip()
        for part in re.split(r"\s*(?:-+>|=>|→)\s*", match["v"])
    ]
    values = [v[0].upper() + v[1:] for v in values if v]
    if len(values) < 2:
        return False
    record = clause.record
    state = state_field(record)
    for one in record.of_type("choice"):
        if {v.lower() for v in values} <= {c.lower() for c in one.value.choices}:
            state = one
    if state is None:
        state = FieldDraft(
            Field(name="status", label="Status", type="choice", choices=tuple(values), default=values[0]),
            {"field": clause.said, "choices": clause.said},
            {"status", "state"},
        )
        record.fields.append(state)
    elif not {v.lower() for v in values} <= {c.lower() for c in state.value.choices}:
        state.change("choices", clause.said, choices=tuple(values), default=values[0])
    elif state.value.default is None:
        state.change("default", DEFAULT, default=state.value.choices[0])
    steps(draft, record, state, tuple(values), clause.said)
    return True


def steps(draft: Draft, record: RecordDraft, state: FieldDraft, values: tuple[str, ...], said: Said) -> None:
    """A button for each step from one state to the next."""
    known = {c.lower(): c for c in state.value.choices}
    for before, after in pairwise(values):
        if before.lower() in known and after.lower() in known:
            set_choice(draft, record, state, known[after.lower()], (known[before.lower()],), said)


def starting(clause: Clause, draft: Draft) -> bool:
    """ "a new ticket is open": how a state begins."""
    match = re.match(
        (
            r"(?i)^(?:an? |all |every |each |any )?(?:new|fresh) (?:\w+ )?(?:is|are|starts?|begins?|gets?)(?: always| "
            r"first)?(?: (?:as|with|in|out))?(?: (?:the )?(?:status|state))? (?P<v>[\w ]+)$"
        ),
        clause.text.strip(" ."),
    )
    if match is None:
        return False
    for record in _candidates(clause, draft):
        for one in record.of_type("choice"):
            value = next((c for c in one.value.choices if c.lower() == match["v"].strip().lower()), None)
            if value is not None:
                one.change("default", clause.said, default=value)
                return True
    return False


def choosing(clause: Clause, draft: Draft) -> bool:
    """ "members can be active, passive or honorary", "the status is open or done": a choice, whatever it is called."""
    match = re.match(
        (
            r"(?i)^(?:(?:each|every|an?|the|all) )?(?P<what>[\w -]{2,30}?)(?: (?:status|state|type))? (?:can "
            r"(?:only )?be|is either|are either|is one of|(?P<is>is)|are|must be(?: either)?(?: one of)?|could be|"
            r"may be|has the (?:status|state))\s+(?:either )?(?P<v>[\w -]+(?:,[\w -]+)* or [\w -]+)$"
        ),
        clause.text.strip(" ."),
    )
    if match is None:
        return False
    record = next(
        (
            one
            for one in draft.records
            if match["what"].lower() in {one.label.lower(), one.plural.lower(), *one.aliases}
        ),
        None,
    )
    values = choice_values(match["v"])
    if len(values) < 2 or any(len(value.split()) > 3 for value in values):
        return False
    one = find_field(clause.record, match["what"]) if record is None else None
    if one and one.type == "choice" and "default" not in match["v"] and not SAID_OF_IT.match(match["v"]):
        one.change("choices", clause.said, choices=values)
        return True
    if record is None or match["is"]:
        return False
    there = state_field(record)
    if there:
        there.change("choices", clause.said, choices=values)
        return True
    name = "status" if re.search(r"(?i)active|open|new|done|closed|draft|paid", match["v"]) else "type"
    if record.get(name):
        return False
    record.fields.append(
        FieldDraft(
            Field(name=name, label=name.capitalize(), type="choice", choices=values),
            {"field": clause.said, "choices": clause.said},
            {name},
        )
    )
    return True


def acting(clause: Clause, draft: Draft) -> bool:
    """ "mark as done/undone", "check out", "return a book", "extend by 7 days once", "approve or reject"."""
    text = clause.low
    if re.search(r"\b(?:can't|cannot|can not|must not|may not|mustn't|never|not allowed|no longer|shouldn't)\b", text):
        return False
    return (
        _in_and_out(text, clause, draft)
        or _done(text, clause, draft)
        or _states(text, clause, draft)
        or _counting(text, clause, draft)
    )


def _candidates(clause: Clause, draft: Draft) -> list[RecordDraft]:
    return [clause.record, *(one for one in draft.records if one is not clause.record)]


def extending(clause: Clause, draft: Draft) -> bool:
    """ "one extension of 7d per loan, not when overdue"."""
    text = clause.low
    match = re.search(
        (
            r"\b(?:extend(?:ed|ing|s)?|extensions?|prolong\w*|renew(?:ed|al|able|ing)?(?: (?:once|by|for|a))|"
            r"postpone\w*|snooze\w*|push(?:ed)? back)\b"
        ),
        text,
    )
    if not match:
        return False
    size = re.search(
        rf"\b(?:by|of|for|another|is|,)?\s*(?P<n>{NUMBER}|a)\s*(?:more )?-?(?P<u>d|days?|w|weeks?|months?)\b", text
    )
    days = (
        int(float(number(size["n"]) if size["n"] != "a" else 1)) * {"d": 1, "w": 7, "m": 30}[size["u"][0]]
        if size
        else 7
    )
    for record in _candidates(clause, draft):
        due = by_role(record, "due", "expiry", "end")
        if due is None or due.type not in ("date", "date-time"):
            continue
        when: list[Condition] = list(open_conditions(record)) if "due" in due.name or closing_field(record) else []
        when = [one for one in when if one.field != due.name]
        sets = {due.name: f"+{days}d"}
        why = []
        times = re.search(
            (
                rf"\b(?:once|only one|one extension|single|(?:max(?:imum)?|at most|up to|only)\.? "
                rf"(?P<n>{NUMBER})(?: times| extensions?)?|(?P<n2>{NUMBER}) (?:times|extensions?)|twice)\b"
            ),
            text,
        )
        if times:
            allowed = 2 if "twice" in times.group() else int(float(number(times["n"] or times["n2"] or "1")))
            if record.get("extensions") is None:
                record.fields.append(
                    FieldDraft(
                        Field(name="extensions", label="Extensions", type="whole number", default="0", automatic=True),
                        {"field": DEFAULT},
                        {"extension"},
                    )
                )
            when.append(condition("extensions", "less", str(allowed)))
            sets["extensions"] = "+1"
            why.append(f"only {'once' if allowed == 1 else f'{allowed} times'}")
        if re.search(
            (
                r"\b(?:not|unless|only (?:if|when|while)(?: it is)? not|never|can't be|isn't|no)\b[\w "
                r"]*\b(?:overdue|late|past due)\b|before (?:it is due|the due date)"
            ),
            text,
        ):
            when.append(condition(due.name, "not before today"))
            why.append("not when overdue")
        if any(one.field == (closing_field(record) or due).name for one in when):
            why.append("only while open")
        shown = f"Extend by {days} days" if days != 1 else "Extend by 1 day"
        reason = f"can be extended {' and '.join(why)}" if why else "can't be extended"
        _add(
            draft,
            clause.said,
            name=identifier(shown),
            label=shown,
            record=record.name,
            when=tuple(when),
            sets=sets,
            refusal=f"This {lower_label(record.label)} {reason}.",
        )
        return True
    return False


def _in_and_out(text: str, clause: Clause, draft: Draft) -> bool:
    out = re.search(
        (
            r"\b(?:check|sign|book|clock|log)(?:s|ed|ing)?[- ](?:them |it |visitors? |people |someone |a \w+ |in "
            r"?(?:/|and|or|&) ?)?out\b"
        ),
        text,
    )
    back = re.search(
        (
            r"\b(?:return(?:s|ed|ing)?|bring(?:s|ing)? back|give back|hand back|take back|mark (?:it |them )?(?:as "
            r")?(?:returned|collected|left)|check(?:ing)? (?:it |them )?back in|(?:check|sign)(?:ed|ing)? in|"
            r"collect(?:ed|s)?|pick(?:ed|s)? up|leav(?:es|ing)|leaves)\b"
        ),
        text,
    )
    if not out and not back:
        return False
    for record in _candidates(clause, draft):
        one = closing_field(record)
        if one is None:
            continue
        word = one.label.lower()
        if out and re.search(r"out|left|leav|depart|exit|end", word):
            close(draft, record, one, "Check out" if "sign" not in out.group() else "Sign out", clause.said)
            return True
        if back and re.search(r"return|in date|back|date in|collect|end|pick|left|leav|check-?in", word):
            shown = "Collect" if "collect" in word else "Check out" if re.search("left|leav", word) else "Return"
            close(draft, record, one, shown, clause.said)
            return True
    if re.search(r"\b(?:check|sign|clock)", text):
        for record in _candidates(clause, draft):
            if by_role(record, "start") and clause.named:
                return False
    return False


def _done(text: str, clause: Clause, draft: Draft) -> bool:
    if not re.search(
        (
            r"\b(?:mark|tick|check|set|toggle|flag|cross|complete|finish|close|un-?(?:do|tick|mark|check)|reopen|"
            r"re-open|pay|settle|switch|click|button|one click|done|undone)\w*\b"
        ),
        text,
    ):
        return False
    marked = re.search(r"\bmark(?:ed|ing)? (?:\w+ ){1,3}as (?P<w>[a-z]+(?:ed|id|nt|en))\b", text)
    if marked and not open_conditions(clause.record) and clause.record.get(identifier(marked["w"])) is None:
        clause.record.fields.append(
            FieldDraft(
                Field(name=identifier(marked["w"]), label=marked["w"].capitalize(), type="yes/no", default="no"),
                {"field": clause.said},
                {marked["w"]},
            )
        )
    ticked = re.search(
        (
            r"\b(?:tick(?:ed|ing)?(?: them| it| things| tasks)? off|check(?:ed|ing)?(?: them| it)? off|cross(?:ed|"
            r"ing)? (?:them |it )?off|mark(?:ed)? (?:\w+ ){0,3}(?:as )?(?:done|complete[d]?|finished))\b"
        ),
        text,
    )
    if ticked and not any(done_field(record) or state_field(record) for record in draft.records):
        clause.record.fields.append(
            FieldDraft(Field(name="done", label="Done", type="yes/no", default="no"), {"field": clause.said}, {"done"})
        )
    for record in _candidates(clause, draft):
        candidates = [one for one in (done_field(record),) if one] + list(record.of_type("yes/no"))
        for one in candidates:
            low = one.label.lower()
            stem = low.rstrip("d").rstrip("e") if low.endswith("ed") else low
            if re.search(rf"\b(?:un|not )?{re.escape(stem)}\w*\b", text) or (
                one is done_field(record)
                and re.search(
                    (
                        r"\b(?:tick(?:ed)? off|tick|check(?:ed)? off|cross(?:ed)? off|done|finish\w*|complete\w*|"
                        r"undo|reopen|toggle)\b"
                    ),
                    text,
                )
            ):
                back = bool(
                    re.search(r"\bun-?\w+|\bundo|\bback\b|\bagain\b|toggle|reopen|/|or not|not " + re.escape(low), text)
                ) or low in ("done", "completed")
                toggle(draft, record, one, clause.said, back=back)
                return True
        closing = closing_field(record)
        if (
            closing
            and clause.record is record
            and re.search(r"\b(?:close|finish|end|complete|pay|paid)\w*\b", text)
            and re.search(r"clos|finish|end|complet|paid|pay", closing.label.lower())
        ):
            close(draft, record, closing, "Mark paid" if "paid" in closing.label.lower() else "Close", clause.said)
            return True
    return False


_STATE_VERBS = (
    r"approv|reject|cancel|confirm|resolv|clos|start|archiv|accept|declin|submit|publish|ship|deliver|hir|complet|"
    r"finish|reopen|assign|send|sent|paid|pay|receiv|order|activat|deactivat|check|mark|change|move|set|update|"
    r"advance|promot|process|open|put"
)


def _decided(text: str, clause: Clause) -> None:
    """ "the manager approves or rejects": how it was decided is to be kept."""
    if not re.search(
        r"\bapprov\w*\b.*\b(?:reject|declin|den(?:y|ies))\w*\b|\baccept\w*\b.*\b(?:reject|declin)\w*\b", text
    ) or state_field(clause.record):
        return
    yes = "Accepted" if "accept" in text else "Approved"
    no = "Declined" if "declin" in text else "Rejected"
    clause.record.fields.append(
        FieldDraft(
            Field(name="status", label="Status", type="choice", choices=("Submitted", yes, no), default="Submitted"),
            {"field": clause.said, "choices": clause.said},
            {"status", "state"},
        )
    )


def _states(text: str, clause: Clause, draft: Draft) -> bool:
    if not re.search(rf"\b(?:{_STATE_VERBS})\w*\b", text):
        return False
    if not re.search(r"\b(?:can't|cannot|must not|may not|never)\b", text):
        _decided(text, clause)
    for record in _candidates(clause, draft):
        state = state_field(record) or next(
            (
                one
                for one in record.of_type("choice")
                if re.search(r"rsvp|result|outcome|decision|approval", one.label.lower())
            ),
            None,
        )
        if state is None:
            continue
        hit = False
        values = state.value.choices
        if re.search(r"\bre-?open", text):
            closed = [v for v in values[1:] if re.search(r"clos|done|resolv|finish|complet", v.lower())]
            set_choice(draft, record, state, values[0], (closed[-1],) if closed else (), clause.said)
            hit = True
        for value in values:
            low = value.lower()
            stem = low[:-2] if low.endswith("ed") and len(low) > 5 else low
            if re.search(rf"\b{re.escape(stem)}(?:e|ed|d|es|s|ing|led|ling)?\b", text):
                set_choice(draft, record, state, value, (), clause.said)
                hit = True
        if hit:
            return True
        if record is clause.record and re.search(
            (
                r"\b(?:change|move|set|update|advance|switch)\w*\b.*\b(?:status|state|stage|next)\b|\b(?:status|"
                r"state|stage) (?:can be |should be |is )?(?:changed|set|updated|moved)"
            ),
            text,
        ):
            for value in values[1:] if len(values) > 1 else ():
                set_choice(draft, record, state, value, (), clause.said)
            return True
    return False


def _counting(text: str, clause: Clause, draft: Draft) -> bool:
    match = re.search(
        (
            r"\bplus (?:and|/|&) minus\b|(?<!\w)\+ ?1?\s?(?:and|/|&)?\s?-|(?<!\w)[+-]1\b|\b(?:increase|decrease|"
            r"increment|decrement|add one|take one|one more|one less|use one|consume|drink)\b"
        ),
        text,
    )
    if not match:
        return False
    for record in _candidates(clause, draft):
        quantity = by_role(record, "quantity")
        if quantity is None or quantity.value.computed:
            continue
        if re.search(r"plus|increase|increment|add|\+|more", text):
            _add(draft, clause.said, name="add_one", label="Add one", record=record.name, sets={quantity.name: "+1"})
        if re.search(r"minus|decrease|decrement|take|use|consume|drink|less|-1|-\B", text):
            _add(
                draft, clause.said, name="take_one", label="Take one", record=record.name,
                when=(condition(quantity.name, "more", "0"),),
                sets={quantity.name: "-1"}, refusal=f"{quantity.label} is already 0.",
            )  # fmt: skip
        return True
    return False
