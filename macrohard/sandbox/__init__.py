"""Sandboxes: locked rooms in which everything that agents write is run."""

from macrohard.sandbox.choice import Engine, build_images, choose_provider
from macrohard.sandbox.contract import (
    OUTPUT_LIMIT_BYTES,
    WORKSPACE,
    CommandResult,
    Process,
    Sandbox,
    SandboxProvider,
    SandboxSpec,
    Stream,
    Tier,
)
from macrohard.sandbox.docker import DockerProvider
from macrohard.sandbox.images import BuiltImage, Progress

__all__ = [
    "OUTPUT_LIMIT_BYTES",
    "WORKSPACE",
    "BuiltImage",
    "CommandResult",
    "DockerProvider",
    "Engine",
    "Process",
    "Progress",
    "Sandbox",
    "SandboxProvider",
    "SandboxSpec",
    "Stream",
    "Tier",
    "build_images",
    "choose_provider",
]
