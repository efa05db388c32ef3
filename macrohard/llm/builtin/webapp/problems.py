"""What the coder is told when something does not hold."""

from typing import Literal

from macrohard.domain import Value


class Problem(Value):
    """A criterion or gate that failed, or a finding; in words that give away no hidden scenario."""

    kind: Literal["criterion", "gate", "finding", "feedback"] = "criterion"
    criterion: str | None = None
    """E.g. "AC-3"; None for gates and findings."""
    title: str = ""
    detail: str = ""
    page: str = ""
    element: str = ""
    category: str = ""


class Edit(Value):
    """Replaces the one place in a file that reads `old`."""

    file: str
    old: str
    new: str
