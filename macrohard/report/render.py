"""From an overview and its artifacts to one self-contained HTML file."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from macrohard.domain import Artifacts, RunOverview
from macrohard.domain.printable import cut, printable
from macrohard.report import story
from macrohard.report.burn import burn, cost_tables
from macrohard.report.origin import origin
from macrohard.report.panel import panel_of
from macrohard.report.pictures import Album, collect
from macrohard.report.reviews import reviews_of
from macrohard.report.said import said_of

PAGE = Path(__file__).parent / "page"
LONGEST = 1200
"""Characters of any text from a product, a user or a model; more is cut, and said so."""
FILM_BYTES = 4_000_000
"""A larger film is not put into the report, which names the file beside it instead."""


async def render(overview: RunOverview, artifacts: Artifacts) -> str:
    """The report; every text in it is treated as hostile, and nothing in it is loaded from elsewhere.

    Artifacts that are gone are left out; whatever else `artifacts` raises passes.
    """
    album = await collect(overview, artifacts)
    film = await _film(overview, artifacts)
    style, script = _style(album), (PAGE / "player.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            overview=overview,
            specification=overview.specification,
            album=album,
            story=story,
            sentence=story.sentence(overview),
            gaps=story.gaps(overview),
            failed_checks=story.failed_checks(overview),
            findings=story.open_findings(overview),
            nothing=story.nothing(overview),
            said=said_of(overview),
            cost_tables=cost_tables(overview),
            visits=story.visits(overview),
            origin=await origin(overview, artifacts),
            panel=panel_of(overview),
            reviews=reviews_of(overview),
            changes=story.changes(overview.iterations),
            burn=burn(overview),
            film=film,
            made_at=datetime.now(UTC),
            style=style,
            style_hash=_hash(style),
            script=script,
            script_hash=_hash(script),
        )
    )


def policy_of(page: str) -> str:
    """The content policy that a report names itself, for whoever serves it: its own style and script, and no other."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found is not None, "the template has one"
    return found[1]


async def _film(overview: RunOverview, artifacts: Artifacts) -> str:
    """The film as a data URI; empty if there is none that the report can carry."""
    film = overview.film
    if film is None or film.artifact is None or film.size_bytes >= FILM_BYTES:
        return ""
    try:
        content = await artifacts.get(film.artifact)
    except KeyError:
        return ""
    return f"data:video/mp4;base64,{base64.b64encode(content).decode()}"


def _style(album: Album) -> str:
    pictures = "\n".join(
        f".{picture.name}{{background-image:url({picture.data_uri});aspect-ratio:{picture.width}/{picture.height}}}"
        for picture in album.pictures.values()
    )
    return f"{(PAGE / 'report.css').read_text(encoding='utf-8')}\n{pictures}\n"


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_presentable,
    )
    environment.filters.update(
        upper_first=_upper_first, short=_short, duration=_duration, dollars=_dollars, tokens=_tokens
    )
    return environment


def _presentable(value: object) -> object:
    """Without what no HTML may hold, and what would turn around the words beside it."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return printable(value.replace("\r\n", "\n").replace("\r", "\n"))


def _short(text: str, length: int = LONGEST) -> str:
    return cut(text, length)


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def _tokens(number: int) -> str:
    return f"{number / 1000:,.0f}k" if number >= 10_000 else f"{number:,}"
