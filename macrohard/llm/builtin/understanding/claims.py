"""The finished blueprint and a testable sentence for all that it holds."""

import re

from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind, Condition, Field, Record, Rule
from macrohard.llm.builtin.understanding.draft import DEFAULT, Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.words import article, identifier, is_plural, listed, lower_label

_NUMERIC = ("whole number", "decimal number", "money")
_CHECKED_TYPES = {
    "e-mail": "an e-mail address", "phone": "a phone number", "web address": "a web address", "whole number": "a whole number",
    "decimal number": "a number", "money": "an amount such as 12.50",
}  # fmt: skip
_WRONG = {
    "e-mail": "abc",
    "phone": "abc",
    "web address": "abc",
    "whole number": "abc",
    "decimal number": "abc",
    "money": "abc",
}


def build(draft: Draft) -> Blueprint:
    """The blueprint with its claims."""
    records = tuple(_record(one) for one in draft.records)
    plain = Blueprint(
        title=draft.title, slug=identifier(draft.title), records=records,
        rules=tuple(one for one, _ in draft.rules), actions=tuple(one for one, _ in draft.actions), views=tuple(one for one, _ in draft.views),
        totals=tuple(one for one, _ in draft.totals), highlights=tuple(one for one, _ in draft.highlights), claims=(),
    )  # fmt: skip
    return plain.model_copy(update={"claims": tuple(_Claims(draft, plain).all())})


def _record(one: RecordDraft) -> Record:
    assert one.title is not None
    return Record(
        name=one.name, label=one.label, plural=one.plural, fields=tuple(field.value for field in one.fields), title_field=one.title,
        search=tuple(one.search), filters=tuple(one.filters), sortable=tuple(one.sorts), sort=one.sort, descending=one.descending,
        page_size=one.paging[0] if one.paging else 25, export_csv=one.exported is not None, import_csv=one.imported is not None, deletable=not one.kept,
    )  # fmt: skip


class _Claims:
    def __init__(self, draft: Draft, blueprint: Blueprint) -> None:
        self.draft, self.blueprint = draft, blueprint
        self.found: list[Claim] = []

    def add(
        self,
        kind: ClaimKind,
        text: str,
        said: Said,
        record: str | None = None,
        field: str | None = None,
        index: int | None = None,
        *,
        must: bool = False,
    ) -> None:
        self.found.append(
            Claim(
                kind=kind,
                text=text,
                priority="MUST" if must and not said.wish else said.priority,
                source=said.words,
                record=record,
                field=field,
                index=index,
            )
        )

    def all(self) -> list[Claim]:
        for record in self.draft.records:
            self._basics(record)
            self._fields(record)
            self._finding(record)
        for index, (rule, said) in enumerate(self.draft.rules):
            self.add("rule", rule_text(rule, self.blueprint), said, rule.record, index=index)
        self._actions()
        self._lists()
        main = self.draft.main
        kept = self.draft.kept or DEFAULT
        self.add(
            "survives restart",
            f"What was entered is still there after the product has been restarted: {lower_label(main.plural)} that were added are listed as before.",
            kept,
            main.name,
            must=True,
        )
        self.add(
            "phone layout",
            "On a screen 375 pixels wide, every page can be used without scrolling sideways.",
            self.draft.phone or DEFAULT,
            main.name,
        )
        for text, said in self.draft.uncovered:
            self.found.append(
                Claim(kind="not covered", text=text, priority="SHOULD" if said.wish else "MUST", source=said.words)
            )
        return self.found

    def _basics(self, record: RecordDraft) -> None:
        low, many = lower_label(record.label), lower_label(record.plural)
        said = record.said
        self.add(
            "add and list",
            f"{article(low).capitalize()} can be added; it is then listed under “{record.plural}”.",
            said,
            record.name,
            must=True,
        )
        self.add(
            "edit",
            f"{article(low).capitalize()} can be changed; the list shows the new values.",
            record.said_of.get("edit", DEFAULT),
            record.name,
        )
        if record.kept:
            self.add(
                "delete",
                f"{record.plural} can't be deleted: no link to delete one is offered.",
                record.said_of.get("delete", DEFAULT),
                record.name,
            )
        else:
            self.add(
                "delete",
                f"{article(low).capitalize()} can be deleted after a confirmation; it is then gone from the list.",
                record.said_of.get("delete", DEFAULT),
                record.name,
            )
        del many

    def _fields(self, record: RecordDraft) -> None:
        low = lower_label(record.label)
        plain = [one for one in record.fields if one.value.computed is None and not one.value.automatic]
        for stated in (True, False):
            group = [one for one in plain if one.stated is stated]
            if not group:
                continue
            words = _unique([one.said["field"].words for one in group if one.stated])
            wish = all(one.said["field"].wish for one in group) and stated
            said = Said(words="; ".join(words), wish=wish)
            self.add(
                "field",
                f"{article(low).capitalize()} has {_with_article([_described(one, self.draft) for one in group])}.",
                said,
                record.name,
            )
        for one in record.fields:
            self._field(record, one)

    def _field(self, record: RecordDraft, one: FieldDraft) -> None:
        value, low = one.value, lower_label(record.label)
        name, field = record.name, one.name
        said = one.said.get
        if value.computed:
            self.add("computed", computed_text(value, record, self.blueprint), said("computed", DEFAULT), name, field)
            return
        if value.automatic:
            return
        if value.required:
            verb = "choosing" if value.type in ("choice", "reference") else "entering"
            del verb
            self.add(
                "required",
                f"{article(low).capitalize()} without {article(lower_label(value.label))} is refused with “{value.label} is required.”.",
                said("required", DEFAULT),
                name,
                field,
            )
        if value.unique:
            self.add(
                "unique",
                f"A second {low} with the same {lower_label(value.label)} is refused with “{value.label} is already used.”; upper and lower case make no difference.",
                said("unique", DEFAULT),
                name,
                field,
            )
        if value.type in _CHECKED_TYPES:
            self.add(
                "type",
                f"{value.label} must be {_CHECKED_TYPES[value.type]}{_unit(value)}; “{_WRONG[value.type]}” is refused.",
                said("type", said("field", DEFAULT)),
                name,
                field,
            )
        if value.minimum is not None or value.maximum is not None:
            self.add(
                "range",
                f"{value.label} must be {range_text(value)}; anything else is refused.",
                said("range", DEFAULT),
                name,
                field,
            )
        if value.min_length is not None or value.max_length is not None:
            self.add(
                "length",
                f"{value.label} must have {length_text(value)}; anything else is refused.",
                said("length", said("field", DEFAULT)),
                name,
                field,
            )
        if value.pattern:
            self.add(
                "pattern",
                f"{value.label} must be {value.pattern_hint}, e.g. “{value.pattern_example}”; anything else is refused.",
                said("pattern", DEFAULT),
                name,
                field,
            )
        if value.checksum:
            self.add(
                "checksum",
                f"{value.label} is refused when its check digit is wrong.",
                said("checksum", DEFAULT),
                name,
                field,
            )
        if value.type == "choice":
            self.add(
                "choices",
                f"{value.label} offers exactly {listed(list(value.choices))}.",
                said("choices", DEFAULT),
                name,
                field,
            )
        if value.default is not None and value.type != "yes/no":
            self.add(
                "default",
                f"A new {low} starts with {default_text(value, record)}.",
                said("default", DEFAULT),
                name,
                field,
            )

    def _finding(self, record: RecordDraft) -> None:
        many = lower_label(record.plural)
        labels = {one.name: lower_label(one.label) for one in record.fields}
        if record.search:
            said = next(iter(sorted(record.search.values(), key=lambda one: (not one.words, one.wish))))
            self.add(
                "search",
                f"Typing into “Search” shows only the {many} whose {listed([labels[n] for n in record.search], 'or')} contains the text, in upper or lower case.",
                said,
                record.name,
            )
        for name, said in record.filters.items():
            how = (
                "from a day to a day"
                if (record.get(name) or record.fields[0]).type in ("date", "date-time")
                else "by a chosen value"
            )
            self.add(
                "filter",
                f"{record.plural} can be filtered by {labels[name]} ({how}); only those that match are listed.",
                said,
                record.name,
                name,
            )
        for name, said in record.sorts.items():
            start = (
                f"; at first the list is sorted by it, {'highest or latest' if record.descending else 'lowest or earliest'} first"
                if record.sort == name
                else ""
            )
            self.add(
                "sort", f"{record.plural} can be sorted by {labels[name]}, up and down{start}.", said, record.name, name
            )
        if record.paging:
            size, said = record.paging
            self.add(
                "paging",
                f"The list of {many} shows at most {size} on a page and links to the others.",
                said,
                record.name,
            )
        if record.exported:
            self.add(
                "export",
                f"“Export CSV” downloads the {many} that are currently listed, with a header line.",
                record.exported,
                record.name,
            )
        if record.imported:
            self.add(
                "import",
                f"“Import CSV” adds the {many} of the good lines of a file and reports each bad line with its number.",
                record.imported,
                record.name,
            )

    def _actions(self) -> None:
        for index, (action, said) in enumerate(self.draft.actions):
            record = self.blueprint.record(action.record)
            low = lower_label(record.label)
            sets = listed([_set_text(record.field(name), value) for name, value in action.sets.items()])
            when = f" It is offered only while {conditions_text(action.when, record)}." if action.when else ""
            self.add(
                "action", f"“{action.label}” on {article(low)} sets {sets}.{when}", said, action.record, index=index
            )

    def _lists(self) -> None:
        for index, (view, said) in enumerate(self.draft.views):
            record = self.blueprint.record(view.record)
            many = lower_label(record.plural)
            which = f"exactly the {many} where {conditions_text(view.when, record)}" if view.when else f"all {many}"
            columns = (
                f", with the columns {listed([record.field(n).label for n in view.columns])}" if view.columns else ""
            )
            order = (
                f", sorted by {lower_label(record.field(view.sort).label)}{' from high to low' if view.descending else ''}"
                if view.sort
                else ""
            )
            offers = (
                f", to be filtered by {listed([lower_label(record.field(n).label) for n in view.filters])}"
                if view.filters
                else ""
            )
            self.add("view", f"“{view.label}” lists {which}{columns}{order}{offers}.", said, view.record, index=index)
            if view.printable:
                self.add(
                    "print",
                    f"“{view.label}” has a button “Print” and prints without menus and buttons.",
                    said,
                    view.record,
                    index=index,
                )
        for index, (total, said) in enumerate(self.draft.totals):
            record = self.blueprint.record(total.record)
            what = {"count": f"number of {lower_label(record.plural)}", "sum": "sum of ", "average": "average of "}[
                total.how
            ]
            what += lower_label(record.field(total.field).label) if total.field else ""
            when = f" where {conditions_text(total.when, record)}" if total.when else ""
            group = ""
            if total.group_by:
                by = record.field(total.group_by)
                group = f", for each {'month of ' if by.type in ('date', 'date-time') else ''}{lower_label(by.label)}"
            self.add(
                "total",
                f"“{total.label}” shows the {what}{when}{group}, of what is currently listed.",
                said,
                total.record,
                index=index,
            )
        for index, (highlight, said) in enumerate(self.draft.highlights):
            record = self.blueprint.record(highlight.record)
            self.add(
                "highlight",
                f"In the list, {lower_label(record.plural)} where {conditions_text(highlight.when, record)} stand out and carry the word “{highlight.label}”.",
                said,
                highlight.record,
                index=index,
            )
        for child, reference, said in self.draft.histories:
            record = self.blueprint.record(child)
            field = record.field(reference)
            parent = self.blueprint.record(field.references or "")
            self.add(
                "detail history",
                f"The page of {article(lower_label(parent.label))} lists all its {lower_label(record.plural)}.",
                said,
                child,
                reference,
            )


def _unique(words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        if word and word not in found:
            found.append(word)
    return found


def _with_article(items: list[str]) -> str:
    """The list with an article before its first thing, if that needs one."""
    first = items[0].split(" (")[0]
    if not first.startswith("“") and not is_plural(first.split()[-1]) and first not in _UNCOUNTABLE:
        items = [article(items[0]), *items[1:]]
    return listed(items)


_UNCOUNTABLE = (
    "feedback",
    "stock",
    "equipment",
    "information",
    "text",
    "time in",
    "time out",
    "availability",
    "mileage",
)


def _described(one: FieldDraft, draft: Draft) -> str:
    name = lower_label(one.label)
    if one.type == "choice":
        return f"{name} ({', '.join(one.value.choices)})"
    if one.type == "yes/no":
        return f"“{one.label}” (yes or no)"
    if one.type == "long text":
        return f"{name} (several lines)"
    if one.type == "reference" and (target := draft.record(one.value.references or "")):
        return f"{name} (one of the {lower_label(target.plural)})" if target.label != one.label else f"{name}"
    return name


def _unit(value: Field) -> str:
    if value.type == "money" and value.currency:
        return f", shown with {value.currency}"
    return f", in {value.unit}" if value.unit else ""


def moment_text(value: str) -> str:
    """ "today+30d" in words."""
    match = re.fullmatch(r"today([+-])(\d+)([dwmy])", value)
    if not match:
        return value
    unit = {"d": "day", "w": "week", "m": "month", "y": "year"}[match[3]]
    count = f"{match[2]} {unit}{'s' if match[2] != '1' else ''}"
    return f"{count} {'from now' if match[1] == '+' else 'ago'}"


def range_text(value: Field) -> str:
    """What `minimum` and `maximum` allow."""
    low, high = value.minimum, value.maximum
    if value.type in ("date", "date-time"):
        if low == "today" and high is None:
            return "today or later"
        if high == "today" and low is None:
            return "today or earlier"
        parts = ([f"not before {moment_text(low)}"] if low else []) + (
            [f"not after {moment_text(high)}"] if high else []
        )
        return " and ".join(parts)
    if low is not None and high is not None:
        return f"{'more than' if value.exclusive_minimum else 'from'} {low} {'and at most' if value.exclusive_minimum else 'to'} {high}"
    if low is not None:
        return f"{'more than' if value.exclusive_minimum else 'at least'} {low}"
    return f"at most {high}"


def length_text(value: Field) -> str:
    """What the lengths allow."""
    low, high = value.min_length, value.max_length
    if low is not None and high is not None:
        return f"exactly {low} characters" if low == high else f"{low} to {high} characters"
    return f"at least {low} characters" if low is not None else f"at most {high} characters"


def default_text(value: Field, record: RecordDraft) -> str:
    """What a form offers at first."""
    name, default = lower_label(value.label), value.default or ""
    if match := re.fullmatch(r"(\w+) \+ (\d+)d", default):
        source = record.get(match[1])
        return f"{name} = {lower_label(source.label) if source else match[1]} plus {match[2]} days, unless another is entered"
    if default in ("today", "now"):
        return f"{default if default == 'today' else 'the current time'} as {name}"
    if default.startswith("today+"):
        return f"{name} {moment_text(default)}"
    return f"“{default}” as {name}"


def computed_text(value: Field, record: RecordDraft, blueprint: Blueprint) -> str:
    """How a computed value comes about."""
    made = value.computed
    assert made is not None
    labels = {one.name: lower_label(one.label) for one in record.fields}
    names = [labels.get(name, name) for name in made.fields]
    start = f"{value.label} of {article(lower_label(record.label))} is shown and can't be entered:"
    if made.how in ("rollup sum", "rollup count"):
        child = blueprint.record(made.record or "")
        many = lower_label(child.plural)
        when = f" where {conditions_text(made.when, child)}" if made.when else ""
        if made.how == "rollup count":
            return f"{start} it is the number of its {many}{when}."
        what = lower_label(child.field(made.fields[0]).label)
        less = f", less those where {conditions_text(made.minus_when, child)}" if made.minus_when else ""
        return f"{start} it is the sum of {what} of its {many}{when}{less}."
    if made.how == "lookup":
        return f"{start} it is that of the chosen {names[0]}."
    if made.how == "days late":
        condition = f" while {conditions_text(made.when, blueprint.record(record.name))}" if made.when else ""
        return f"{start} it is the number of days since {names[0]}{condition}, else 0 or nothing."
    how = {
        "product": f"{' × '.join(names)}",
        "sum": " + ".join(names),
        "difference": " − ".join(names),
        "days until": f"days from today to {names[0]}",
        "age": f"full years since {names[0]}",
        "concat": " and ".join(names),
    }[made.how]
    return f"{start} it is {how}."


def conditions_text(when: tuple[Condition, ...], record: Record) -> str:
    """Conditions as a phrase: "returned on is empty and due date is before today"."""
    return " and ".join(_condition_text(one, record) for one in when)


def _condition_text(one: Condition, record: Record) -> str:
    field = record.field(one.field)
    name = lower_label(field.label)
    if field.type == "yes/no":
        yes = (one.value == "yes") == (one.is_ == "equal")
        return f"{name} is {'ticked' if yes else 'not ticked'}"
    value = lower_label(record.field(one.other).label) if one.other else (one.value or "")
    shown = f"“{value}”" if field.type in ("choice", "text", "reference") and not one.other else value
    words = {
        "equal": f"is {shown}", "not equal": f"is not {shown}", "empty": "is empty", "not empty": "is filled in", "less": f"is less than {value}", "at most": f"is at most {value}",
        "more": f"is more than {value}", "at least": f"is at least {value}", "before today": "is before today", "today": "is today", "after today": "is after today",
        "not before today": "is today or later", "not after today": "is today or earlier", "this month": "is in this month", "within days": f"is from today to {value} days from now",
        "anniversary this month": "falls into this month in any year",
    }  # fmt: skip
    return f"{name} {words[one.is_]}"


def _set_text(field: Field, value: str) -> str:
    name = lower_label(field.label)
    if field.type == "yes/no":
        return f"{name} to {'yes' if value == 'yes' else 'no'}"
    if match := re.fullmatch(r"([+-])(\d+)d", value):
        return f"{name} {match[2]} days {'later' if match[1] == '+' else 'earlier'}"
    if value in ("+1", "-1"):
        return f"{name} one {'higher' if value == '+1' else 'lower'}"
    if value == "empty":
        return f"{name} to nothing"
    return f"{name} to {'the current time' if value == 'now' else value if value == 'today' else f'“{value}”'}"


def rule_text(rule: Rule, blueprint: Blueprint) -> str:
    """A rule as a testable sentence."""
    record = blueprint.record(rule.record)
    low = lower_label(record.label)
    names = [
        lower_label(record.field(name).label) for name in rule.fields if any(one.name == name for one in record.fields)
    ]
    condition_of = record if rule.kind != "reference condition" else _target(rule, blueprint)
    where = f" among {lower_label(record.plural)} where {conditions_text(rule.when, condition_of)}" if rule.when else ""
    end = f" is refused with “{rule.message}”."
    if rule.kind == "order":
        word = (
            ("the same as or before" if rule.strict else "before")
            if record.field(rule.fields[0]).type in ("date", "date-time", "time")
            else ("not more than" if rule.strict else "less than")
        )
        return f"{article(low).capitalize()} whose {names[1]} is {word} its {names[0]}{end}"
    if rule.kind == "unique together":
        return f"A second {low} with the same {listed(names)}{where}{end}"
    if rule.kind == "at most":
        limit = (
            f"the {lower_label(_target(rule, blueprint).field(rule.limit_field).label)} of the {names[0]}"
            if rule.limit_field
            else str(rule.limit)
        )
        return f"One more {low} than {limit} for the same {listed(names)}{where}{end}"
    if rule.kind == "no overlap":
        scope = [lower_label(record.field(name).label) for name in rule.scope]
        same = f" for the same {listed(scope)}" if scope else ""
        return f"{article(low).capitalize()} whose time from {names[0]} to {names[1]} overlaps that of another{same}{where}{end}"
    if rule.kind == "reference condition":
        return f"{article(low).capitalize()} is refused with “{rule.message}” unless, for the chosen {names[0]}, {conditions_text(rule.when, _target(rule, blueprint))}."
    if rule.kind == "required when":
        return f"{article(low).capitalize()} without {names[0]}, where {conditions_text(rule.when, record)},{end}"
    if rule.kind == "not below zero":
        target = blueprint.record(record.field(rule.fields[1]).references or "")
        return f"{article(low).capitalize()} that would make {lower_label(target.field(rule.fields[0]).label)} of its {lower_label(target.label)} negative{end}"
    return f"Deleting {article(low)} that other records still point to{end}"


def _target(rule: Rule, blueprint: Blueprint) -> Record:
    return blueprint.record(blueprint.record(rule.record).field(rule.fields[0]).references or "")


__all__ = ["build", "rule_text"]
