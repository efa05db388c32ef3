"""Who of the simulated users visits a run's product: drawn by its kind, and the same in every iteration."""

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
    personas: Mapping[str, Persona], *, kind: ProductKind, seed: str, size: int = PANEL_SIZE
) -> tuple[str, ...]:
    """The names of at most `size` personas that fit this kind of product, in the order of their visits.

    Those marked as core come first, the others by lot: `seed` decides, so that the same run, or two versions of one
    product, meet the same people. Whoever is added to the catalogue moves nobody else's lot.
    """
    fitting = sorted((each for each in personas.values() if kind in each.kinds), key=lambda each: each.name)
    core = [each.name for each in fitting if each.core]
    others = [each.name for each in fitting if not each.core]
    others.sort(key=lambda name: sha256(f"{seed}\0{name}".encode()).digest())
    return tuple([*core, *others][:size])
