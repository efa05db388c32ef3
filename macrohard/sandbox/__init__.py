"""Sandboxes: locked rooms in which everything that agents write is run."""

from macrohard.sandbox.bubblewrap import BubblewrapProvider
from macrohard.sandbox.choice import Diagnosis, Engine, build_images, choose_provider, diagnose, prune
from macrohard.sandbox.contract import (
    OUTPUT_LIMIT_BYTES,
    WORKSPACE,
    CommandResult,
    Process,
    Sandbox,
    SandboxProvider,
    SandboxSpec,
    Snapshot,
    SnapshotId,
    Stream,
)
from macrohard.sandbox.docker import DockerProvider
from macrohard.sandbox.images import BuiltImage, Progress
from macrohard.sandbox.prune import Pruned
from macrohard.sandbox.reaper import clearing_away

__all__ = [
    "OUTPUT_LIMIT_BYTES",
    "WORKSPACE",
    "BubblewrapProvider",
    "BuiltImage",
    "CommandResult",
    "Diagnosis",
    "DockerProvider",
    "Engine",
    "Process",
    "Progress",
    "Pruned",
    "Sandbox",
    "SandboxProvider",
    "SandboxSpec",
    "Snapshot",
    "SnapshotId",
    "Stream",
    "build_images",
    "choose_provider",
    "clearing_away",
    "diagnose",
    "prune",
]
