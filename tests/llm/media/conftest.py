"""Studios in front of a provider, with the real ledger, orders and artifacts of a run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from macrohard.domain import Caps
from macrohard.events import Event, ModelCalled
from macrohard.llm.media import FolderOrders, MediaPlan, MediaPrice, MediaTarget
from macrohard.llm.media.studio import Studio
from macrohard.llm.target import EndpointSettings
from macrohard.store import Store

from .provider import Provider, serving

KEY = "xai-canary-b7f1"
IMAGE, SECOND = 0.08, 0.05


@dataclass
class Set:
    """A run and its provider; `studio` opens one as each process does."""

    provider: Provider
    store: Store
    run_id: str
    folder: Path
    told: list[Event] = field(default_factory=list)

    def studio(
        self,
        *,
        model: str = "grok-imagine-image-2.0",
        video: str = "grok-imagine-video",
        images: int = 6,
        clips: int = 1,
    ) -> Studio:
        endpoint = EndpointSettings(name="lab", base_url=f"{self.provider.url}/v1", api_key=SecretStr(KEY))
        price = MediaPrice(image=IMAGE, second=SECOND, first_frame=0.002, input_tokens=5.0, output_tokens=40.0)
        return Studio(
            MediaPlan(
                image=MediaTarget(endpoint=endpoint, model=model, price=price),
                video=MediaTarget(endpoint=endpoint, model=video, price=price),
                images=images,
                clips=clips,
            ),
            ledger=self.store.budget(self.run_id),
            orders=FolderOrders(self.folder / "media"),
            artifacts=self.store.artifacts,
            emit=self.emit,
            first_pause_seconds=0.005,
        )

    async def emit(self, event: Event) -> None:
        self.told.append(event)

    async def spent(self) -> float:
        state = await self.store.budget(self.run_id).state()
        assert state.reserved_usd == 0, "nothing is left reserved"
        return state.spent_usd

    @property
    def told_usd(self) -> float:
        return round(sum(event.cost_usd for event in self.told if isinstance(event, ModelCalled)), 10)


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[Set]:
    """A run with a budget of one dollar."""
    store = await Store.open(None, home=tmp_path)
    run_id = await store.create_run("a shop", options={}, model="builtin")
    await store.budget(run_id).open(Caps(usd=1.0))
    async with serving() as provider:
        yield Set(provider=provider, store=store, run_id=run_id, folder=tmp_path / "run")
    await store.close()
