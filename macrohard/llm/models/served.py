"""What a server says of itself without answering a question: which models it has, and how much they can read."""

import json
import re
from collections.abc import Mapping
from typing import Any

from macrohard.domain import JsonObject, Value
from macrohard.llm.target import EndpointSettings
from macrohard.llm.transport import Request, TransportFailed
from macrohard.llm.transport.http import HttpTransport

ANSWER_SECONDS = 10.0
_CONTEXT_KEYS = ("loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length")
"""In entries of GET /models: LM Studio, vLLM, OpenRouter, Groq, LM Studio; what is in use before what is possible."""
OLLAMA_DEFAULT_TOKENS = 4096
"""What Ollama gives a model on a machine with little memory (docs.ollama.com/context-length)."""


class ContextSize(Value):
    """How many tokens a conversation may have, the answer included."""

    tokens: int
    source: str
    """Who says so, for people."""
    warning: str = ""


def listed_models(body: bytes) -> dict[str, dict[str, Any]]:
    """The entries of an answer to GET /models by the model's name; empty if it is something else."""
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    entries = answer.get("data") if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        return {}
    return {
        entry["id"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
    }


async def context_size(endpoint: EndpointSettings, model: str, entry: Mapping[str, Any]) -> ContextSize | None:
    """What the server says, by its entry in GET /models or the ways of Ollama and llama.cpp; None: nothing.

    Ask after the model has answered once: then it is loaded, with the context that is really in use.
    """
    owner = entry.get("owned_by")
    for key in _CONTEXT_KEYS:
        if tokens := _count(entry.get(key)):
            return ContextSize(tokens=tokens, source=f"{key} in /models")
    if endpoint.base_url is None:
        return None
    root = endpoint.model_copy(update={"base_url": re.sub(r"/v1/?$", "", endpoint.base_url)})
    transport = HttpTransport(root)
    try:
        if endpoint.name == "ollama" or owner == "library":
            return await _of_ollama(transport, endpoint.name, model)
        if endpoint.name == "llamacpp" or owner == "llamacpp":
            return await _of_llama_cpp(transport)
    finally:
        await transport.close()
    return None


async def _of_ollama(transport: HttpTransport, endpoint: str, model: str) -> ContextSize | None:
    warning = (
        "Ollama cuts off the beginning of what is longer, without an error; for more, "
        "start it with OLLAMA_CONTEXT_LENGTH=64000, then run `macrohard doctor --probe`"
    )
    loaded = await _object(transport, "/api/ps")
    for running in _list(loaded.get("models")):
        if model in (running.get("name"), running.get("model")) and (tokens := _count(running.get("context_length"))):
            return ContextSize(tokens=tokens, source="/api/ps", warning=warning)
    shown = await _posted(transport, endpoint, "/api/show", {"model": model})
    if not shown:
        return None
    parameters = str(shown.get("parameters") or "")
    if found := re.search(r"^num_ctx\s+(\d+)$", parameters, re.MULTILINE):
        return ContextSize(tokens=int(found[1]), source="num_ctx in /api/show", warning=warning)
    return ContextSize(tokens=OLLAMA_DEFAULT_TOKENS, source="Ollama's own default", warning=warning)


async def _of_llama_cpp(transport: HttpTransport) -> ContextSize | None:
    said = await _object(transport, "/props")
    generation = said.get("default_generation_settings")
    tokens = _count(generation.get("n_ctx")) if isinstance(generation, dict) else None
    return ContextSize(tokens=tokens, source="n_ctx in /props") if tokens else None


async def _object(transport: HttpTransport, path: str) -> dict[str, Any]:
    try:
        page = await transport.get(path, timeout_seconds=ANSWER_SECONDS)
    except TransportFailed:
        return {}
    return _parsed(page.body) if page.status == 200 else {}


async def _posted(transport: HttpTransport, endpoint: str, path: str, body: JsonObject) -> dict[str, Any]:
    request = Request(
        endpoint=endpoint, path=path, headers={}, body=json.dumps(body).encode(), session_id="probe/context"
    )
    try:
        async with transport.post(request) as answer:
            content = b"".join([chunk async for chunk in answer.chunks])
    except TransportFailed:
        return {}
    return _parsed(content) if answer.status == 200 else {}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _list(found: object) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _count(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None
