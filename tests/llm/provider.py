"""A provider on loopback whose answers a test decides one by one, and that keeps a book of what it billed."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from macrohard.llm import ModelPrice
from macrohard.llm.target import EndpointSettings, Target
from tests.serving import on_loopback

PRICE = ModelPrice(input=2.0, cached_input=0.5, output=6.0)

Fate = str | int | tuple[int, float]
"""What becomes of a request.

"ok"          a whole answer, billed
"cut"         billed and said so, then the connection breaks: the client knows what it cost
"hang"        nothing, until `released`
a status      an error, not billed; with Retry-After as (429, seconds)
"""


@dataclass
class Provider:
    """An endpoint; `serving` runs it. Everything may be changed while it runs."""

    name: str = "first"
    fate: Fate = "ok"
    """Of the requests for which nothing is planned."""
    planned: deque[Fate] = field(default_factory=deque)
    decide: Callable[[int], Fate] | None = None
    """By the request's number, in the place of both."""
    complaint: str = "it says so"
    seconds: float = 0.0
    """An answer takes so long."""
    requests: int = 0
    answered: int = 0
    together: int = 0
    most_together: int = 0
    billed_ticks: list[int] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""

    def ticks(self, number: int) -> int:
        """What answer `number` costs: odd amounts, so that no two sums are alike; about 0.003 USD."""
        return 30_000_000 + 7_919 * number

    def target(self, **endpoint: Any) -> Target:
        """How this provider is asked."""
        settings = EndpointSettings(name=self.name, base_url=self.base_url, **endpoint)
        return Target(endpoint=settings, model="m", price=PRICE, max_output_tokens=1000)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        number, self.requests = self.requests, self.requests + 1
        await request.read()
        planned = self.planned.popleft() if self.planned else self.fate
        fate = self.decide(number) if self.decide is not None else planned
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            return await self._meet(request, number, fate)
        finally:
            self.together -= 1

    async def _meet(self, request: web.Request, number: int, fate: Fate) -> web.StreamResponse:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if fate == "hang":
            await self.released.wait()
        if isinstance(fate, int):
            return web.json_response({"error": {"message": self.complaint}}, status=fate)
        if isinstance(fate, tuple):
            status, wait = fate
            headers = {"Retry-After": f"{wait:g}"}
            return web.json_response({"error": {"message": "slow down"}}, status=status, headers=headers)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        ticks = self.ticks(number)
        self.billed_ticks.append(ticks)
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "cost_in_usd_ticks": ticks}
        delta = {"role": "assistant", "content": f"answer {number}"}
        await answer.write(_event(choices=[{"index": 0, "delta": delta}], usage=usage if fate == "cut" else None))
        if fate == "cut":
            await asyncio.sleep(0.005)
            assert request.transport is not None
            request.transport.abort()
            return answer
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await answer.write(_event(choices=[end], usage=usage) + b"data: [DONE]\n\n")
        self.answered += 1
        return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def _event(**fields: Any) -> bytes:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", **fields}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@asynccontextmanager
async def serving(provider: Provider) -> AsyncIterator[Provider]:
    """Run it on a free port."""
    async with on_loopback(provider.post, path="/v1/chat/completions") as address:
        provider.base_url = f"{address}/v1"
        yield provider
