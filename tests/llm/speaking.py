"""An endpoint on loopback that says, byte for byte, what a test wrote, and how its connections end."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from pydantic import SecretStr

from macrohard.domain import JsonObject
from macrohard.llm import ModelPrice, Reply
from macrohard.llm.endpoint import Endpoint, open_endpoint
from macrohard.llm.target import EndpointSettings, Target
from tests.serving import on_loopback

PRICE = ModelPrice(input=2.0, cached_input=0.5, output=6.0, long_from_tokens=200_000)
QUESTION: list[JsonObject] = [{"role": "user", "content": "What now?"}]
DONE = b"data: [DONE]\n\n"


def tool(name: str) -> JsonObject:
    """A tool without parameters."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


TOOLS = [tool("read"), tool("write"), tool("list")]


@dataclass
class Speaker:
    """Answers every request in the same way; what was asked is kept."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    chunks: Sequence[bytes] = ()
    then: Literal["end", "break", "silence"] = "end"
    base_url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client went away from a silent answer."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.asked.append(request)
        self.begun.set()
        self.bodies.append(await request.read())
        response = web.StreamResponse(status=self.status, headers=dict(self.headers))
        await response.prepare(request)
        for chunk in self.chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if self.then == "break":
            assert request.transport is not None
            request.transport.abort()
        if self.then == "silence":
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        await response.write_eof()
        return response

    @property
    def body(self) -> Any:
        """What was asked last."""
        return json.loads(self.bodies[-1])


@asynccontextmanager
async def speaking(speaker: Speaker) -> AsyncIterator[Speaker]:
    """Serve it on a port of loopback."""
    async with on_loopback(speaker.answer) as address:
        speaker.base_url = f"{address}/v1"
        yield speaker


@asynccontextmanager
async def endpoint_of(
    speaker: Speaker, *, wire: Literal["chat", "responses"] = "chat", **more: Any
) -> AsyncIterator[Endpoint]:
    """An endpoint whose answers come from there."""
    settings = EndpointSettings(
        name="test", base_url=speaker.base_url, wire=wire, api_key=SecretStr("canary-key-0123456789")
    )
    given: dict[str, Any] = {"model": "m-1", "price": PRICE, "max_output_tokens": 1000, **more}
    endpoint = open_endpoint(Target(endpoint=settings, **given))
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def reply_to(
    speaker: Speaker,
    *,
    wire: Literal["chat", "responses"] = "chat",
    messages: Sequence[JsonObject] = QUESTION,
    tools: Sequence[JsonObject] = TOOLS,
    **more: Any,
) -> Reply:
    """One attempt over HTTP."""
    async with speaking(speaker), endpoint_of(speaker, wire=wire, **more) as endpoint:
        return await endpoint.complete(endpoint.prepare(messages, tools, session_id="r/1/use/x"))


def event(data: object, name: str = "") -> bytes:
    """A server-sent event."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more})


def call_chunk(arguments: object = None, *, index: object = 0, id: str | None = None, name: str | None = None) -> bytes:
    """A chunk with one piece of one call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece = {"index": index, "id": id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in piece.items() if value is not None}]})


def usage_chunk(**usage: object) -> bytes:
    """The last chunk, with the usage alone."""
    return event({"object": "chat.completion.chunk", "choices": [], "usage": usage})


def whole(message: Mapping[str, Any], finish: str | None = "stop", **more: Any) -> Speaker:
    """A chat completion that is not streamed."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    body = {"id": "x", "object": "chat.completion", "model": "m-1", "choices": [choice], **more}
    return Speaker(headers={"content-type": "application/json"}, chunks=[json.dumps(body).encode()])


def complaint(status: int, body: object, **headers: str) -> Speaker:
    """Refuses with this JSON."""
    return Speaker(status=status, chunks=[json.dumps(body).encode()], headers=headers)
