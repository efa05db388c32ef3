"""Counts what a call takes: as the endpoint states it, as it is likely, and at most."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.chat import Usage
from macrohard.llm.price import ModelPrice

BYTES_A_TOKEN = 4
"""Usual for English and for code."""
FEWEST_BYTES_A_TOKEN = 2
"""Of a whole request: code, JSON and every script in UTF-8 have more, by today's vocabularies. Only one of nothing
but digits or odd symbols has fewer."""
HIDDEN_TOKENS = 2_000
"""What a provider may add to a request: the chat template, and its words about tools."""
IMAGE_TOKENS = 1_000
IMAGE_TOKENS_AT_MOST = 6_000
"""xAI takes at most 1,792 (docs.x.ai, image understanding); others with high detail up to about 5,000."""
ABSURD_TOKENS = 10_000_000
"""No model reads or writes so much in one call."""
ABSURD_USD = 1_000.0
TICKS_PER_USD = 1e10
"""Of `usage.cost_in_usd_ticks`, where the provider states the exact cost (xAI: xai_sdk/cost.py)."""


@dataclass(frozen=True)
class RequestSize:
    """How long an encoded request is."""

    text_bytes: int
    """Without images' data."""
    images: int

    @property
    def likely_tokens(self) -> int:
        """As it is usually counted."""
        return self.text_bytes // BYTES_A_TOKEN + self.images * IMAGE_TOKENS + 1

    @property
    def tokens_at_most(self) -> int:
        """More than any endpoint counts."""
        return self.text_bytes // FEWEST_BYTES_A_TOKEN + self.images * IMAGE_TOKENS_AT_MOST + HIDDEN_TOKENS


def request_size(body: bytes, messages: Iterable[JsonObject]) -> RequestSize:
    """Of a body that was encoded from these messages."""
    images, data = 0, 0
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            for part in content:
                if isinstance(part, dict) and isinstance(image := part.get("image_url"), dict):
                    images += 1
                    data += len(str(image.get("url")))
    return RequestSize(text_bytes=max(len(body) - data, 0), images=images)


def usage_of(
    stated: JsonObject, *, request: RequestSize, answered_characters: int, price: ModelPrice, seconds: float
) -> Usage:
    """What a call took, by the endpoint's own count where it can be true.

    Both wires' names are understood. The output is everything beyond the prompt: chat completions of xAI leave the
    reasoning out of `completion_tokens`. A count that is absent or absurd is replaced by an estimate from the length of
    request and answer, and the cost by the price table unless the provider stated one.
    """
    prompt = _count(stated, "prompt_tokens", "input_tokens")
    completion = _count(stated, "completion_tokens", "output_tokens")
    total = _count(stated, "total_tokens")
    likely_output = math.ceil(answered_characters / BYTES_A_TOKEN)
    # Nobody counts nothing for a prompt, or for an answer that is there.
    believed = bool(prompt) and completion is not None and (completion > 0 or answered_characters == 0)
    if believed:
        assert prompt is not None
        assert completion is not None
        output = max(completion, (total or 0) - prompt)
    else:
        prompt, output = request.likely_tokens, likely_output
    cached = min(_detail(stated, "prompt_tokens_details", "input_tokens_details", "cached_tokens"), prompt)
    reasoning = _detail(stated, "completion_tokens_details", "output_tokens_details", "reasoning_tokens")
    cost = _stated_cost(stated)
    return Usage(
        input_tokens=prompt,
        cached_tokens=cached if believed else 0,
        output_tokens=output,
        reasoning_tokens=min(reasoning, output),
        cost_usd=price.cost_usd(input_tokens=prompt, cached_tokens=cached if believed else 0, output_tokens=output)
        if cost is None
        else cost,
        exact=cost is not None,
        estimated=not believed,
        seconds=seconds,
    )


def _count(stated: JsonObject, *names: str) -> int | None:
    """None where there is no number of tokens that can be true."""
    for name in names:
        value = stated.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= ABSURD_TOKENS:
            return int(value)
    return None


def _detail(stated: JsonObject, chat: str, responses: str, name: str) -> int:
    for details in (stated.get(chat), stated.get(responses)):
        if isinstance(details, dict) and (count := _count(details, name)) is not None:
            return count
    return 0


def _stated_cost(stated: JsonObject) -> float | None:
    """In ticks from xAI; in dollars from OpenRouter, whose own word `is_byok` tells it from others that say `cost`.

    Where the person's own key at the model's provider was used, that provider's bill comes on top.
    """
    if (ticks := _amount(stated.get("cost_in_usd_ticks"), most=ABSURD_USD * TICKS_PER_USD)) is not None:
        return ticks / TICKS_PER_USD
    if (cost := _amount(stated.get("cost"), most=ABSURD_USD)) is None or "is_byok" not in stated:
        return None
    if not stated["is_byok"]:
        return cost
    details = stated.get("cost_details")
    upstream = details.get("upstream_inference_cost") if isinstance(details, dict) else None
    billed = _amount(upstream, most=ABSURD_USD)
    return None if billed is None else cost + billed


def _amount(value: JsonValue, *, most: float) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None
