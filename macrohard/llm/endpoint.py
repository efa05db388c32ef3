"""One model at one endpoint: prepares calls, and makes one attempt at a time at them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from macrohard.domain import JsonObject
from macrohard.llm.chat import Reply
from macrohard.llm.failures import CallFailed, Interrupted
from macrohard.llm.target import Target
from macrohard.llm.transport import Request, Transport, TransportFailed
from macrohard.llm.transport.connections import open_transport
from macrohard.llm.wire import WIRES, Reader
from macrohard.llm.wire.answer import Draft, answer_of
from macrohard.llm.wire.complaints import failure_of_status
from macrohard.llm.wire.stream import EventDecoder, Unreadable
from macrohard.llm.wire.tokens import RequestSize, request_size, usage_of

LINGER_SECONDS = 5.0
"""How long an answer that is complete may keep us waiting for its usage and its end."""
LONGEST_COMPLAINT_BYTES = 64 << 10


@dataclass(frozen=True)
class PreparedCall:
    """A call, encoded once: what to reserve for it is known before it is sent, and it can be sent again as it is."""

    request: Request
    messages: Sequence[JsonObject]
    tools: Sequence[JsonObject]
    size: RequestSize
    worst_case_usd: float
    """No answer to this costs more by the price table."""
    worst_case_tokens: int
    """Input and output at most."""

    @property
    def likely_tokens(self) -> int:
        """The input as it is usually counted: for limits of tokens a minute."""
        return self.size.likely_tokens


class Endpoint:
    """One target over its transport; made by `open_endpoint`, and closed by who opened it."""

    def __init__(self, target: Target, transport: Transport) -> None:
        self.target = target
        self._transport = transport
        self._wire = WIRES[target.endpoint.wire]

    def prepare(self, messages: Sequence[JsonObject], tools: Sequence[JsonObject], *, session_id: str) -> PreparedCall:
        """Encode the conversation for this target; the messages must not change until the call is over."""
        target = self.target
        headers, body = self._wire.encode(target, messages, tools, session_id=session_id)
        size = request_size(body, messages)
        # Who is not told a limit may answer until its window is full.
        limited = target.capabilities.output_limit != "none"
        output_tokens = target.max_output_tokens if limited else max(target.context_tokens, target.max_output_tokens)
        return PreparedCall(
            request=Request(
                endpoint=target.endpoint.name, path=self._wire.path, headers=headers, body=body, session_id=session_id
            ),
            messages=messages,
            tools=tools,
            size=size,
            worst_case_usd=target.price.cost_usd(
                input_tokens=size.tokens_at_most, cached_tokens=0, output_tokens=output_tokens
            ),
            worst_case_tokens=size.tokens_at_most + output_tokens,
        )

    async def complete(self, call: PreparedCall) -> Reply:
        """Make one attempt; the same call may be attempted again.

        Raises:
            CallFailed: see `macrohard.llm.failures`; its `spent` is what the attempt is taken to have cost.
        """
        began = time.monotonic()
        reader = self._wire.reader(self.target, tools=_names(call.tools))
        try:
            draft = await self._attempt(call.request, reader)
            return self._reply(call, draft, seconds=time.monotonic() - began)
        except CallFailed as failure:
            if failure.spent is None and reader.draft.began:
                failure.spent = usage_of(
                    reader.draft.usage,
                    request=call.size,
                    answered_characters=reader.draft.characters,
                    price=self.target.price,
                    seconds=time.monotonic() - began,
                )
            raise

    async def close(self) -> None:
        """Let go of the transport."""
        await self._transport.close()

    async def _attempt(self, request: Request, reader: Reader) -> Draft:
        where = f"{self.target.endpoint.name} ({self.target.model})"
        reached = False
        try:
            async with self._transport.post(request) as answer:
                reached = True
                if answer.status != 200:
                    raise failure_of_status(
                        self.target,
                        status=answer.status,
                        headers=answer.headers,
                        body=await _beginning(answer.chunks),
                    )
                return await _read(answer.chunks, reader)
        except TransportFailed as error:
            if reached:
                raise Interrupted(f"{where} broke off within its answer ({error})") from error
            at = self.target.endpoint.base_url or "this process"
            raise Interrupted(
                f"{self.target.endpoint.name} at {at} cannot be reached ({error}). "
                "Check the address and the network, then resume the run."
            ) from error
        except Unreadable as error:
            raise Interrupted(f"{where} answered what cannot be read: {error}") from error

    def _reply(self, call: PreparedCall, draft: Draft, *, seconds: float) -> Reply:
        target = self.target
        answer = answer_of(
            draft,
            target,
            taken=_call_ids(call.messages) if draft.calls.calls else (),
            seed=f"{call.request.session_id}\n{len(call.messages)}\n{len(call.request.body)}",
        )
        try:
            return Reply(
                endpoint=target.endpoint.name,
                model=draft.model or target.model,
                asked=target.model,
                message=answer.message,
                text=answer.text,
                reasoning=answer.reasoning,
                tool_calls=answer.calls,
                finish=answer.finish,
                usage=usage_of(
                    draft.usage,
                    request=call.size,
                    answered_characters=draft.characters,
                    price=target.price,
                    seconds=seconds,
                ),
            )
        except ValidationError as error:
            # Items nested deeper than can be kept.
            raise Interrupted(f"{target.endpoint.name} ({target.model}) answered what cannot be kept") from error


async def _read(chunks: AsyncIterator[bytes], reader: Reader) -> Draft:
    """Everything up to the end of the answer; an end that does not come after a complete answer is not waited for."""
    decoder, draft = EventDecoder(), reader.draft
    try:
        while True:
            complete = draft.ended or bool(draft.reason)
            async with asyncio.timeout(LINGER_SECONDS if complete else None):
                chunk = await anext(chunks, None)
            for event in decoder.close() if chunk is None else decoder.feed(chunk):
                reader.read(event)
            if chunk is None:
                draft.ended = draft.ended or not decoder.streamed
                break
    except (TransportFailed, TimeoutError, Unreadable):
        if not (draft.ended or draft.reason):
            raise
    return reader.close()


async def _beginning(chunks: AsyncIterator[bytes]) -> bytes:
    """As much of a complaint as is worth reading; one that breaks off has been heard all the same."""
    body = bytearray()
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            async for chunk in chunks:
                body += chunk
                if len(body) > LONGEST_COMPLAINT_BYTES:
                    break
    except (TransportFailed, TimeoutError):
        return bytes(body)
    return bytes(body)


def _names(tools: Sequence[JsonObject]) -> frozenset[str]:
    functions = (tool.get("function") for tool in tools)
    return frozenset(str(function.get("name")) for function in functions if isinstance(function, dict))


def _call_ids(messages: Sequence[JsonObject]) -> frozenset[str]:
    """The ids of all calls of the conversation: an answer's must be others."""
    found = set()
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                found.add(str(call.get("id")))
    return frozenset(found)


def open_endpoint(target: Target) -> Endpoint:
    """The endpoint of a target, over a transport shared with all targets of the same endpoint settings."""
    return Endpoint(target, open_transport(target.endpoint))
