"""Places: given in turn, shared between runs, never a deadlock, and every wait is told."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from macrohard.events import Event, SandboxAwaited
from macrohard.sandbox import places
from macrohard.sandbox.places import FEWEST, Places, places_here, warm_beside

GIB = 1 << 30


class Scene:
    """Openings of several runs, each in a task of its own, that hold their place until they are told to leave."""

    def __init__(self, number: int) -> None:
        self.places = Places(number)
        self.order: list[str] = []
        self.told: list[Event] = []
        self.heard = asyncio.Semaphore(0)
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def tell(self, event: Event) -> None:
        self.told.append(event)
        self.heard.release()

    async def begin(self, *names: str) -> None:
        """`a1` is the first of run `a`."""
        for name in names:
            self._leave[name] = asyncio.Event()
            # Nobody's: not even this test's.
            self._tasks[name] = asyncio.create_task(self._hold(name), context=contextvars.Context())
        await settled()

    async def _hold(self, name: str) -> None:
        async with self.places.one(name[0], image="base", tell=self.tell):
            self.order.append(name)
            await self._leave[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._leave[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await settled()

    async def all_gone(self) -> None:
        await self.end(*self._leave)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        assert (self.places.taken, self.places.waiting) == (0, 0)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_run_is_served_in_the_order_of_asking() -> None:
    scene = Scene(2)
    await scene.begin("a1", "a2", "a3", "a4")
    assert (scene.order, scene.places.waiting) == (["a1", "a2"], 2)
    await scene.end("a2")
    await scene.end("a1")
    assert scene.order == ["a1", "a2", "a3", "a4"]
    await scene.all_gone()


async def test_a_run_that_wants_thirty_does_not_keep_one_waiting_that_wants_one() -> None:
    scene = Scene(3)
    await scene.begin(*(f"a{number}" for number in range(30)), "b0")
    await scene.end("a0")
    assert scene.order[-1] == "b0"
    await scene.end("a1")
    assert scene.order[-1] == "a3"
    await scene.all_gone()


async def test_runs_that_want_as_much_get_as_much() -> None:
    scene = Scene(4)
    await scene.begin(*(f"a{number}" for number in range(9)))
    await scene.begin(*(f"b{number}" for number in range(9)))
    await scene.end("a0", "a1", "a2", "a3")
    assert sorted(name[0] for name in scene.order[4:]) == ["a", "a", "b", "b"]
    await scene.all_gone()


async def test_whoever_is_cancelled_in_line_or_with_a_place_makes_room() -> None:
    scene = Scene(1)
    await scene.begin("a1", "a2", "a3")
    await scene.cancel("a2")
    assert scene.places.waiting == 1
    await scene.cancel("a1")
    assert scene.order == ["a1", "a3"]
    await scene.all_gone()


@pytest.mark.parametrize("steps", range(8))
async def test_whoever_is_cancelled_while_being_admitted_makes_room(steps: int) -> None:
    scene = Scene(1)
    await scene.begin("a1", "a2", "a3")
    ending = asyncio.create_task(scene.end("a1"))
    for _ in range(steps):
        await asyncio.sleep(0)
    await scene.cancel("a2")
    await ending
    assert scene.order[-1] == "a3"
    await scene.all_gone()


async def test_a_wait_that_cannot_be_told_gives_its_place_back() -> None:
    async def fails(event: Event) -> None:
        raise OSError("no room in the log")

    line = Places(1)

    async def wants() -> None:
        async with line.one("b", image="base", tell=fails):
            raise AssertionError("it did not get one")

    async with line.one("a", image="base", tell=fails):
        waiting = asyncio.create_task(wants())
        await settled()
    with pytest.raises(OSError, match="no room"):
        await waiting
    assert (line.taken, line.waiting) == (0, 0)


class TestWhoHasOne:
    async def test_many_that_each_have_one_and_want_another_all_come_to_their_end(self) -> None:
        scene = Scene(2)

        async def wants_two() -> None:
            async with scene.places.one("a", image="base", tell=scene.tell):
                await settled()
                async with scene.places.one("a", image="base", tell=scene.tell):
                    await settled()

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(wants_two())
        assert (scene.places.taken, scene.places.waiting) == (0, 0)

    async def test_a_second_one_is_counted(self) -> None:
        scene = Scene(2)
        async with (
            scene.places.one("a", image="base", tell=scene.tell),
            scene.places.one("a", image="base", tell=scene.tell),
        ):
            await scene.begin("b1")
            assert (scene.places.taken, scene.places.waiting) == (2, 1)
        await settled()
        assert scene.order == ["b1"]
        await scene.all_gone()

    async def test_tasks_that_it_starts_need_not_wait_while_it_has_it_and_have_to_afterwards(self) -> None:
        scene = Scene(1)
        now = asyncio.Event()

        async def child(begin: Callable[[], Coroutine[Any, Any, Any]]) -> None:
            await begin()
            async with scene.places.one("a", image="base", tell=scene.tell):
                scene.order.append("child")

        async with scene.places.one("a", image="base", tell=scene.tell):
            await asyncio.create_task(child(settled))
            assert scene.order == ["child"]
            # It keeps a copy of the context in which its parent had one.
            late = asyncio.create_task(child(now.wait))
        await scene.begin("b1")
        now.set()
        await settled()
        assert (scene.order, scene.places.waiting) == (["child", "b1"], 1)
        await scene.end("b1")
        await late
        await scene.all_gone()

    async def test_what_it_has_for_one_run_counts_for_no_other(self) -> None:
        scene = Scene(1)

        async def of_another_run() -> None:
            async with scene.places.one("b", image="base", tell=scene.tell):
                scene.order.append("b")

        async with scene.places.one("a", image="base", tell=scene.tell):
            other = asyncio.create_task(of_another_run())
            await settled()
            assert (scene.order, scene.places.waiting) == ([], 1)
        await other

    async def test_one_that_another_task_ends_is_over(self) -> None:
        scene = Scene(1)
        async with AsyncExitStack() as stack:
            begun = scene.places.one("a", image="base", tell=scene.tell)
            await asyncio.create_task(stack.enter_async_context(begun), context=contextvars.Context())
        await scene.begin("a1", "a2")
        assert (scene.order, scene.places.waiting) == (["a1"], 1)
        await scene.all_gone()


async def test_a_wait_is_told_with_its_turn_and_in_the_end_how_long_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "TELL_AFTER_SECONDS", 0.02)
    scene = Scene(1)
    await scene.begin("a1", "a2", "a3", "b1")
    for _ in range(3):
        await scene.heard.acquire()
    began = {event.id: event.turn for event in scene.told if isinstance(event, SandboxAwaited)}
    assert sorted(began.values()) == [1, 2, 3]
    await scene.all_gone()
    ended = [event for event in scene.told[3:] if isinstance(event, SandboxAwaited)]
    assert {event.id for event in ended} == set(began)
    assert {event.turn for event in ended} == {0}
    assert all(event.seconds >= 0.02 for event in ended)


@pytest.mark.parametrize(
    ("total_gib", "limits", "number"),
    [
        pytest.param(24, {}, 12, id="24 GiB"),
        pytest.param(4, {}, FEWEST, id="a small machine"),
        pytest.param(64, {"memory.max": str(9 * GIB)}, 4, id="a container"),
        pytest.param(64, {"memory/memory.limit_in_bytes": str(9 * GIB)}, 4, id="a container of old"),
        pytest.param(24, {"memory.max": "max\n"}, 12, id="a container without a limit"),
        pytest.param(24, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 12, id="of old, without a limit"),
    ],
)
def test_memory_says_how_many_there_are(tmp_path: Path, total_gib: int, limits: dict[str, str], number: int) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal:  {total_gib << 20} kB\nMemFree:  1 kB\n")
    for name, said in limits.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(said)
    assert places_here(proc=tmp_path, cgroups=tmp_path) == number


def test_small_machines_keep_fewer_warm() -> None:
    assert [warm_beside(places) for places in (1, FEWEST, 3, 4, 12, 64)] == [0, 1, 1, 2, 2, 2]


def test_this_machine_has_places() -> None:
    assert places_here() >= FEWEST
