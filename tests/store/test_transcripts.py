"""Transcripts are written once, kept in order, and cost what is said in them."""

from pathlib import Path

import pytest

from macrohard.domain import JsonObject
from macrohard.errors import LeaseLost
from macrohard.store import Store


async def test_messages_come_back_in_order(store: Store) -> None:
    said: list[JsonObject] = [
        {"role": "user", "content": f"{number} \0 \ud83d ü 𝄞", "tool_calls": None} for number in range(30)
    ]
    numbers = [await store.transcripts.append("r-1/1/implement/T-1", message, usage=None) for message in said]
    assert numbers == list(range(30))
    assert await store.transcripts.load("r-1/1/implement/T-1") == said
    assert await store.transcripts.load("r-1/1/implement/T-2") == []


async def test_another_process_goes_on_behind_the_last_message(store: Store, url: str, tmp_path: Path) -> None:
    await store.transcripts.append("s", {"n": 0}, usage={"input_tokens": 3})
    async with await Store.open(url, home=tmp_path / "home") as other:
        assert await other.transcripts.append("s", {"n": 1}) == 1
        with pytest.raises(LeaseLost):
            await store.transcripts.append("s", {"n": "late"})
        assert await other.transcripts.load("s") == [{"n": 0}, {"n": 1}]


async def test_the_size_grows_with_what_is_said(tmp_path: Path) -> None:
    async def size_after(messages: int) -> int:
        home = tmp_path / str(messages)
        async with await Store.open(None, home=home) as store:
            for number in range(messages):
                await store.transcripts.append("s", {"role": "tool", "content": f"{number:04}" * 500})
        return sum(file.stat().st_size for file in home.rglob("*") if file.is_file())

    empty, some, many = [await size_after(count) for count in (0, 100, 400)]
    assert (many - empty) < 4.5 * (some - empty)
