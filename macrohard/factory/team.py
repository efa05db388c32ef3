"""Who takes part in a run: as many as its specification needs, by fixed rules."""

from collections.abc import Sequence
from typing import Final

from macrohard.agent.panel import PANEL_SIZE
from macrohard.domain import Design, ProductKind, Specification
from macrohard.domain.team import Team
from macrohard.factory.verification import TESTER

READER_CHARACTERS: Final = 6_000
"""Requirements up to this length are given to one reader; longer ones are work for an analyst alone."""
SMALL_CRITERIA: Final[dict[ProductKind, int]] = {"web": 4, "api": 12, "cli": 12, "library": 12}
"""One strong agent alone builds an API or a command-line tool of this size without a mistake, and pages only if they
are very few: labels, layout and messages are a contract of their own."""
SMALL_SURFACE: Final = 12
"""Screens, routes and commands together."""
WORTH_A_VISIT: Final = 3
"""Routes or commands from which there is a way through them that somebody can lose, and scenarios do not see."""
PANEL_FEWEST: Final = 3
CRITERIA_FOR_ONE_MORE: Final = 20
TESTED: Final[frozenset[ProductKind]] = frozenset({"web"})
"""What the product tester walks through; of the others every command and route is a scenario."""


def is_small(specification: Specification) -> bool:
    """Whether one coder is enough, as far as the specification alone tells."""
    return len(specification.criteria) <= SMALL_CRITERIA[specification.kind]


def panel_size(specification: Specification) -> int:
    """How many simulated users a full team has: three, and one more for each so many criteria."""
    return min(PANEL_SIZE, PANEL_FEWEST + len(specification.criteria) // CRITERIA_FOR_ONE_MORE)


def team_for(
    specification: Specification, design: Design | None, *, personas: Sequence[str], used: Design | None = None
) -> Team:
    """The team for a product or a change; `design` is there only if the reader made one.

    `used` is what somebody would find a way through, if that is more than what is made.
    """
    kind, criteria, surface = specification.kind, len(specification.criteria), _surface(design)
    what = f"kind {kind}, {criteria} criteria (small is up to {SMALL_CRITERIA[kind]})"
    if design is not None and is_small(specification) and surface <= SMALL_SURFACE:
        return Team(
            size="small",
            reason=f"{what}, {surface} screens, routes and commands (small is up to {SMALL_SURFACE})",
            visitors=tuple(personas[:1]) if kind == "web" or _surface(used or design) >= WORTH_A_VISIT else (),
        )
    visitors = (*personas, TESTER) if kind in TESTED else tuple(personas)
    reason = what if design is None else f"{what}, {surface} screens, routes and commands"
    return Team(size="full", reason=reason, visitors=visitors)


def _surface(design: Design | None) -> int:
    return len(design.screens) + len(design.routes) + len(design.commands) if design else 0
