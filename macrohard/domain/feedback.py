"""What people say of a run while it is at work, or of what came of it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from macrohard.domain.value import Value

About = Literal["run", "iteration", "criterion", "finding", "line", "session"]
Side = Literal["new", "old"]


class Feedback(Value):
    """One remark, and what became of it."""

    id: str
    at: datetime
    by: str
    about: About
    text: str
    iteration: int | None = None
    """What of the product it is about: as it stood then."""
    criterion: str = ""
    finding: str = ""
    file: str = ""
    line: int = 0
    """In the file as it was at the end of the iteration; 0: all of it."""
    side: Side = "new"
    """Old: `line` counts in the file as it was before the iteration, where what is meant was taken out."""
    taken_in: int | None = None
    """The iteration that was, or is, to see to it; None: nobody has looked at it yet."""
    answer: str = ""
    """What was done, in words; empty: it is open."""
    answered_in: int | None = None
    """The iteration."""

    @property
    def place(self) -> str:
        """What it is about, in words."""
        was = " as it was before" if self.side == "old" else ""
        match self.about:
            case "line":
                return f"{self.file}:{self.line}{was}" if self.line else self.file
            case "criterion":
                return self.criterion
            case "finding":
                return f"finding {self.finding}"
            case "iteration" | "session" if self.iteration is not None:
                return f"iteration {self.iteration}"
            case _:
                return "the product"


class Remark(Value):
    """What a person says, as they send it."""

    text: str = Field(min_length=1, max_length=10_000, examples=["The date is hard to read here"])
    about: About = Field(default="run", examples=["line"])
    iteration: int | None = Field(default=None, ge=1)
    criterion: str = Field(default="", max_length=40)
    finding: str = Field(default="", max_length=200)
    file: str = Field(default="", max_length=1000, examples=["app/static/style.css"])
    line: int = Field(default=0, ge=0, examples=[12])
    side: Side = "new"
    """Old: the line counts in the file as it was before the iteration, where what is meant was taken out."""
