"""Servers of several families on loopback, each with its own quirks; only the model behind them is made up."""

import base64
import json
import re
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.serving import on_loopback

COLOURS = {(255, 220, 0): "Yellow", (255, 0, 0): "red"}


@dataclass
class Family:
    """What a server does; the defaults are those of one that understands everything of Chat Completions."""

    model: str = "m-1"
    entry: Mapping[str, Any] = field(default_factory=dict)
    """What /models says of the model besides its name."""
    refuses: Collection[str] = ()
    """Parameters that are answered 400."""
    breaks_on: Collection[str] = ()
    """Parameters that are answered 500."""
    tools: str = "several"
    """"several", "single", "words" or "refused"."""
    efforts: Collection[str] | None = ("low", "medium", "high")
    """None: anything is taken."""
    keeps_schema: bool = True
    vision: str = "seen"
    """"seen", "blind" or "refused"."""
    counts: bool = True
    key: str = ""
    """Any other is answered 401, which repeats it."""
    missing: bool = False
    """404 for every question."""
    busy_first: bool = False
    """The first question is answered 429."""
    pages: Mapping[str, Any] = field(default_factory=dict)
    """JSON by path, e.g. "/api/ps"."""
    base_url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method and path of every request."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.asked.append(f"{request.method} {request.path}")
        given = request.headers.get("Authorization", "")
        if self.key and given != f"Bearer {self.key}":
            return _complaint(401, f"Incorrect API key provided: {given}")
        if request.path in self.pages:
            return web.json_response(self.pages[request.path])
        if request.path == "/v1/models":
            entries = [{"id": "embed-1", "object": "model"}, {"id": self.model, "object": "model", **self.entry}]
            return web.json_response({"object": "list", "data": entries})
        if request.path not in ("/v1/chat/completions", "/v1/responses"):
            return _complaint(404, "no such path")
        body = json.loads(await request.read())
        self.bodies.append(body)
        if self.missing or body["model"] != self.model:
            return _complaint(404, f"model {body['model']!r} not found")
        if self.busy_first and len(self.bodies) == 1:
            return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "0"})
        if wrong := next((name for name in self.refuses if name in body), None):
            return _complaint(400, f"Unsupported parameter: '{wrong}' is not supported with this model.")
        if broken := next((name for name in self.breaks_on if name in body), None):
            return _complaint(500, f"{broken} param requires --jinja flag")
        if complaint := self._misfit(body):
            return _complaint(400, complaint)
        if request.path == "/v1/responses":
            return await _stream_response(request, body, self._words(body), self._calls(body))
        return await _stream_chat(request, body, self._words(body), self._calls(body), counts=self.counts)

    def _misfit(self, body: dict[str, Any]) -> str:
        if body.get("tools") and self.tools == "refused":
            return '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        effort = body.get("reasoning_effort") or body.get("reasoning", {}).get("effort")
        if effort and self.efforts is not None and effort not in self.efforts:
            return f"invalid reasoning effort {effort!r}"
        if self.vision == "refused" and _picture(body):
            return "m-1 is not a multimodal model"
        return ""

    def _words(self, body: dict[str, Any]) -> str:
        if picture := _picture(body):
            return COLOURS.get(_colour(picture), "dark") if self.vision == "seen" else "I cannot see, but I guess red."
        if ("response_format" in body or "text" in body) and self.keeps_schema:
            return '{"answer": "cold"}'
        return "ready"

    def _calls(self, body: dict[str, Any]) -> list[str]:
        if not body.get("tools") or self.tools == "words":
            return []
        said = json.dumps(body.get("messages") or body.get("input"))
        words = re.findall(r"word (\w+)", said)
        words = words or re.findall(r"with the word (\w+)", said)
        return words if self.tools == "several" else words[:1]


def _complaint(status: int, text: str) -> web.Response:
    return web.json_response({"error": {"message": text, "type": "invalid_request_error"}}, status=status)


def _picture(body: dict[str, Any]) -> bytes | None:
    found = re.search(r"data:image/png;base64,([\w+/=]+)", json.dumps(body))
    return base64.b64decode(found[1]) if found else None


def _colour(png: bytes) -> tuple[int, int, int]:
    """Of the first pixel; by the file's own data, as a model that sees would."""
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start], "big")
    _, red, green, blue = zlib.decompress(png[start + 4 : start + 4 + length])[:4]
    return red, green, blue


async def _send(request: web.Request, events: list[Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in events:
        await response.write(b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n")
    await response.write_eof()
    return response


async def _stream_chat(
    request: web.Request, body: dict[str, Any], words: str, calls: list[str], *, counts: bool
) -> web.StreamResponse:
    delta: dict[str, Any] = {"role": "assistant", "content": words}
    if calls:
        functions = [{"name": "note", "arguments": json.dumps({"word": word})} for word in calls]
        delta = {
            "role": "assistant",
            "tool_calls": [
                {"index": place, "id": f"call_{place}", "type": "function", "function": function}
                for place, function in enumerate(functions)
            ],
        }
    head = {"id": "c-1", "object": "chat.completion.chunk", "model": body["model"]}
    events: list[Any] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]},
    ]
    if counts and body.get("stream_options"):
        usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
        events.append({**head, "choices": [], "usage": usage})
    return await _send(request, [*events, b"[DONE]"])


async def _stream_response(
    request: web.Request, body: dict[str, Any], words: str, calls: list[str]
) -> web.StreamResponse:
    output: list[dict[str, Any]] = [
        {"type": "function_call", "id": f"fc_{place}", "call_id": f"call_{place}", "name": "note",
         "arguments": json.dumps({"word": word}), "status": "completed"}
        for place, word in enumerate(calls)
    ] or [
        {"type": "message", "id": "m_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": words, "annotations": []}]}
    ]  # fmt: skip
    usage = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
    done = {"id": "r_1", "object": "response", "status": "completed", "model": body["model"], "output": output}
    events = [
        {"type": "response.output_item.done", "output_index": place, "item": item} for place, item in enumerate(output)
    ]
    return await _send(request, [*events, {"type": "response.completed", "response": {**done, "usage": usage}}])


@asynccontextmanager
async def serving(family: Family) -> AsyncIterator[Family]:
    """The server, until the context is left."""
    async with on_loopback(family.answer) as address:
        family.base_url = f"{address}/v1"
        yield family
