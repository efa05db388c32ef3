"""The records in an SQLite file: durable at once, and kept in memory for reading."""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import fields
from .declarations import Field, Product, Record
from .fields import Value

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One record as it is kept."""

    record: Record
    id: int
    revision: int
    """Counts its changes; tells whether somebody else changed it meanwhile."""
    values: Mapping[str, Value]
    """Of the stored fields; computed ones: see `conditions.value`."""

    @property
    def address(self) -> str:
        """Where its own page is."""
        return f"{self.record.address}/{self.id}"


@dataclass
class _Table:
    """What is known of one table since it was last read."""

    rows: dict[int, Row]
    indexes: dict[str, dict[Value, dict[int, Row]]]
    """Field → value, without case → rows."""


class Storage:
    """Reading and writing records; safe to use from several threads.

    Every record type is a table with a column for each stored field, and the columns `_id`, `_revision`, `_changed`.
    Fields that were added to `records.py` get their column when the file is opened; columns of removed ones are kept.
    """

    def __init__(self, file: Path, product: Product) -> None:
        """Open the file, or make it with its folder.

        Raises:
            OSError: the folder cannot be made.
            sqlite3.Error: the file is no database, or cannot be written.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self.product = product
        self._turn = threading.RLock()
        self._tables: dict[str, _Table] = {}
        self._journal: list[tuple[Row | None, Row | None]] = []
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=10)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._version = -1
        with self.transaction():
            for record in product.records:
                self._prepare(record)

    def close(self) -> None:
        """Wait for a running transaction, then close the file."""
        with self._turn:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Changes within are made together, or not at all when an exception leaves; may be nested."""
        with self._turn:
            nested = self._connection.in_transaction
            done = len(self._journal)
            self._connection.execute("SAVEPOINT step" if nested else "BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("RELEASE step" if nested else "COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK TO step" if nested else "ROLLBACK")
                if nested:
                    self._connection.execute("RELEASE step")
                for before, after in reversed(self._journal[done:]):
                    self._replace(after, before)
                del self._journal[done:]
                raise
            finally:
                if not nested:
                    self._journal.clear()

    def rows(self, name: str) -> list[Row]:
        """All records of a type, the oldest first."""
        with self._turn:
            return list(self._table(name).rows.values())

    def row(self, name: str, row_id: int) -> Row | None:
        """The record of that number, if there is one."""
        with self._turn:
            return self._table(name).rows.get(row_id)

    def alike(self, name: str, field: str, value: Value) -> list[Row]:
        """The records whose field holds this value, ignoring case, the oldest first."""
        with self._turn:
            table = self._table(name)
            if field not in table.indexes:
                index: dict[Value, dict[int, Row]] = {}
                for row in table.rows.values():
                    index.setdefault(_key(row.values[field]), {})[row.id] = row
                table.indexes[field] = index
            return sorted(table.indexes[field].get(_key(value), {}).values(), key=lambda row: row.id)

    def insert(self, name: str, values: Mapping[str, Value]) -> Row:
        """Keep a new record; fields that are not named stay empty."""
        record = self.product.record(name)
        stored = [field for field in record.fields if field.stored]
        columns = ", ".join(f'"{field.name}"' for field in stored)
        marks = ", ".join("?" for _ in stored)
        cells = [_cell(field, values.get(field.name)) for field in stored]
        with self.transaction():
            done = self._connection.execute(
                f'INSERT INTO "{name}" (_revision, _changed, {columns}) VALUES (1, ?, {marks})', (_timestamp(), *cells)
            )
            assert done.lastrowid is not None
            row = Row(record, done.lastrowid, 1, {field.name: values.get(field.name) for field in stored})
            self._note(None, row)
        return row

    def update(self, row: Row, values: Mapping[str, Value]) -> Row:
        """Change the named fields of a record."""
        changed = [field for field in row.record.fields if field.name in values and field.stored]
        columns = "".join(f', "{field.name}" = ?' for field in changed)
        cells = [_cell(field, values[field.name]) for field in changed]
        new = Row(
            row.record, row.id, row.revision + 1, {**row.values, **{one.name: values[one.name] for one in changed}}
        )
        with self.transaction():
            self._connection.execute(
                f'UPDATE "{row.record.name}" SET _revision = ?, _changed = ?{columns} WHERE _id = ?',
                (new.revision, _timestamp(), *cells, row.id),
            )
            self._note(row, new)
        return new

    def delete(self, row: Row) -> None:
        """Remove a record."""
        with self.transaction():
            self._connection.execute(f'DELETE FROM "{row.record.name}" WHERE _id = ?', (row.id,))
            self._note(row, None)

    def _prepare(self, record: Record) -> None:
        self._connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{record.name}" '
            "(_id INTEGER PRIMARY KEY AUTOINCREMENT, _revision INTEGER NOT NULL DEFAULT 1, _changed TEXT)"
        )
        present = {line[1] for line in self._connection.execute(f'PRAGMA table_info("{record.name}")')}
        for field in record.fields:
            if field.stored and field.name not in present:
                kind = "INTEGER" if field.type in {"whole number", "yes/no", "reference"} else "TEXT"
                self._connection.execute(f'ALTER TABLE "{record.name}" ADD COLUMN "{field.name}" {kind}')
                if field.default is not None and field.type not in {"date", "date-time", "time"}:
                    default = _cell(field, fields.start_value(field))
                    self._connection.execute(f'UPDATE "{record.name}" SET "{field.name}" = ?', (default,))

    def _table(self, name: str) -> _Table:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:  # Another program wrote to the file.
            self._tables.clear()
            self._version = version
        if name not in self._tables:
            self._tables[name] = _Table(self._read(self.product.record(name)), {})
        return self._tables[name]

    def _read(self, record: Record) -> dict[int, Row]:
        stored = [field for field in record.fields if field.stored]
        names = [field.name for field in stored]
        columns = ", ".join(f'"{name}"' for name in names)
        lines = self._connection.execute(f'SELECT _id, _revision, {columns} FROM "{record.name}" ORDER BY _id')
        return {
            row_id: Row(record, row_id, revision, dict(zip(names, map(_value, stored, cells), strict=True)))
            for row_id, revision, *cells in lines
        }

    def _note(self, before: Row | None, after: Row | None) -> None:
        self._journal.append((before, after))
        self._replace(before, after)

    def _replace(self, before: Row | None, after: Row | None) -> None:
        row = after or before
        assert row is not None
        table = self._table(row.record.name)
        for field, index in table.indexes.items():
            if before:
                index.get(_key(before.values[field]), {}).pop(row.id, None)
            if after:
                index.setdefault(_key(after.values[field]), {})[row.id] = after
        if after:
            table.rows[row.id] = after
        else:
            table.rows.pop(row.id, None)


def _key(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value


def _cell(field: Field, value: Value) -> str | int | None:
    if value is None or isinstance(value, bool | int):
        return None if value is None else int(value)
    return fields.plain(field, value)


def _value(field: Field, cell: str | int | None) -> Value:
    try:
        return fields.stored(field, cell)
    except ValueError:
        log.warning("%s: %r is no %s and is shown as empty", field.label, cell, field.type)
        return None


def _timestamp() -> str:
    return datetime.now().isoformat(timespec="seconds")
