"""From values to HTML; every text in it is taken as hostile."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.filters import do_urlencode
from starlette.responses import HTMLResponse, RedirectResponse, Response

from macrohard import __version__
from macrohard.domain import PHASES
from macrohard.domain.printable import printable
from macrohard.server.problems import Problem
from macrohard.server.standing import standing

TEMPLATES = Path(__file__).parent.parent / "templates"
STATIC = Path(__file__).parent.parent / "static"


SIGNS = {
    "met": "✓", "passing": "✓", "unmet": "✕", "stale": "↻", "not checked": "?", "not covered": "–", "to be shown": "·",
}  # fmt: skip
"""How criteria stand, for those whom colours tell nothing."""

Chosen = Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$")]
"""The project whose runs a page shows; empty: those of all that one sees."""


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """A page, or a part of one, for who asks."""
    html = (
        _environment()
        .get_template(template)
        .render(
            principal=getattr(request.state, "principal", None),
            projects=getattr(request.state, "projects", ()),
            chosen=request.query_params.get("project", ""),
            path=request.url.path,
            version=__version__,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **context,
        )
    )
    # What is shown is of one moment, and may not be for the next person at this screen.
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


async def problem_page(request: Request, problem: Problem) -> Response:
    """What went wrong, for people; the login, where a team's page needs to know who asks."""
    if problem.status == 401 and request.app.state.service.access.team and request.method == "GET":
        to = f"/login?{urlencode({'to': request.url.path})}"
        # A part of a page does not take the place of the login in that page: the whole window goes there.
        if "hx-request" in request.headers:
            return Response(headers={"HX-Redirect": "/login"})
        return RedirectResponse(to, 303)
    return page(request, "problem.html.jinja", status=problem.status, problem=problem)


def duration(seconds: float) -> str:
    """Such as "45 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def dollars(amount: float) -> str:
    """Such as "$0.02"; what is less than a cent and not nothing is said to be that."""
    if amount == 0:
        return "$0"
    return "< $0.01" if amount < 0.01 else f"${amount:,.2f}"


def count(number: float) -> str:
    """Such as "950", "12.3k", "1.5M"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + letter
    return f"{number:.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """Such as "1 task", "3 tasks"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def moment(at: datetime) -> str:
    """Such as "2026-11-22 21:05 UTC"."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def clock(at: datetime) -> str:
    """Such as "21:05:09", in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def query(values: Mapping[str, str]) -> str:
    """The part of an address from the question mark on, of what is not empty."""
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


def slug(text: str) -> str:
    """A class or an anchor of it, such as "not-run"."""
    return text.replace(" ", "-")


def naturally(texts: Iterable[str]) -> list[str]:
    """In the order that people count in: AC-5 before AC-10."""

    def key(text: str) -> list[str | int]:
        return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", text))]

    return sorted(texts, key=key)


def encoded(value: str | Mapping[str, str]) -> str:
    """As a part of an address, or as its query; of what cannot be written what can be shown of it."""
    if isinstance(value, str):
        return do_urlencode(printable(value))
    return do_urlencode({name: printable(each) for name, each in value.items()})


def ago(at: datetime) -> str:
    """Such as "5 min ago"."""
    seconds = (datetime.now(UTC) - at).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 2 * 24 * 3600:
        return f"{duration(seconds)} ago"
    return f"{seconds / 86_400:.0f} days ago"


def since(at: datetime) -> str:
    """How long ago that is, such as "12 s"."""
    return duration(max((datetime.now(UTC) - at).total_seconds(), 0.0))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: printable(value) if type(value) is str else value,
    )  # fmt: skip
    environment.filters |= {
        "urlencode": encoded,
        "duration": duration, "dollars": dollars, "count": count, "ago": ago, "since": since, "counted": counted,
        "moment": moment, "slug": slug, "clock": clock, "naturally": naturally,
    }  # fmt: skip
    environment.globals |= {"asset": asset, "PHASES": PHASES, "standing_of": standing, "SIGNS": SIGNS, "query": query}
    return environment


@cache
def asset(name: str) -> str:
    """The address of a static file, new when its content is."""
    return f"/static/{name}?{sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
