"""A unified diff as rows of a table, with the colours of its languages."""

from functools import lru_cache
from typing import Literal

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from macrohard.domain import Value
from macrohard.domain.printable import printable

LINES = 2000
"""More lines of one file are not coloured, nor shown: the diff can be had whole."""
LINES_AT_ONCE = 120
"""Changed lines that are shown with a diff."""
PLAIN_CHARACTERS = 50_000
"""Of a diff that is not understood."""

Kind = Literal["same", "added", "removed"]
State = Literal["added", "removed", "changed"]


class DiffLine(Value):
    """One line of a hunk."""

    kind: Kind
    old: int | None
    new: int | None
    html: str
    """Escaped, in spans of Pygments."""


class Hunk(Value):
    """Lines that stand together."""

    heading: str
    lines: tuple[DiffLine, ...]


class FileSummary(Value):
    """One file that changed."""

    path: str
    state: State
    added: int
    removed: int
    is_binary: bool


class FileDiff(Value):
    """What became of one file."""

    path: str
    state: State
    added: int
    removed: int
    hunks: tuple[Hunk, ...]
    """None for a binary file."""
    cut: bool
    """Whether more of it changed than is shown."""


class Outline(Value):
    """Which files changed between two commits."""

    files: tuple[FileSummary, ...]
    cut: bool
    """Whether more changed than was looked at."""
    plain: str
    """The text itself, where it could not be taken apart."""

    @property
    def added(self) -> int:
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        return sum(file.removed for file in self.files)


@lru_cache(maxsize=32)
def outline_of(text: str) -> Outline:
    """The files of a diff; one that is not understood is given as it is."""
    whole, cut = _whole(text)
    try:
        patch = _patch(whole)
    except UnidiffParseError:
        return Outline(files=(), cut=cut, plain=text[:PLAIN_CHARACTERS])
    return Outline(files=tuple(_summary(file) for file in patch), cut=cut, plain="")


@lru_cache(maxsize=128)
def file_diff(text: str, path: str) -> FileDiff | None:
    """One file of a diff, coloured; None: it did not change, or the diff is not understood."""
    try:
        patch = _patch(_whole(text)[0])
    except UnidiffParseError:
        return None
    for file in patch:
        if file.path == path:
            return _coloured_file(file)
    return None


def first_files(text: str) -> dict[str, FileDiff | None]:
    """The first files of a diff, as many as are shown at once; others are read when they are opened."""
    found, left = {}, LINES_AT_ONCE
    for file in outline_of(text).files:
        left -= file.added + file.removed
        if left < 0:
            break
        found[file.path] = file_diff(text, file.path)
    return found


def _whole(text: str) -> tuple[str, bool]:
    """What of a diff that was cut off is whole, and whether it was."""
    if "\n… cut after " not in text[-200:]:
        return text, False
    text = text[: text.rindex("\n… cut after ")]
    return (text[: text.rindex("\ndiff --git ") + 1] if "\ndiff --git " in text else text), True


@lru_cache(maxsize=4)
def _patch(text: str) -> PatchSet:
    return PatchSet(printable(text))


def _state(file: PatchedFile) -> State:
    return "added" if file.is_added_file else "removed" if file.is_removed_file else "changed"


def _summary(file: PatchedFile) -> FileSummary:
    return FileSummary(
        path=file.path, state=_state(file), added=file.added, removed=file.removed, is_binary=bool(file.is_binary_file)
    )


def _coloured_file(file: PatchedFile) -> FileDiff:
    hunks, left = [], LINES
    for hunk in file:
        if left <= 0:
            break
        lines = list(hunk)[:left]
        left -= len(lines)
        coloured = _coloured(file.path, "\n".join(line.value.rstrip("\r\n") for line in lines))
        hunks.append(
            Hunk(
                heading=str(hunk.section_header),
                lines=tuple(
                    DiffLine(
                        kind="added" if line.is_added else "removed" if line.is_removed else "same",
                        old=line.source_line_no, new=line.target_line_no, html=html,
                    )
                    for line, html in zip(lines, coloured, strict=True)
                ),
            )
        )  # fmt: skip
    return FileDiff(
        path=file.path, state=_state(file), added=file.added, removed=file.removed, hunks=tuple(hunks), cut=left <= 0
    )


def colours() -> str:
    """The style sheet of the spans, for dark and light."""
    return (
        f"{_colours_of('xcode')}\n"
        f"@media (prefers-color-scheme: dark) {{\n{_colours_of('lightbulb')}\n"
        # The style's own are too faint on the colours of added and removed lines.
        ".code [class^=c], .code .err { color: #a5acb9; }\n}\n"
        ".code, .code .err { background: none; border: 0; }\n"
    )


def _colours_of(style: str) -> str:
    sheet: str = HtmlFormatter(style=style).get_style_defs(".code")  # type: ignore[no-untyped-call]  # its stubs say nothing
    return sheet


def _coloured(path: str, text: str) -> list[str]:
    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    html = highlight(text, lexer, HtmlFormatter(nowrap=True))
    lines = html.split("\n")
    wanted = text.count("\n") + 1
    if lines and lines[-1] == "" and len(lines) == wanted + 1:
        lines.pop()
    if len(lines) != wanted:
        return [str(escape(line)) for line in text.split("\n")]
    return [str(Markup(line)) for line in lines]
