"""What has been understood so far: a blueprint in the making, each part with the words it comes from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from macrohard.domain import Priority, Value
from macrohard.llm.builtin.blueprint import (
    Action,
    ClaimKind,
    Condition,
    Field,
    FieldType,
    Highlight,
    Rule,
    Total,
    View,
)
from macrohard.llm.builtin.understanding.words import identifier, label, plural, singular

NUMERIC: tuple[FieldType, ...] = ("whole number", "decimal number", "money")
DATED: tuple[FieldType, ...] = ("date", "date-time")
TIMED: tuple[FieldType, ...] = ("date", "date-time", "time")


class Said(Value):
    """Where a part comes from."""

    words: str = ""
    """The person's own; empty: a sensible default."""
    wish: bool = False

    @property
    def priority(self) -> Priority:
        return "SHOULD" if self.wish or not self.words else "MUST"


DEFAULT = Said()


@dataclass
class FieldDraft:
    """A field with the words for each of its aspects."""

    value: Field
    said: dict[str, Said] = field(default_factory=dict)
    """By kind of claim; "optional" and "below zero" when it was said that it may be so."""
    aliases: set[str] = field(default_factory=set)
    """Other phrases that mean it, lower case, singular."""

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def label(self) -> str:
        return self.value.label

    @property
    def type(self) -> FieldType:
        return self.value.type

    @property
    def stated(self) -> bool:
        return bool(self.said.get("field", DEFAULT).words)

    def change(self, kind: ClaimKind, said: Said, **updates: object) -> None:
        """Set attributes, remembering the words for this aspect."""
        facts = {**self.value.model_dump(), **updates}
        if facts["choices"] and facts["default"] not in facts["choices"]:
            facts["default"] = None
        self.value = Field.model_validate(facts)
        if said.words or kind not in self.said:
            self.said[kind] = said


@dataclass
class RecordDraft:
    """A record type in the making."""

    name: str
    label: str
    plural: str
    said: Said = DEFAULT
    fields: list[FieldDraft] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    title: str | None = None
    search: dict[str, Said] = field(default_factory=dict)
    filters: dict[str, Said] = field(default_factory=dict)
    sorts: dict[str, Said] = field(default_factory=dict)
    sort: str | None = None
    descending: bool = False
    paging: tuple[int, Said] | None = None
    exported: Said | None = None
    imported: Said | None = None
    kept: bool = False
    """Records are never deleted."""
    said_of: dict[ClaimKind, Said] = field(default_factory=dict)
    """Words for the things every product does: edit, delete, …"""

    def get(self, name: str) -> FieldDraft | None:
        return next((one for one in self.fields if one.name == name), None)

    def add(self, one: FieldDraft) -> FieldDraft:
        """Add a field, or merge it into the one of that name."""
        there = self.get(one.name)
        if there is None:
            self.fields.append(one)
            return one
        if one.stated and not there.stated:
            there.said["field"] = one.said["field"]
        if one.type != "text" and there.type == "text":
            there.value = there.value.model_copy(update={"type": one.type})
        for kind, said in one.said.items():
            if kind not in ("field", "type") and kind not in there.said:
                there.said[kind] = said
        changed = one.value.model_dump(exclude_defaults=True, exclude={"name", "label", "type"})
        if changed:
            there.change("field", there.said.get("field", DEFAULT), **changed)
        there.aliases |= one.aliases
        return there

    def of_type(self, *types: FieldType) -> Iterator[FieldDraft]:
        return (one for one in self.fields if one.type in types)

    @property
    def main_text(self) -> FieldDraft | None:
        return self.get(self.title) if self.title else None


@dataclass
class Draft:
    """The whole product in the making."""

    title: str = ""
    records: list[RecordDraft] = field(default_factory=list)
    rules: list[tuple[Rule, Said]] = field(default_factory=list)
    actions: list[tuple[Action, Said]] = field(default_factory=list)
    views: list[tuple[View, Said]] = field(default_factory=list)
    totals: list[tuple[Total, Said]] = field(default_factory=list)
    highlights: list[tuple[Highlight, Said]] = field(default_factory=list)
    histories: list[tuple[str, str, Said]] = field(default_factory=list)
    """Record and its reference whose target's page lists them."""
    uncovered: list[tuple[str, Said]] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    phone: Said | None = None
    kept: Said | None = None
    roles: list[str] = field(default_factory=list)
    view_just_added: str | None = None
    """By the clause before, in the same sentence: "…, sorted by date" is about it."""
    last: tuple[str, tuple[Condition, ...], str] | None = None
    """The records that were spoken of last ("highlight them"): type, conditions, word."""

    def record(self, name: str) -> RecordDraft | None:
        return next((one for one in self.records if one.name == name), None)

    @property
    def main(self) -> RecordDraft:
        """The record type that most is about: the one that refers to others, else the first."""
        return self.records[0]

    def assume(self, sentence: str) -> None:
        if sentence not in self.assumptions:
            self.assumptions.append(sentence)

    def leave_uncovered(self, text: str, said: Said) -> None:
        if all(text != there for there, _ in self.uncovered):
            self.uncovered.append((text, said))

    def add_rule(self, rule: Rule, said: Said) -> None:
        key = rule.model_dump(exclude={"message"})
        for index, (there, words) in enumerate(self.rules):
            if there.model_dump(exclude={"message"}) == key:
                self.rules[index] = (there, words if words.words else said)
                return
        self.rules.append((rule, said))

    def add_action(self, action: Action, said: Said) -> None:
        if not any(
            one.record == action.record and (one.name == action.name or one.label == action.label)
            for one, _ in self.actions
        ):
            self.actions.append((action, said))

    def add_view(self, view: View, said: Said) -> View:
        """Add a view, or merge it into the one with the same records and conditions."""
        self.last = (view.record, view.when, view.label)
        self.view_just_added = view.name
        for index, (there, words) in enumerate(self.views):
            if there.record == view.record and (there.when == view.when or there.name == view.name):
                merged = there.model_copy(
                    update={
                        "columns": there.columns or view.columns,
                        "sort": there.sort or view.sort,
                        "descending": there.descending if there.sort else view.descending,
                        "filters": tuple(dict.fromkeys((*there.filters, *view.filters))),
                        "printable": there.printable or view.printable,
                    }
                )
                self.views[index] = (merged, words if words.words else said)
                return merged
        taken = {one.label.lower() for one, _ in self.views} | {one.plural.lower() for one in self.records}
        if view.label.lower() in taken or any(one.name == view.name for one, _ in self.views):
            owner = self.record(view.record)
            text = f"{view.label} {owner.plural.lower() if owner else ''}".strip()
            if text.lower() in taken:
                text = f"{view.label} list"
            view = view.model_copy(update={"label": text, "name": identifier(text)})
        self.views.append((view, said))
        return view

    def sort_last_view(self, record: str, field: str, *, down: bool) -> bool:
        """Sort the view that was added just before; False if there is none of that record."""
        for index, (view, said) in enumerate(self.views):
            if view.name == self.view_just_added and view.record == record:
                self.views[index] = (view.model_copy(update={"sort": field, "descending": down}), said)
                return True
        return False

    def add_total(self, total: Total, said: Said) -> None:
        if not any(one.record == total.record and one.label == total.label for one, _ in self.totals):
            self.totals.append((total, said))

    def add_highlight(self, highlight: Highlight, said: Said) -> None:
        if not any(one.record == highlight.record and one.when == highlight.when for one, _ in self.highlights):
            self.highlights.append((highlight, said))

    def add_history(self, record: str, reference: str, said: Said) -> None:
        if not any(one[:2] == (record, reference) for one in self.histories):
            self.histories.append((record, reference, said))


def new_record(phrase: str, said: Said) -> RecordDraft:
    """A record type named after a noun, without fields."""
    name = singular(re_space(phrase))
    shown = label(name)
    return RecordDraft(identifier(name), shown, label(plural(name)), said, aliases={name.lower()})


def re_space(phrase: str) -> str:
    return " ".join(phrase.replace("_", " ").split())


def condition(name: str, is_: str, value: str | None = None, *, other: str | None = None) -> Condition:
    return Condition.model_validate({"field": name, "is": is_, "value": value, "other": other})
