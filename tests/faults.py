"""An OpenAI-compatible endpoint that fails in every way endpoints do, seeded, and keeps its own book of what it billed.

Run: python -m tests.faults PORT --rate 0.2 --seed 7 [--kinds "reset before,noise"] [--log book.jsonl]. Behind it is the
built-in model, under any name, at `INPUT_TICKS` and `OUTPUT_TICKS` a token. It speaks HTTP itself, because a server
that can be trusted cannot break a connection in the middle of an answer.
"""

import argparse
import asyncio
import json
import random
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from macrohard.llm import ModelPrice
from macrohard.llm.builtin.app import Receive, Scope, Send, application

Application = Callable[[Scope, Receive, Send], Any]

INPUT_TICKS, OUTPUT_TICKS = 20_000, 60_000
"""Ticks of 1e-10 US dollars a token: what grok-4.7 costs."""
PRICE = ModelPrice(input=INPUT_TICKS / 1e4, cached_input=INPUT_TICKS / 1e4, output=OUTPUT_TICKS / 1e4)
"""The same as a price table says it."""
MODEL = "m@faulty"
SETTINGS = """
model = "{model}"
test_quality = false
patience_seconds = 5.0

[endpoints.faulty]
base_url = "{base_url}"
conversation_header = "x-conversation"
{of_endpoint}

[roles]
strong = {{ context_tokens = 2_000_000 }}
fast = {{ context_tokens = 2_000_000 }}
vision = {{ context_tokens = 2_000_000 }}
judge = {{ context_tokens = 2_000_000 }}

[sandboxes]
products = "base"

[media]
film = false

[prices.m]
input = {price.input}
cached_input = {price.cached_input}
output = {price.output}
"""

REFUSED = ("429", "429 with a wait", "429 with a date", "429 storm", "500", "502", "503")
"""An answer that is an error, and nothing is billed. The date is by a clock that is a day slow or ten years fast."""
BROKEN = ("reset before", "reset within", "closed within", "hang before", "hang within")
"""The connection breaks or falls silent, before the answer or somewhere in it."""
UNREADABLE = ("truncated", "broken json", "noise", "error inside", "empty stream")
"""A 200 that is no whole answer."""
ODD = ("malformed arguments", "unknown tool", "empty answer", "duplicate ids", "slow drip")
"""A whole answer that a model should not have given, or that takes its time."""
MISCOUNTED = ("usage absent", "usage negative", "usage low", "usage high", "usage of another type")
"""A good answer whose usage is not what was billed."""
KINDS = (*REFUSED, *BROKEN, *UNREADABLE, *ODD, *MISCOUNTED)

UNKNOWN_TOOL = "teleport"
BROKEN_ARGUMENTS = '{"path": "a", "content": "x" oops'


@dataclass
class Booked:
    """One request in the provider's book."""

    ordinal: int
    session_id: str
    """From the header `x-conversation`."""
    fault: str | None
    status: int | None = None
    """None: no answer was begun."""
    billed_ticks: int = 0
    """What the provider takes for it: nothing unless the model was asked."""
    said_ticks: int | None = None
    """The cost as the client was told it; None: it was not told, or not to the end."""
    input_tokens: int = 0
    output_tokens: int = 0
    cut_by_client: bool = False


@dataclass
class FaultyEndpoint:
    """The server; `serving` runs it. Everything may be changed while it runs."""

    rate: float
    """Share of requests that meet a fault."""
    seed: int
    kinds: tuple[str, ...] = KINDS
    behind: Application = application
    exact: bool = True
    """Whether usage states the cost, as xAI does."""
    wait_seconds: float = 0.1
    """What Retry-After asks for; as a date it is a second, the smallest that a date can say."""
    storm_requests: int = 8
    """So many are refused in a row."""
    drip_seconds: float = 0.01
    """Between two pieces of a slow answer."""
    remember: bool = False
    """Whether the model behind is asked only once for what it was asked before: it would say the same."""
    log: Path | None = None
    """A JSON line for each request."""
    book: list[Booked] = field(default_factory=list)
    port: int = 0
    planned: deque[str | None] = field(default_factory=deque)
    """Fates of the next requests, before chance decides again; None: a good answer."""
    _storm: int = 0
    _remembered: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def billed_ticks(self) -> int:
        """All that was billed."""
        return sum(entry.billed_ticks for entry in self.book)

    def met(self) -> Counter[str]:
        """How often each fault happened."""
        return Counter(entry.fault for entry in self.book if entry.fault)

    def _fate(self, ordinal: int) -> str | None:
        if self.planned:
            return self.planned.popleft()
        if self._storm:
            self._storm -= 1
            return "429 storm"
        chance = random.Random(f"{self.seed}:{ordinal}")
        if chance.random() >= self.rate:
            return None
        kind = chance.choice(self.kinds)
        if kind == "429 storm":
            self._storm = self.storm_requests - 1
        return kind

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until one of the sides has enough."""
        try:
            while await self._serve_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if method != "POST":
            status, content = await answered(self.behind, method, path, b"")
            await _whole(writer, status, content)
            return True
        ordinal = len(self.book)
        entry = Booked(ordinal=ordinal, session_id=headers.get("x-conversation", ""), fault=self._fate(ordinal))
        self.book.append(entry)
        try:
            return await self._meet(entry, path, body, reader, writer)
        finally:
            if self.log:
                with self.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(asdict(entry)) + "\n")

    async def _meet(
        self, entry: Booked, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        fault = entry.fault or ""
        if fault in REFUSED:
            status, headers = self._refusal(fault, random.Random(f"{self.seed}:{entry.ordinal}:clock"))
            entry.status = status
            content = b"<html>Bad gateway</html>" if status == 502 else b'{"error": {"message": "injected"}}'
            await _whole(writer, status, content, headers)
            return True
        if fault == "reset before":
            _reset(writer)
            return False
        if fault == "hang before":
            entry.cut_by_client = await _silence(reader)
            return False
        request = json.loads(body)
        asked = json.dumps({**request, "model": "builtin", "stream": True}).encode()
        if asked not in self._remembered:
            made = await answered(self.behind, "POST", path, asked)
            if self.remember:
                self._remembered[asked] = made
        status, content = self._remembered.get(asked) or made
        entry.status = status
        if status != 200:
            entry.fault = None
            await _whole(writer, status, content)
            return True
        events = self._billed(entry, events_of(content))
        if fault in MISCOUNTED:
            entry.said_ticks = miscount(events, fault)
        if fault in ODD:
            distort(events, fault)
        pieces = [rendered(event) for event in events]
        return await self._send(entry, pieces, reader, writer)

    def _refusal(self, fault: str, chance: random.Random) -> tuple[int, dict[str, str]]:
        if fault.isdigit():
            return int(fault), {}
        if fault == "429 with a wait":
            return 429, {"Retry-After": f"{self.wait_seconds:g}"}
        if fault == "429 with a date":
            clock = datetime.now(UTC) + chance.choice([timedelta(days=-1), timedelta(days=3650)])
            later = clock + timedelta(seconds=1)
            return 429, {
                "Date": format_datetime(clock, usegmt=True),
                "Retry-After": format_datetime(later, usegmt=True),
            }
        return 429, {}

    def _billed(self, entry: Booked, events: list[Any]) -> list[Any]:
        """Write the answer into the book, and its cost into the answer."""
        for usage in found(events, "usage"):
            entry.input_tokens = int(usage.get("prompt_tokens", usage.get("input_tokens", 0)))
            entry.output_tokens = int(usage.get("completion_tokens", usage.get("output_tokens", 0)))
            entry.billed_ticks = entry.input_tokens * INPUT_TICKS + entry.output_tokens * OUTPUT_TICKS
            if self.exact:
                usage["cost_in_usd_ticks"] = entry.billed_ticks
        return events

    async def _send(
        self, entry: Booked, pieces: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        fault, chance = entry.fault or "", random.Random(f"{self.seed}:{entry.ordinal}:place")
        whole = b"".join(pieces)
        cut = whole[: int(len(whole) * chance.uniform(0.05, 0.95))]
        headers = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(headers.encode())
        if fault in ("reset within", "closed within", "hang within"):
            writer.write(_chunk(cut))
            await writer.drain()
            if fault == "hang within":
                entry.cut_by_client = await _silence(reader)
            elif fault == "reset within":
                await asyncio.sleep(0.01)  # What is still in the client's buffer would be lost to it by the reset.
                _reset(writer)
            return False
        if fault in UNREADABLE:
            pieces = spoiled(fault, pieces, cut, chance)
        elif fault not in MISCOUNTED:
            entry.said_ticks = entry.billed_ticks
        if fault == "slow drip":
            whole = b": keep-alive\n\n" + whole
            size = len(whole) // 20 + 1
            for start in range(0, len(whole), size):
                writer.write(_chunk(whole[start : start + size]))
                await writer.drain()
                await asyncio.sleep(self.drip_seconds)
        else:
            writer.write(b"".join(_chunk(piece) for piece in pieces if piece))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


# ── What the model behind it says ────────────────────────────────────────────────────────────────────────────────────


def settings_of(endpoint: FaultyEndpoint, **of_endpoint: float) -> str:
    """Settings, as TOML, with which `MODEL` of the endpoint does all work; it has these settings of its own besides."""
    more = "\n".join(f"{name} = {value}" for name, value in of_endpoint.items())
    return SETTINGS.format(model=MODEL, base_url=endpoint.base_url, of_endpoint=more, price=PRICE)


async def answered(behind: Application, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and content that an application in this process answers."""
    status, content = 0, bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        content.extend(message.get("body", b""))

    await behind({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
    return status, bytes(content)


def events_of(content: bytes) -> list[Any]:
    """The stream's events: each a pair of the event's name and its data, JSON where it is JSON."""
    events = []
    for block in content.decode().split("\n\n"):
        name, data = "", ""
        for line in block.splitlines():
            key, _, value = line.partition(": ")
            name, data = (value, data) if key == "event" else (name, value)
        if data:
            events.append([name, data if data == "[DONE]" else json.loads(data)])
    return events


def rendered(event: Any) -> bytes:
    """An event as it goes out."""
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def found(tree: Any, key: str) -> Iterable[dict[str, Any]]:
    """Every object under that key, however deep."""
    if isinstance(tree, dict):
        if isinstance(tree.get(key), dict):
            yield tree[key]
        tree = tree.values()
    if not isinstance(tree, str | int | float | None):
        for branch in tree:
            yield from found(branch, key)


def objects(tree: Any) -> Iterable[dict[str, Any]]:
    """Every object, however deep."""
    if isinstance(tree, dict):
        yield tree
        tree = tree.values()
    if not isinstance(tree, str | int | float | None):
        for branch in tree:
            yield from objects(branch)


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def distort(events: list[Any], fault: str) -> None:
    """Make the answer one that a model should not have given."""
    for part in list(objects(events)):
        if fault == "malformed arguments" and "arguments" in part:
            # Chat Completions tells a call's name once and its arguments in pieces; Responses tells them again, whole.
            whole = "name" in part if "type" not in part else bool(part["arguments"])
            part["arguments"] = BROKEN_ARGUMENTS if whole else ""
        if fault == "unknown tool" and "arguments" in part and "name" in part:
            part["name"] = UNKNOWN_TOOL
        if fault == "duplicate ids":
            for key in ("id", "call_id"):
                if key in part and ("function" in part or part.get("type") == "function_call"):
                    part[key] = "call_0"
        if fault == "empty answer":
            part.pop("tool_calls", None)
            for key in ("content", "delta", "text"):
                if isinstance(part.get(key), str):
                    part[key] = ""
            if part.get("finish_reason") == "tool_calls":
                part["finish_reason"] = "stop"
            if isinstance(part.get("output"), list):
                part["output"] = []
    lost = {"malformed arguments": ("arguments.delta",), "empty answer": ("output_item", "arguments")}.get(fault, ())
    events[:] = [event for event in events if not any(name in event[0] for name in lost)]


def miscount(events: list[Any], fault: str) -> int | None:
    """Falsify the usage; the cost that the client is told in the end, None if none that can be true."""
    told: int | None = None
    for part in list(objects(events)):
        usage = part.get("usage")
        if not isinstance(usage, dict):
            continue
        if fault == "usage absent":
            del part["usage"]
            continue
        for key, value in usage.items():
            if not isinstance(value, int):
                continue
            usage[key] = {
                "usage negative": -value - 1,
                "usage low": value // 1000,
                "usage high": value * 1_000_000_000,
                "usage of another type": f"about {value}",
            }[fault]
        if fault == "usage low":
            told = usage.get("cost_in_usd_ticks")
    return told


def spoiled(fault: str, pieces: list[bytes], cut: bytes, chance: random.Random) -> list[bytes]:
    """A stream that ends well for HTTP, and says nothing whole."""
    if fault == "empty stream":
        return []
    if fault == "truncated":
        return [cut]
    middle = len(pieces) // 2
    begun = pieces[:middle]
    if fault == "broken json":
        return [*begun, pieces[middle][: len(pieces[middle]) // 2] + b"\n\n", *pieces[middle + 1 :]]
    if fault == "noise":
        return [*begun, b"data: " + chance.randbytes(200) + b"\n\n", chance.randbytes(50)]
    error = {"error": {"message": "injected: the model crashed", "type": "server_error", "code": 500}}
    return [*begun, f"data: {json.dumps(error)}\n\n".encode(), b"data: [DONE]\n\n"]


def _reset(writer: asyncio.StreamWriter) -> None:
    # Lingering for no time makes the kernel send RST where it would send FIN.
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _silence(reader: asyncio.StreamReader) -> bool:
    """Say nothing until the client goes; then True."""
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


async def _whole(
    writer: asyncio.StreamWriter, status: int, content: bytes, headers: Mapping[str, str] | None = None
) -> None:
    told = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content)
    await writer.drain()


def _chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


@asynccontextmanager
async def serving(endpoint: FaultyEndpoint) -> AsyncIterator[FaultyEndpoint]:
    """Run the endpoint in this event loop; on a free port if it has none."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(endpoint.serve_connection(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", endpoint.port, limit=1 << 26, backlog=1024)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def main(arguments: list[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-separated")
    parser.add_argument("--log", type=Path, default=Path("/dev/stdout"))
    given = parser.parse_args(arguments)
    kinds = tuple(kind.strip() for kind in given.kinds.split(","))
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    endpoint = FaultyEndpoint(rate=given.rate, seed=given.seed, kinds=kinds, port=given.port, log=given.log)
    async with serving(endpoint):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
