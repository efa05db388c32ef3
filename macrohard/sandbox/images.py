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
from typing import Any, Final

import docker
from docker.errors import DockerException, ImageNotFound
from docker.utils import kwargs_from_env

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import debian, host
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.definition import SandboxDefinition

Progress = Callable[[str], None]
"""Told in lines for people what a build is doing."""

PULL_SILENCE_SECONDS: Final = 20
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


async def build_docker_images(
    engine: docker.APIClient, names: Sequence[str], *, progress: Progress
) -> tuple[BuiltImage, ...]:
    """Build with a Docker engine what is not there yet.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: a build failed; the text ends with what it printed last.
    """
    built = []
    for definition in wanted(names):
        started = time.monotonic()
        found = await asyncio.to_thread(_inspect, engine, definition.tag)
        cached = found is not None
        if found is None:
            async with one_at_a_time(progress):
                found = await asyncio.to_thread(_inspect, engine, definition.tag)
                if found is None:
                    await _build(engine, definition, progress)
                    found = await asyncio.to_thread(_inspect, engine, definition.tag)
        assert found is not None
        built.append(
            BuiltImage(
                name=definition.name,
                tag=definition.tag,
                seconds=round(time.monotonic() - started, 3),
                size_bytes=found["Size"],
                cached=cached,
            )
        )
    return tuple(built)


def _inspect(engine: docker.APIClient, tag: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = engine.inspect_image(tag)  # type: ignore[no-untyped-call]  # a gap in its stubs
    except ImageNotFound:
        return None
    return found


async def _build(engine: docker.APIClient, definition: SandboxDefinition, progress: Progress) -> None:
    parent = definition.limits.parent
    if definition.parent_is_ours:
        parent = definitions.load(parent).tag
    else:
        parent = await _root_image(engine, parent, progress)
    context = _context(definition, {} if definition.parent_is_ours else await host.build_files())
    arguments = {"PARENT": parent, **await host.build_arguments()}
    loop = asyncio.get_running_loop()

    def tell(line: str) -> None:
        loop.call_soon_threadsafe(progress, f"{definition.name}: {line}")

    await asyncio.to_thread(_run_build, engine, definition.tag, context, arguments, tell)


def _run_build(
    engine: docker.APIClient, tag: str, context: bytes, arguments: dict[str, str], tell: Callable[[str], None]
) -> None:
    printed: list[str] = []
    try:
        messages = engine.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=tag,
            buildargs=arguments,
            rm=True,
            forcerm=True,
            network_mode="host",
            decode=True,
        )
        for message in messages:
            if "error" in message:
                raise SandboxUnavailable(f"building {tag} failed: {message['error']}\n{''.join(printed)[-2000:]}")
            text = message.get("stream", "")
            printed = [*printed[-40:], text]
            for line in text.splitlines():
                if line.strip():
                    tell(line.rstrip())
    except DockerException as error:
        raise SandboxUnavailable(f"building {tag} failed: {error}") from error


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


async def _root_image(engine: docker.APIClient, official: str, progress: Progress) -> str:
    """The image to start from: the official one if it can be had, else our own of the same system."""
    for tag in (official, OUR_DEBIAN):
        if await asyncio.to_thread(_inspect, engine, tag):
            return tag
    progress(f"pulling {official}")
    try:
        await asyncio.to_thread(_pull, engine, official)
    except (DockerException, OSError) as error:
        progress(f"{official} cannot be pulled ({error}); making a base with mmdebstrap instead")
    else:
        return official
    async with debian.tarball() as path:
        repository, _, version = OUR_DEBIAN.partition(":")
        await asyncio.to_thread(engine.import_image_from_file, str(path), repository=repository, tag=version)
    return OUR_DEBIAN


def _pull(engine: docker.APIClient, image: str) -> None:
    repository, _, version = image.partition(":")
    # A client of its own, because this silence is shorter than that of other requests.
    puller = docker.APIClient(version="auto", timeout=PULL_SILENCE_SECONDS, **kwargs_from_env())
    try:
        for message in puller.pull(repository, tag=version, stream=True, decode=True):
            if "error" in message:
                raise DockerException(message["error"])
    finally:
        puller.close()
