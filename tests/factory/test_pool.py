"""All runs of one process share its places and what is kept warm; nothing of it outlives the process's factory."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from macrohard.assembly import Factory, open_factory, rooms
from macrohard.domain import Caps
from macrohard.sandbox.owner import installation
from macrohard.sandbox.pool import PooledProvider
from macrohard.settings import load_settings

pytestmark = pytest.mark.usefixtures("sandboxes")


async def refused(factory: Factory) -> str:
    """Carry a run out that ends before it opens a sandbox; how it ended."""
    run_id = await factory.submit("asdf qwer zxcv", model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False)
    return (await factory.carry_out(run_id, out=None, observe=print)).summary.status


def containers(home: Path) -> str:
    command = ["docker", "ps", "-aq", "--filter", f"label=io.macrohard.instance={installation(home)}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def test_runs_side_by_side_and_one_after_the_other_use_one_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[tuple[int, int]]()

    class Counted(PooledProvider):
        def __init__(self, *given: object, size: int, places: int, **more: object) -> None:
            made.append((size, places))
            super().__init__(*given, size=size, places=places, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(rooms, "PooledProvider", Counted)
    settings = load_settings(home=tmp_path, sandboxes={"places": 3, "warm": 1})
    async with open_factory(settings, sandbox="auto") as factory:
        assert set(await asyncio.gather(refused(factory), refused(factory))) == {"refused"}
        assert await refused(factory) == "refused"
    assert made == [(1, 3)]
    assert await asyncio.to_thread(containers, tmp_path) == ""


async def test_going_on_in_weaker_sandboxes_is_said_and_recorded(tmp_path: Path) -> None:
    """Also before any is opened: at the cap on calls the run pauses twice."""
    settings, caps = load_settings(home=tmp_path), Caps(usd=1.0, calls=1)
    run_id, told = "", list[tuple[str, ...]]()
    for sandbox in ("docker", "bubblewrap"):
        async with open_factory(settings, sandbox=sandbox) as factory:
            run_id = run_id or await factory.submit("a list", model="builtin", caps=caps, iterations=1, ask=False)
            paused = await factory.carry_out(run_id, out=None, observe=print)
            assert paused.summary.status == "paused"
            told.append(tuple(notice for notice in paused.notices if "goes on in weaker ones" in notice))
    before, after = told
    assert (before, len(after)) == ((), 1)
    first, second = paused.sandbox_tiers
    assert f"in {first} sandboxes before, and goes on in weaker ones ({second}" in after[0]
    assert (second, paused.sandbox_tier) == ("bubblewrap", "bubblewrap")


@pytest.mark.parametrize(
    ("model", "sandboxes", "image"),
    [
        ("builtin", {}, "base"),
        ("m", {}, "web"),
        ("builtin", {"products": "web"}, "web"),
        ("m", {"products": "base"}, "base"),
    ],
)
async def test_a_run_keeps_the_image_that_its_products_are_built_in(
    tmp_path: Path, model: str, sandboxes: dict[str, str], image: str
) -> None:
    settings = load_settings(
        home=tmp_path,
        base_url="http://127.0.0.1:9/v1",
        sandboxes=sandboxes,
        prices={"m": {"input": 0.0, "cached_input": 0.0, "output": 0.0}},
    )
    async with open_factory(settings, sandbox="auto") as factory:
        run_id = await factory.submit("a list", model=model, caps=Caps(usd=1.0), iterations=1, ask=False)
    async with open_factory(load_settings(home=tmp_path), sandbox="auto") as again:
        assert (await again.store.options(run_id))["product_image"] == image
