"""Removes what nobody needs any more: images made for definitions that have changed since, and old snapshots."""

import asyncio
import re
import shutil
from pathlib import Path
from typing import Final

from macrohard.domain import Value
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.images import Progress, one_at_a_time
from macrohard.sandbox.rootfs import folders, is_shown, size_bytes
from macrohard.sandbox.snapshots import Snapshots

OURS: Final = re.compile(r"macrohard[/-]\w+[:-][0-9a-f]{16}")


class Pruned(Value):
    """One image that no definition of this installation needs any more, or a snapshot that nobody used for long."""

    name: str
    """Of the image or the snapshot, or the path of the folder."""
    size_bytes: int
    """With what it is built on; what others are built on too stays."""
    removed: bool
    """False if a sandbox is made from it."""


def prune_snapshots(home: Path) -> tuple[Pruned, ...]:
    """Remove this installation's snapshots that nobody used for a day, and what is left of broken off ones."""
    return tuple(
        Pruned(name=f"snapshot {name[:16]}", size_bytes=size, removed=True) for name, size in Snapshots.of(home).prune()
    )


async def prune_images(broker: Broker) -> tuple[Pruned, ...]:
    """Remove the engine's images that are named after a content which no definition has.

    Raises:
        DefinitionError: a definition is wrong, so that it is not known what is needed.
        SandboxUnavailable: the engine does not answer.
    """
    needed = {definitions.load(name).tag for name in definitions.names()}
    return tuple(
        [
            Pruned(name=stored.tag, size_bytes=stored.size_bytes, removed=await broker.remove_image(stored.tag))
            for stored in await broker.images()
            if OURS.fullmatch(stored.tag) and stored.tag not in needed
        ]
    )


async def prune_folders(*, progress: Progress) -> tuple[Pruned, ...]:
    """Remove the folders made for bubblewrap that are named after a content which no definition has.

    Raises:
        DefinitionError: a definition is wrong, so that it is not known what is needed.
    """
    needed = {definitions.load(name).tag.replace("/", "-").replace(":", "-") for name in definitions.names()}
    async with one_at_a_time(progress):
        return tuple(
            [
                await asyncio.to_thread(_remove, folder)
                for folder in folders()
                if OURS.fullmatch(folder.name) and folder.name not in needed
            ]
        )


def _remove(folder: Path) -> Pruned:
    size = size_bytes(folder)
    used = is_shown(folder)
    if not used:
        shutil.rmtree(folder)
    return Pruned(name=str(folder), size_bytes=size, removed=not used)
