"""Puts the parts together: settings in, a factory out that takes requirements and gives products."""

from macrohard.assembly.factory import Factory, Trial, open_factory
from macrohard.assembly.installation import Installation, Probe, catalogue, prune_sandboxes
from macrohard.assembly.notices import assumed_windows

__all__ = [
    "Factory",
    "Installation",
    "Probe",
    "Trial",
    "assumed_windows",
    "catalogue",
    "open_factory",
    "prune_sandboxes",
]
