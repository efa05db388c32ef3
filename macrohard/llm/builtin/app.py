"""The built-in model as an ASGI application that speaks the chat completions protocol, and that of responses."""

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.builtin import chat_wire, responses_wire
from macrohard.llm.builtin.conversation import Unreadable, conversation_of
from macrohard.llm.builtin.spoken import Spoken, spoken
from macrohard.llm.builtin.staff import MODELS, turn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT_BYTES = 32 << 20


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `GET /v1/models`, `POST /v1/chat/completions` and `POST /v1/responses`, streamed or whole."""
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
    if (method, path) not in (("POST", "/v1/chat/completions"), ("POST", "/v1/responses")):
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
    conversation = "messages" if path == "/v1/chat/completions" else "input"
    if not isinstance(request, dict) or not isinstance(request.get(conversation), list):
        await _refuse(send, 400, f"the body is not an object with a list under {conversation!r}")
        return
    model = str(request.get("model") or MODELS[0])
    if model not in MODELS:
        await _refuse(send, 404, f"no model {model!r} here; there are {', '.join(MODELS)}")
        return
    try:
        if conversation == "messages":
            asked = conversation_of(request["messages"], request.get("tools") or [])
            limit = request.get("max_completion_tokens", request.get("max_tokens"))
        else:
            messages = responses_wire.messages_of(request["input"])
            asked = conversation_of(messages, responses_wire.tools_of(request.get("tools") or []))
            limit = request.get("max_output_tokens")
        made = turn(asked, model=model)
    except Unreadable as error:
        await _refuse(send, 400, str(error))
        return
    said = spoken(made, model=model, request_bytes=len(body), limit_tokens=limit if isinstance(limit, int) else None)
    await _say(send, said, chat=conversation == "messages", stream=bool(request.get("stream")))


async def _say(send: Send, said: Spoken, *, chat: bool, stream: bool) -> None:
    if not stream:
        await _answer(send, 200, chat_wire.completion(said) if chat else responses_wire.response(said))
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    events: Iterator[tuple[str, JsonObject]]
    events = (("", chunk) for chunk in chat_wire.chunks(said)) if chat else responses_wire.events(said)
    for name, event in events:
        text = json.dumps(event, ensure_ascii=False)
        data = f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"
        await send({"type": "http.response.body", "body": data.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n" if chat else b""})


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
