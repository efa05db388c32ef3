"""Puts the parts together: settings in, a factory out that takes requirements and gives products."""

from macrohard.assembly.comparing import PLACE, compare, guidance
from macrohard.assembly.factory import Factory, Trial, commit_of, open_factory
from macrohard.assembly.installation import Installation, Probe, catalogue, prune_sandboxes
from macrohard.assembly.notices import assumed_windows
from macrohard.assembly.worker import Worker

__all__ = [
    "PLACE",
    "Factory",
    "Installation",
    "Probe",
    "Trial",
    "Worker",
    "assumed_windows",
    "catalogue",
    "commit_of",
    "compare",
    "guidance",
    "open_factory",
    "prune_sandboxes",
]
