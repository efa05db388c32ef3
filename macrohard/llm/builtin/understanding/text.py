"""A requirement as passages: sentences, bullets, rows and headings, each with the person's own words kept."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from macrohard.llm.builtin.understanding.spelling import correct

LONGEST_TEXT = 20_000
"""Characters that are read; what is beyond is reported as not read."""
_LONGEST_PASSAGE = 900
_MOST_PASSAGES = 400
_MOST_REPEATED = 3
_LONGEST_WORD = 60

_FOLD = str.maketrans({
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'",
    "–": "-", "—": " - ", "−": "-", "‐": "-", "‑": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200b": None,
    "\u200c": None, "\u200d": None, "\ufeff": None, "…": "...", "•": "•", "◦": "•", "▪": "•", "●": "•", "·": "•",
    "►": "•", "‣": "•", "✓": "•", "✔": "•", "➢": "•", "≥": ">=", "≤": "<=", "→": "->", "⇒": "->", "➔": "->", "×": " x ",
    "\r": "\n", "\x0b": "\n", "\x0c": "\n", "\u2028": "\n", "\u2029": "\n",
})  # fmt: skip

Wish = Literal["must", "wish", "unwanted"]


@dataclass
class Passage:
    """One thing the person said."""

    source: str
    """Their own words."""
    text: str
    """Correctly spelt, in one line, without marker."""
    headings: tuple[str, ...] = ()
    """From the outermost to the nearest, correctly spelt, lower case."""
    heading: bool = False
    bullet: bool = False
    indent: int = 0
    cells: tuple[str, ...] = ()
    """Of a row of a markdown table."""
    children: "list[Passage]" = field(default_factory=list)


def fold(text: str) -> str:
    """The text with typographic variants made plain, control characters gone, and endless words and blanks cut."""
    text = text.replace("\r\n", "\n").translate(_FOLD)
    text = re.sub(rf"(\S{{{_LONGEST_WORD}}})\S{{40,}}", r"\1…", re.sub(r"([ \t]{20})[ \t]+", r"\1", text))
    return re.sub(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", " ", text)


_MARKER = re.compile(r"^(\s*)((?:[-*+•>]|\(?\d{1,2}[.)]|\(?[a-z][.)]|\[[ xX]?\])\s+)(?=\S)")
_MARKDOWN_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)#*\s*$")
_RULE_LINE = re.compile(r"^\s*([-=_*~#|+:\s])\1{2,}\s*$|^[\s|:+-]+$")
_ABBREVIATION = re.compile(
    r"(?:(?i:\b(?:e\.g|i\.e|etc|nr|max|min|approx|incl|excl|vs|mr|mrs|ms|dr|st|ca|resp|dept|tel|ref|fig|inc|"
    r"ltd|a\.m|p\.m))|(?<=\s)[A-Z])\.$"
)
_SECTION_WORDS = (
    r"(?:fields?|tables?|entities|records?|data|rules?|validations?|constraints?|views?|screens?|pages?|lists?|"
    r"features?|"
    r"functions?|requirements?|reports?|import|export|must(?: have)?s?|should(?: have)?s?|could(?: have)?s?|"
    r"nice[- ]to[- ]haves?|optional|later|out of scope|won't(?: have)?|not (?:needed|wanted|in scope)|users?|"
    r"roles?|notes?|"
    r"actions?|workflow|states?|search|filters?|app|title|goal|overview|background|description|summary|user "
    r"stories|"
    r"acceptance criteria|totals?|statistics|data model|columns?|attributes?|properties|entity|objects?|things|"
    r"bonus)"
)
_BARE_SECTION = re.compile(rf"(?i)^(?:the |main |key |business |additional |other |data )?{_SECTION_WORDS}$")


def sentences(line: str) -> Iterator[str]:
    """The sentences of one line; abbreviations, decimals and addresses do not end one."""
    start = 0
    for match in re.finditer(r"[.!?]+[)\"']*(?=\s|$)|\s(?=•\s)|;(?=\s|$)|(?<=[a-z)])\.(?=[A-Z][a-z])", line):
        piece = line[start : match.end()]
        following = line[match.end() : match.end() + 12].lstrip()
        if match.group().startswith(".") and _ABBREVIATION.search(piece.rstrip(")\"'")) and following:
            if re.search(r"(?i)\b(?:etc|a\.m|p\.m|inc|ltd)\.$", piece) and following[:1].isupper():
                pass
            else:
                continue
        if re.search(r"(?<![/\w])[Nn]o\.$", piece) and following and not following[:1].isupper():
            continue
        if match.group().startswith("?") and following[:1] in ("(", ","):
            continue
        if _depth(piece) > 0:
            continue
        yield piece
        start = match.end()
    yield line[start:]


def _depth(text: str) -> int:
    return sum(text.count(mark) for mark in "([{") - sum(text.count(mark) for mark in ")]}")


def passages(text: str) -> list[Passage]:
    """The passages of a requirement in reading order, as a tree by headings and indentation, flattened."""
    found: list[Passage] = []
    said: Counter[str] = Counter()
    stack: list[Passage] = []  # open headings and list parents, outermost first
    for raw, blank_before in _lines(fold(text)):
        if len(found) >= _MOST_PASSAGES:
            break
        markdown = _MARKDOWN_HEADING.match(raw)
        marker = None if markdown else _MARKER.match(raw)
        indent = len(raw) - len(raw.lstrip(" \t")) if not markdown else -8 + len(markdown[1])
        body = (markdown[2] if markdown else raw[marker.end() :] if marker else raw).strip()
        body = re.sub(r"\*\*|__(?=\w)|(?<=\w)__|(?<!\w)\*(?=\w)|(?<=\w)\*(?=[\s.,]*$)(?<!\w\*)", "", body).strip()
        if not body:
            continue
        heading = bool(markdown) or _is_heading(body, bullet=bool(marker))
        while stack and not _holds(stack[-1], indent=indent, heading=heading, bullet=bool(marker), blank=blank_before):
            stack.pop()
        headings = tuple(one.text.lower() for one in stack)
        if heading:
            title = body.rstrip(": ").strip()
            here = Passage(title, correct(_unshout(title)), headings, True, bool(marker), indent)
            found.append(here)
            if stack:
                stack[-1].children.append(here)
            stack.append(here)
            continue
        cells = tuple(cell.strip() for cell in body.strip("|").split("|")) if body.startswith("|") else ()
        pieces = [body] if cells else [s.strip() for s in sentences(body) if re.search(r"\w", s)]
        if marker and len(pieces) > 1 and len(pieces[0]) < 4:
            pieces = [body]
        for position, piece in enumerate(pieces):
            for part in _bounded(piece):
                said[part] += 1
                if said[part] > _MOST_REPEATED:
                    continue
                above, words = _sectioned(correct(part).strip(), headings, bullet=bool(marker))
                here = Passage(part, words, above, False, bool(marker), indent, cells)
                found.append(here)
                if stack:
                    stack[-1].children.append(here)
                if marker and position == 0 and len(part) < 80:
                    stack.append(here)
    return found


_PREFIX = re.compile(
    r"(?i)^(?P<p>must(?:[- ]haves?)?|should(?:[- ]haves?)?|could(?:[- ]haves?)?|won'?t(?:[- ]haves?)?|nice[- "
    r"]to[- ]haves?|(?:would|wld) be nice|optional|later|"
    r"rules?|views?|features?|out of scope|not needed|bonus|wishes|(?:also )?(?:recorded|noted|stored|kept)(?: "
    r"are| is)?|(?:other |more |further |additional )?fields|(?:what )?(?:we|i) (?:also )?(?:need|want|would "
    r"like)(?: is| are)?|so|needed|wanted|functions)\s*:\s+(?P<rest>\S.+)$"
)


def _sectioned(text: str, headings: tuple[str, ...], *, bullet: bool) -> tuple[tuple[str, ...], str]:
    """A line such as "Should: colour them red" stands in a section of its own."""
    match = None if bullet and "rule" in text[:5].lower() else _PREFIX.match(text)
    if match is None:
        return headings, text
    if match["p"].lower() == "so" or re.search(r"(?i)need|want|like", match["p"]):
        return headings, match["rest"]
    name = "fields" if re.search(r"(?i)recorded|noted|stored|kept", match["p"]) else match["p"].lower()
    return (*headings, name), match["rest"]


def _unshout(text: str) -> str:
    return text.capitalize() if text.isupper() and len(text) > 4 else text


def _is_heading(body: str, *, bullet: bool) -> bool:
    bare = body.rstrip(": ").strip()
    if len(bare) > 60 or not re.search(r"[A-Za-z]", bare):
        return False
    if body.endswith(":"):
        return len(bare.split()) <= 8
    if bullet:
        return False
    if body.isupper() and 1 <= len(bare.split()) <= 5 and len(bare) > 2 and not re.search(r"[.,;!?]", bare):
        return True
    return bool(_BARE_SECTION.match(bare))


def _holds(parent: Passage, *, indent: int, heading: bool, bullet: bool, blank: bool) -> bool:
    """Whether a line belongs below an open heading or bullet."""
    if parent.heading and parent.indent < 0:  # markdown heading: until one of the same rank
        return not (heading and indent < 0 and indent <= parent.indent)
    if indent < 0:
        return False
    if heading:
        return indent > parent.indent
    if not parent.heading:
        return bullet and indent > parent.indent
    if indent > parent.indent:
        return True
    if bullet and not parent.bullet:
        return indent >= parent.indent
    return indent == parent.indent and not blank and not parent.bullet


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Lines, wrapped ones joined, with whether a blank line came before."""
    pending = ""
    blank = blank_of_pending = False
    for raw in text.split("\n"):
        line = raw.rstrip().replace("\t", "    ")
        if not line.strip() or _RULE_LINE.match(line) or line.strip().startswith("```"):
            if pending:
                yield pending, blank_of_pending
                pending = ""
            blank = True
            continue
        if pending and _continues(pending, line):
            pending = f"{pending} {line.strip()}"
            continue
        if pending:
            yield pending, blank_of_pending
        pending, blank_of_pending, blank = line, blank, False
    if pending:
        yield pending, blank_of_pending


def _continues(line: str, following: str) -> bool:
    if len(line) > _LONGEST_PASSAGE or _MARKER.match(following) or following.lstrip()[0] in "|#<":
        return False
    if re.match(r"\s*[\w-]+\s*[:(\[]", following) and not line.endswith(","):
        return False
    if _depth(line) > 0:
        return True
    if line.endswith(",") or re.search(r"(?i)\b(?:and|or|the|a|of|with|to|for)$", line):
        return True
    wrapped = len(line) >= 55 and not re.search(r"[.!?:;]$", line)
    return wrapped and following.lstrip()[:1].islower()


def _bounded(piece: str) -> Iterator[str]:
    while len(piece) > _LONGEST_PASSAGE:
        cut = piece.rfind(" ", 0, _LONGEST_PASSAGE)
        cut = cut if cut > 0 else _LONGEST_PASSAGE
        yield piece[:cut]
        piece = piece[cut:].strip()
    if piece:
        yield piece


_WISH = re.compile(
    r"(?i)\b(?:may ?be|perhaps|nice[- ]to[- ]have|would be (?:nice|great|cool|good|lovely|handy|useful|a bonus|"
    r"awesome)|if possible|"
    r"ideally|preferabl[ey]|not (?:so |that |very |really |too )?(?:important|urgent|critical)|low priority|"
    r"bonus|could|can wait|"
    r"later(?: on)?$|some ?day|optionally|if (?:it is |it's |that is |that's )?(?:easy|there is time|time "
    r"permits|you have time|not too hard)|"
    r"stretch goal|extra credit|cherry on)\b"
)
_WISH_HEADING = re.compile(
    r"(?i)nice[- ]to|be nice|^should(?:[- ]have)?s?$|^could(?:[- ]have)?s?$|optional|later|bonus|wish|maybe|"
    r"low prio|stretch|"
    r"phase 2|version 2"
)
_UNWANTED_HEADING = re.compile(
    r"(?i)out of scope|\bwon't\b|not (?:needed|wanted|in scope|required|part)|no need|exclu|non[- ]goals?|"
    r"without|leave out|don't"
)


def wish_of(passage: Passage) -> Wish:
    """Whether what is said is a must, only a wish, or explicitly not wanted."""
    nearest = next(
        (h for h in reversed(passage.headings) if _WISH_HEADING.search(h) or _UNWANTED_HEADING.search(h)), ""
    )
    if nearest and _UNWANTED_HEADING.search(nearest) and len(nearest.split()) <= 5:
        return "unwanted"
    if (nearest and len(nearest.split()) <= 4) or is_wish(passage.text):
        return "wish"
    return "must"


def is_wish(text: str) -> bool:
    """Whether the words soften what they ask for."""
    return bool(
        _WISH.search(re.sub(r"\([^)]*\)|\[[^\]]*\]|(?i:\w+\s*[/,]\s*maybe\b|\bor maybe\b|\bmaybe\s*/)", " ", text))
    )
