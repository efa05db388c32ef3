"""The words in which `records.py` says what this product keeps and what holds for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Condition:
    """A question about one record; several together are joined by "and".

    `test` is one of: equal, not equal, empty, not empty, less, at most, more, at least, before today, today,
    after today, not before today, not after today, this month, anniversary this month, within days.
    """

    field: str
    test: str
    value: str | None = None
    """What to compare with; "yes"/"no" for yes/no fields; a number of days for "within days"."""
    other: str | None = None
    """Instead of `value`: another field of the same record."""


@dataclass(frozen=True)
class Computed:
    """A value that is worked out whenever it is shown, never entered or stored."""

    how: str
    """product, sum, difference, days late, days until, age, rollup sum, rollup count, concat, lookup."""
    fields: tuple[str, ...] = ()
    """The operands in order. Rollup sum: the field that is summed. Lookup: a reference, then a field behind it."""
    record: str | None = None
    """Rollups: the record type whose references to this record are summed or counted …"""
    when: tuple[Condition, ...] = ()
    """… if they meet these. "days late" counts only while these hold for the record itself."""
    minus_when: tuple[Condition, ...] = ()
    """Rollup sum: those that meet these are subtracted."""


@dataclass(frozen=True)
class Field:
    """One labelled value of a record."""

    name: str
    label: str
    type: str
    """text, long text, whole number, decimal number, money, date, time, date-time, yes/no, choice, e-mail, phone,
    web address, reference."""
    required: bool = False
    unique: bool = False
    """No two records alike, ignoring case; empty values never clash."""
    minimum: str | None = None
    """Digits, a date, "today", "today-30d", "today+1y", "this year"."""
    maximum: str | None = None
    exclusive_minimum: bool = False
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    """A regular expression that the whole value must match …"""
    pattern_hint: str | None = None
    """… said in words, e.g. "a class from 5a to 10d" …"""
    pattern_example: str | None = None
    """… and shown by an example."""
    checksum: str | None = None
    """isbn-13, isbn-10, ean-13, luhn, iban."""
    choices: tuple[str, ...] = ()
    default: str | None = None
    """What to choose at first: a literal, "today", "now", or "out_date + 21d" for a date that follows another."""
    references: str | None = None
    """The record type that a reference points to."""
    currency: str = ""
    unit: str = ""
    computed: Computed | None = None
    automatic: bool = False
    """Set by actions and defaults only, never offered in forms."""

    @property
    def entered(self) -> bool:
        """Whether people fill it in."""
        return self.computed is None and not self.automatic

    @property
    def stored(self) -> bool:
        """Whether it has a column in the database."""
        return self.computed is None


@dataclass(frozen=True)
class Record:
    """One type of record."""

    name: str
    label: str
    plural: str
    address: str
    """Where its list is, e.g. "/tasks"."""
    title_field: str
    """What a record is called in lists and references."""
    fields: tuple[Field, ...]
    search: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    sortable: tuple[str, ...] = ()
    sort: str | None = None
    """Empty: the newest first."""
    descending: bool = False
    page_size: int = 25
    export_csv: bool = False
    import_csv: bool = False
    deletable: bool = True

    def field(self, name: str) -> Field:
        """The field of that name; KeyError if there is none."""
        for one in self.fields:
            if one.name == name:
                return one
        raise KeyError(f"{self.name}.{name}")

    def named(self, count: int) -> str:
        """ "1 task", "3 tasks"."""
        return f"{count} {self.label.lower() if count == 1 else self.plural.lower()}"


@dataclass(frozen=True)
class Rule:
    """What must hold beyond single fields; checked whenever a record is saved or deleted.

    `kind` is one of: order, unique together, at most, no overlap, reference condition, required when, not below zero,
    keep while referenced; `rules.py` says what each of them means.
    """

    kind: str
    record: str
    message: str
    """What the person reads when it is broken."""
    fields: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    strict: bool = False
    limit: int | None = None
    limit_field: str | None = None


@dataclass(frozen=True)
class Action:
    """A button on a record that changes it without the form."""

    name: str
    label: str
    record: str
    sets: dict[str, str] = field(default_factory=dict)
    """Field → literal, "today", "now", "empty", "+1", or "+7d" (added to its own value)."""
    when: tuple[Condition, ...] = ()
    """It is offered, and accepted, only while these hold."""
    refusal: str = ""


@dataclass(frozen=True)
class View:
    """A page that lists the records of one type that meet conditions."""

    label: str
    record: str
    address: str
    when: tuple[Condition, ...] = ()
    columns: tuple[str, ...] = ()
    """Empty: all columns of the record."""
    sort: str | None = None
    descending: bool = False
    filters: tuple[str, ...] = ()
    """Empty: those of the record."""
    printable: bool = False


@dataclass(frozen=True)
class Total:
    """A number under a list, over what is currently filtered."""

    record: str
    label: str
    how: str
    """count, sum, average."""
    field: str | None = None
    when: tuple[Condition, ...] = ()
    group_by: str | None = None
    """One number for each value of this field; dates by month."""


@dataclass(frozen=True)
class Highlight:
    """Rows that stand out, with a word for those who do not see colours."""

    record: str
    label: str
    when: tuple[Condition, ...]
    tone: str = "warning"
    """danger, warning or good."""


@dataclass(frozen=True)
class Product:
    """All that the product is."""

    title: str
    records: tuple[Record, ...]
    rules: tuple[Rule, ...] = ()
    actions: tuple[Action, ...] = ()
    views: tuple[View, ...] = ()
    totals: tuple[Total, ...] = ()
    highlights: tuple[Highlight, ...] = ()

    def record(self, name: str) -> Record:
        """The record type of that name; KeyError if there is none."""
        for one in self.records:
            if one.name == name:
                return one
        raise KeyError(name)

    @property
    def has_overview(self) -> bool:
        """Whether there is more than one page to choose from at the start."""
        return len(self.records) > 1 or bool(self.views)

    def referrers(self, name: str) -> Iterator[tuple[Record, Field]]:
        """Record types with their references to the record type of that name."""
        for record in self.records:
            for one in record.fields:
                if one.references == name and one.stored:
                    yield record, one
