"""The one object that all model calls of a run go through: role → endpoint, reservation, settlement."""

import asyncio
from collections.abc import Mapping, Sequence

from macrohard.domain import JsonObject
from macrohard.errors import ModelUnavailable
from macrohard.llm import window
from macrohard.llm.budget import Ledger
from macrohard.llm.chat import ModelRole, Reply
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.failures import CallFailed


class Gateway:
    """A `ChatModel` that never spends what was not reserved."""

    def __init__(self, endpoints: Mapping[ModelRole, Endpoint], *, ledger: Ledger, parallel_calls: int) -> None:
        self._endpoints, self._ledger = endpoints, ledger
        self._slots = asyncio.Semaphore(parallel_calls)

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """See `ChatModel.reply`."""
        endpoint = self._endpoints[role]
        async with self._slots:
            call = endpoint.prepare(messages, tools, session_id=session_id)
            spent, tokens = call.worst_case_usd, call.worst_case_tokens
            reservation = await self._ledger.reserve(
                session_id=session_id, worst_case_usd=spent, worst_case_tokens=tokens
            )
            # A call that is cancelled half-way may have been billed: what was reserved counts, unless we learn better.
            try:
                reply = await endpoint.complete(call)
                spent, tokens = reply.usage.cost_usd, reply.usage.total_tokens
            except CallFailed as failure:
                spent = failure.spent.cost_usd if failure.spent else 0.0
                tokens = failure.spent.total_tokens if failure.spent else 0
                raise ModelUnavailable(str(failure)) from failure
            finally:
                await asyncio.shield(self._ledger.settle(reservation, actual_usd=spent, actual_tokens=tokens))
        return reply

    def context_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.context_tokens`."""
        return window.context_tokens((self._endpoints[role].target,))

    def prompt_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.prompt_tokens`."""
        return window.prompt_tokens((self._endpoints[role].target,))

    def sees(self, role: ModelRole) -> bool:
        """See `ChatModel.sees`."""
        return window.sees((self._endpoints[role].target,))
