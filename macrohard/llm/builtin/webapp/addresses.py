"""Where the pages of a product are."""

import re
import unicodedata

from macrohard.llm.builtin.blueprint import Record, View

_TAKEN = frozenset({"views", "static", "health"})


def record_address(record: Record) -> str:
    """Of the list of a record type, e.g. "/order-items"."""
    slug = _slug(record.plural) or _slug(record.name)
    return f"/{slug}-list" if slug in _TAKEN else f"/{slug}"


def view_address(view: View) -> str:
    """Of a view, e.g. "/views/overdue"."""
    return f"/views/{_slug(view.name)}"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
