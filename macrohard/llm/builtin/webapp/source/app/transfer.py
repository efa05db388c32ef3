"""Records as CSV files: for other programs to read, and read from them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from . import conditions, fields, register
from .declarations import Field, Record
from .listing import titles
from .register import Refused
from .storage import Row, Storage

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Unreadable(ValueError):
    """The file as a whole cannot be imported; the message is for the person who chose it."""


@dataclass(frozen=True)
class Imported:
    """What became of a file."""

    added: int
    problems: tuple[str, ...]
    """One for each line that was left out: "Line 5: …"."""


def export(storage: Storage, record: Record, rows: list[Row]) -> bytes:
    """The rows with all fields: UTF-8 with byte order mark, everything quoted, so that spreadsheets read it right."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    columns = record.fields
    writer.writerow([field.label for field in columns])
    for row in rows:
        writer.writerow([_cell(storage, row, field) for field in columns])
    return file.getvalue().encode("utf-8-sig")


def import_(storage: Storage, record: Record, content: bytes) -> Imported:
    """Add the good lines of a file; its first line names the columns by the fields' labels or names.

    Raises:
        Unreadable: it is empty or no text, or required columns are missing.
    """
    lines = _lines(_decoded(content))
    header = next(lines, None)
    if header is None:
        raise Unreadable("The file is empty.")
    columns = _columns(record, header[1])
    added, problems = 0, []
    with storage.transaction():
        names = {field.name: _names(storage, field) for field in columns if field and field.references}
        defaults = {one.name: fields.plain(one, fields.start_value(one)) for one in record.fields if one.entered}
        for number, cells in lines:
            texts = dict(defaults)
            for field, cell in zip(columns, cells, strict=False):
                if field and cell.strip():
                    texts[field.name] = _meant(field, cell.strip(), names.get(field.name, {}))
            try:
                if len(cells) > len(columns):
                    raise Refused(messages=[f"There are {len(cells)} values for {len(columns)} columns."])
                register.add(storage, record, texts)
                added += 1
            except Refused as error:
                problems.append(f"Line {number}: {error}")
    return Imported(added, tuple(problems))


def _cell(storage: Storage, row: Row, field: Field) -> str:
    value = conditions.value(storage, row, field.name)
    source = conditions.looked_up(storage, row.record.name, field)
    if value is None or value == "":
        return ""
    if source.references or source.type == "yes/no":
        text = conditions.shown(storage, row, field.name)
    else:
        text = fields.plain(source, value)
    if source.type == "date-time":
        return text.replace("T", " ")
    # A spreadsheet would take such a text for a formula and carry it out.
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _decoded(content: bytes) -> str:
    # Spreadsheets on Windows save "CSV" in the system's own encoding.
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Unreadable("The file is not a CSV file: it does not contain text.")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the cells of each row that is not blank."""
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"The file cannot be read from line {start} on.") from error


def _columns(record: Record, header: list[str]) -> list[Field | None]:
    known = {
        text.casefold(): one for one in record.fields for text in (one.name, one.name.replace("_", " "), one.label)
    }
    columns = [known.get(cell.strip().casefold()) for cell in header]
    if not any(columns):
        expected = ", ".join(one.label for one in record.fields if one.entered)
        raise Unreadable(f"The first line must name the columns: {expected}.")
    for one in record.fields:
        if one.required and one.entered and one.default is None and one not in columns:
            raise Unreadable(f"The column {one.label} is missing.")
    return [one if one and one.entered else None for one in columns]


def _names(storage: Storage, field: Field) -> dict[str, str]:
    """Titles of the records a reference can point to, without case, with their numbers."""
    assert field.references is not None
    return {text.casefold(): number for number, text in titles(storage, field.references)}


def _meant(field: Field, cell: str, names: dict[str, str]) -> str:
    if field.references:
        return names.get(cell.casefold(), cell)
    # The apostrophe that `export` puts before what looks like a formula.
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
