"""The finished blueprint and a testable sentence for all that it holds."""

from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind, Record
from macrohard.llm.builtin.understanding.draft import DEFAULT, Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.wording import (
    computed_text,
    conditions_text,
    default_text,
    described_field,
    length_text,
    range_text,
    rule_text,
    set_text,
    unit_text,
    with_article,
)
from macrohard.llm.builtin.understanding.words import article, identifier, listed, lower_label

_CHECKED_TYPES = {
    "e-mail": "an e-mail address", "phone": "a phone number", "web address": "a web address",
    "whole number": "a whole number",
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
        rules=tuple(one for one, _ in draft.rules), actions=tuple(one for one, _ in draft.actions),
        views=tuple(one for one, _ in draft.views),
        totals=tuple(one for one, _ in draft.totals), highlights=tuple(one for one, _ in draft.highlights), claims=(),
    )  # fmt: skip
    return plain.model_copy(update={"claims": tuple(_Claims(draft, plain).all())})


def _record(one: RecordDraft) -> Record:
    assert one.title is not None
    return Record(
        name=one.name, label=one.label, plural=one.plural, fields=tuple(field.value for field in one.fields),
        title_field=one.title,
        search=tuple(one.search), filters=tuple(one.filters), sortable=tuple(one.sorts), sort=one.sort,
        descending=one.descending,
        page_size=one.paging[0] if one.paging else 25, export_csv=one.exported is not None,
        import_csv=one.imported is not None, deletable=not one.kept,
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
            (
                f"What was entered is still there after the product has been restarted: {lower_label(main.plural)} "
                f"that were added are listed as before."
            ),
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
                f"{article(low).capitalize()} has {with_article([described_field(one, self.draft) for one in group])}.",
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
            self.add(
                "required",
                (
                    f"{article(low).capitalize()} without {with_article([lower_label(value.label)])} is refused with "
                    f"“{value.label} is required.”."
                ),
                said("required", DEFAULT),
                name,
                field,
            )
        if value.unique:
            self.add(
                "unique",
                (
                    f"A second {low} with the same {lower_label(value.label)} is refused with “{value.label} is "
                    f"already used.”; upper and lower case make no difference."
                ),
                said("unique", DEFAULT),
                name,
                field,
            )
        if value.type in _CHECKED_TYPES:
            self.add(
                "type",
                (
                    f"{value.label} must be {_CHECKED_TYPES[value.type]}{unit_text(value)}; “{_WRONG[value.type]}” "
                    f"is refused."
                ),
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
                f"{value.label} must be {value.pattern_hint}, e.g. “{value.pattern_example}”; all else is refused.",
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
                (
                    f"Typing into “Search” shows only the {many} whose "
                    f"{listed([labels[n] for n in record.search], 'or')} contains the text, in upper or lower case."
                ),
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
                (
                    f"; at first the list is sorted by it, "
                    f"{'highest or latest' if record.descending else 'lowest or earliest'} first"
                )
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
            sets = listed([set_text(record.field(name), value) for name, value in action.sets.items()])
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
                (
                    f", sorted by {lower_label(record.field(view.sort).label)}"
                    f"{' from high to low' if view.descending else ''}"
                )
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
                (
                    f"In the list, {lower_label(record.plural)} where {conditions_text(highlight.when, record)} "
                    f"stand out and carry the word “{highlight.label}”."
                ),
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
