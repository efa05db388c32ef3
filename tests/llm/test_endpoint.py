"""One attempt over a real connection: what it costs, how it fails, and what it leaves behind."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import pytest

from macrohard.domain import JsonObject
from macrohard.llm.failures import CallFailed, Interrupted, Rejected, Throttled, TooLong
from macrohard.llm.target import Capabilities
from tests.llm.speaking import (
    DONE,
    QUESTION,
    TOOLS,
    Speaker,
    call_chunk,
    chunk,
    complaint,
    endpoint_of,
    reply_to,
    usage_chunk,
    whole,
)

OK = [chunk({"content": "ok"}), chunk({}, "stop")]


async def attempt(speaker: Speaker, **more: Any) -> CallFailed:
    """How it failed."""
    with pytest.raises(CallFailed) as caught:
        await reply_to(speaker, **more)
    return caught.value


# ── What it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("usage", "tokens", "cost"),
    [
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10}, (100, 0, 10, 0), 260e-6, id="by the table"),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}},
            (100, 60, 10, 0),
            170e-6,
            id="cached tokens are cheaper",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            (100, 0, 50, 40),
            500e-6,
            id="reasoning that is left out of the completion",
        ),
        pytest.param(
            {"prompt_tokens": 200_000, "completion_tokens": 10}, (200_000, 0, 10, 0), 0.80012, id="long requests double"
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": 123_000_000},
            (100, 0, 10, 0),
            0.0123,
            id="the provider's own figure wins",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.0123, "is_byok": False},
            (100, 0, 10, 0),
            0.0123,
            id="OpenRouter's too",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "cost": 0.0003,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.0120},
            },
            (100, 0, 10, 0),
            0.0123,
            id="OpenRouter's with the bill of the provider behind it",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.0003, "is_byok": True},
            (100, 0, 10, 0),
            260e-6,
            id="by the table where that bill is not told",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 77},
            (100, 0, 10, 0),
            260e-6,
            id="by the table where a cost is in nobody knows what",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": -5},
            (100, 0, 10, 0),
            260e-6,
            id="unless it is absurd",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 900}},
            (100, 100, 10, 0),
            110e-6,
            id="not more is cached than there is",
        ),
    ],
)
async def test_what_a_call_took(usage: JsonObject, tokens: tuple[int, int, int, int], cost: float) -> None:
    for speaker in (Speaker(chunks=[*OK, usage_chunk(**usage), DONE]), whole({"content": "ok"}, usage=usage)):
        said = (await reply_to(speaker)).usage
        assert (said.input_tokens, said.cached_tokens, said.output_tokens, said.reasoning_tokens) == tokens
        assert said.cost_usd == pytest.approx(cost)
        assert said.exact == (cost == 0.0123)
        assert not said.estimated


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="absent"),
        pytest.param({}, id="empty"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": -5}, id="negative"),
        pytest.param({"prompt_tokens": None, "completion_tokens": None}, id="null"),
        pytest.param({"prompt_tokens": "about 100", "completion_tokens": "10"}, id="words"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 10}, id="no input"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 0}, id="no output"),
        pytest.param({"prompt_tokens": 10**12, "completion_tokens": 10}, id="more than there is in the world"),
        pytest.param({"prompt_tokens": True, "completion_tokens": [1]}, id="of other types"),
    ],
)
async def test_a_count_that_cannot_be_true_is_estimated(usage: JsonObject | None) -> None:
    speaker = Speaker(chunks=[chunk({"content": "x" * 400}), *OK, *([] if usage is None else [usage_chunk(**usage)])])
    reply = await reply_to(speaker, messages=[{"role": "user", "content": "x" * 4000}])
    assert reply.usage.estimated
    assert 1000 <= reply.usage.input_tokens <= 1200
    assert 100 <= reply.usage.output_tokens <= 110
    assert reply.usage.cost_usd == pytest.approx((2 * reply.usage.input_tokens + 6 * reply.usage.output_tokens) / 1e6)


@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_the_worst_case_is_more_than_what_is_usually_counted(wire: Literal["chat", "responses"]) -> None:
    picture = "data:image/png;base64," + "A" * 1_000_000
    messages: list[JsonObject] = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}]},
        {"role": "user", "content": "x" * 40_000},
    ]
    async with endpoint_of(Speaker(base_url="http://x/v1"), wire=wire) as endpoint:
        call = endpoint.prepare(messages, TOOLS, session_id="s")
    assert 10_000 < call.likely_tokens < 13_000
    # Twice as many as are likely, the picture, and the answer; but not its million bytes.
    assert 20_000 + 6_000 + 1_000 < call.worst_case_tokens < 35_000
    assert call.worst_case_usd == pytest.approx((2 * (call.worst_case_tokens - 1000) + 6 * 1000) / 1e6)


async def test_who_takes_no_limit_may_answer_until_its_window_is_full() -> None:
    unlimited = Capabilities(output_limit="none")
    speaker = Speaker(base_url="http://x/v1")
    async with endpoint_of(speaker, capabilities=unlimited, context_tokens=50_000) as endpoint:
        assert endpoint.prepare(QUESTION, [], session_id="s").worst_case_usd > 50_000 * 6e-6


# ── How it fails ─────────────────────────────────────────────────────────────────────────────────────────────────────

DOCTOR = "macrohard doctor"


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        pytest.param(401, {"error": {"message": "bad key"}}, Rejected, "keys list", id="wrong key"),
        pytest.param(403, {"code": "x", "error": "The team is not allowed"}, Rejected, "keys list", id="forbidden"),
        pytest.param(404, {"error": {"message": "no model"}}, Rejected, "base_url", id="unknown model"),
        pytest.param(400, {"code": "x", "error": "stop is not supported"}, Rejected, DOCTOR, id="xAI's form"),
        pytest.param(
            400,
            {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model."}},
            Rejected,
            DOCTOR,
            id="OpenAI's parameter",
        ),
        pytest.param(
            422, {"detail": [{"msg": "Extra inputs are not permitted"}]}, Rejected, DOCTOR, id="a validator's parameter"
        ),
        pytest.param(
            400,
            {"error": {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'}},
            Rejected,
            "Start the server",
            id="vLLM without tools",
        ),
        pytest.param(402, {"error": {"message": "Insufficient credits"}}, Rejected, "Top up", id="402"),
        pytest.param(
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            Rejected,
            "Top up",
            id="OpenAI's quota",
        ),
        pytest.param(
            403,
            {"code": "x", "error": "Your team doesn't have any credits yet"},
            Rejected,
            "Top up",
            id="xAI's credits",
        ),
        pytest.param(403, {"error": "Content violates usage guidelines."}, Rejected, "rules", id="xAI's guidelines"),
        pytest.param(400, {"error": {"message": "something"}}, Rejected, "answered 400: something", id="anything else"),
        pytest.param(
            400,
            {"error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 8192"}},
            TooLong,
            "so long",
            id="OpenAI: too long",
        ),
        pytest.param(
            400,
            {"code": "x", "error": "This model's maximum prompt length is 131072 but the request contains 537812"},
            TooLong,
            "so long",
            id="xAI: too long",
        ),
        pytest.param(
            400,
            {"error": {"type": "exceed_context_size_error", "message": "it exceeds the available context size"}},
            TooLong,
            "so long",
            id="llama.cpp: too long",
        ),
        pytest.param(
            400,
            {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}},
            TooLong,
            "",
            id="Anthropic",
        ),
        pytest.param(
            400, {"error": [{"message": "The input token count (9) exceeds the maximum"}]}, TooLong, "", id="Gemini"
        ),
        pytest.param(
            429,
            {"error": {"message": "Request too large for gpt-x on tokens per min"}},
            TooLong,
            "",
            id="for the minute",
        ),
        pytest.param(500, {"error": {"message": "oops"}}, Interrupted, "answered 500", id="500"),
        pytest.param(502, "<html>Bad gateway</html>", Interrupted, "Bad gateway", id="a proxy's page"),
        pytest.param(408, {}, Interrupted, "408", id="408"),
        pytest.param(503, {"error": {"message": "The model is overloaded"}}, Throttled, "overloaded", id="overloaded"),
        pytest.param(503, {"error": {"message": "starting"}}, Interrupted, "starting", id="503"),
        pytest.param(529, {}, Throttled, "529", id="529"),
        pytest.param(429, {"error": "Too many requests"}, Throttled, "no capacity", id="429"),
    ],
)
async def test_who_has_to_act_is_told(status: int, body: object, kind: type[CallFailed], says: str) -> None:
    failure = await attempt(complaint(status, body))
    assert type(failure) is kind
    assert says in str(failure)
    assert "test (m-1)" in str(failure)
    assert failure.spent is None


async def test_a_key_that_is_repeated_is_not_shown() -> None:
    failure = await attempt(complaint(401, {"error": {"message": "Incorrect API key: canary-key-0123456789"}}))
    assert "canary" not in str(failure)
    assert "Incorrect API key" in str(failure)


async def test_an_endpoint_that_moved_is_not_followed() -> None:
    failure = await attempt(Speaker(status=307, headers={"location": "https://elsewhere.test/v1"}))
    assert "https://elsewhere.test/v1" in str(failure)
    assert isinstance(failure, Rejected)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({"retry-after": "7"}, "", 7, id="seconds"),
        pytest.param({"retry-after": "1.5"}, "", 1.5, id="a fraction"),
        pytest.param({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25, id="milliseconds"),
        pytest.param(
            {"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, "", 90, id="a span"
        ),
        pytest.param(
            {
                "x-ratelimit-reset-requests": "1h",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "20ms",
                "x-ratelimit-remaining-tokens": "0",
            },
            "",
            0.02,
            id="of what is used up",
        ),
        pytest.param({"x-ratelimit-reset-requests": "1763800000"}, "", None, id="a time of day"),
        pytest.param({}, "Please try again in 1.5s. Thank you", 1.5, id="in words"),
        pytest.param({}, "Rate limit reached", None, id="nothing"),
        pytest.param({"retry-after": "soon"}, "", None, id="not understood"),
        pytest.param({"retry-after": "-5"}, "", None, id="negative"),
        pytest.param({"retry-after": "nan"}, "", None, id="no number"),
    ],
)
async def test_how_long_to_wait_is_read(headers: dict[str, str], body: str, seconds: float | None) -> None:
    failure = await attempt(complaint(429, {"error": {"message": body}}, **headers))
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


async def test_a_date_is_taken_by_the_endpoints_own_clock() -> None:
    theirs = datetime(2040, 1, 1, tzinfo=UTC)
    headers = {"date": format_datetime(theirs, usegmt=True)}
    headers["retry-after"] = format_datetime(theirs + timedelta(seconds=30), usegmt=True)
    failure = await attempt(complaint(429, {}, **headers))
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == 30


async def test_what_was_streamed_before_it_broke_is_taken_to_be_billed() -> None:
    pieces = [chunk({"content": "x" * 300}), call_chunk('{"a": "' + "x" * 100, id="c", name="write")]
    messages: list[JsonObject] = [{"role": "user", "content": "x" * 4000}]
    failure = await attempt(Speaker(chunks=pieces, then="break"), messages=messages)
    assert isinstance(failure, Interrupted)
    assert failure.spent is not None
    assert failure.spent.estimated
    assert failure.spent.input_tokens > 1000
    assert 100 <= failure.spent.output_tokens <= 110
    assert failure.spent.cost_usd > 2600e-6


async def test_an_empty_answer_costs_what_was_stated() -> None:
    usage = usage_chunk(prompt_tokens=100, completion_tokens=50, cost_in_usd_ticks=10**8)
    failure = await attempt(Speaker(chunks=[chunk({}, "stop"), usage, DONE]))
    assert failure.spent is not None
    assert (failure.spent.cost_usd, failure.spent.exact) == (0.01, True)


async def test_nothing_is_billed_for_keep_alives() -> None:
    assert (await attempt(Speaker(chunks=[b": wait\n\n"], then="break"))).spent is None
