"""A unified diff as rows of a table, with the colours of its languages."""

from functools import lru_cache
from typing import Literal

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from macrohard.domain import Value
from macrohard.domain.printable import printable

LINES = 3000
"""More lines of one diff are not coloured, nor shown: the file can be had whole."""

Kind = Literal["same", "added", "removed"]


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


class FileDiff(Value):
    """What became of one file."""

    path: str
    state: Literal["added", "removed", "changed"]
    added: int
    removed: int
    hunks: tuple[Hunk, ...]
    """None for a binary file."""


class Diff(Value):
    """What changed between two commits."""

    files: tuple[FileDiff, ...]
    cut: bool
    """Whether more changed than is shown."""
    plain: str
    """The text itself, where it could not be taken apart."""


@lru_cache(maxsize=64)
def diff_of(text: str) -> Diff:
    """The diff, taken apart and coloured; one that is not understood is given as it is."""
    cut = "\n… cut after " in text[-200:]
    if cut:
        text = text[: text.rindex("\n… cut after ")]
        # What was cut through in the middle of a file would not be understood.
        text = text[: text.rindex("\ndiff --git ") + 1] if "\ndiff --git " in text else text
    try:
        patch = PatchSet(printable(text))
    except UnidiffParseError:
        return Diff(files=(), cut=cut, plain=text)
    files, left = [], LINES
    for file in patch:
        hunks = []
        for hunk in file:
            if left <= 0:
                cut = True
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
        state: Literal["added", "removed", "changed"] = "changed"
        if file.is_added_file or file.is_removed_file:
            state = "added" if file.is_added_file else "removed"
        files.append(FileDiff(path=file.path, state=state, added=file.added, removed=file.removed, hunks=tuple(hunks)))
    return Diff(files=tuple(files), cut=cut, plain="")


def colours() -> str:
    """The style sheet of the spans, for dark and light."""
    return (
        f"{_colours_of('default')}\n"
        f"@media (prefers-color-scheme: dark) {{\n{_colours_of('github-dark')}\n}}\n"
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
