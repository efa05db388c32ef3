"""Sandboxes: locked rooms in which everything that agents write is run."""

from macrohard.sandbox.bubblewrap import BubblewrapProvider
from macrohard.sandbox.choice import Engine, build_images, choose_provider, diagnose, prune
from macrohard.sandbox.contract import (
    LIBRARIES,
    OUTPUT_LIMIT_BYTES,
    WORKSPACE,
    Command,
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
from macrohard.sandbox.listing import ListedImage, list_images
from macrohard.sandbox.prune import Pruned
from macrohard.sandbox.reaper import clearing_away
from macrohard.sandbox.transfer import Transferred, load_images, save_images

__all__ = [
    "LIBRARIES",
    "OUTPUT_LIMIT_BYTES",
    "WORKSPACE",
    "BubblewrapProvider",
    "BuiltImage",
    "Command",
    "CommandResult",
    "DockerProvider",
    "Engine",
    "ListedImage",
    "Process",
    "Progress",
    "Pruned",
    "Sandbox",
    "SandboxProvider",
    "SandboxSpec",
    "Snapshot",
    "SnapshotId",
    "Stream",
    "Transferred",
    "build_images",
    "choose_provider",
    "clearing_away",
    "diagnose",
    "list_images",
    "load_images",
    "prune",
    "save_images",
]
