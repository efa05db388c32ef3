"""Builds the images of the sandboxes, each once per content."""

import asyncio
import fcntl
import io
import os
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import debian, host
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.definition import SandboxDefinition

Progress = Callable[[str], None]
"""Told in lines for people what a build is doing."""

OUR_DEBIAN: Final = "macrohard/debian:bookworm"


class BuiltImage(Value):
    """An image that is there now."""

    name: str
    tag: str
    seconds: float
    size_bytes: int
    cached: bool
    """Whether it was there already."""


def cache_folder() -> Path:
    """Where what can be made again is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "macrohard"


def wanted(names: Sequence[str]) -> tuple[SandboxDefinition, ...]:
    """The definitions of that name with all they are built on, parents first.

    Raises:
        DefinitionError: one is missing or wrong.
    """
    found = {each.name: each for name in names for each in definitions.lineage(name)}
    return tuple(found.values())


@asynccontextmanager
async def one_at_a_time(progress: Progress) -> AsyncIterator[None]:
    """Keep other processes of this user from building the same at the same time."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("another process is building sandbox images: waiting for it")
                told = True
                await asyncio.sleep(0.5)
        yield


async def build_docker_images(broker: Broker, names: Sequence[str], *, progress: Progress) -> tuple[BuiltImage, ...]:
    """Build with a Docker engine what is not there yet.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: a build failed; the text ends with what it printed last.
    """
    built = []
    for definition in wanted(names):
        started = time.monotonic()
        found = await broker.image(definition.tag)
        cached = found is not None
        if found is None:
            async with one_at_a_time(progress):
                found = await broker.image(definition.tag)
                if found is None:
                    await _build(broker, definition, progress)
                    found = await broker.image(definition.tag)
        assert found is not None
        built.append(
            BuiltImage(
                name=definition.name,
                tag=definition.tag,
                seconds=round(time.monotonic() - started, 3),
                size_bytes=found.size_bytes,
                cached=cached,
            )
        )
    return tuple(built)


async def _build(broker: Broker, definition: SandboxDefinition, progress: Progress) -> None:
    parent = definition.limits.parent
    if definition.parent_is_ours:
        parent = definitions.load(parent).tag
    else:
        parent = await _root_image(broker, parent, progress)
    await broker.build(
        definition.tag,
        context=_context(definition, {} if definition.parent_is_ours else await host.build_files()),
        arguments={"PARENT": parent, **await host.build_arguments()},
        tell=lambda line: progress(f"{definition.name}: {line}"),
    )


def context_files(definition: SandboxDefinition, host_files: dict[str, bytes]) -> dict[str, tuple[bytes, int]]:
    """What a Dockerfile can copy: by path the content and the bits that make it executable."""
    files = {
        str(path.relative_to(definition.folder)): (path.read_bytes(), path.stat().st_mode & 0o111)
        for path in definition.files()
    }
    return files | {f"host/{name}": (content, 0) for name, content in host_files.items()}


def _context(definition: SandboxDefinition, host_files: dict[str, bytes]) -> bytes:
    """The tar file that a build starts from."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        if not definition.parent_is_ours:
            # There even where the host has nothing to add.
            folder = tarfile.TarInfo("host")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, (content, executable) in context_files(definition, host_files).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644 | executable
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


async def _root_image(broker: Broker, official: str, progress: Progress) -> str:
    """The image to start from: the official one if it can be had, else our own of the same system."""
    for tag in (official, OUR_DEBIAN):
        if await broker.image(tag):
            return tag
    progress(f"pulling {official}")
    try:
        await broker.pull(official)
    except SandboxUnavailable as error:
        progress(f"{error} Making a base with mmdebstrap instead")
    else:
        return official
    async with debian.tarball() as path:
        await broker.import_root(path, tag=OUR_DEBIAN)
    return OUR_DEBIAN
