"""What was ordered for a run, durably: a run that goes on neither pays for it twice nor loses count."""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from macrohard.domain import Value


class Order(Value):
    """One picture or clip, from the moment before it is asked for."""

    key: str
    """The same for the same wish of the same session."""
    kind: Literal["image", "clip"]
    session_id: str
    endpoint: str
    model: str
    state: Literal["asked", "pending", "done", "refused", "failed"]
    """Asked: whether the provider took it is not known. Pending: it did, and `request_id` says under which number."""
    asked_at: datetime
    reservation: str = ""
    request_id: str = ""
    digest: str = ""
    """Of the artifact, when done."""
    reason: str = ""
    """Why it was refused or failed."""
    revised_prompt: str = ""
    seconds: float = 0.0
    """Length of a clip: wished for, then as the provider says."""
    with_first_frame: bool = False
    cost_usd: float = 0.0
    exact: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the same wish gives the same again; what failed and cost nothing may be asked for again."""
        return self.state in ("done", "refused") or (self.state == "failed" and self.cost_usd > 0)

    @property
    def counts(self) -> bool:
        """Whether it is one of those that were agreed: what cost nothing is not."""
        return self.state != "failed" or self.cost_usd > 0


class Orders(Protocol):
    """Where they are kept; durable when `keep` returns."""

    async def find(self, key: str) -> Order | None:
        """The last state of that order."""

    async def keep(self, order: Order) -> None:
        """Record its state."""

    async def all(self) -> Sequence[Order]:
        """Every order of the run."""


class FolderOrders:
    """Each order as a file of a folder that belongs to the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, key: str) -> Order | None:
        """See `Orders.find`."""
        return await asyncio.to_thread(self._read, self._folder / f"{key}.json")

    async def keep(self, order: Order) -> None:
        """See `Orders.keep`."""
        await asyncio.to_thread(self._write, order)

    async def all(self) -> Sequence[Order]:
        """See `Orders.all`."""
        return await asyncio.to_thread(self._read_all)

    def _read(self, path: Path) -> Order | None:
        return Order.model_validate_json(path.read_bytes()) if path.is_file() else None

    def _read_all(self) -> Sequence[Order]:
        return [Order.model_validate_json(path.read_bytes()) for path in sorted(self._folder.glob("*.json"))]

    def _write(self, order: Order) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{order.key}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(order.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{order.key}.json")
