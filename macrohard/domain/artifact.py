"""Content-addressed blobs: screenshots, logs, documents, bundles."""

from typing import Protocol

from macrohard.domain.value import Value


class Picture(Value):
    """An image that is kept as an artifact, small enough for a model to look at."""

    artifact: str
    media_type: str
    width: int
    height: int
    """In pixels."""


class Artifacts(Protocol):
    """Where blobs are kept for good; putting the same bytes twice keeps one copy."""

    async def put(self, content: bytes, *, media_type: str) -> str:
        """Keep `content` and give its digest, 64 hexadecimal digits of SHA-256."""

    async def get(self, digest: str) -> bytes:
        """The content of that digest; KeyError if there is none."""
