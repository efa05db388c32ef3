"""What the tests share: the product with empty data, and short ways to use it."""

import unittest
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from macrohard.llm.builtin.webapp.source.app import clock, conditions, fields, listing, register
from macrohard.llm.builtin.webapp.source.app.records import PRODUCT
from macrohard.llm.builtin.webapp.source.app.register import Refused
from macrohard.llm.builtin.webapp.source.app.storage import Row, Storage

Texts = Mapping[str, "str | Row"]
"""Field → what is typed, or the record that is chosen."""


def day(days: int) -> str:
    """The date so many days from today, as it is typed and shown."""
    return (clock.today() + timedelta(days=days)).isoformat()


def minute(days: int, time: str) -> str:
    """A time on the day so many days from today, as it is typed."""
    return f"{day(days)}T{time}"


def years_ago(years: int) -> str:
    """This day so many years ago, as it is typed and shown."""
    return clock.later(clock.today(), -years, "y").isoformat()


class ProductCase(unittest.TestCase):
    """A test with a product of its own."""

    def setUp(self) -> None:
        """Begin with no records."""
        self.storage = Storage(Path(":memory:"), PRODUCT)
        self.addCleanup(self.storage.close)

    def add(self, name: str, texts: Texts) -> Row:
        """Add a record through the checks of the form."""
        return register.add(self.storage, PRODUCT.record(name), _typed(texts))

    def change(self, row: Row, texts: Texts) -> Row:
        """Change some fields of a record through the checks of the form."""
        entered = {one.name: fields.plain(one, row.values[one.name]) for one in row.record.fields if one.entered}
        return register.change(self.storage, row, {**entered, **_typed(texts)})

    def act(self, row: Row, name: str) -> Row:
        """Press an action's button."""
        (action,) = (one for one in PRODUCT.actions if (one.record, one.name) == (row.record.name, name))
        return register.act(self.storage, row, action)

    def refused(self, name: str, texts: Texts, message: str) -> None:
        """Adding is refused with this message, and nothing is kept."""
        before = len(self.storage.rows(name))
        with self.assertRaises(Refused) as refusal:
            self.add(name, texts)
        self.assertIn(message, [*refusal.exception.problems.values(), *refusal.exception.messages])
        self.assertEqual(before, len(self.storage.rows(name)))

    def shown(self, row: Row, field: str) -> str:
        """What stands in the field now."""
        current = self.storage.row(row.record.name, row.id)
        assert current is not None
        return conditions.shown(self.storage, current, field)

    def marks(self, row: Row) -> list[str]:
        """The words of the highlights that apply to the record."""
        current = self.storage.row(row.record.name, row.id)
        assert current is not None
        return [one.label for one in conditions.highlights(self.storage, current)]

    def listed(self, name: str, view: str | None = None, *, asked: Mapping[str, str] | None = None) -> list[int]:
        """The numbers of the records in a list or view, in order; `asked` stands in its address, e.g. search."""
        views = [one for one in PRODUCT.views if one.label == view]
        question = listing.read(asked or {}, PRODUCT.record(name), views[0] if views else None)
        return [row.id for row in listing.answer(self.storage, question).rows]

    def total(self, label: str) -> str | dict[str, str]:
        """A total over all records; a grouped one by its groups."""
        (one,) = (total for total in PRODUCT.totals if total.label == label)
        rows = self.storage.rows(one.record)
        if one.group_by:
            return dict(listing.grouped(self.storage, one, rows))
        return listing.total(self.storage, one, rows)


def _typed(texts: Texts) -> dict[str, str]:
    return {name: str(value.id) if isinstance(value, Row) else value for name, value in texts.items()}
