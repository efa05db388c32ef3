"""Previews that end at the same time, or by a mistake of ours; what runs is no product here."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.errors import NotFound
from macrohard.server.previews import Previews
from macrohard.settings import load_settings
from tests.server.test_products import made


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path), sandbox="auto") as factory:
        yield factory


async def test_all_end_with_the_service_also_when_one_ends_while_another_is_being_ended(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = await made(factory)
    ended: list[int | None] = []

    async with Previews(factory) as previews:

        @asynccontextmanager
        async def opened(_: str, *, iteration: int | None, **__: Any) -> AsyncIterator[SimpleNamespace]:
            try:
                yield SimpleNamespace(address="http://127.0.0.1:1/")
            finally:
                if iteration is None:
                    with suppress(NotFound):
                        await previews.end(run, second.id)
                ended.append(iteration)

        monkeypatch.setattr(factory, "open_product", opened)
        await previews.open(run, iteration=None)
        second = await previews.open(run, iteration=2)
        assert len(previews.of(run)) == 2
    assert sorted(ended, key=str) == [2, None]
    assert previews.of(run) == ()


async def test_a_preview_that_ends_by_a_mistake_of_ours_says_so_and_not_that_somebody_ended_it(
    factory: Factory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, _ = await made(factory)

    def mistaken(*_: object, **__: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(factory, "open_product", mistaken)
    with caplog.at_level(logging.ERROR, "macrohard.previews"):
        async with Previews(factory) as previews:
            with pytest.raises(KeyError, match="a mistake of ours"):
                await previews.open(run, iteration=None)
    assert f"preview of {run}" in caplog.text
