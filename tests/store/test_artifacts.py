"""Blobs are found again by their content."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from macrohard.domain import Artifacts
from macrohard.errors import StoreUnavailable
from macrohard.store import Store


async def test_what_is_put_can_be_got(store: Store) -> None:
    artifacts: Artifacts = store.artifacts
    for content in (b"", b"picture", bytes(range(256)) * 10_000):
        digest = await artifacts.put(content, media_type="image/png")
        assert digest == hashlib.sha256(content).hexdigest()
        assert await artifacts.get(digest) == content
        assert await store.artifacts.media_type(digest) == "image/png"
        assert await store.artifacts.media_types({digest, "0" * 64}) == {digest: "image/png"}


async def test_the_same_bytes_are_kept_once(store: Store, tmp_path: Path) -> None:
    digests = await asyncio.gather(*(store.artifacts.put(b"same", media_type=f"text/{n}") for n in range(10)))
    assert len(set(digests)) == 1
    files = [file for file in (tmp_path / "home" / "artifacts").rglob("*") if file.is_file()]
    assert [file.parent.name + file.name for file in files] == [digests[0]]


@pytest.mark.parametrize("digest", ["0" * 64, "", "../../macrohard.db", "A" * 64, "0" * 63 + "\n"])
async def test_what_is_not_there(store: Store, digest: str) -> None:
    with pytest.raises(KeyError):
        await store.artifacts.get(digest)
    with pytest.raises(KeyError):
        await store.artifacts.media_type(digest)


async def test_a_damaged_file_is_not_taken_for_the_content_and_mended_by_putting_it_again(
    store: Store, tmp_path: Path
) -> None:
    digest = await store.artifacts.put(b"picture", media_type="image/png")
    (tmp_path / "home" / "artifacts" / digest[:2] / digest[2:]).write_bytes(b"pic")
    with pytest.raises(KeyError):
        await store.artifacts.get(digest)
    await store.artifacts.put(b"picture", media_type="image/png")
    assert await store.artifacts.get(digest) == b"picture"


async def test_a_folder_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "home" / "artifacts").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="artifacts cannot be kept"):
        await store.artifacts.put(b"picture", media_type="image/png")
