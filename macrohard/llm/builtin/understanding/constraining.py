"""What is said about the fields of one record: the order of dates, what is unique together, required, limited."""

import re

from macrohard.llm.builtin.blueprint import Rule
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.conditions import plain_words, select
from macrohard.llm.builtin.understanding.constraints import constrain
from macrohard.llm.builtin.understanding.draft import TIMED, Draft, FieldDraft, RecordDraft
from macrohard.llm.builtin.understanding.finding import mentioned
from macrohard.llm.builtin.understanding.nouns import Role, kind_of
from macrohard.llm.builtin.understanding.references import ensure_field
from macrohard.llm.builtin.understanding.roles import by_role, date_of, find_field, open_conditions
from macrohard.llm.builtin.understanding.ruling import named_in
from macrohard.llm.builtin.understanding.words import article, lower_label


def ordering(clause: Clause, draft: Draft) -> bool:
    """ "end after start", "in_date >= out_date", "the due date can't be before the loan date"."""
    text = re.sub(r"^(?:r|rule )?\d+[.:)]?\s+|^r\d+\s+|\"", "", clause.low)
    for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
        match = re.search(r"^(?P<a>[\w -]+?)\s*(?P<op>>=|<=|>|<|=>|=<)\s*(?P<b>[a-z][\w -]+?)$", text)
        words = match or re.search(
            (
                r"(?P<a>[\w -]+?)\s+(?:(?:date|time) )?(?P<op>(?:(?:must|should|has to|have to|may|can|needs to|is|"
                r"are|always)(?:n't| not|not|'t)? ?(?:always )?(?:be |lie |come |fall |happen )*)?(?:not )?(?:on "
                r"or |at or |the same (?:day )?or |equal (?:to )?or )?(?:later than|earlier than|after|before|past|"
                r"prior to|less than|greater than|more than|smaller than|bigger than|higher than|lower than|exceed|"
                r"below|above)(?: or (?:on|equal to|at|the same(?: day)?(?: as)?))?)\s+(?:the |its |their |a "
                r")?(?P<b>[\w -]+)"
            ),
            text,
        )
        if not words:
            continue
        first, second = field_at_end(record, words["a"]), field_at_start(record, words["b"])
        if not first or not second or first is second or first.value.computed or second.value.computed:
            continue
        if (first.type in TIMED) != (second.type in TIMED) or first.type not in (
            *TIMED,
            "whole number",
            "decimal number",
            "money",
        ):
            continue
        op = words["op"].lower()
        negative = bool(re.search(r"not|n't|'t\b|cannot|never", op)) or bool(
            re.search(r"\b(?:no|never|not)\b", words["a"])
        )
        later = op in (">", ">=", "=>") or bool(
            re.search(r"later|after|past|greater|more|bigger|higher|exceed|above", op)
        )
        strict = op in (">", "<") or bool(
            not match and not negative and not re.search(r"\bor (?:on|equal|at|the same)|on or|at or|equal|same", op)
        )
        if negative:
            later = not later
        low, high = (second, first) if later else (first, second)
        word = "after" if high.type in TIMED else "more than"
        plain = (
            f"{high.label} must be {word} {lower_label(low.label)}."
            if strict
            else f"{high.label} must not be {'before' if high.type in TIMED else 'less than'} {lower_label(low.label)}."
        )
        draft.add_rule(
            Rule(kind="order", record=record.name, fields=(low.name, high.name), strict=strict, message=plain),
            clause.said,
        )
        return True
    return False


def field_at_end(record: RecordDraft, text: str) -> FieldDraft | None:
    words = re.sub(r"(?i)\b(?:the|must|should|date of|its|a|an)$", "", text.strip()).split()
    for start in range(max(0, len(words) - 4), len(words)):
        if one := find_field(record, " ".join(words[start:])):
            return one
    moments: dict[str, tuple[Role, ...]] = {
        "end": ("end", "closing"),
        "start": ("start",),
        "return": ("closing",),
        "due": ("due",),
        "departure": ("end", "closing"),
        "arrival": ("start",),
        "finish": ("end", "closing"),
    }
    last = words[-1] if words else ""
    return by_role(record, *moments[last]) if last in moments else None


def field_at_start(record: RecordDraft, text: str) -> FieldDraft | None:
    words = re.sub(r"^(?:the|its|their|a|an) ", "", text.strip()).split()[:4]
    for end in range(len(words), 0, -1):
        phrase = " ".join(words[:end])
        if one := find_field(record, phrase):
            return one
    return field_at_end(record, words[0]) if words else None


def together(clause: Clause, draft: Draft) -> bool:
    """ "the combination of name and date must be unique", "one grade per student and subject"."""
    text = clause.low
    if once := re.search(
        (
            r"^(?:each|every|an?|one|the same|the)?\s*(?P<a>[\w -]+?) (?:only |at most |may |can |must |be |is |"
            r"used |register |registered |appear |occur )*once (?:per|for each|for every|for an?|for the same|in "
            r"each|in an?) (?P<b>[\w -]+)$"
        ),
        text,
    ):
        for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
            pair = [field_at_end(record, once["a"]), find_field(record, once["b"])]
            if pair[0] and pair[1] and pair[0] is not pair[1]:
                shown = " and ".join(lower_label(one.label) for one in pair if one)
                draft.add_rule(
                    Rule(
                        kind="unique together",
                        record=record.name,
                        fields=tuple(one.name for one in pair if one),
                        message=f"There is already {article(lower_label(record.label))} with this {shown}.",
                    ),
                    clause.said,
                )
                return True
    match = re.search(
        (
            r"\b(?:combination|together|pair) (?:of |with )?(?P<list>.+?)(?: (?:must|should|is|has to|can)\b|$)|"
            r"\bunique (?:per|within|for each|together with|by|in) (?P<per>.+)$|\b(?:only |at most |max(?:imum)? "
            r")?one (?P<child>[\w ]+?) per (?P<scope>.+)$|\b(?:same|twice for the same) (?P<same>[\w ]+ (?:and|on "
            r"the same|for the same|in the same|at the same) [\w ]+)"
        ),
        text,
    )
    if not match:
        return False
    record = clause.record
    spec = next((match[g] for g in ("list", "per", "scope", "same") if match[g]), "")
    if match["scope"]:
        record = next((r for r in draft.records if named_in(r, match["child"])), record)
    spec = re.sub(r"\b(?:on|for|in|at) the same\b|\bthe same\b", " and ", spec)
    fields, unknown = mentioned(record, spec)
    for other in draft.records:
        if unknown or len(fields) < 2:
            record, (fields, unknown) = other, mentioned(other, spec)
    if match["per"]:
        before, _ = mentioned(record, text[: match.start()])
        fields = [*before[:1], *(one for one in fields if one not in before[:1])]
    if unknown or not fields or (len(fields) < 2 and not match["scope"]):
        return False
    shown = " and ".join(lower_label(one.label) for one in fields)
    when = open_conditions(record) if match["scope"] and re.search(r"\bopen\b", match["child"]) else ()
    draft.add_rule(
        Rule(
            kind="unique together",
            record=record.name,
            fields=tuple(one.name for one in fields),
            when=when,
            message=f"There is already {article(lower_label(record.label))} with this {shown}.",
        ),
        clause.said,
    )
    return True


def required_when(clause: Clause, draft: Draft) -> bool:
    """ "the reason is required when the status is rejected"."""
    match = re.search(
        (
            r"(?i)\b(?:required|mandatory|must be (?:filled(?: in)?|given|entered|stated|set|provided|present)|"
            r"needed|compulsory)\b(?P<x>.*?)\b(?:when|if|for|once|as soon as|in case)\b(?P<cond>.+)$|\b(?:when|if|"
            r"once) (?P<cond2>.+?),? (?:then )?(?P<field2>[\w -]+?) (?:is|must be|are|becomes) (?:required|"
            r"mandatory|filled|given|entered|needed|compulsory|stated)"
        ),
        clause.text,
    )
    if not match:
        return False
    text = match["cond"] or match["cond2"]
    for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
        selection = select(text, record)
        head = match["field2"] or clause.text[: match.start()]
        one = field_at_end(record, re.sub(r"(?i)\b(?:is|are|must be|becomes?|be)\s*$", "", head.strip().lower()))
        bare = re.sub(r"(?i)\b(?:is|are|must be|becomes?|be)\s*$", "", head.strip()).strip()
        noun = bare.rsplit(" ", 1)[-1].lower() if bare else ""
        if selection and one is None and noun and kind_of(noun).known:
            one = ensure_field(
                record, noun, clause.said, type="text" if kind_of(noun).type == "choice" else kind_of(noun).type
            )
        if selection and one and one.name not in {c.field for c in selection.when}:
            draft.add_rule(
                Rule(
                    kind="required when",
                    record=record.name,
                    fields=(one.name,),
                    when=selection.when,
                    message=f"{one.label} is required when {plain_words(selection.when, record)}.",
                ),
                clause.said,
            )
            return True
    return False


_OPENING = re.compile(
    r"(?i)(?:the |all |every |each )?([\w -]{2,40}?) "
    r"(?=(?:is|are|must|should|can|may|has to|have to|can't|cannot)\b)"
)


def constraining(clause: Clause, draft: Draft) -> bool:
    """What is said about fields that are known: "title is required", "rating between 1 and 5", "no double e-mails"."""
    text = clause.text
    if match := re.search(
        (
            r"(?i)\bno (?:double|duplicate|repeated|two (?:identical|equal|same))\s+(?P<f>[\w -]+)|\b(?:the )?same "
            r"(?P<f2>[\w-]+(?: [\w-]+)?) (?:twice|(?:must|may|can|should)(?:not|n't| not|'t)|only once|more than "
            r"once)|\bno two \w+ (?:\w+ )?(?:with|have|share|may have|can have) the same (?P<f3>[\w -]+)|"
            r"\b(?P<f4>[\w-]+(?: [\w-]+)?) (?:only once|not twice|(?:can't|must not|may not|shouldn't) (?:be "
            r")?(?:repeat(?:ed)?|(?:occur|exist|appear|be used|be entered|be there) (?:twice|more than once)))|"
            r"\bduplicate (?P<f5>[\w -]+) (?:are|is|should be) (?:not allowed|refused|rejected|forbidden)|\bno "
            r"duplicates?(?: \w+)?(?: by| of| in)? (?P<f6>[\w -]+)|\bprevent duplicate (?P<f7>[\w-]+(?: [\w-]+)?)"
        ),
        text,
    ):
        phrase = next(part for part in match.groups() if part)
        for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
            one = field_at_start(record, phrase.lower()) or field_at_end(record, phrase.lower())
            if one and one.type not in ("yes/no", "long text"):
                one.change("unique", clause.said, unique=True)
                return True
            if named_in(record, phrase.lower()) and record.main_text:
                record.main_text.change("unique", clause.said, unique=True)
                draft.assume(
                    f"Two {record.plural.lower()} are the same when their "
                    f"{lower_label(record.main_text.label)} is the same."
                )
                return True
    named = named_record(draft, text)
    if (
        named
        and re.search(r"(?i)\b(?:be|lie|is|are) (?:dated )?in the (?:future|past)\b", text)
        and not _subjects(named, text)
        and (day := date_of(named))
    ):
        unchanged = day.value
        constrain(day, text, clause.said)
        return day.value != unchanged
    if len(text.split(",")) > 4 or re.match(
        r"(?i)(?:warn|show|highlight|list|mark|display|if|when|send|notify|remind|search|filter|print|export|alert)\b",
        text,
    ):
        return False
    if match := re.search(
        (
            r"(?i)\b(?P<r>[\w-]+) without (?:an? |the |any )?(?P<f>[\w -]+?) (?:is|are|can|must|may|should|cannot|"
            r"can't)\b.*\b(?:not|n't|refused|rejected|impossible|invalid|forbidden)|\b(?:each|every|all|an?) "
            r"(?P<r2>[\w-]+) (?:must|needs|has to|have to|should|requires)(?: to)?(?: have)? (?:an? |one |the "
            r")?(?P<f2>[\w -]+?)$"
        ),
        text.strip(" ."),
    ):
        for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
            one = (
                find_field(record, match["f"] or match["f2"])
                if named_in(record, (match["r"] or match["r2"]).lower())
                else None
            )
            if one and not one.value.computed:
                one.change("required", clause.said, required=True)
                return True
    for record in [clause.record, *(r for r in draft.records if r is not clause.record)]:
        found = _subjects(record, text)
        opening = _OPENING.match(text)
        if not found and opening:
            meant = find_field(record, opening[1])
            if meant and meant.type not in ("yes/no", "reference"):
                found = [(meant, opening.start(1), opening.end(1))]
        if not found:
            continue
        changed = False
        rest = text
        for one, start, end in found:
            if one.value.computed:
                continue
            following = [s for _, s, _ in found if s > end]
            words = (
                text[end : min(following)]
                if following and not re.match(r"(?i)\s*(?:,|and|&|or)\s*", text[end : min(following)] + " ")
                else text[end:]
            )
            if following and re.fullmatch(
                r"(?i)\s*(?:,|and|&|or|, and)\s*(?:the |a |its )?", text[end : min(following)]
            ):
                words = text[max(e for _, _, e in found) :]
            before_value, before_said = one.value, dict(one.said)
            left = constrain(one, words, clause.said)
            if one.value == before_value and one.said == before_said and start > 0:
                left = constrain(one, text[:start], clause.said) or left
            if one.value != before_value or one.said != before_said:
                changed = True
                rest = left
        if changed:
            leftover = re.sub(
                (
                    r"(?i)\b(?:the|a|an|is|are|must|should|has|have|to|be|and|or|field|value|values|of|it|its|"
                    r"number|numbers|date|for|each|every|all|any|always|that|this|can|please|also|only|in|as|so|"
                    r"one|we|i|because .*|so that .*)\b|[^\w]"
                ),
                " ",
                rest,
            )
            if len(leftover.split()) > 3:
                draft.leave_uncovered(f"Not understood: “{rest.strip(' ;,.')}”.", clause.said)
            return True
    return False


def _subjects(record: RecordDraft, text: str) -> list[tuple[FieldDraft, int, int]]:
    """Where a text names fields of a record, longest names first, without overlaps."""
    spans: list[tuple[FieldDraft, int, int]] = []
    names = sorted(
        (
            (name, one)
            for one in record.fields
            for name in {one.label.lower(), one.name.replace("_", " "), *one.aliases}
        ),
        key=lambda pair: -len(pair[0]),
    )
    for name, one in names:
        if len(name) < 2:
            continue
        for match in re.finditer(rf"(?i)(?<![\w-]){re.escape(name)}(?:s|es)?(?![\w-])", text.replace("_", " ")):
            if all(match.end() <= s or match.start() >= e for _, s, e in spans):
                spans.append((one, match.start(), match.end()))
                break
    return sorted(spans, key=lambda span: span[1])
