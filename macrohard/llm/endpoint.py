"""One OpenAI-compatible endpoint, the built-in model included; the only importer of `openai`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
import openai
import orjson

from macrohard.domain import JsonObject
from macrohard.llm.chat import Reply, ToolCall, Usage
from macrohard.llm.failures import Interrupted, Rejected, Throttled
from macrohard.llm.target import EndpointSettings, Target
from macrohard.llm.transport import Request, Transport

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 900.0
"""xAI advises at least this for reasoning models (docs.x.ai, best practices)."""
RETRIES = 4
"""The SDK's own, with back-off and Retry-After; no other layer retries."""
TICKS_PER_USD = 1e10
"""Of `usage.cost_in_usd_ticks`, where the provider states the exact cost (xAI)."""


@dataclass(frozen=True)
class PreparedCall:
    """A call encoded once: what may be reserved for it is known before it is sent, and it can be sent again as it is."""

    request: Request
    messages: Sequence[JsonObject]
    tools: Sequence[JsonObject]
    worst_case_usd: float
    """No answer to this costs more by the price table."""
    worst_case_tokens: int
    """Input and output at most."""
    likely_tokens: int
    """The input as it is usually counted: for limits of tokens a minute."""


class Endpoint:
    """One target: prepares calls, and makes one attempt at a time at them."""

    def __init__(self, target: Target, transport: Transport | None = None) -> None:
        self.target = target
        settings = target.endpoint
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        if settings.base_url is None:
            from macrohard.llm.builtin.app import application

            client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), timeout=timeout)
            self._client = openai.AsyncOpenAI(
                api_key="none", base_url="http://builtin/v1", http_client=client, max_retries=0
            )
        else:
            self._client = openai.AsyncOpenAI(
                api_key=settings.api_key.get_secret_value() or "none",
                base_url=settings.base_url,
                timeout=timeout,
                max_retries=RETRIES,
            )

    def prepare(self, messages: Sequence[JsonObject], tools: Sequence[JsonObject], *, session_id: str) -> PreparedCall:
        """Encode the conversation for this target; the messages must not change until the call is over."""
        body = orjson.dumps({"messages": list(messages), "tools": list(tools)})
        return PreparedCall(
            request=Request(
                endpoint=self.target.endpoint.name,
                path="/chat/completions",
                headers={},
                body=body,
                session_id=session_id,
            ),
            messages=messages,
            tools=tools,
            worst_case_usd=self.worst_case_usd(messages, tools),
            worst_case_tokens=2 * estimated_tokens([*messages, *tools]) + self.target.max_output_tokens,
            likely_tokens=estimated_tokens([*messages, *tools]),
        )

    async def complete(self, call: PreparedCall) -> Reply:
        """Make one attempt; the same call may be attempted again.

        Raises:
            CallFailed: see `macrohard.llm.failures`; its `spent` is what the attempt is taken to have cost.
        """
        messages, tools = call.messages, call.tools
        # The SDK checks a typed history on every call, 25 ms for 200 messages; `extra_body` goes out as it is.
        body: dict[str, object] = {"messages": list(messages), "max_tokens": self.target.max_output_tokens}
        if tools:
            body["tools"] = list(tools)
        began = time.monotonic()
        try:
            completion = await self._client.chat.completions.create(
                model=self.target.model, messages=[], extra_body=body
            )
        except openai.APIStatusError as error:
            problem = self._advice(error)
            if error.status_code == 429:
                raise Throttled(problem, retry_after_seconds=None) from error
            if error.status_code >= 500:
                raise Interrupted(problem) from error
            raise Rejected(problem, status=error.status_code) from error
        except openai.APIConnectionError as error:
            cause = type(error.__cause__ or error).__name__
            raise Interrupted(
                f"{self.target.endpoint.name} at {self.target.endpoint.base_url} cannot be reached ({cause}). "
                "Check the address and the network, then resume the run."
            ) from error
        seconds = time.monotonic() - began
        if not completion.choices:
            raise Interrupted(f"{self.target.endpoint.name} answered without a choice; resume the run to ask again")
        message = completion.choices[0].message
        calls = tuple(
            ToolCall(id=call.id or f"call_{number}", name=call.function.name, arguments=call.function.arguments or "{}")
            for number, call in enumerate(message.tool_calls or [])
            if call.type == "function" or call.type is None
        )
        wire: JsonObject = {"role": "assistant", "content": message.content}
        if calls:
            wire["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
        return Reply(
            endpoint=self.target.endpoint.name,
            finish="tool_calls" if calls else "length" if completion.choices[0].finish_reason == "length" else "stop",
            model=completion.model or self.target.model,
            message=wire,
            text=message.content or "",
            tool_calls=calls,
            usage=self._usage(completion.usage, messages, wire, seconds),
        )

    def _usage(
        self,
        stated: openai.types.CompletionUsage | None,
        messages: Sequence[JsonObject],
        answer: JsonObject,
        seconds: float,
    ) -> Usage:
        if stated is None:
            input_tokens, cached, output_tokens, ticks = estimated_tokens(messages), 0, estimated_tokens([answer]), None
        else:
            input_tokens, output_tokens = stated.prompt_tokens, stated.completion_tokens
            cached = (stated.prompt_tokens_details and stated.prompt_tokens_details.cached_tokens) or 0
            ticks = (stated.model_extra or {}).get("cost_in_usd_ticks")
        cost = (
            ticks / TICKS_PER_USD
            if isinstance(ticks, int | float)
            else self.target.price.cost_usd(
                input_tokens=input_tokens, cached_tokens=cached, output_tokens=output_tokens
            )
        )
        return Usage(
            input_tokens=input_tokens, cached_tokens=cached, output_tokens=output_tokens, cost_usd=cost, seconds=seconds
        )

    def worst_case_usd(self, messages: Sequence[JsonObject], tools: Sequence[JsonObject]) -> float:
        """More than any answer to this can cost by the price table."""
        return self.target.price.cost_usd(
            input_tokens=2 * estimated_tokens([*messages, *tools]),
            cached_tokens=0,
            output_tokens=self.target.max_output_tokens,
        )

    def _advice(self, error: openai.APIStatusError) -> str:
        where = f"{self.target.endpoint.name} ({self.target.model})"
        said = str(error.body or error.message)[:500]
        if error.status_code in (401, 403):
            return f"{where} refused the key ({error.status_code}). Set MACROHARD_API_KEY or XAI_API_KEY: {said}"
        if error.status_code == 404:
            return f"{where} knows no such model or path (404). Check MACROHARD_MODEL and MACROHARD_BASE_URL: {said}"
        if error.status_code == 429:
            return f"{where} has no capacity left for this key (429). Resume the run later: {said}"
        return f"{where} answered {error.status_code}: {said}"

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def estimated_tokens(messages: Sequence[JsonObject]) -> int:
    """About four characters a token, for endpoints that do not count and for reservations."""
    return sum(len(str(message)) for message in messages) // 4 + 1


def open_transport(settings: EndpointSettings) -> Transport:
    """The way in to an endpoint, shared by all who open it; each closes what it opened, the last one for all."""
    raise NotImplementedError(settings.name)


def open_endpoint(target: Target) -> Endpoint:
    """The endpoint of a target, over a transport shared with other targets of the same endpoint settings."""
    return Endpoint(target)
