"""The built-in model's notion of a record-keeping product: record types, rules, views, and the claims made about them.

A blueprint is derived from the requirement's text alone. The designer hands it on as `Design.data_model`, so that coder
and scenario writer, who share no memory, work from the same contract.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict
from pydantic import Field as Constraint

from macrohard.domain import Exclusion, Priority, Question, Value

Identifier = Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9_]{0,40}$")]

FieldType = Literal[
    "text", "long text", "whole number", "decimal number", "money", "date", "time", "date-time", "yes/no", "choice",
    "e-mail", "phone", "web address", "reference",
]  # fmt: skip


class Condition(Value):
    """A question about one record; several together are joined by "and"."""

    field: Identifier
    is_: Literal[
        "equal", "not equal", "empty", "not empty", "less", "at most", "more", "at least",
        "before today", "today", "after today", "not before today", "not after today", "this month", "within days",
        "anniversary this month",  # of a birthday, say: the month is this month, whatever the year
    ] = Constraint(alias="is")  # fmt: skip
    value: str | None = None
    """A literal; "yes"/"no" for yes/no fields; a number of days for "within days" (today up to today + n)."""
    other: Identifier | None = None
    """Instead of `value`: another field of the same record, e.g. stock "at most" minimum_stock."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class Computed(Value):
    """A value that is shown and never entered."""

    how: Literal[
        "product", "sum", "difference", "days late", "days until", "age", "rollup sum", "rollup count", "concat",
        "lookup",
    ]  # fmt: skip
    fields: tuple[Identifier, ...] = ()
    """Operands in order; for the days kinds and age, the date. For a rollup: the summed field of `record`.

    Difference: the first minus the second; of times and date-times in hours, of dates in days. Lookup: a reference of
    this record, then the field of the referenced record whose value is shown (and can be filtered and sorted by).
    """
    record: Identifier | None = None
    """Rollups: the record type whose references to this record are summed or counted …"""
    when: tuple[Condition, ...] = ()
    """… if they meet these; "days late" counts only while these hold for the record itself."""
    minus_when: tuple[Condition, ...] = ()
    """Rollup sum: those meeting these are subtracted instead, e.g. movements with direction "out"."""


class Field(Value):
    """One labelled value of a record."""

    name: Identifier
    label: str
    """As it stands on the screen, correctly spelt, e.g. "Due date"."""
    type: FieldType
    required: bool = False
    unique: bool = False
    """No two records alike, ignoring case and surrounding spaces; empty values never clash."""
    minimum: str | None = None
    """Numbers as digits; dates as 2026-11-22, "today", "today-30d", "today+1y"; for years also "this year"."""
    maximum: str | None = None
    exclusive_minimum: bool = False
    """True: more than, instead of at least, `minimum`, e.g. an amount above 0."""
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    """Regular expression that the whole value must match; understood alike by Python and HTML."""
    pattern_hint: str | None = None
    """The same in words for the person, e.g. "a class from 5a to 10d"."""
    pattern_example: str | None = None
    """A value that matches."""
    checksum: Literal["isbn-13", "isbn-10", "ean-13", "luhn", "iban"] | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None
    """A literal, "today", "now", "today+14d", or "out_date + 21d" for a date that follows another field."""
    references: Identifier | None = None
    """The record type a reference points to."""
    currency: str | None = None
    """A sign or code for money, e.g. "€"."""
    unit: str | None = None
    computed: Computed | None = None
    automatic: bool = False
    """Set by an action or default only, never offered in forms (e.g. a counter of extensions)."""


class Rule(Value):
    """What must hold beyond single fields; checked whenever a record is saved or deleted."""

    kind: Literal[
        "order",  # fields[0] before fields[1]; `strict`: and not equal
        "unique together",  # no two records alike in `fields`, among those meeting `when`
        "at most",  # at most `limit` (or the referenced record's `limit_field`) alike in `fields`, of those of `when`
        "no overlap",  # [fields[0], fields[1]) never overlaps for records alike in `scope`, among those meeting `when`
        "reference condition",  # the record referenced by fields[0] must meet `when`
        "required when",  # fields[0] must be filled when `when` holds
        "not below zero",  # the rollup field fields[0] of the record referenced by fields[1] never gets negative
        "keep while referenced",  # deleting is refused while records of other types point to it
    ]
    record: Identifier
    fields: tuple[Identifier, ...] = ()
    scope: tuple[Identifier, ...] = ()
    when: tuple[Condition, ...] = ()
    strict: bool = False
    limit: int | None = None
    limit_field: Identifier | None = None
    message: str
    """What the person reads when it is broken, e.g. "This badge is in use."."""


class Action(Value):
    """A button on a record that changes it without the form."""

    name: Identifier
    label: str
    """E.g. "Mark done", "Check out", "Extend by 7 days"."""
    record: Identifier
    when: tuple[Condition, ...] = ()
    """The button is offered, and accepted, only while these hold."""
    refusal: str = ""
    """What is said when it is asked for though they do not hold."""
    sets: dict[Identifier, str] = Constraint(default_factory=dict)
    """Field → literal, "today", "now", "empty", "+1", "-1", or "+7d" (added to its own value)."""


class View(Value):
    """A page that lists records of one type that meet conditions, e.g. "Overdue", "Birthdays this month"."""

    name: Identifier
    label: str
    record: Identifier
    when: tuple[Condition, ...] = ()
    columns: tuple[Identifier, ...] = ()
    """Empty: the record's own columns."""
    sort: Identifier | None = None
    descending: bool = False
    filters: tuple[Identifier, ...] = ()
    printable: bool = False


class Total(Value):
    """A number shown over a list, over what is currently filtered."""

    record: Identifier
    label: str
    """E.g. "Total amount", "Open tasks"."""
    how: Literal["count", "sum", "average"]
    field: Identifier | None = None
    when: tuple[Condition, ...] = ()
    group_by: Identifier | None = None
    """One number for each value: a choice, a yes/no, a reference, or a date by month (2026-11)."""


class Highlight(Value):
    """Rows that stand out, with a word for those who do not see colours."""

    record: Identifier
    label: str
    """E.g. "Low stock", "Overdue"."""
    when: tuple[Condition, ...] = Constraint(min_length=1)


class Record(Value):
    """One type of record."""

    name: Identifier
    label: str
    """Singular, e.g. "Task"."""
    plural: str
    """E.g. "Tasks"."""
    fields: tuple[Field, ...] = Constraint(min_length=1)
    title_field: Identifier
    """What a record is called in lists and references."""
    search: tuple[Identifier, ...] = ()
    filters: tuple[Identifier, ...] = ()
    """Choice, yes/no, reference: a list; date: from and to."""
    sortable: tuple[Identifier, ...] = ()
    sort: Identifier | None = None
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


ClaimKind = Literal[
    "add and list", "edit", "delete", "survives restart", "detail history",
    "field", "required", "unique", "range", "length", "pattern", "checksum", "type", "choices", "default", "computed",
    "rule", "action", "view", "search", "filter", "sort", "paging", "total", "highlight", "export", "import", "print",
    "phone layout", "not covered",
]  # fmt: skip


class Claim(Value):
    """One acceptance criterion with what it is about; the n-th claim is criterion AC-n.

    `record` is set for all kinds but "not covered", and `field` for those about one field. "field" is about all plain
    fields of the record together. "detail history": the page of the record that `field`, a reference of `record`,
    points to lists its records of type `record`. "print": `index` is that of the printable view. "survives restart" and
    "phone layout" are stated once, of the main record.
    """

    kind: ClaimKind
    text: str
    """The criterion as a testable sentence for people."""
    priority: Priority
    source: str = ""
    """The person's own words; empty for a sensible default."""
    record: Identifier | None = None
    field: Identifier | None = None
    index: int | None = None
    """Into the blueprint's rules, actions, views, totals or highlights, by kind."""


class Blueprint(Value):
    """All that is to be built."""

    title: str
    slug: Identifier
    kind: Literal["web", "api", "cli"] = "web"
    records: tuple[Record, ...] = Constraint(min_length=1, max_length=6)
    rules: tuple[Rule, ...] = ()
    actions: tuple[Action, ...] = ()
    views: tuple[View, ...] = ()
    totals: tuple[Total, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    claims: tuple[Claim, ...]

    def record(self, name: str) -> Record:
        """The record type of that name; KeyError if there is none."""
        for one in self.records:
            if one.name == name:
                return one
        raise KeyError(name)


class Reading(Value):
    """What the built-in model makes of a requirement."""

    decision: Literal["build", "ask", "refuse"]
    reason: str = ""
    """Refused or asked back: why, and what the person can do."""
    title: str
    summary: str = ""
    stories: tuple[str, ...] = ()
    blueprint: Blueprint | None = None
    """None only when refused."""
    assumptions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
