"""How strongly what agents write is shut in."""

from typing import Final, Literal, get_args

Tier = Literal["microvm", "gvisor", "runc+userns", "runc", "bubblewrap"]
"""How strong the isolation of a sandbox is, strongest first. Recorded with every run."""

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)


def at_least(tier: Tier, required: Tier) -> bool:
    """Whether sandboxes of this tier are as strong as required, or stronger."""
    return TIERS.index(tier) <= TIERS.index(required)
