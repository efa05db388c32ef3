"""A product in its sandbox, reached by this machine's programs and browsers as if it were an ordinary server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from macrohard.errors import RequestError
from macrohard.product import preview
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import MakeCommit

LARGE = 100_000_000
HELD = 24 << 20
"""More than all windows and buffers of one connection together, and much less than LARGE."""


class Client:
    """A program of this machine that speaks HTTP by hand."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.host = address.removeprefix("http://").removesuffix("/")
        self.port = int(self.host.rpartition(":")[2])

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    def head(self, target: str, method: str = "GET", **headers: str | None) -> bytes:
        """A request; a header given as None is left out."""
        lines = {"host": self.host, "connection": "close", **{n.replace("_", "-"): v for n, v in headers.items()}}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return f"{method} {target} HTTP/1.1\r\n{text}\r\n".encode()

    async def raw(self, request: bytes) -> bytes:
        async with self.connection() as (reader, writer):
            writer.write(request)
            return await reader.read()

    async def ask(self, target: str, method: str = "GET", **headers: str | None) -> tuple[int, str]:
        answer = await self.raw(self.head(target, method, **headers))
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split(" ")[1]), body

    async def seen(self) -> dict[str, Any]:
        """What the product says has happened to it."""
        found: dict[str, Any] = json.loads((await self.ask("/seen"))[1])
        return found

    async def settled(self, number: Callable[[], Awaitable[int]]) -> int:
        """A number, once it no longer changes."""
        before = -1
        while (now := await number()) != before:
            before = now
            await asyncio.sleep(0.3)
        return now


@pytest.fixture(scope="module")
async def product(provider: SandboxProvider, make_commit: MakeCommit) -> AsyncIterator[Client]:
    commit = make_commit("live")
    async with preview(provider, bundle=commit.bundle, commit=commit.commit, port=0) as opened:
        yield Client(opened.address)


async def test_a_browser_sees_an_ordinary_product(product: Client, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(product.address)
    await expect(page.locator("#socket")).to_have_text("5 70000")
    await expect(page.locator("#events")).to_have_text("1 2 3")
    await expect(page.locator("#posted")).to_have_text("1000000")
    assert await page.evaluate("isSecureContext")
    assert await page.evaluate("fetch('/link').then(found => found.text())") == f"{product.address}absolute"
    await page.context.close()


ATTEMPTS = """async address => {
    const tried = await Promise.allSettled([
        fetch(address + "EVIL-get", {mode: "no-cors"}),
        fetch(address + "EVIL-post", {mode: "no-cors", method: "POST", body: "x"}),
        new Promise((resolve, reject) => {
            const socket = new WebSocket(address.replace("http:", "ws:") + "socket?EVIL");
            socket.onopen = resolve; socket.onerror = reject;
        }),
    ]);
    await new Promise(resolve => {
        const picture = document.createElement("img");
        picture.onerror = picture.onload = resolve;
        picture.src = address + "EVIL-picture";
    });
    return tried.length;
}"""


async def test_pages_of_other_origins_can_do_nothing_even_if_they_know_the_address(
    product: Client, browser: Browser
) -> None:
    """F10; the control is the same attempts made by the product's own page."""

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Other</h1>")
        writer.close()

    heads: list[bytes] = []
    evil = await asyncio.start_server(other, "127.0.0.1", 0)
    port = evil.sockets[0].getsockname()[1]
    page = await browser.new_page()
    await page.goto(product.address)
    assert await page.evaluate("document.cookie") == "who=me"
    for place in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://evil.localhost:{port}/"):
        await page.goto(place)
        assert await page.evaluate(ATTEMPTS, product.address) == 3
        assert await page.evaluate("document.cookie") == ""
    assert not [target for target in (await product.seen())["targets"] if "EVIL" in target]
    assert heads
    assert not [head for head in heads if b"cookie:" in head.lower()]
    # A link to the product is no attack.
    await page.evaluate("address => location.assign(address + 'linked')", product.address)
    await page.wait_for_url("**/linked")
    await page.goto(product.address)
    await page.evaluate(ATTEMPTS, product.address)
    assert len([target for target in (await product.seen())["targets"] if "EVIL" in target]) == 4
    await page.context.close()
    evil.close()


UPGRADE = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="}
CROSS = {"sec_fetch_site": "cross-site"}
LINK = {**CROSS, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize(
    ("status", "method", "target", "headers"),
    [
        pytest.param(421, "GET", "/REFUSED", {"host": "127.0.0.1:{port}"}, id="the port alone"),
        pytest.param(421, "GET", "/REFUSED", {"host": "localhost:{port}"}, id="the port alone, by name"),
        pytest.param(421, "GET", "/REFUSED", {"host": "rebound.example:{port}"}, id="DNS rebinding"),
        pytest.param(421, "GET", "/REFUSED", {"host": "{name}:1"}, id="another port"),
        pytest.param(421, "GET", "/REFUSED", {"host": "{name}.:{port}"}, id="a final dot"),
        pytest.param(421, "GET", "/REFUSED", {"host": "x.{name}:{port}"}, id="a name below"),
        pytest.param(400, "GET", "/REFUSED", {"host": None}, id="no host"),
        pytest.param(400, "GET", "/REFUSED", {"host": "{name}:{port}\r\nhost: other"}, id="two hosts"),
        pytest.param(400, "GET", "http://other/REFUSED", {}, id="as a proxy"),
        pytest.param(400, "CONNECT", "REFUSED:80", {}, id="as a tunnel"),
        pytest.param(400, "GET", "/REFUSED\0", {}, id="no HTTP"),
        pytest.param(431, "GET", "/REFUSED", {"x": "y" * 400_000}, id="an endless head"),
        pytest.param(403, "GET", "/REFUSED", CROSS, id="part of another page"),
        pytest.param(403, "GET", "/REFUSED", {"sec_fetch_site": "same-site"}, id="part of a neighbour's page"),
        pytest.param(403, "GET", "/REFUSED", {**LINK, "sec_fetch_dest": "object"}, id="object of another page"),
        pytest.param(403, "POST", "/REFUSED", LINK, id="form of another page"),
        pytest.param(403, "POST", "/REFUSED", {"origin": "http://evil.example"}, id="form of an old browser"),
        pytest.param(403, "POST", "/REFUSED", {"origin": "http://{name}"}, id="form of another port"),
        pytest.param(403, "GET", "/socket?REFUSED", {**UPGRADE, "origin": "http://evil.example"}, id="WebSocket"),
        pytest.param(403, "GET", "/socket?REFUSED", {**UPGRADE, "origin": "null"}, id="WebSocket of nobody"),
        pytest.param(403, "GET", "/socket?REFUSED", {**UPGRADE, **LINK}, id="WebSocket as a link"),
    ],
)
async def test_what_the_product_never_sees(
    product: Client, status: int, method: str, target: str, headers: dict[str, str | None]
) -> None:
    name = product.host.rpartition(":")[0]
    filled = {key: value and value.format(name=name, port=product.port) for key, value in headers.items()}
    found, text = await product.ask(target, method, **filled)
    assert found == status
    assert name not in text
    assert not [seen for seen in (await product.seen())["targets"] if "REFUSED" in seen]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("GET", {}, id="a program"),
        pytest.param("GET", {"host": "{HOST}"}, id="in capitals"),
        pytest.param("GET", LINK, id="a link"),
        pytest.param("GET", {**LINK, "sec_fetch_dest": "iframe"}, id="a frame"),
        pytest.param("POST", {"origin": "http://{host}", "content_length": "0"}, id="its own form"),
        pytest.param(
            "POST",
            {"origin": "null", "sec_fetch_site": "same-origin", "content_length": "0"},
            id="its own form, from a page that hides its address",
        ),
    ],
)
async def test_what_the_product_answers(product: Client, method: str, headers: dict[str, str]) -> None:
    filled = {key: value.format(host=product.host, HOST=product.host.upper()) for key, value in headers.items()}
    assert await product.ask("/allowed", method, **filled) == (200, "nothing here")


async def test_each_request_of_a_connection_is_looked_at(product: Client) -> None:
    keep = {"connection": "keep-alive"}
    async with product.connection() as (reader, writer):
        # In pieces, at once, and with a body between them.
        writer.write(product.head("/first", **keep)[:10])
        await writer.drain()
        await asyncio.sleep(0.05)
        posted = product.head("/upload", "POST", content_length="5", **keep) + b"12345"
        writer.write(product.head("/first", **keep)[10:] + posted + product.head("/link", **keep))
        answers = b""
        while b"/absolute" not in answers:
            answers += await reader.read(1 << 16)
        assert answers.count(b"200 OK") == 3
        assert b'{"bytes": 5' in answers
        writer.write(product.head("/smuggled", host="evil.example"))
        assert await reader.read() == b""
    assert "/smuggled" not in (await product.seen())["targets"]


async def test_large_transfers_go_at_the_pace_of_the_slower_side(product: Client) -> None:
    async with product.connection() as (reader, writer):
        writer.write(product.head(f"/download?bytes={LARGE}"))

        async def sent() -> int:
            return int((await product.seen())["sent"])

        assert 0 < await product.settled(sent) < HELD
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while data := await reader.read(1 << 20):
            got += len(data)
        assert got == LARGE
    async with product.connection() as (reader, writer):
        writer.write(product.head("/upload?hold=yes", "POST", content_length=str(LARGE)))
        given, content = 0, bytes(range(256)) * 256

        async def give() -> None:
            nonlocal given
            while given < LARGE:
                writer.write(content[: LARGE - given])
                await writer.drain()
                given += min(len(content), LARGE - given)

        async def taken() -> int:
            return given

        giving = asyncio.create_task(give())
        assert 0 < await product.settled(taken) < HELD
        await product.ask("/release")
        await giving
        found = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    digest = sha256((content * (LARGE // len(content) + 1))[:LARGE]).hexdigest()
    assert found == {"bytes": LARGE, "sha256": digest}


async def test_a_hundred_connections_at_once(product: Client) -> None:
    answers = await asyncio.gather(*(product.ask("/together?count=100") for _ in range(100)))
    assert set(answers) == {(200, "together")}


async def test_either_side_can_stop_speaking_first(product: Client) -> None:
    async with product.connection() as (reader, writer):
        writer.write(f"POST /upload HTTP/1.0\r\nHost: {product.host}\r\nContent-Length: 3\r\n\r\nabc".encode())
        writer.write_eof()
        assert b'"bytes": 3' in await reader.read()
    async with product.connection() as (reader, writer):
        # The answer comes, although the product hangs up on what is still being sent.
        writer.write(product.head("/refuse-early", "POST", content_length=str(LARGE)) + b"x" * 100_000)
        assert (await reader.read()).endswith(b"large")


async def test_the_product_learns_that_a_client_has_gone(product: Client) -> None:
    async def streams() -> int:
        return int((await product.seen())["streams"])

    async with product.connection() as (reader, writer):
        writer.write(product.head("/events?count=1"))
        await reader.readuntil(b"data: 1\n\n")
        assert await product.settled(streams) == 1
    assert await product.settled(streams) == 0


async def test_a_product_that_died_is_started_again(product: Client) -> None:
    assert await product.raw(product.head("/die")) == b""
    assert set(await asyncio.gather(*(product.ask("/again") for _ in range(6)))) == {(200, "nothing here")}
    await product.raw(product.head("/die?starts=1"))
    status, text = await product.ask("/again")
    assert status == 502
    assert "has ended and does not start again" in text
    assert "<b>no start today</b>" in text
    assert "\x1b" not in text
    assert await product.ask("/again") == (200, "nothing here")


async def test_nobody_else_can_answer_at_the_address(product: Client) -> None:
    for family, place in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with pytest.raises(OSError, match=r"Address already in use|Cannot assign requested address"):
            socket.create_server((place, product.port), family=family).close()


async def test_a_port_that_is_taken_is_said(
    product: Client, provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    commit = make_commit("live")
    with pytest.raises(RequestError, match=f"port {product.port} cannot be used: .*--port 0"):
        async with preview(provider, bundle=commit.bundle, commit=commit.commit, port=product.port):
            pass
