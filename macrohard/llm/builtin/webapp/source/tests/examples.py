"""A record that the product accepts; written anew for each product."""

from collections.abc import Mapping

RECORD = "task"
TEXTS: Mapping[str, str] = {"title": "Alder"}
FREE_TEXT: str | None = "title"
"""A field that takes any text."""
