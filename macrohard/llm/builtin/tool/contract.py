"""The interface contract of a command-line tool in the designer's words: every command, and what holds for all."""

from collections.abc import Iterator

from macrohard.domain import Command
from macrohard.llm.builtin.blueprint import Blueprint, Record
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

RUN = "python3 -m app"
_QUESTION = (
    "[--search WORDS] [--filter FIELD=VALUE]… (of dates FIELD-from and FIELD-to) [--sort FIELD or -FIELD] [--page N]"
)
_LIST = 'with --json {"items": […], "count": all that match, "page", "pages", "totals"}'


def called(blueprint: Blueprint, record: Record) -> str:
    """What stands before the commands of a record type."""
    return f"{RUN} {record_address(record).strip('/')}" if len(blueprint.records) > 1 else RUN


def calls(blueprint: Blueprint) -> tuple[Command, ...]:
    """All commands, with what they take and show."""
    return tuple(command for record in blueprint.records for command in _of_record(blueprint, record))


def conventions() -> tuple[str, ...]:
    """What holds for every command."""
    return (
        "Exit code 0 when it was done, 1 when it was refused or is not there, 2 when it was called wrongly. Results "
        "are on standard output; a refusal is one line “error: …” on standard error, and nothing was changed.",
        "--help says what a command takes. --json answers in JSON in one line; names of fields are those of the data "
        "model. In JSON numbers and money are numbers, yes/no is true or false, dates are 2026-11-22, times 09:30, "
        "date-times 2026-11-22T09:30, a reference is the number of the other record, no value is null; every record "
        "has its number under “id”, and under “marks” the labels of the highlights that apply to it.",
        "Values are given as --FIELD=VALUE with the names of the data model, _ as -; yes/no as yes or no, a reference "
        "as the number of the other record; an empty value empties the field.",
        "Messages: “<label> is required.” · “… must be a whole number.” · “… must be at least/at most/more than X.” · "
        "“… must not be before/after X.” or “in the past/future.” · “… must have at least/at most n characters.” · "
        "“… must be <hint>.” · “… has a wrong check digit.” · “… is already used.” · “Choose one of the offered values "
        "for <label>.”",
        "“totals” holds under each total's label its text as people read it; of grouped ones an object by group.",
        "Text is trimmed; uniqueness ignores case; “today” is the local day; search ignores case and accents. Lists "
        "that name no order give the newest first; empty values come last.",
        "Data is kept in the folder $DATA, if that is not set in ./data, and is on the disk when a command ends.",
    )


def _of_record(blueprint: Blueprint, record: Record) -> Iterator[Command]:
    start, one, some = called(blueprint, record), record.label.lower(), record.plural.lower()
    fields = [field for field in record.fields if not field.computed and not field.automatic]
    given = " ".join(f"[--{field.name.replace('_', '-')}=VALUE]" for field in fields)
    views = [view_address(view).rpartition("/")[2] for view in blueprint.views if view.record == record.name]
    seen = f" [--view {' or '.join(views)}]" if views else ""
    told = f"“{record.label} N added.”; with --json the record; 1 if a value or rule is broken"
    yield Command(usage=f"{start} add {given} [--json]", purpose=f"Adds a {one}.", output=told)
    shown = f"A table, the count, the totals; {_LIST}"
    yield Command(usage=f"{start} list {_QUESTION}{seen} [--json]", purpose=f"Lists {some}.", output=shown)
    searched = f"Lists the {some} in which all words stand."
    yield Command(usage=f"{start} search WORD… [--json]", purpose=searched, output="as list")
    in_full = "each field in a line; with --json the record; 1 if it is not there"
    yield Command(usage=f"{start} show N [--json]", purpose=f"Shows one {one}.", output=in_full)
    changed = f"“{record.label} N changed.”; with --json the record; 1 as add, or if it is not there"
    yield Command(usage=f"{start} edit N {given} [--json]", purpose=f"Changes a {one}.", output=changed)
    if record.deletable:
        gone = f"“{record.label} N deleted.”; with --json {{“deleted”: N}}; 1 if it is not there or that is forbidden"
        yield Command(usage=f"{start} delete N [--json]", purpose=f"Deletes a {one}.", output=gone)
    csv = "CSV with the fields' labels in the first line, everything quoted"
    yield Command(usage=f"{start} export [--file FILE] {_QUESTION}{seen}", purpose=f"Writes {some} as CSV.", output=csv)
    if record.import_csv:
        taken = f"“n {some} imported.”; “Line 5: <message>” on standard error for each bad one, and then 1"
        yield Command(usage=f"{start} import FILE", purpose=f"Adds the {some} of a CSV file.", output=taken)
    for action in blueprint.actions:
        if action.record == record.name:
            done = f"“{record.label} N: {action.label}: done.”; with --json the record; 1 {action.refusal}".strip()
            yield Command(usage=f"{start} {action.name} N [--json]", purpose=f"{action.label}.", output=done)
