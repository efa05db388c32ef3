"""How the providers want to be asked for pictures and clips, and what their answers mean."""

import base64
import binascii
import re
from typing import Literal, Protocol

from pydantic import JsonValue

from macrohard.domain import JsonObject, Value
from macrohard.llm.media.magic import picture_type
from macrohard.llm.media.results import Aspect

TICKS_PER_USD = 10_000_000_000
_MODERATION = re.compile(r"moderat|content.policy|safety.system|usage.guidelines|content.filter", re.IGNORECASE)


class Made(Value):
    """What a picture's answer holds: the file itself or where it is, unless it was refused."""

    encoded: str = ""
    """In base64."""
    url: str = ""
    revised_prompt: str = ""
    refused: str = ""
    cost_usd: float | None = None
    """As the provider states it."""
    input_tokens: int = 0
    output_tokens: int = 0


class Progress(Value):
    """How far a clip is."""

    state: Literal["pending", "done", "failed", "refused"]
    url: str = ""
    seconds: float | None = None
    reason: str = ""
    cost_usd: float | None = None


class Family(Protocol):
    """One provider's dialect."""

    bills_refusals: bool
    offers_video: bool

    def image_request(self, model: str, prompt: str, *, aspect: Aspect, transparent: bool) -> JsonObject:
        """The body for `POST /images/generations`."""

    def image_answer(self, body: JsonObject) -> Made:
        """What it answered with status 200."""

    def video_request(
        self, model: str, prompt: str, *, seconds: int, aspect: Aspect, first_frame: bytes | None
    ) -> JsonObject:
        """The body for `POST /videos/generations`."""

    def progress(self, status: int, body: JsonObject) -> Progress:
        """What `GET /videos/{request_id}` answered, with a status below 300."""


class Xai:
    """api.x.ai: an aspect ratio and a resolution, never a size; the cost stands in the answer."""

    bills_refusals = True
    offers_video = True

    def image_request(self, model: str, prompt: str, *, aspect: Aspect, transparent: bool) -> JsonObject:
        """See `Family.image_request`. There is no transparent background; the prompt asks for a plain one instead."""
        wish = f"{prompt} On a plain white background." if transparent else prompt
        body: JsonObject = {
            "model": model,
            "prompt": wish,
            "n": 1,
            "aspect_ratio": aspect,
            "resolution": "1k",
            "response_format": "b64_json",
        }
        # Other models refuse it.
        if model.startswith("grok-imagine-image-2"):
            body["quality"] = "medium"
        return body

    def image_answer(self, body: JsonObject) -> Made:
        """See `Family.image_answer`."""
        first = _first(body)
        blocked = first.get("respect_moderation") is False or body.get("respect_moderation") is False
        return Made(
            encoded=_text(first.get("b64_json")).rpartition("base64,")[2],
            url=_text(first.get("url")),
            revised_prompt=_text(first.get("revised_prompt")),
            refused="it does not respect the provider's moderation rules" if blocked else "",
            cost_usd=_ticks(body),
        )

    def video_request(
        self, model: str, prompt: str, *, seconds: int, aspect: Aspect, first_frame: bytes | None
    ) -> JsonObject:
        """See `Family.video_request`."""
        body: JsonObject = {
            "model": model,
            "prompt": prompt,
            "duration": seconds,
            "aspect_ratio": aspect,
            "resolution": "480p",
        }
        if first_frame is not None:
            kind = picture_type(first_frame) or "image/png"
            body["image"] = {"url": f"data:{kind};base64,{base64.b64encode(first_frame).decode()}"}
        return body

    def progress(self, status: int, body: JsonObject) -> Progress:
        """See `Family.progress`; 202 means pending, also where nothing comes with it."""
        video = body.get("video")
        video = video if isinstance(video, dict) else {}
        state, cost = _text(body.get("status")), _ticks(body)
        reason = _problem(body)
        if status == 202 or state in ("", "pending", "queued", "processing", "in_progress"):
            return Progress(state="pending")
        if video.get("respect_moderation") is False or (state != "done" and _MODERATION.search(reason)):
            return Progress(state="refused", reason=reason or "it does not respect moderation rules", cost_usd=cost)
        if state != "done" or not video.get("url"):
            return Progress(state="failed", reason=reason or f"it is {state!r}", cost_usd=cost)
        length = video.get("duration")
        seconds = float(length) if isinstance(length, int | float) else None
        return Progress(state="done", url=_text(video.get("url")), seconds=seconds, cost_usd=cost)


class OpenAI:
    """OpenAI's form: a size and a quality; GPT image models always answer base64 and refuse to be asked for it."""

    bills_refusals = False
    offers_video = False

    def image_request(self, model: str, prompt: str, *, aspect: Aspect, transparent: bool) -> JsonObject:
        """See `Family.image_request`; of the three sizes the one that comes nearest."""
        wide, high = (int(part) for part in aspect.split(":"))
        body: JsonObject = {"model": model, "prompt": prompt, "n": 1}
        if model.startswith("dall-e"):
            sizes = ("1024x1024", "1792x1024", "1024x1792") if model.endswith("3") else ("1024x1024",) * 3
            body["response_format"] = "b64_json"
        else:
            sizes = ("1024x1024", "1536x1024", "1024x1536")
            body |= {
                "quality": "medium",
                "background": "transparent" if transparent else "auto",
                "output_format": "png",
            }
        body["size"] = sizes[0] if wide == high else sizes[1] if wide > high else sizes[2]
        return body

    def image_answer(self, body: JsonObject) -> Made:
        """See `Family.image_answer`."""
        first = _first(body)
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return Made(
            encoded=_text(first.get("b64_json")),
            url=_text(first.get("url")),
            revised_prompt=_text(first.get("revised_prompt")),
            cost_usd=_ticks(body),
            input_tokens=_count(usage.get("input_tokens")),
            output_tokens=_count(usage.get("output_tokens")),
        )

    def video_request(
        self, model: str, prompt: str, *, seconds: int, aspect: Aspect, first_frame: bytes | None
    ) -> JsonObject:
        """Never asked: `offers_video` is False."""
        raise NotImplementedError

    def progress(self, status: int, body: JsonObject) -> Progress:
        """Never asked: `offers_video` is False."""
        raise NotImplementedError


def family_of(model: str) -> Family:
    """The dialect that goes with a model's name, whoever serves it."""
    return Xai() if model.startswith("grok") else OpenAI()


def refusal(status: int, body: JsonObject, text: str) -> str:
    """Why moderation refuses, if that is what an error says; else nothing."""
    if status not in (400, 403, 422):
        return ""
    said = _problem(body) or text
    error = body.get("error")
    code = _text(error.get("code")) if isinstance(error, dict) else _text(body.get("code"))
    return said[:300] if _MODERATION.search(f"{code} {said}") else ""


def decoded(encoded: str) -> bytes | None:
    """The bytes of base64 text; None if it is none."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _problem(body: JsonObject) -> str:
    error = body.get("error")
    if isinstance(error, dict):
        return _text(error.get("message")) or _text(error.get("code"))
    return _text(error) or _text(body.get("message"))


def _ticks(body: JsonObject) -> float | None:
    usage = body.get("usage")
    ticks = usage.get("cost_in_usd_ticks") if isinstance(usage, dict) else None
    return ticks / TICKS_PER_USD if isinstance(ticks, int) and not isinstance(ticks, bool) and ticks >= 0 else None


def _first(body: JsonObject) -> JsonObject:
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else {}
    return first if isinstance(first, dict) else {}


def _text(value: JsonValue | None) -> str:
    return value if isinstance(value, str) else ""


def _count(value: JsonValue | None) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
