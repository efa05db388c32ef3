"""What people said of lines of code, beside these lines."""

from collections.abc import Iterable, Mapping, Sequence

from macrohard.domain import Value
from macrohard.domain.feedback import Feedback, Side
from macrohard.server.pages.diffs import FileDiff


class Remarked(Value):
    """The remarks of one file of a diff."""

    at: Mapping[int, tuple[Feedback, ...]]
    """By the line's number in the new file."""
    before: Mapping[int, tuple[Feedback, ...]]
    """On lines that were taken out, by their number in the old file."""
    elsewhere: tuple[Feedback, ...]
    """On the file as a whole, or on lines that the diff does not show."""

    @property
    def count(self) -> int:
        return sum(len(each) for each in (*self.at.values(), *self.before.values())) + len(self.elsewhere)


def on_lines(feedback: Sequence[Feedback], file: FileDiff, *, iteration: int) -> Remarked:
    """What was said of this file as it was at the end of the iteration."""
    mine = [
        each for each in feedback if each.about == "line" and each.file == file.path and each.iteration == iteration
    ]
    lines = [line for hunk in file.hunks for line in hunk.lines]
    places: dict[Side, set[int | None]] = {
        "new": {line.new for line in lines},
        "old": {line.old for line in lines if line.kind == "removed"},
    }
    at: dict[Side, dict[int, tuple[Feedback, ...]]] = {"new": {}, "old": {}}
    elsewhere = []
    for each in mine:
        if each.line in places[each.side]:
            at[each.side][each.line] = (*at[each.side].get(each.line, ()), each)
        else:
            elsewhere.append(each)
    return Remarked(at=at["new"], before=at["old"], elsewhere=tuple(elsewhere))


def of_files(feedback: Iterable[Feedback], *, iteration: int) -> dict[str, int]:
    """How many remarks each file has."""
    counted: dict[str, int] = {}
    for each in feedback:
        if each.about == "line" and each.iteration == iteration:
            counted[each.file] = counted.get(each.file, 0) + 1
    return counted
