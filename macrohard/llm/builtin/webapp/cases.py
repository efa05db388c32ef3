"""One test for each kind of claim: what is accepted and what is refused, shown, found and counted."""

import re
from collections.abc import Callable, Mapping

from macrohard.llm.builtin.blueprint import Claim
from macrohard.llm.builtin.webapp import samples
from macrohard.llm.builtin.webapp.samples import Texts, To, Typed, plain
from macrohard.llm.builtin.webapp.source.app.declarations import Field, Record, Rule
from macrohard.llm.builtin.webapp.trial import Trial, Unfit

ATTEMPTS = 6
"""A writer is asked so often, with other values each time, until its test can be carried out."""
_NONSENSE = {
    "whole number": "several", "decimal number": "several", "money": "plenty", "date": "soon", "time": "noon",
    "date-time": "soon", "e-mail": "nobody", "phone": "call me", "web address": "no address",
}  # fmt: skip


def _base(trial: Trial, claim: Claim, attempt: int, number: int = 0, *, full: bool = False) -> tuple[Record, Texts]:
    record = trial.product.record(claim.record or "")
    shifted = number + attempt * (0 if number else 1)
    return record, samples.defaults(record) | samples.example(trial.product, record, shifted, full=full)


def _field(trial: Trial, claim: Claim) -> Field:
    return trial.product.record(claim.record or "").field(claim.field or "")


def _required(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    trial.refuse(record.name, {**texts, field.name: plain("")}, f"{field.label} is required.")
    if field.type in {"text", "long text"}:
        trial.refuse(record.name, {**texts, field.name: plain("   ")}, f"{field.label} is required.")
    trial.add(record.name, texts)


def _unique(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    texts[field.name] = samples.value(record, field, 0)
    trial.add(record.name, texts)
    other = samples.defaults(record) | samples.example(trial.product, record, 1)
    same = texts[field.name]
    assert isinstance(same, Typed)
    shouted = plain(f" {same.text.upper()} ") if field.type in {"text", "e-mail"} and not field.pattern else same
    trial.refuse(record.name, {**other, field.name: shouted}, f"{field.label} is already used.")
    trial.add(record.name, {**other, field.name: samples.value(record, field, 1)})


def _range(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    for below in (True, False):
        if typed := samples.beyond(field, below=below):
            trial.refuse(record.name, {**texts, field.name: typed}, f"{field.label} must …")
    trial.add(record.name, {**texts, field.name: samples.value(record, field, 0)})


def _length(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    if field.max_length is not None:
        longest = Typed("x" * field.max_length, f'"x" * {field.max_length}')
        longer = Typed("x" * (field.max_length + 1), f'"x" * {field.max_length + 1}')
        message = f"{field.label} must have at most {field.max_length} characters."
        trial.refuse(record.name, {**texts, field.name: longer}, message)
        if not field.pattern and field.type in {"text", "long text"}:
            trial.add(record.name, {**texts, field.name: longest})
    if field.min_length is not None and field.min_length > 1:
        shorter = plain("x" * (field.min_length - 1))
        message = f"{field.label} must have at least {field.min_length} characters."
        trial.refuse(record.name, {**texts, field.name: shorter}, message)


def _pattern(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    right = samples.value(record, field, 0)
    trial.add(record.name, {**texts, field.name: right})
    for wrong in (f"{right.text}?", f"?{right.text}", "?"):
        trial.refuse(record.name, {**texts, field.name: plain(wrong)}, f"{field.label} must …")


def _checksum(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    right = samples.value(record, field, 7).text
    wrong = right[:-1] + str((int(right[-1], 36) + 1) % 10)
    trial.refuse(record.name, {**texts, field.name: plain(wrong)}, f"{field.label} has a wrong check digit.")
    trial.add(record.name, {**texts, field.name: plain(right)})


def _type(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    nonsense = _NONSENSE[field.type]
    trial.refuse(record.name, {**texts, field.name: plain(nonsense)}, f"{field.label} must be a…")
    typed = samples.value(record, field, 0)
    trial.show(trial.add(record.name, {**texts, field.name: typed}), field.name)


def _choices(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    message = f"Choose one of the offered values for {field.label}."
    trial.refuse(record.name, {**texts, field.name: plain("Something else")}, message)


def _default(trial: Trial, claim: Claim, attempt: int) -> None:
    field = _field(trial, claim)
    record, texts = _base(trial, claim, attempt)
    matched = re.fullmatch(r"(\w+) \+ (\d+)d", field.default or "")
    if matched and record.field(matched[1]).type == field.type == "date":
        made = trial.add(record.name, {**texts, matched[1]: samples.on_day(-3), field.name: plain("")})
        trial.show(made, field.name, samples.on_day(int(matched[2]) - 3))
        return
    if field.type == "date" and field.default == "today" and field.name in texts:
        trial.show(trial.add(record.name, texts), field.name, samples.on_day(0))
        return
    if not field.automatic and field.name not in texts:
        raise Unfit("the form fills it in")
    trial.show(trial.add(record.name, texts), field.name)


def _computed(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt, full=True)
    field = _field(trial, claim)
    computed = field.computed
    assert computed is not None
    if computed.how == "age":
        texts[computed.fields[0]] = samples.years_ago(30)
    if computed.how in {"days late", "days until"}:
        texts[computed.fields[0]] = samples.on_day(-4 if computed.how == "days late" else 4)
        texts |= samples.meeting(record, computed.when)
    made = trial.add(record.name, texts)
    if computed.how.startswith("rollup"):
        child = trial.product.record(computed.record or "")
        links = [one.name for one in child.fields if one.references == record.name]
        for number in range(2 if attempt < ATTEMPTS // 2 else 1):
            own = samples.defaults(child) | samples.example(trial.product, child, number)
            own |= samples.meeting(child, computed.when)
            trial.add(child.name, {**own, links[0]: made})
    trial.show(made, field.name)


def _rule(trial: Trial, claim: Claim, attempt: int) -> None:
    rule = trial.product.rules[claim.index or 0]
    record, texts = _base(trial, claim, attempt)
    texts |= samples.meeting(record, rule.when) if rule.kind not in {"reference condition"} else {}
    match rule.kind:
        case "unique together" | "no overlap":
            names = rule.fields + rule.scope
            texts |= {name: samples.value(record, record.field(name), 0) for name in names if name not in texts}
            _in_order(record, rule, texts)
            trial.add(record.name, texts)
            other = samples.defaults(record) | samples.example(trial.product, record, 1)
            shared = {name: texts[name] for name in (*names, *(one.field for one in rule.when)) if name in texts}
            trial.refuse(record.name, {**other, **shared}, rule.message)
        case "at most":
            _at_most(trial, rule, record, texts)
        case "order":
            later, earlier = _reversed(record, rule)
            trial.refuse(record.name, {**texts, rule.fields[0]: later, rule.fields[1]: earlier}, rule.message)
            trial.add(record.name, {**texts, rule.fields[0]: earlier, rule.fields[1]: later})
        case "reference condition":
            target = trial.product.record(record.field(rule.fields[0]).references or "")
            wrong = samples.meeting(target, rule.when, but_last=True)
            given = samples.defaults(target) | samples.example(trial.product, target, 5) | wrong
            trial.refuse(record.name, {**texts, rule.fields[0]: To(target.name, given)}, rule.message)
            trial.add(record.name, texts)
        case "required when":
            trial.refuse(record.name, {**texts, rule.fields[0]: plain("")}, rule.message)
            field = record.field(rule.fields[0])
            trial.add(record.name, {**texts, field.name: samples.value(record, field, 0)})
        case "not below zero":
            _not_below_zero(trial, rule, record, texts)
        case "keep while referenced":
            made = trial.add(record.name, texts)
            child, field = next(iter(trial.product.referrers(record.name)))
            own = samples.defaults(child) | samples.example(trial.product, child)
            trial.add(child.name, {**own, field.name: made})
            trial.refuse_delete(made, rule.message)


def _at_most(trial: Trial, rule: Rule, record: Record, texts: Texts) -> None:
    limit = rule.limit
    target = texts[rule.fields[0]]
    if rule.limit_field and isinstance(target, To):
        limit = 2
        texts[rule.fields[0]] = To(target.record, {**target.texts, rule.limit_field: plain("2")})
    if limit is None or limit > 12:
        raise Unfit("too many to add")
    for number in range(limit + 1):
        own = samples.defaults(record) | samples.example(trial.product, record, number)
        own |= {name: texts[name] for name in (*rule.fields, *(one.field for one in rule.when)) if name in texts}
        if number < limit:
            trial.add(record.name, own)
        else:
            trial.refuse(record.name, own, rule.message)


def _not_below_zero(trial: Trial, rule: Rule, record: Record, texts: Texts) -> None:
    target = trial.product.record(record.field(rule.fields[1]).references or "")
    level = target.field(rule.fields[0]).computed
    assert level is not None
    minus = samples.meeting(record, level.minus_when)
    plus = samples.meeting(record, level.minus_when, but_last=True)
    amount = level.fields[0]
    into = trial.add(record.name, {**texts, **plus, amount: plain("5")})
    trial.refuse(record.name, {**texts, **minus, amount: plain("6")}, rule.message)
    trial.add(record.name, {**texts, **minus, amount: plain("5")})
    trial.refuse_delete(into, rule.message)


def _reversed(record: Record, rule: Rule) -> tuple[Typed, Typed]:
    """A later and an earlier value of the two fields of an order rule."""
    field = record.field(rule.fields[1])
    match field.type:
        case "date" | "date-time":
            time = "09:30" if field.type == "date-time" else None
            start = samples.value(record, record.field(rule.fields[0]), 0)
            days = int(re.findall(r"-?\d+", start.source)[0])
            return samples.on_day(days + 1, time=time), samples.on_day(days, time=time)
        case "time":
            return plain("15:30"), plain("14:30")
    return plain("9"), plain("8")


def _in_order(record: Record, rule: Rule, texts: Texts) -> None:
    if rule.kind == "no overlap":
        later, earlier = _reversed(record, rule)
        texts[rule.fields[0]], texts[rule.fields[1]] = earlier, later


def _action(trial: Trial, claim: Claim, attempt: int) -> None:
    action = trial.product.actions[claim.index or 0]
    record, texts = _base(trial, claim, attempt)
    made = trial.add(record.name, texts | samples.meeting(record, action.when))
    trial.act(made, action.name)
    for name, text in action.sets.items():
        expected = samples.on_day(0) if text == "today" and record.field(name).type == "date" else None
        trial.show(made, name, expected)
    if action.when:
        try:
            trial.refuse_act(made, action.name)
        except Unfit:
            return


def _view(trial: Trial, claim: Claim, attempt: int) -> None:
    view = trial.product.views[claim.index or 0]
    record, texts = _base(trial, claim, attempt)
    other = samples.defaults(record) | samples.example(trial.product, record, 1)
    inside = trial.add(record.name, texts | samples.meeting(record, view.when))
    if view.when:
        outside = other | samples.meeting(record, view.when, but_last=True)
        trial.add(record.name, samples.in_order(trial.product, record, outside))
    trial.listed(view, record.name, {}, [inside])


def _highlight(trial: Trial, claim: Claim, attempt: int) -> None:
    highlight = trial.product.highlights[claim.index or 0]
    record, texts = _base(trial, claim, attempt)
    other = samples.defaults(record) | samples.example(trial.product, record, 1)
    made = trial.add(record.name, texts | samples.meeting(record, highlight.when))
    for condition in highlight.when:
        computed = record.field(condition.field).computed
        if computed and computed.how.startswith("rollup") and condition.test in {"more", "at least", "not equal"}:
            child = trial.product.record(computed.record or "")
            links = [one.name for one in child.fields if one.references == record.name]
            own = samples.defaults(child) | samples.example(trial.product, child)
            trial.add(child.name, {**own, **samples.meeting(child, computed.when), links[0]: made})
    trial.badge(made, highlight.label, present=True)
    try:
        plain_one = trial.add(record.name, other | samples.meeting(record, highlight.when, but_last=True))
        trial.badge(plain_one, highlight.label, present=False)
    except (Unfit, LookupError):
        return  # What does stand out is worth a test alone.


def _search(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    names = [
        name
        for name in record.search
        if record.field(name).type in {"text", "long text", "e-mail"} and record.field(name).entered
    ]
    field = record.field(names[0])
    wanted = samples.value(record, field, 0)
    made = trial.add(record.name, {**texts, field.name: wanted})
    other = samples.defaults(record) | samples.example(trial.product, record, 1)
    trial.add(record.name, {**other, field.name: samples.value(record, field, 1)})
    trial.listed(None, record.name, {"search": plain(wanted.text[:5].upper())}, [made])
    trial.listed(None, record.name, {"search": plain("%")}, [])


def _filter(trial: Trial, claim: Claim, attempt: int) -> None:
    record, texts = _base(trial, claim, attempt)
    field = _field(trial, claim)
    other = samples.defaults(record) | samples.example(trial.product, record, 1)
    if field.type in {"date", "date-time"}:
        time = "09:30" if field.type == "date-time" else None
        first = samples.value(record, field, 0)
        days = int(re.findall(r"-?\d+", first.source)[0])
        made = trial.add(record.name, {**texts, field.name: samples.on_day(days, time=time)})
        trial.add(record.name, {**other, field.name: samples.on_day(days - 1, time=time)})
        trial.listed(None, record.name, {f"filter-{field.name}-from": samples.on_day(days)}, [made])
        return
    values = {"yes/no": ("yes", "no")}.get(field.type, field.choices)
    if not values and field.entered and field.type == "text":
        first, second = (samples.value(record, field, number) for number in (0, 1))
        values = (first.text, second.text)
    if len(set(values)) < 2 or not field.entered:
        raise Unfit("nothing to choose")
    made = trial.add(record.name, {**texts, field.name: plain(values[0])})
    trial.add(record.name, {**other, field.name: plain(values[1])})
    trial.listed(None, record.name, {f"filter-{field.name}": plain(values[0])}, [made])


def _sort(trial: Trial, claim: Claim, attempt: int) -> None:
    record, _ = _base(trial, claim, attempt)
    field = _field(trial, claim)
    made = []
    for number in (1, 2, 0):
        texts = samples.defaults(record) | samples.example(trial.product, record, number)
        if field.entered and not field.references:
            texts[field.name] = samples.value(record, field, number)
        elif field.computed and field.computed.how in {"days late", "days until"}:
            days = 2 * number
            texts[field.computed.fields[0]] = samples.on_day(-days if field.computed.how == "days late" else days)
        made.append(trial.add(record.name, texts))
    up = [made[2], made[0], made[1]]
    trial.in_order(record.name, {"sort": plain(field.name)}, up)
    trial.in_order(record.name, {"sort": plain(f"-{field.name}")}, up[::-1])


def _total(trial: Trial, claim: Claim, attempt: int) -> None:
    total = trial.product.totals[claim.index or 0]
    record, texts = _base(trial, claim, attempt, full=True)
    trial.add(record.name, texts | samples.meeting(record, total.when))
    for number in (1, 2):
        other = samples.defaults(record) | samples.example(trial.product, record, number, full=True)
        against = number == 1 and bool(total.when)
        trial.add(record.name, other | samples.meeting(record, total.when, but_last=against))
    trial.total(total.label)


Writer = tuple[str, Callable[[Trial, Claim, int], None]]
WRITERS: Mapping[str, Writer] = {
    **{
        kind: ("tests/test_fields.py", write)
        for kind, write in {
            "required": _required, "unique": _unique, "range": _range, "length": _length, "pattern": _pattern,
            "checksum": _checksum, "type": _type, "choices": _choices, "default": _default, "computed": _computed,
        }.items()
    },
    "rule": ("tests/test_rules.py", _rule),
    "action": ("tests/test_rules.py", _action),
    **{
        kind: ("tests/test_lists.py", write)
        for kind, write in {
            "view": _view, "highlight": _highlight, "search": _search, "filter": _filter, "sort": _sort,
            "total": _total,
        }.items()
    },
}  # fmt: skip
