"""Trusted git on the host: one bare repository per run, fed by bundles, delivered into a person's folder."""

from macrohard.workspace.delivery import leave_beside
from macrohard.workspace.existing import DeliveredProduct, Existing, ExistingRepository
from macrohard.workspace.foreign import Foreign, Taken, WrittenBack, branch_name
from macrohard.workspace.publication import Publication
from macrohard.workspace.repository import MAIN, CommitInfo, Repository

__all__ = [
    "MAIN",
    "CommitInfo",
    "DeliveredProduct",
    "Existing",
    "ExistingRepository",
    "Foreign",
    "Publication",
    "Repository",
    "Taken",
    "WrittenBack",
    "branch_name",
    "leave_beside",
]
