"""Tells from what an endpoint says against a request who has to act: nobody, the session, or the operator."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import JsonValue

from macrohard.llm.failures import CallFailed, Interrupted, Rejected, Throttled, TooLong
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import Target
from macrohard.llm.wire.stream import Unreadable, loads, mended

SHOWN_CHARACTERS = 500
OVERLOADED = 529
"""Not in any standard; Anthropic's, and of proxies before it."""
LONGEST_SPAN_SECONDS = 1e8
"""More than that in `x-ratelimit-reset-*` is a time of day."""

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|max(imum)?[ _]model[ _]len|maximum (prompt|input) length"
    r"|(prompt|input|request|conversation|message)s?( token count)?( is| are|'s)? (too (long|large)|exceeds)"
    r"|too many (input |prompt )?tokens|exceeds? the (available context|model'?s? (max|context|limit))"
    r"|exceeds the maximum number of tokens|token count.{0,30} exceeds"
    r"|reduce the length|string_above_max_length|exceed_context_size",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient[ _](quota|credit|balance|fund)|out of credits|(used|exhausted) all (available |of your )?credits"
    r"|(doesn't|does not|don't) have any credits|credit balance|billing_hard_limit|payment required|spending limit",
    re.IGNORECASE,
)
_FORBIDDEN_CONTENT = re.compile(r"usage guidelines|content[ _](policy|filter)|safety_check|moderation", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(unsupported|unknown|unrecognized|unexpected|invalid|extra)[ _'\"a-z]*(param|argument|value|field|input|key)"
    r"|(is|are) not (supported|permitted|allowed)|does not support|not support|extra inputs|not compatible",
    re.IGNORECASE,
)
_OVERLOAD = re.compile(r"overload|capacity|rate.?limit|too many requests|resource.?exhausted", re.IGNORECASE)
_STATUS_OF_CODE: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "overloaded_error": OVERLOADED,
    "overloaded": OVERLOADED,
    "unavailable": 503,
    "insufficient_quota": 402,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "invalid_argument": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_denied": 403,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
}
_SPAN = re.compile(r"([\d.]+)\s*(ms|milliseconds?|h|hours?|m|min|minutes?|s|seconds?)(?![a-z])", re.IGNORECASE)
_AGAIN_IN = re.compile(r"(?:again in|retry after|retry in|retryDelay\W+)\s*((?:[\d.]+\s*[a-z]+\s*)+)", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def failure_of_status(target: Target, *, status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    """An answer whose status is not 200; the body is OpenAI's, xAI's, or any other form of complaint."""
    try:
        said = loads(body)
    except Unreadable:
        said = body.decode(errors="replace")
    return _failure(target, status, said, headers)


def failure_of_event(target: Target, said: JsonValue) -> CallFailed:
    """An error inside an answer that began well, sorted by the code it names."""
    return _failure(target, None, said, {})


def _failure(target: Target, status: int | None, said: JsonValue, headers: Mapping[str, str]) -> CallFailed:
    text, codes = _words(said)
    everything = " ".join((text, *codes))
    where = f"{target.endpoint.name} ({target.model})"
    shown = _shown(target, text or ", ".join(codes) or "nothing")
    if status is None:
        status = next((found for code in codes if (found := _status(code)) is not None), 500)
        where = f"{where}, within its answer,"
    if _NO_MONEY.search(everything) or status == 402:
        return Rejected(
            f"{where} has no credit left for this key. Top up or raise the spending limit with the provider, "
            f"then resume the run: {shown}",
            status=status,
        )
    if status in (400, 413, 422, 500) and _TOO_LONG.search(everything):
        return TooLong(f"{where} cannot read so long a conversation: {shown}", status=status)
    if status == 429 and "request too large" in everything.lower():
        return TooLong(f"{where} does not take so long a conversation at once: {shown}", status=status)
    overload = _OVERLOAD.search(everything) is not None or "retry-after" in headers
    if status in (429, OVERLOADED) or (status in (500, 502, 503) and overload):
        return Throttled(
            f"{where} has no capacity left for this key now ({status}): {shown}",
            retry_after_seconds=_wait_seconds(headers, text),
        )
    if status >= 500 or status in (408, 409, 425):
        return Interrupted(f"{where} answered {status}: {shown}")
    return Rejected(_advice(where, status, everything, shown, headers), status=status)


def _advice(where: str, status: int, everything: str, shown: str, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        return f"{where} has moved to {headers.get('location', 'nowhere')} ({status}). Set that as its address."
    if _FORBIDDEN_CONTENT.search(everything):
        return f"{where} refuses this conversation by its rules on content ({status}). Word the task otherwise: {shown}"
    if status in (401, 403):
        return f"{where} refused the key ({status}). `macrohard keys list` shows where it comes from; mend it: {shown}"
    if status in (404, 405):
        return f"{where} knows no such model or path ({status}). Check its name and base_url: {shown}"
    if "tool-call-parser" in everything or "jinja" in everything.lower():
        return f"{where} was started without support for tools ({status}). Start the server as it says: {shown}"
    if _PARAMETER.search(everything):
        return f"{where} refused a parameter ({status}). `macrohard doctor --probe` finds what it accepts: {shown}"
    return f"{where} answered {status}: {shown}"


def _words(said: JsonValue) -> tuple[str, tuple[str, ...]]:
    """The text of a complaint, and the codes that sort it."""
    if isinstance(said, list):
        return _words(said[0]) if said else ("", ())
    if not isinstance(said, dict):
        return ("" if said is None else str(said)), ()
    inner = said.get("error")
    if isinstance(inner, dict | list):
        text, codes = _words(inner)
        return text, codes + _codes(said)
    found = next((value for name in ("message", "detail", "error", "msg") if (value := said.get(name))), "")
    return str(found), _codes(said)


def _codes(said: Mapping[str, JsonValue]) -> tuple[str, ...]:
    found = (said.get("code"), said.get("type"), said.get("status"))
    return tuple(str(code) for code in found if isinstance(code, str | int) and code not in ("", "error"))


def _status(code: str) -> int | None:
    if code.isdigit() and 300 <= int(code) < 600:
        return int(code)
    return _STATUS_OF_CODE.get(code.lower())


def _shown(target: Target, text: str) -> str:
    """Some endpoints repeat the key they were given."""
    clean = Redactor([target.endpoint.api_key.get_secret_value()]).text(mended(text))
    return " ".join(clean.split())[:SHOWN_CHARACTERS]


def _wait_seconds(headers: Mapping[str, str], text: str) -> float | None:
    """How long the endpoint wants to be left alone; None: it does not say, or not in a way that is understood."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if stated := headers.get("retry-after"):
        if (seconds := _number(stated)) is not None:
            return seconds
        return _until(stated, headers)
    resets = []
    for what in ("requests", "tokens", "input-tokens", "output-tokens"):
        reset = headers.get(f"x-ratelimit-reset-{what}")
        if reset and headers.get(f"x-ratelimit-remaining-{what}", "0").strip() in ("0", ""):
            seconds = _number(reset)
            resets.append(seconds if seconds is not None else _span(reset))
    known = [seconds for seconds in resets if seconds is not None and seconds < LONGEST_SPAN_SECONDS]
    if known:
        return max(known)
    found = _AGAIN_IN.search(text)
    return _span(found[1]) if found else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _span(text: str) -> float | None:
    """Of "6m0s", "1.5s", "20ms"."""
    total, any_found = 0.0, False
    for amount, unit in _SPAN.findall(text):
        number = _number(amount)
        if number is None:
            return None
        any_found = True
        total += number / 1000 if unit.lower().startswith(("ms", "milli")) else number * _SECONDS[unit[0].lower()]
    return total if any_found else None


def _until(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds to an HTTP date, by the endpoint's own clock where it tells it: ours may be another."""
    try:
        then = _date(text)
        now = _date(headers["date"]) if "date" in headers else datetime.now(UTC)
    except ValueError:
        return None
    return max((then - now).total_seconds(), 0.0)


def _date(text: str) -> datetime:
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
