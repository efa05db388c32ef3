"""The way to hosts that a person listed: what gets through, what is refused before anything is sent, and the record."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from macrohard.sandbox.mirror import SOCKET, Mirror, PackageRequest
from macrohard.sandbox.registries import Registries, public
from macrohard.sandbox.tunnel import TunnelEnded, Tunnels, server_name

NOTHING = Registries(pypi=(), npm=())
LISTED = "files.example.com"


def hello(name: str | None) -> bytes:
    """What OpenSSL sends first to a server of that name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@dataclass
class Far:
    """A host out there: answers everything with itself, and keeps it."""

    received: bytes = b""
    connections: int = 0
    port: int = 0
    looked_up: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(1 << 16):
            self.received += data
            writer.write(data)
        writer.close()

    async def resolve(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        self.looked_up.append(f"{host}:{port}")
        return [("127.0.0.1", self.port)]


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    found = Far()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@dataclass
class Near:
    """What is in a sandbox."""

    socket: Path
    told: list[PackageRequest]

    async def reach(self, request: bytes, then: bytes) -> bytes:
        """All that comes back when nothing more is sent."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(request + then)
            writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def sandbox(far: Far, tmp_path: Path, **settings: Any) -> AsyncIterator[Near]:
    told: list[PackageRequest] = []
    chosen = {"resolve": far.resolve, "is_public": lambda _: True} | settings
    async with (
        Mirror.open(NOTHING, cache=tmp_path, hosts=frozenset({LISTED}), **chosen) as mirror,
        mirror.serve(told.append) as folder,
    ):
        yield Near(folder / SOCKET, told)


def connect(target: str, version: str = "1.1", more: str = "") -> bytes:
    return f"CONNECT {target} HTTP/{version}\r\nHost: {target}\r\n{more}\r\n".encode("latin-1")


async def test_a_listed_host_is_reached_and_the_amount_is_told(far: Far, tmp_path: Path) -> None:
    said = hello(LISTED) + b"and more that nobody can read"
    async with sandbox(far, tmp_path) as near:
        answer = await near.reach(connect(f"{LISTED}:443"), said)
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n" + said
    assert far.received == said
    assert far.looked_up == [f"{LISTED}:443"]
    (told,) = near.told
    assert (told.method, told.path, told.status) == ("CONNECT", f"{LISTED}:443", 200)
    assert (told.bytes_received, told.bytes_sent, told.detail) == (len(said), len(said), "")


TRICKS = {
    "another host": "example.com:443",
    "suffix": f"{LISTED}.evil.example:443",
    "prefix": f"evil-{LISTED}:443",
    "subdomain": f"a.{LISTED}:443",
    "dot at the end": f"{LISTED}.:443",
    "upper case": f"{LISTED.upper()}:443",
    "NUL": f"{LISTED}\0.evil.example:443",
    "brackets": f"[{LISTED}]:443",
    "IPv6": "[::1]:443",
    "mapped IPv4": "[::ffff:127.0.0.1]:443",
    "IPv4": "127.0.0.1:443",
    "decimal": "2130706433:443",
    "hexadecimal": "0x7f.1:443",
    "short": "127.1:443",
    "name and password": f"{LISTED}@evil.example:443",
    "name before": f"x@{LISTED}:443",
    "line feed": f"{LISTED}:443\nX: y",
    "carriage return": f"{LISTED}:443\rX: y",
    "tab": f"{LISTED}\t:443",
    "blank": f" {LISTED}:443",
    "escaped": f"{LISTED.replace('.', '%2e')}:443",
    "not ASCII": f"{LISTED.replace('e', chr(0xE9))}:443",
    "SSH": f"{LISTED}:22",
    "port with zeros": f"{LISTED}:0443",
    "port too large": f"{LISTED}:65979",
    "no port": LISTED,
    "two ports": f"{LISTED}:443:443",
    "scheme": f"https://{LISTED}:443",
    "path": f"{LISTED}:443/",
    "nothing": ":443",
    "long": "a" * 5000 + ":443",
    "longer than a head may be": "a" * 50_000 + ":443",
}


async def test_nothing_but_the_listed_name_is_even_looked_up(far: Far, tmp_path: Path) -> None:
    async with sandbox(far, tmp_path) as near:
        for trick, target in TRICKS.items():
            answer = await near.reach(connect(target), hello(LISTED))
            assert not answer.startswith(b"HTTP/1.1 200"), trick
            assert far.looked_up == [], trick
            assert far.connections == 0, trick
            told = near.told.pop()
            assert told.detail, trick
            assert told.path.isprintable(), trick
            assert len(told.path) <= 200, trick
            assert near.told == [], trick
        # The probe finds the way where there is one.
        assert (await near.reach(connect(f"{LISTED}:443"), hello(LISTED))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_",
    [
        connect(f"{LISTED}:443", version="2.0"),
        connect(f"{LISTED}:443", more="Broken\r\n"),
        connect(f"{LISTED}:443", more="X: a\0b\r\n"),
        connect(f"{LISTED}:443").replace(b"\r\n", b"\n") + b"\r\n\r\n",
        f"connect {LISTED}:443 HTTP/1.1\r\nHost: {LISTED}\r\n\r\n".encode(),
        f"GET https://{LISTED}/ HTTP/1.1\r\nHost: {LISTED}\r\n\r\n".encode(),
        f"GET http://{LISTED}/ HTTP/1.1\r\nHost: {LISTED}\r\n\r\n".encode(),
        b"\x05\x01\x00",
    ],
    ids=["version", "header", "NUL in a header", "line feeds", "lower case", "GET https", "GET http", "SOCKS"],
)
async def test_no_other_request_leads_out(far: Far, tmp_path: Path, request_: bytes) -> None:
    async with sandbox(far, tmp_path) as near:
        assert b" 200 " not in await near.reach(request_, hello(LISTED))
    assert far.connections == 0


def nested(name: bytes, *, kind: int = 0, twice: bool = False, hidden: bool = False) -> bytes:
    """A client's first record, written by hand."""
    one = bytes([kind]) + len(name).to_bytes(2) + name
    names = one * (2 if twice else 1)
    listed = len(names).to_bytes(2) + names
    extensions = b"\0\0" + len(listed).to_bytes(2) + listed
    if hidden:
        extensions += b"\xfe\x0d\0\4abcd"
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + len(extensions).to_bytes(2) + extensions
    message = b"\1" + len(body).to_bytes(3) + body
    return b"\x16\3\1" + len(message).to_bytes(2) + message


def test_the_name_in_a_first_message_is_read_to_the_letter() -> None:
    assert server_name(hello(LISTED)[5:]) == LISTED
    assert server_name(nested(LISTED.encode())[5:]) == LISTED
    assert server_name(hello(None)[5:]) is None


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(hello("evil.example"), id="another name"),
        pytest.param(hello(f"a.{LISTED}"), id="subdomain"),
        pytest.param(hello(None), id="no name"),
        pytest.param(nested(LISTED.upper().encode()), id="upper case"),
        pytest.param(nested(LISTED.encode() + b"\0"), id="NUL"),
        pytest.param(nested(LISTED.encode(), kind=1), id="name of another kind"),
        pytest.param(nested(LISTED.encode(), twice=True), id="two names"),
        pytest.param(nested(LISTED.encode(), hidden=True), id="another name inside, encrypted"),
        pytest.param(nested(LISTED.encode())[:-3] + b"abc", id="cut and stuffed"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", id="HTTP"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
        pytest.param(b"\x16\x03\x01\xff\xff" + b"a" * 1000, id="huge record"),
        pytest.param(b"\x17\x03\x03\x00\x05hello", id="data before the handshake"),
        pytest.param(b"\x16\x03\x01\x00\x00", id="empty record"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_what_is_not_tls_for_that_name_is_refused_before_a_byte_is_sent(
    far: Far, tmp_path: Path, said: bytes
) -> None:
    async with sandbox(far, tmp_path) as near:
        await near.reach(connect(f"{LISTED}:443"), said)
        assert far.received == b""
        assert near.told[0].status == 403
        assert near.told[0].detail
        await near.reach(connect(f"{LISTED}:443"), hello(LISTED))
        assert far.received[:1] == b"\x16"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"])
async def test_a_listed_name_that_leads_inside_is_not_dialled(far: Far, tmp_path: Path, address: str) -> None:
    async def rebound(host: str, port: int) -> Sequence[tuple[str, int]]:
        # One of them is public: who answers for the name could mean either.
        return [("127.0.0.1" if address == "127.0.0.1" else "192.0.2.1", far.port), (address, far.port)]

    async with sandbox(far, tmp_path, resolve=rebound, is_public=public) as near:
        answer = await near.reach(connect(f"{LISTED}:443"), hello(LISTED))
    assert b"which is not public" in answer
    assert far.connections == 0


async def test_bytes_and_tunnels_are_limited_per_sandbox(far: Far) -> None:
    told: list[TunnelEnded] = []

    async def dial(host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", far.port)

    tunnels = Tunnels(frozenset({LISTED}), dial, told.append, up_limit_bytes=10_000, down_limit_bytes=1 << 20)
    server = await asyncio.start_server(tunnels.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for expected in ("limit of bytes up", "too often, or for too much"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(connect(f"{LISTED}:443") + hello(LISTED) + b"a" * 20_000)
        await reader.read()
        writer.close()
        assert expected in told[-1].refusal
    assert len(far.received) <= 10_000
    server.close()
    await tunnels.close()


async def test_where_this_machine_has_a_proxy_it_is_asked(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Fine\r\n\r\n" if len(asked) == 1 else b"HTTP/1.1 407 Who are you\r\n\r\n")
        writer.write(await reader.read(1 << 16))
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://name:word@127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with sandbox(far, tmp_path) as near:
        said = hello(LISTED)
        assert (await near.reach(connect(f"{LISTED}:443"), said)).endswith(said)
        assert b"Proxy-Authorization: Basic " + base64.b64encode(b"name:word") in asked[0]
        assert asked[0].startswith(f"CONNECT {LISTED}:443 HTTP/1.1\r\n".encode())
        refused = await near.reach(connect(f"{LISTED}:443"), said)
        assert b"this machine's proxy refused" in refused
        assert b"word" not in refused
        assert len(asked) == 2
        await near.reach(connect("evil.example:443"), said)
        assert len(asked) == 2
    assert far.looked_up == []
    server.close()
