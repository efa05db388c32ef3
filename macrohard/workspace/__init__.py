"""Trusted git on the host: one bare repository per run, fed by bundles, delivered into a person's folder."""

from macrohard.workspace.delivery import leave_beside
from macrohard.workspace.repository import MAIN, CommitInfo, Repository

__all__ = ["MAIN", "CommitInfo", "Repository", "leave_beside"]
