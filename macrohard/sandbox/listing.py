"""Shows every image there is here, of whatever engine and version, and what it is for."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import OURS, Broker
from macrohard.sandbox.images import Progress
from macrohard.sandbox.rootfs import folders, is_shown, read


class ListedImage(Value):
    """An image that was made, or that a definition has and nobody has made yet."""

    name: str
    tag: str
    engine: Literal["docker", "bubblewrap"] | None
    """None: it is not built."""
    size_bytes: int
    """With all it is built on; what images share is counted in each."""
    built: AwareDatetime | None
    in_use: bool
    """Whether a sandbox is made from it right now."""
    current: bool
    """Whether a definition of this version has it; the others go with `prune`."""
    purpose: str


async def list_images(*, progress: Progress) -> tuple[ListedImage, ...]:
    """What engines hold and what definitions have, parents before their children.

    Raises:
        DefinitionError: a definition is wrong.
        SandboxUnavailable: the engine stopped answering.
    """
    known = {name: definitions.load(name) for name in definitions.names()}
    found = [*_of_bubblewrap(), *await _of_docker(progress)]
    listed = [
        image.model_copy(
            update={
                "current": image.name in known and known[image.name].tag == image.tag,
                "purpose": known[image.name].limits.purpose if image.name in known else "",
            }
        )
        for image in found
    ]
    there = {image.tag for image in listed}
    listed += [
        ListedImage(
            name=name,
            tag=definition.tag,
            engine=None,
            size_bytes=0,
            built=None,
            in_use=False,
            current=True,
            purpose=definition.limits.purpose,
        )
        for name, definition in known.items()
        if definition.tag not in there
    ]
    order = list(known)
    return tuple(
        sorted(
            listed, key=lambda each: (order.index(each.name) if each.name in known else len(order), not each.current)
        )
    )


async def _of_docker(progress: Progress) -> list[ListedImage]:
    try:
        broker = await Broker.connect()
    except SandboxUnavailable as error:
        progress(f"images of Docker are not shown: {error}")
        return []
    try:
        used = await broker.used()
        return [
            _listed(
                stored.tag, engine="docker", size=stored.size_bytes, built=stored.created, in_use=stored.tag in used
            )
            for stored in await broker.images()
            if OURS.fullmatch(stored.tag)
        ]
    finally:
        await broker.close()


def _of_bubblewrap() -> list[ListedImage]:
    listed = []
    for folder in folders():
        tag = "/".join(folder.name.split("-", 1))
        tag = ":".join(tag.rsplit("-", 1))
        made = read(folder)
        if made is None or not OURS.fullmatch(tag):
            continue
        listed.append(
            _listed(tag, engine="bubblewrap", size=made.size_bytes, built=_changed(folder), in_use=is_shown(folder))
        )
    return listed


def _changed(folder: Path) -> datetime:
    return datetime.fromtimestamp((folder / "rootfs.json").stat().st_mtime, UTC)


def _listed(
    tag: str, *, engine: Literal["docker", "bubblewrap"], size: int, built: datetime, in_use: bool
) -> ListedImage:
    return ListedImage(
        name=tag.removeprefix("macrohard/").partition(":")[0],
        tag=tag,
        engine=engine,
        size_bytes=size,
        built=built,
        in_use=in_use,
        current=False,
        purpose="",
    )
