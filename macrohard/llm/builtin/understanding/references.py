"""References between record types, and fields that are made when they are needed."""

from macrohard.llm.builtin.blueprint import Field
from macrohard.llm.builtin.understanding.draft import DEFAULT, Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.words import article, identifier, label, lower_label

PARENTS: dict[str, tuple[str, ...]] = {
    "Loan": ("Book", "Item", "Device", "Asset", "Movie", "Game", "Album", "Bike", "Vehicle", "Key", "Member",
        "Student", "Customer", "Employee", "Contact"),
    "Rental": ("Bike", "Boat", "Vehicle", "Device", "House", "Movie", "Item", "Customer", "Tenant", "Member"),
    "Booking": ("Room", "Table", "House", "Vehicle", "Boat", "Device", "Course", "Event", "Customer", "Guest",
        "Member", "Trip"),
    "Appointment": ("Patient", "Doctor", "Customer", "Pet", "Contact", "Employee", "Treatment"),
    "Treatment": ("Patient", "Pet", "Customer", "Doctor"), "Prescription": ("Patient", "Doctor"),
    "Service": ("Vehicle", "Device", "Asset", "Bike", "Boat", "Customer"),
    "Task": ("Project", "Employee"), "Milestone": ("Project",),
    "Time entry": ("Project", "Employee", "Customer", "Task"),
    "Registration": ("Event", "Course", "Student", "Member"), "Grade": ("Student", "Course"), "Course": ("Teacher",),
    "Movement": ("Item", "Product"), "Invoice": ("Customer",), "Payment": ("Invoice", "Member", "Tenant", "Customer"),
    "Quote": ("Customer",),
    "Order": ("Customer", "Supplier"), "Order line": ("Order", "Product"), "Purchase": ("Supplier", "Product"),
    "Sale": ("Product", "Customer"),
    "Measurement": ("Patient", "Device", "Plant"), "Shift": ("Volunteer", "Employee"),
    "Ticket": ("Customer", "Employee", "Asset", "Device", "Project"),
    "Absence": ("Employee",), "Inspection": ("Beehive", "Vehicle", "Device", "House", "Asset"), "Player": ("Team",),
    "Donation": ("Donor",),
    "Pet": ("Customer",), "Product": ("Supplier",), "Complaint": ("Customer",),
    "Feedback": ("Customer", "Course", "Event", "Product"),
    "Tenant": ("House",), "Expense": ("Project", "Employee"), "Song": ("Album",),
}  # fmt: skip

"""By the kind of record: what it usually belongs to when that is kept too."""


def reference_to(record: RecordDraft, other: RecordDraft) -> FieldDraft | None:
    """The field of `record` that refers to `other`."""
    return next((one for one in record.fields if one.value.references == other.name), None)


def add_reference(draft: Draft, record: RecordDraft, parent: RecordDraft, said: Said = DEFAULT) -> FieldDraft:
    """Let each `record` belong to one `parent`; unless stated, that is an assumption."""
    one = FieldDraft(
        Field(
            name=identifier(parent.label), label=parent.label, type="reference", references=parent.name, required=True
        ),
        {"field": said, "required": DEFAULT},
        {parent.label.lower(), *parent.aliases},
    )
    record.fields.insert(len([f for f in record.fields if f.type == "reference"]), one)
    if not said.words:
        draft.assume(f"Each {lower_label(record.label)} belongs to {article(lower_label(parent.label))}.")
    return one


def ensure_field(record: RecordDraft, phrase: str, said: Said, **facts: object) -> FieldDraft:
    """A field of that name, made if it is missing."""
    shown = label(phrase)
    if there := record.get(identifier(phrase)):
        return there
    facts.setdefault("type", kind_of(phrase.lower()).type)
    one = FieldDraft(
        Field.model_validate({"name": identifier(phrase), "label": shown, **facts}), {"field": said}, {phrase.lower()}
    )
    record.fields.append(one)
    return one
