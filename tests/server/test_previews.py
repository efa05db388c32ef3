"""Previews that end at the same time, or by a mistake of ours; what runs is no product here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.errors import Conflict, NotFound
from macrohard.server import previews as module
from macrohard.server.previews import AT_ONCE, Previews
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


class SlowToEnd:
    """Sandboxes that are taken down when the test says so."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        """One is being taken down."""
        self.may_end = asyncio.Event()
        self.started = self.gone = 0

    @asynccontextmanager
    async def opened(self, *_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        self.started += 1
        try:
            yield SimpleNamespace(address=f"http://127.0.0.1:1/{self.started}")
        finally:
            self.ending.set()
            await self.may_end.wait()
            self.gone += 1

    @asynccontextmanager
    async def in_the_end_gone(self) -> AsyncIterator[None]:
        """From then on they may end, but only once whoever closes them waits."""
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(0.1, self.may_end.set)


@pytest.fixture
def sandboxes(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> SlowToEnd:
    slow = SlowToEnd()
    monkeypatch.setattr(factory, "open_product", slow.opened)
    return slow


@pytest.mark.parametrize("by", ["a person", "silence"])
async def test_who_asks_while_the_former_one_is_taken_down_gets_a_new_one(
    factory: Factory, sandboxes: SlowToEnd, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    run, _ = await made(factory)
    async with Previews(factory) as previews, sandboxes.in_the_end_gone():
        enders = []
        if by == "a person":
            former = (await previews.open(run, iteration=None)).id
            enders.append(asyncio.create_task(previews.end(run, former)))
        else:
            with monkeypatch.context() as patched:
                patched.setattr(module, "MINUTES", 0)
                with pytest.raises(Conflict):
                    await previews.open(run, iteration=None)
            (former,) = previews._open
        await asyncio.wait_for(sandboxes.ending.wait(), 30)
        assert previews.of(run) == ()
        with pytest.raises(NotFound):
            previews.renew(run, former)
        with pytest.raises(NotFound):
            await previews.end(run, former)
        new = await previews.open(run, iteration=None)
        assert (new.id == former, new.address) == (False, "http://127.0.0.1:1/2")
        assert previews.of(run) == (new,)
        assert sandboxes.gone == 0
    await asyncio.gather(*enders)
    assert sandboxes.gone == 2


async def test_what_is_being_taken_down_has_its_place_and_is_waited_for_when_the_service_ends(
    factory: Factory, sandboxes: SlowToEnd
) -> None:
    run, _ = await made(factory)
    enders = []
    async with Previews(factory) as previews, sandboxes.in_the_end_gone():
        for _ in range(AT_ONCE):
            shown = await previews.open(run, iteration=None)
            sandboxes.ending.clear()
            enders.append(asyncio.create_task(previews.end(run, shown.id)))
            await asyncio.wait_for(sandboxes.ending.wait(), 30)
        with pytest.raises(Conflict, match="previews are open"):
            await previews.open(run, iteration=None)
        assert sandboxes.started == AT_ONCE
    assert sandboxes.gone == AT_ONCE, "each was left in peace until it was gone"
    await asyncio.gather(*enders)


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
