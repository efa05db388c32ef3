"""What a run can begin from instead of from nothing, taken into the run's repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from macrohard.domain.provenance import Provenance
from macrohard.errors import RequestError, ToolError
from macrohard.workspace.foreign import Foreign
from macrohard.workspace.repository import Repository

LIMIT_BYTES = 256 << 20


class Existing(Protocol):
    """Something that a run can begin from."""

    @property
    def refusal(self) -> str:
        """What is said if the built-in model is asked to work on it; empty if it can."""

    async def take_in(self, repository: Repository) -> Provenance:
        """Put its files into a new repository and say what they are.

        Raises:
            RequestError: it cannot be taken; says what to do.
        """


@dataclass(frozen=True)
class ExistingRepository:
    """A person's repository, or a bundle of one."""

    place: Path
    include_changes: bool
    publish: bool

    @property
    def refusal(self) -> str:
        return (
            "--repo needs a real model: the built-in one follows rules and cannot read other people's code; "
            "name one with --model, or in the settings"
        )

    async def take_in(self, repository: Repository) -> Provenance:
        taken = await Foreign(self.place).take(include_changes=self.include_changes)
        try:
            base = await repository.fetch(taken.bundle, ref="base", limit_bytes=LIMIT_BYTES)
        except ToolError as error:
            raise RequestError(f"--repo: {self.place} cannot be taken in: {error}") from error
        notes = list(taken.notes)
        if taken.uncommitted and not self.include_changes:
            files = ", ".join(taken.uncommitted[:5]) + (" …" if taken.uncommitted[5:] else "")
            notes.append(
                f"Changes that are not committed were left where they are ({files}); --include-changes takes them."
            )
        bundle = self.place.is_file()
        return Provenance(
            kind="bundle" if bundle else "repository",
            place=str(self.place),
            branch=taken.branch,
            head=taken.head,
            base=base,
            uncommitted=taken.uncommitted,
            included=bool(taken.uncommitted) and self.include_changes,
            publish=self.publish and not bundle,
            notes=tuple(notes),
        )


@dataclass(frozen=True)
class DeliveredProduct:
    """What an earlier run of this installation delivered."""

    run: str
    repository: Path
    """The bare one of that run."""
    commit: str
    refusal: str
    notes: tuple[str, ...] = ()

    async def take_in(self, repository: Repository) -> Provenance:
        """With all its history, so that it stays to be seen who made what."""
        delivered = await (await Repository.create(self.repository)).bundle(self.commit)
        try:
            base = await repository.fetch(delivered, ref="base", limit_bytes=LIMIT_BYTES)
        except ToolError as error:
            raise RequestError(f"the product of run {self.run} cannot be taken in: {error}") from error
        return Provenance(kind="run", place=self.run, head=self.commit, base=base, notes=self.notes)
