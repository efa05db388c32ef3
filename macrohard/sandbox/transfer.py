"""Takes images to machines without a network, in one file that is checked before anything of it is used."""

import asyncio
import json
import os
import posixpath
import tarfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final

from macrohard.domain import Value
from macrohard.errors import RequestError
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.images import Progress, wanted

CHUNK_BYTES: Final = 1 << 20
LIST_LIMIT_BYTES: Final = 4 << 20
PROGRESS_SECONDS: Final = 2.0
NAMES: Final = ("manifest.json", "repositories", "index.json")
"""The entries of an engine's file that give images their names, one for each generation of engines."""
ANNOTATIONS: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


class Transferred(Value):
    """What was written to a file, or came out of one."""

    path: Path
    size_bytes: int
    tags: tuple[str, ...]


async def save_images(names: Sequence[str], target: Path, *, progress: Progress) -> Transferred:
    """Write images of the Docker engine to a new file, with what they are built on; what they share is in it once.

    The file gets its name when it is complete, so one of that name is never half a file.

    Raises:
        DefinitionError: there is no image of that name.
        RequestError: one is not built, the file is there already, or it cannot be written.
        SandboxUnavailable: the engine does not answer.
    """
    tags = tuple(definition.tag for definition in wanted(names))
    async with _connected() as broker:
        return await _save(broker, tags, target, progress)


async def _save(broker: Broker, tags: tuple[str, ...], target: Path, progress: Progress) -> Transferred:
    if missing := [tag for tag in tags if await broker.image(tag) is None]:
        raise RequestError(f"not built: {', '.join(missing)}. First: macrohard sandboxes build")
    if await asyncio.to_thread(os.path.lexists, target):
        raise RequestError(f"{target} is there already; name a new file")
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    report, stopped = _progress("saved", progress), threading.Event()
    try:
        with partial.open("xb") as file:

            def write(chunk: bytes) -> None:
                if stopped.is_set():
                    raise RequestError("interrupted")
                try:
                    file.write(chunk)
                except OSError as error:
                    raise RequestError(f"cannot write {target}: {error.strerror}") from error
                report(len(chunk))

            await broker.save(tags, write)
            await asyncio.to_thread(os.fsync, file.fileno())
            size = file.tell()
        partial.rename(target)
    except OSError as error:
        raise RequestError(f"cannot write {target}: {error.strerror}") from error
    finally:
        stopped.set()
        partial.unlink(missing_ok=True)
    return Transferred(path=target, size_bytes=size, tags=tags)


async def load_images(source: Path, *, progress: Progress) -> Transferred:
    """Load what `save_images` wrote, if it names images of this installation's definitions and nothing else.

    Raises:
        DefinitionError: a definition is wrong, so that it is not known what is expected.
        RequestError: the file cannot be read, is no such file, or names anything else.
        SandboxUnavailable: the engine does not answer, or refuses the file.
    """
    expected = {definitions.load(name).tag for name in definitions.names()}
    try:
        with source.open("rb") as file:
            tags = await asyncio.to_thread(names_in, file)
            if strange := sorted(tags - expected):
                raise RequestError(
                    f"{source} was not loaded, because it names {', '.join(map(repr, strange[:5]))}, which no "
                    "definition of this Macrohard has. Save the images with the version that is to load them."
                )
            file.seek(0)
            report = _progress("loaded", progress)
            async with _connected() as broker:
                loaded = await broker.load(_read(file, report))
            size = file.tell()
    except (OSError, tarfile.TarError) as error:
        raise RequestError(f"{source} is not a file of images: {error}") from error
    if others := sorted(set(loaded) - tags):
        raise RequestError(f"{source} changed while it was read: it brought {', '.join(map(repr, others))} as well")
    return Transferred(path=source, size_bytes=size, tags=tuple(sorted(tags)))


@asynccontextmanager
async def _connected() -> AsyncIterator[Broker]:
    broker = await Broker.connect()
    try:
        yield broker
    finally:
        await broker.close()


def names_in(file: IO[bytes]) -> set[str]:
    """Every name that an engine of any generation would give to an image in its file.

    Raises:
        RequestError: it names none, or what it says can be read in more than one way.
        tarfile.TarError: it is not a tar file.
    """
    found: dict[str, Any] = {}
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            path = posixpath.normpath(member.name)
            if path.startswith(("/", "..")):
                raise RequestError(f"the file leaves its folder: {member.name!r}")
            if path not in NAMES:
                continue
            content = archive.extractfile(member) if member.isreg() and member.size <= LIST_LIMIT_BYTES else None
            if content is None or path in found:
                raise RequestError(f"the file has no clear {path}")
            try:
                found[path] = json.loads(content.read())
            except (ValueError, RecursionError) as error:
                raise RequestError(f"the file has no clear {path}") from error
    try:
        tags = set(_names(found))
    except (TypeError, AttributeError, KeyError) as error:
        raise RequestError("the file says its images' names in no way that is known") from error
    if not tags:
        raise RequestError("the file names no image")
    return tags


def _names(found: dict[str, Any]) -> Iterator[str]:
    for image in found.get("manifest.json", ()):
        yield from (str(tag) for tag in image["RepoTags"] or ())
    for repository, versions in found.get("repositories", {}).items():
        yield from (f"{repository}:{version}" for version in versions)
    for manifest in found.get("index.json", {}).get("manifests", ()):
        full, short = (manifest.get("annotations", {}).get(name) for name in ANNOTATIONS)
        # The short one is a version without a repository, wherever there is a full one.
        if full or short:
            yield str(full or short).removeprefix("docker.io/")


def _read(file: IO[bytes], report: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        report(len(chunk))
        yield chunk


def _progress(done: str, tell: Progress) -> Callable[[int], None]:
    """Counts bytes, and says now and then how many; called from the engine's threads."""
    loop = asyncio.get_running_loop()
    total, told = 0, time.monotonic()

    def report(size: int) -> None:
        nonlocal total, told
        total += size
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            loop.call_soon_threadsafe(tell, f"{done} {total / 1e6:.0f} MB")

    return report
