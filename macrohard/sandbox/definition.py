"""What stands in `sandboxes/<name>/`: a Dockerfile, its files, and the limits of the rooms made from it."""

import hashlib
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import yaml
from pydantic import Field, ValidationError

from macrohard import bundled
from macrohard.domain import Value
from macrohard.errors import DefinitionError
from macrohard.sandbox.contract import WORKSPACE

HOME: Final = PurePosixPath("/home/agent")
TEMPORARY: Final = PurePosixPath("/tmp")
WRITABLE: Final = (WORKSPACE, TEMPORARY, HOME)
"""The only folders that can be written; each in memory, of limited size, and gone with the sandbox."""

Mebibytes = Annotated[int, Field(gt=0, le=1 << 20)]


class Limits(Value):
    """`sandbox.yaml`: what a room made from the image may use. Nothing in it has a default."""

    purpose: Annotated[str, Field(min_length=1, max_length=120)]
    """What the image is for, in words for people."""
    parent: str
    """Another folder in `sandboxes/`, or the official image at the root of all."""
    user: Annotated[int, Field(ge=1000, lt=1 << 16)]
    """The number of the unprivileged user who runs every command."""
    memory_mib: Mebibytes
    """Of all processes together, the contents of the writable folders included."""
    cpus: Annotated[float, Field(gt=0, le=256)]
    pids: Annotated[int, Field(ge=16, le=32768)]
    """Processes and threads."""
    workspace_mib: Mebibytes
    tmp_mib: Mebibytes
    """Of `/tmp` and of the home folder, each."""
    seccomp: Annotated[str, Field(pattern=r"^[a-z]+\.seccomp\.json$")]
    """The file in `sandboxes/` that names the system calls allowed."""
    lifetime_seconds: Annotated[int, Field(gt=0, le=7 * 86400)]


class SandboxDefinition(Value):
    """One folder of `sandboxes/`, read and checked."""

    name: str
    folder: Path
    limits: Limits
    tag: str
    """Of the image, from the content of everything that goes into it."""

    def size_mib(self, folder: PurePosixPath) -> int:
        """How much a writable folder holds."""
        return self.limits.workspace_mib if folder == WORKSPACE else self.limits.tmp_mib

    @property
    def seccomp_profile(self) -> Path:
        return self.folder.parent / self.limits.seccomp

    @property
    def parent_is_ours(self) -> bool:
        return (self.folder.parent / self.limits.parent / "sandbox.yaml").is_file()

    def files(self) -> Iterator[Path]:
        """Everything in the folder that the Dockerfile can copy, in a fixed order; the Dockerfile is the first."""
        yield self.folder / "Dockerfile"
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.name not in ("Dockerfile", "sandbox.yaml"):
                yield path


def names() -> tuple[str, ...]:
    """The images there are, each after its parent."""
    root = bundled.folder("sandboxes")
    found = [load(path.parent.name) for path in sorted(root.glob("*/sandbox.yaml"))]
    return tuple(definition.name for definition in sorted(found, key=lambda each: len(lineage(each.name))))


def lineage(name: str) -> tuple[SandboxDefinition, ...]:
    """The definition of that name, after all it is built on."""
    definition = load(name)
    return (*(lineage(definition.limits.parent) if definition.parent_is_ours else ()), definition)


def load(name: str, *, _children: tuple[str, ...] = ()) -> SandboxDefinition:
    """Read one definition.

    Raises:
        DefinitionError: there is none of that name, or it is wrong.
    """
    folder = bundled.folder("sandboxes") / name
    path = folder / "sandbox.yaml"
    if not name.isidentifier() or not path.is_file():
        raise DefinitionError(path, "no such sandbox")
    if name in _children:
        raise DefinitionError(path, f"is its own parent: {' of '.join((*_children, name))}")
    try:
        content: Any = yaml.safe_load(path.read_text())
        limits = Limits.model_validate(content, strict=True)
    except (yaml.YAMLError, ValidationError) as error:
        raise DefinitionError(path, str(error)) from error
    draft = SandboxDefinition(name=name, folder=folder, limits=limits, tag="")
    if not draft.seccomp_profile.is_file():
        raise DefinitionError(path, f"seccomp: no file {draft.seccomp_profile}")
    if not (folder / "Dockerfile").is_file():
        raise DefinitionError(folder / "Dockerfile", "no such file")
    parent = load(limits.parent, _children=(*_children, name)).tag if draft.parent_is_ours else limits.parent
    digest = hashlib.sha256(f"{parent}\0{platform.machine()}\0".encode())
    for file in draft.files():
        content_digest = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_mode & 0o111:o}\0{content_digest}\0".encode())
    return draft.model_copy(update={"tag": f"macrohard/{name}:{digest.hexdigest()[:16]}"})
