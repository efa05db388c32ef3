"""What people said of lines of code, beside these lines."""

from collections.abc import Iterable, Mapping, Sequence

from macrohard.domain import Value
from macrohard.domain.feedback import Feedback
from macrohard.server.pages.diffs import FileDiff


class Remarked(Value):
    """The remarks of one file of a diff."""

    at: Mapping[int, tuple[Feedback, ...]]
    """By the line's number in the new file."""
    elsewhere: tuple[Feedback, ...]
    """On the file as a whole, or on lines that the diff does not show."""

    @property
    def count(self) -> int:
        return sum(len(each) for each in self.at.values()) + len(self.elsewhere)


def on_lines(feedback: Sequence[Feedback], file: FileDiff, *, iteration: int) -> Remarked:
    """What was said of this file as it was at the end of the iteration."""
    mine = [
        each for each in feedback if each.about == "line" and each.file == file.path and each.iteration == iteration
    ]
    shown = {line.new for hunk in file.hunks for line in hunk.lines if line.new is not None}
    at: dict[int, tuple[Feedback, ...]] = {}
    for each in mine:
        if each.line in shown:
            at[each.line] = (*at.get(each.line, ()), each)
    return Remarked(at=at, elsewhere=tuple(each for each in mine if each.line not in shown))


def of_files(feedback: Iterable[Feedback], *, iteration: int) -> dict[str, int]:
    """How many remarks each file has."""
    counted: dict[str, int] = {}
    for each in feedback:
        if each.about == "line" and each.iteration == iteration:
            counted[each.file] = counted.get(each.file, 0) + 1
    return counted
