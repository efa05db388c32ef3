"""What must not get lost and what must not get negative."""

import re

from macrohard.llm.builtin.blueprint import Rule
from macrohard.llm.builtin.understanding.clauses import Clause
from macrohard.llm.builtin.understanding.constraints import BELOW_ZERO, BELOW_ZERO_TOO
from macrohard.llm.builtin.understanding.draft import Draft
from macrohard.llm.builtin.understanding.references import reference_to
from macrohard.llm.builtin.understanding.roles import by_role
from macrohard.llm.builtin.understanding.ruling import NOT, links, named_in, names_of
from macrohard.llm.builtin.understanding.words import lower_label


def deleting(clause: Clause, draft: Draft) -> bool:
    """ "a customer with orders can't be deleted"."""
    text = clause.low
    if not re.search(
        (
            rf"{NOT} (?:be )?(?:delet|remov)|never (?:be )?(?:delet|remov)|no deleting|prevent .*delet|"
            rf"(?:delet|remov)\w* .*(?:not allowed|not "
            rf"possible|forbidden|refused|blocked|only (?:if|when))|{NOT} delete"
        ),
        text,
    ):
        return False
    parents = [
        parent
        for child, _, parent in links(draft)
        if named_in(parent, text)
        and (
            named_in(child, text) or re.search(r"\b(?:used|referenced|in use|linked|belong\w*|still has|with)\b", text)
        )
    ]
    if parents:
        parent = next(
            (
                one
                for one in parents
                if re.search(
                    (
                        rf"\b(?:{names_of(one)})\b.*(?:delet|remov)|(?:delet|remov)\w*\s+(?:an? |the |any "
                        rf")?(?:{names_of(one)})\b"
                    ),
                    text,
                )
            ),
            parents[0],
        )
        rule = Rule(
            kind="keep while referenced",
            record=parent.name,
            message=f"This {lower_label(parent.label)} is still in use.",
        )
        draft.add_rule(rule, clause.said)
        return True
    if re.search(
        (
            r"\b(?:never|nothing|not) (?:be )?(?:deleted|removed|delete)|can(?:'t|not) be (?:deleted|removed)$|"
            r"must not be (?:deleted|removed)$|no deleting"
        ),
        text,
    ):
        clause.record.kept = True
        clause.record.said_of["delete"] = clause.said
        return True
    return False


_REFUSED = (
    r"n't\b|\b(?:cannot|not|never|no|nobody|nothing|without|avoid\w*|prevent\w*|refus\w+|reject\w+|forbid\w*|"
    r"disallow\w*|block\w*|stop\w*|impossible|invalid|wrong|errors?|mistakes?)\b"
)


def zero(clause: Clause, draft: Draft) -> bool:
    """ "stock can't go below zero", "it must never be negative"."""
    if not re.search(
        (
            r"\bmore than (?:there (?:is|are)|we have|(?:is|are) (?:in stock|available|left))|\bminus\b(?= stock)|"
            r"\bnot enough stock\b"
        ),
        clause.low,
    ) and (
        not re.search(BELOW_ZERO, clause.low)
        or re.search(BELOW_ZERO_TOO, clause.low)
        or not re.search(_REFUSED, clause.low)
    ):
        return False
    records = [clause.record, *(r for r in draft.records if r is not clause.record)]
    candidates = [
        (record, one)
        for record in records
        for one in record.fields
        if one.type in ("whole number", "decimal number", "money")
    ]
    named = [
        pair
        for pair in candidates
        if any(re.search(rf"\b{re.escape(alias)}\b", clause.low) for alias in {pair[1].label.lower(), *pair[1].aliases})
    ]
    stock = (
        [(record, one) for record, one in candidates if one is by_role(record, "quantity")]
        if re.search(r"stock|quantit|more than|enough", clause.low)
        else []
    )
    # "It must never go below zero" follows the sentence that said how it is computed.
    sums = [
        (record, one) for record, one in candidates if one.value.computed and one.value.computed.how == "rollup sum"
    ]
    for record, one in [
        *named,
        *stock,
        *(sums if re.match(r"(?:and |but )?(?:it|this|that|the result)\b", clause.low) else []),
    ]:
        if one.value.computed and one.value.computed.how == "rollup sum":
            child = draft.record(one.value.computed.record or "")
            link = reference_to(child, record) if child else None
            if child and link:
                draft.add_rule(
                    Rule(
                        kind="not below zero",
                        record=child.name,
                        fields=(one.name, link.name),
                        message=f"{one.label} can't go below zero.",
                    ),
                    clause.said,
                )
                return True
        elif one.value.computed is None:
            one.change("range", clause.said, minimum="0")
            return True
    return False
