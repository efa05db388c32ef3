"""Who of the simulated users visits a run's product: drawn by its kind, and the same in every iteration."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from macrohard.agent.definition import Persona
from macrohard.domain import ProductKind

PANEL_SIZE = 6
SIMULATED_USERS: Final[Mapping[ProductKind, str]] = {
    "web": "simulated-user",
    "api": "simulated-developer",
    "cli": "simulated-developer",
    "library": "simulated-developer",
}
"""Which agent plays them."""


def drawn_panel(
    personas: Mapping[str, Persona], *, kind: ProductKind, seed: str, size: int = PANEL_SIZE, wanted: str = ""
) -> tuple[str, ...]:
    """The names of at most `size` personas that fit this kind of product, in the order of their visits.

    First those marked as core, and one of those who cover the same thing; then those whom `wanted`, the words of a
    specification, asks for; then others. All by lot, where there is a choice: `seed` decides, so that the same run, or
    two versions of one product, meet the same people. Whoever is added to the catalogue moves nobody else's lot.
    """
    fitting = sorted((each for each in personas.values() if kind in each.kinds), key=lambda each: each.name)
    lots = sorted(fitting, key=lambda each: sha256(f"{seed}\0{each.name}".encode()).digest())
    first = {each.covers: each.name for each in reversed(lots) if each.covers is not None}
    always = [
        *(each.name for each in fitting if each.core),
        *(name for _, name in sorted(first.items())),
    ]
    asked = [each.name for each in lots if _asked_for(each, wanted)]
    return tuple(dict.fromkeys([*always, *asked, *(each.name for each in lots)]))[:size]


def _asked_for(persona: Persona, wanted: str) -> bool:
    return any(re.search(rf"\b{re.escape(word)}", wanted, re.IGNORECASE) for word in persona.asked_by)
