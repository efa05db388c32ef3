"""Blobs as files named by their content, indexed in the database."""

import asyncio
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import JsonObject
from macrohard.errors import StoreUnavailable
from macrohard.store.database import Database
from macrohard.store.tables import ArtifactRow, ArtifactUseRow, RunRow

_DIGEST = re.compile("[0-9a-f]{64}")


class ArtifactStore:
    """`macrohard.domain.Artifacts` in a folder: `aa/bb…` holds the content whose SHA-256 is `aabb…`."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    async def put(self, content: bytes, *, media_type: str) -> str:
        """Keep `content` and give its digest, 64 hexadecimal digits of SHA-256.

        The media type that was told first for some content is kept.

        Raises:
            StoreUnavailable: the disk is full, or the folder cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        try:
            await asyncio.to_thread(self._write, digest, content)
        except OSError as error:
            raise StoreUnavailable(
                f"artifacts cannot be kept in {self._folder} ({error.strerror}); free or mend the disk, then resume"
            ) from error
        values = {"digest": digest, "media_type": media_type, "size": len(content), "created_at": datetime.now(UTC)}
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        async with self._database.write() as session:
            await session.execute(insert(ArtifactRow).values(values).on_conflict_do_nothing())
        return digest

    async def get(self, digest: str) -> bytes:
        """The content of that digest; KeyError if there is none, or not any more what it was."""
        try:
            content = await asyncio.to_thread(self._path(digest).read_bytes)
        except FileNotFoundError as error:
            raise KeyError(digest) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise KeyError(digest)
        return content

    def path(self, digest: str) -> Path:
        """Where the content lies; KeyError if there is none."""
        path = self._path(digest)
        if not path.is_file():
            raise KeyError(digest)
        return path

    async def media_type(self, digest: str) -> str:
        """What kind of content it is; KeyError if there is none of that digest."""
        return (await self.media_types([digest]))[digest]

    async def media_types(self, digests: Collection[str]) -> dict[str, str]:
        """What kind of content each is; without those that there are not."""
        wanted = select(ArtifactRow.digest, ArtifactRow.media_type).where(ArtifactRow.digest.in_(digests))
        async with self._database.read() as session:
            return {row.digest: row.media_type for row in await session.execute(wanted)}

    async def is_within(self, digest: str, projects: Collection[str]) -> bool:
        """Whether a run of these projects names it."""
        named = (
            select(ArtifactUseRow.run_id)
            .join(RunRow, RunRow.id == ArtifactUseRow.run_id)
            .where(ArtifactUseRow.digest == digest, RunRow.project.in_(projects))
            .limit(1)
        )
        async with self._database.read() as session:
            return await session.scalar(named) is not None

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise KeyError(digest)
        return self._folder / digest[:2] / digest[2:]

    def _write(self, digest: str, content: bytes) -> None:
        path = self._path(digest)
        # A file of another size is what a power cut left of it; it is written anew.
        if path.exists() and path.stat().st_size == len(content):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


async def note_uses(session: AsyncSession, run_id: str, bodies: Iterable[JsonObject]) -> None:
    """Keep, in the caller's transaction, which artifacts a run's facts and words name."""
    named = set[str]()
    for body in bodies:
        _collect(body, named)
    if not named:
        return
    rows = select(ArtifactRow.digest, literal(run_id)).where(ArtifactRow.digest.in_(named))
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    # Said again by another session of the run at the same moment, it is there already.
    noted = insert(ArtifactUseRow).from_select(["digest", "run_id"], rows).on_conflict_do_nothing()
    await session.execute(noted)


def _collect(value: object, named: set[str]) -> None:
    if isinstance(value, str):
        if len(value) == 64 and _DIGEST.fullmatch(value):
            named.add(value)
    elif isinstance(value, dict):
        for each in value.values():
            _collect(each, named)
    elif isinstance(value, list | tuple):
        for each in value:
            _collect(each, named)
