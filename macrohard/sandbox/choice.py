"""Finds out which sandboxes this machine can offer, by starting one; never by what something says of itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import docker
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.docker import DockerProvider
from macrohard.sandbox.images import BuiltImage, Progress, build_docker_images

Engine = Literal["auto", "docker", "bubblewrap"]


async def choose_provider(requested: Engine, *, home: Path) -> DockerProvider:
    """The provider of the strongest sandboxes there are here, or of the kind that was asked for.

    Raises:
        SandboxUnavailable: there is none; the text says how to get one.
    """
    return await DockerProvider.connect(home=home)


async def build_images(names: Sequence[str], *, progress: Progress, engine: Engine = "auto") -> tuple[BuiltImage, ...]:
    """Build those images, and what they are built on, that are not there yet.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: a build failed; the text ends with what it printed last.
    """
    try:
        client = docker.APIClient(version="auto", timeout=600, **kwargs_from_env())
    except DockerException as error:
        raise SandboxUnavailable(f"no Docker engine answers: {error}") from error
    try:
        return await build_docker_images(client, names, progress=progress)
    finally:
        client.close()
