"""What `macrohard open` says, and what it is given."""

import re
import shlex
from collections.abc import Mapping, Sequence

from macrohard.domain import Design
from macrohard.domain.environment import checked_environment
from macrohard.errors import RequestError
from macrohard.product import Preview


def environment_of(assignments: Sequence[str]) -> dict[str, str]:
    """What NAME=VALUE, given several times, means.

    Raises:
        RequestError: one is no such thing, or a product cannot be started with it.
    """
    pairs = [each.partition("=") for each in assignments]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise RequestError(f"--env {wrong[0]!r}: write NAME=VALUE")
    try:
        return checked_environment({name: value for name, _, value in pairs})
    except ValueError as error:
        raise RequestError(f"--env: {error}") from error


def ways_to_try(opened: Preview, design: Design | None, given: Mapping[str, str]) -> tuple[str, ...]:
    """Lines about a product that runs now; of what was `given` for this time only the names, for they may be secret."""
    lines = []
    agreed = design.environment if design else {}
    started = [f"{name}={shlex.quote(value)}" for name, value in agreed.items() if name not in given]
    started += [f"{name} as you gave it" for name in given]
    if opened.kind == "api":
        lines.append(f"health:  {_at(opened, opened.health)}")
        lines += [f"about:   {_at(opened, path)}" for path in opened.documents[:2]]
        lines.append(f"try:     curl -i {shlex.quote(_at(opened, _first_path(opened, design)))}")
    if started:
        lines.append(f"started with {', '.join(started)}")
    return tuple(lines)


def _at(opened: Preview, path: str) -> str:
    return opened.address.removesuffix("/") + path


def _first_path(opened: Preview, design: Design | None) -> str:
    """The first that can be asked for as it stands, and says more than that the service is there."""
    dull = {opened.health, *opened.documents}
    paths = [
        route.path
        for route in (design.routes if design else ())
        if route.method.upper() == "GET" and not re.search(r"[{<:]", route.path)
    ]
    return next((path for path in paths if path not in dull), (*opened.documents, opened.health)[0])
