"""The built-in model as an ASGI application that speaks the chat completions protocol."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Turn, Unreadable, conversation_of
from macrohard.llm.builtin.staff import MODELS, turn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT_BYTES = 32 << 20


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `GET /v1/models` and `POST /v1/chat/completions`, streamed or whole."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    if scope["type"] != "http":
        return
    path, method = str(scope["path"]), str(scope["method"])
    if (method, path) == ("GET", "/v1/models"):
        listed: list[JsonValue] = [
            {"id": model, "object": "model", "created": 0, "owned_by": "macrohard"} for model in MODELS
        ]
        await _answer(send, 200, {"object": "list", "data": listed})
        return
    if (method, path) != ("POST", "/v1/chat/completions"):
        await _refuse(send, 404, f"no {method} {path} here")
        return
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT_BYTES:
            await _refuse(send, 413, f"more than {BODY_LIMIT_BYTES >> 20} MiB")
            return
        if not message.get("more_body"):
            break
    try:
        request = json.loads(body)
    except ValueError as error:
        await _refuse(send, 400, f"the body is not JSON: {error}")
        return
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
        await _refuse(send, 400, "the body is not an object with a list of messages")
        return
    model = str(request.get("model") or MODELS[0])
    if model not in MODELS:
        await _refuse(send, 404, f"no model {model!r} here; there are {', '.join(MODELS)}")
        return
    try:
        made = turn(conversation_of(request["messages"], request.get("tools") or []), model=model)
    except Unreadable as error:
        await _refuse(send, 400, str(error))
        return
    await _complete(send, made, model=model, asked=len(body), stream=bool(request.get("stream")))


async def _complete(send: Send, made: Turn, *, model: str, asked: int, stream: bool) -> None:
    calls: list[JsonValue] = [
        {
            "id": f"call_{uuid.uuid4().hex[:16]}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }
        for call in made.calls
    ]
    message: JsonObject = {"role": "assistant", "content": made.text or None}
    if calls:
        message["tool_calls"] = calls
    answered = len(json.dumps(message, ensure_ascii=False))
    usage: JsonObject = {
        "prompt_tokens": asked // 4,
        "completion_tokens": answered // 4,
        "total_tokens": asked // 4 + answered // 4,
    }
    finish = "tool_calls" if calls else "stop"
    common: JsonObject = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
    if not stream:
        choice: JsonObject = {"index": 0, "message": message, "finish_reason": finish}
        await _answer(send, 200, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})
        return
    for number, call in enumerate(calls):
        if isinstance(call, dict):
            call["index"] = number
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    deltas: list[tuple[JsonObject, str | None]] = [(message, None), ({}, finish)]
    chunks: list[JsonObject] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    chunks.append({"choices": [], "usage": usage})
    for chunk in chunks:
        line = json.dumps({**common, "object": "chat.completion.chunk", **chunk}, ensure_ascii=False)
        await send({"type": "http.response.body", "body": f"data: {line}\n\n".encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _answer(send: Send, status: int, body: JsonObject) -> None:
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _refuse(send: Send, status: int, problem: str) -> None:
    await _answer(send, status, {"error": {"message": problem, "type": "invalid_request_error"}})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
