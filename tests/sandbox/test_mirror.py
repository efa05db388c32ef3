"""Packages without a network: what the mirror gives, and what it refuses to whom; the registry is one on loopback."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from macrohard.sandbox import SandboxSpec
from macrohard.sandbox.clients import configured
from macrohard.sandbox.mirror import CONNECTIONS, PREFIX, SOCKET, UNKNOWN_LIMIT, Mirror, PackageRequest, clear_away
from macrohard.sandbox.owner import this_process
from macrohard.sandbox.registries import PORT, Registries, public
from tests.sandbox.upstream import (
    TARBALL,
    TARBALL_PATH,
    WHEEL,
    WHEEL_NAME,
    WHEEL_PATH,
    Upstream,
    serving,
)

HOST = f"127.0.0.1:{PORT}"
PROJECT = "/pypi/simple/greeting/"
PACKAGE = "/npm/@test%2fgreeting"


@dataclass
class Client:
    """What is in a sandbox: somebody who may write anything to the socket."""

    socket: Path
    told: list[PackageRequest] = field(default_factory=list)

    async def say(self, raw: bytes) -> tuple[int, bytes]:
        """The answer's status and body; 0 if the mirror hung up without one."""
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=1 << 24)
        try:
            writer.write(raw)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        except ConnectionResetError:
            return 0, b""
        finally:
            writer.close()
        return int(head.split(b" ")[1]) if head else 0, body

    async def get(self, path: str, *, host: str = HOST) -> tuple[int, bytes]:
        return await self.say(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


@asynccontextmanager
async def mirrored(
    registries: Registries, cache: Path, *, limit_bytes: int = 1 << 20, **settings: Any
) -> AsyncIterator[Client]:
    told: list[PackageRequest] = []
    async with (
        Mirror.open(registries, cache=cache, **settings) as mirror,
        mirror.serve(told.append, limit_bytes=limit_bytes) as folder,
    ):
        yield Client(folder / SOCKET, told)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def registries(upstream: Upstream) -> AsyncIterator[Registries]:
    async with serving(upstream) as found:
        yield found


@pytest.fixture
async def client(registries: Registries, tmp_path: Path) -> AsyncIterator[Client]:
    async with mirrored(registries, tmp_path / "cache") as opened:
        yield opened


@pytest.mark.parametrize("html", [False, True], ids=["JSON", "HTML"])
async def test_a_project_leads_to_its_files(client: Client, upstream: Upstream, html: bool) -> None:
    upstream.html = html
    status, body = await client.get(PROJECT)
    digest = WHEEL_PATH.split("/")[3]
    assert status == 200
    assert json.loads(body)["files"] == [
        {
            "filename": WHEEL_NAME,
            "url": f"../../files/{digest}/{WHEEL_NAME}",
            "requires-python": ">=3",
            "hashes": {"sha256": digest},
        }
    ]
    assert await client.get(WHEEL_PATH) == (200, WHEEL)


async def test_a_package_leads_to_its_files(client: Client) -> None:
    status, body = await client.get(PACKAGE)
    page = json.loads(body)
    assert status == 200
    assert page["dist-tags"] == {"latest": "1.0.0"}
    assert list(page["versions"]) == ["1.0.0"]
    assert page["versions"]["1.0.0"]["dist"]["tarball"] == f"http://{HOST}{TARBALL_PATH}"
    assert await client.get(TARBALL_PATH) == (200, TARBALL)


async def test_what_is_known_needs_no_registry_and_every_request_is_told(upstream: Upstream, tmp_path: Path) -> None:
    async with serving(upstream) as registries, mirrored(registries, tmp_path) as client:
        assert [(await client.get(path))[0] for path in (PROJECT, WHEEL_PATH)] == [200, 200]
    async with mirrored(registries, tmp_path, page_seconds=0) as client:
        assert [(await client.get(path))[0] for path in (PROJECT, WHEEL_PATH)] == [200, 200]
        assert [(each.path, each.status, each.cached) for each in client.told] == [
            (PROJECT, 200, True),
            (WHEEL_PATH, 200, True),
        ]
        assert "cannot be asked" in client.told[0].detail
        assert "as it was 0.0 h ago" in client.told[0].detail
        assert client.told[1].bytes_sent == len(WHEEL)
        assert (await client.get("/pypi/simple/another/"))[0] == 502


@pytest.mark.parametrize("change", [WHEEL + b"!", WHEEL[:-1], b""], ids=["longer", "shorter", "empty"])
async def test_a_file_that_is_not_what_its_page_says_is_neither_given_nor_kept(
    client: Client, upstream: Upstream, tmp_path: Path, change: bytes
) -> None:
    upstream.content[WHEEL_NAME] = change
    await client.get(PROJECT)
    status, body = await client.get(WHEEL_PATH)
    assert status == 403
    assert b"does not have the hash" in body
    assert [path for name in ("files", "coming") for path in (tmp_path / "cache" / name).iterdir()] == []
    upstream.content[WHEEL_NAME] = WHEEL
    assert await client.get(WHEEL_PATH) == (200, WHEEL)


async def test_a_file_that_was_changed_in_the_cache_is_fetched_again(client: Client, tmp_path: Path) -> None:
    await client.get(PROJECT)
    await client.get(WHEEL_PATH)
    (kept,) = (tmp_path / "cache" / "files").iterdir()
    kept.write_bytes(b"poison")
    assert await client.get(WHEEL_PATH) == (200, WHEEL)


def request(line: str, *more: str, host: str = HOST) -> bytes:
    return "\r\n".join((line, f"Host: {host}", *more, "Connection: close", "", "")).encode("latin-1")


HOSTILE = {
    "PUT": request(f"PUT {PACKAGE} HTTP/1.1", "Content-Length: 2") + b"{}",
    "POST": request(f"POST {PROJECT} HTTP/1.1", "Content-Length: 6") + b"secret",
    "DELETE": request(f"DELETE {PACKAGE} HTTP/1.1"),
    "HEAD": request(f"HEAD {PROJECT} HTTP/1.1"),
    "OPTIONS": request("OPTIONS * HTTP/1.1"),
    "a method of its own": request(f"STEAL {PROJECT} HTTP/1.1"),
    "CONNECT": request("CONNECT example.com:443 HTTP/1.1"),
    "absolute address": request(f"GET http://example.com{PROJECT} HTTP/1.1"),
    "absolute address of the mirror": request(f"GET http://{HOST}{PROJECT} HTTP/1.1"),
    "name and password": request(f"GET http://name:word@{HOST}{PROJECT} HTTP/1.1"),
    "no scheme": request("GET //example.com/simple/greeting/ HTTP/1.1"),
    "body": request(f"GET {PROJECT} HTTP/1.1", "Content-Length: 6") + b"secret",
    "chunks": request(f"GET {PROJECT} HTTP/1.1", "Transfer-Encoding: chunked") + b"6\r\nsecret\r\n0\r\n\r\n",
    "another host": request(f"GET {PROJECT} HTTP/1.1", host="example.com"),
    "another port": request(f"GET {PROJECT} HTTP/1.1", host="127.0.0.1:80"),
    "two hosts": request(f"GET {PROJECT} HTTP/1.1", "Host: example.com"),
    "no host": f"GET {PROJECT} HTTP/1.1\r\nConnection: close\r\n\r\n".encode(),
    "not HTTP": b"\x16\x03\x01\x00\x05hello",
    "huge path": request(f"GET /pypi/simple/{'a' * 5000}/ HTTP/1.1"),
    "huge header": request(f"GET {PROJECT} HTTP/1.1", "X: " + "a" * 50_000),
    "ten thousand headers": request(f"GET {PROJECT} HTTP/1.1", *["X: y"] * 10_000),
} | {
    repr(path): request(f"GET {path} HTTP/1.1")
    for path in (
        "/",
        "/pypi/",
        "/pypi/simple/",
        "/pypi/simple/greeting",
        "/pypi/simple/greeting/../greeting/",
        "/pypi/simple/../files/",
        "/pypi/simple/%2e%2e/",
        "/pypi/simple/..%2fgreeting/",
        "/pypi/simple/a%2fb/",
        "/pypi/simple/a%00b/",
        "/pypi/simple/a\x00b/",
        "/pypi/simple/a\\b/",
        "/pypi/simple/Greeting/",
        "/pypi/simple/greeting/?secret=1",
        "/pypi/simple/greeting/#secret",
        "/pypi/simple/gr\xe9eting/",
        "/pypi/simple/greeting/%0d%0aX:y",
        f"/pypi/simple/{'a' * 600}/",
        "/pypi/simple//greeting/",
        f"/pypi/files/{'0' * 63}/x.whl",
        f"/pypi/files/{'0' * 64}/../x.whl",
        f"/pypi/files/{'0' * 64}/.whl",
        f"/pypi/files/{'0' * 64}/a%2fb.whl",
        "/pypi/files/../../../etc/passwd",
        "/npm/",
        "/npm/..",
        "/npm/.bin",
        "/npm/@test/../greeting",
        "/npm/@test%2f..%2fgreeting",
        "/npm/@test%252fgreeting",
        "/npm/@test%5cgreeting",
        "/npm/@test/greeting/1.0.0",
        "/npm/-/npm/v1/security/advisories/bulk",
        "/npm/-/user/token",
        "/npm/-/whoami",
    )
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
async def test_nothing_else_is_answered_or_reaches_a_registry(client: Client, upstream: Upstream, raw: bytes) -> None:
    status, body = await client.say(raw)
    assert status in (0, 400, 403, 405, 421)
    assert b"greeting-1.0" not in body
    assert upstream.asked == []
    assert all(each.path.isprintable() and each.path.isascii() and len(each.path) <= 200 for each in client.told)
    # The same client can go on, and a registry that is asked notes it.
    assert (await client.get(PROJECT))[0] == 200
    assert upstream.asked == ["GET /simple/greeting/"]


async def test_a_file_that_no_page_named_is_not_asked_for(client: Client, upstream: Upstream) -> None:
    assert (await client.get(WHEEL_PATH))[0] == 404
    assert upstream.asked == []


async def test_redirections_stay_with_the_registry(client: Client, upstream: Upstream) -> None:
    upstream.redirections["/simple/greeting/"] = "/simple/greeting"
    assert (await client.get(PROJECT))[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/simple/greeting/",
        "https://example.com/simple/greeting/",
        "//example.com/",
        "http://name@127.0.0.1/",
        "file:///etc/passwd",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "/simple/greeting/",
        "",
    ],
)
async def test_redirections_lead_nowhere_else(client: Client, upstream: Upstream, target: str) -> None:
    upstream.redirections["/simple/greeting/"] = target
    assert (await client.get(PROJECT))[0] == 502
    assert set(upstream.asked) == {"GET /simple/greeting/"}


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("http://169.254.169.254/x.whl", "where nothing may be asked"),
        ("http://127.0.0.1:2375/x.whl", "where nothing may be asked"),
        ("https://127.0.0.1:2375/x.whl", "where nothing may be asked"),
        ("https://127.0.0.1/x.whl", "not a public address"),
        ("https://localhost/x.whl", "not a public address"),
        ("https://[::1]/x.whl", "not a public address"),
        ("https://[::ffff:10.0.0.1]/x.whl", "not a public address"),
        ("https://2130706433/x.whl", "cannot be asked"),
    ],
)
async def test_a_page_cannot_send_the_mirror_inside(
    client: Client, upstream: Upstream, address: str, complaint: str
) -> None:
    upstream.addresses[WHEEL_NAME] = address
    await client.get(PROJECT)
    status, body = await client.get(WHEEL_PATH)
    assert status == 502
    assert complaint in body.decode()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "168.63.129.16", "::1", "::", "fe80::1%eth0", "fd00:ec2::254"),
        *("ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1"),
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "151.101.0.223", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_on_the_internet_are(address: str) -> None:
    assert public(address)


async def test_a_slow_registry_is_given_up(registries: Registries, upstream: Upstream, tmp_path: Path) -> None:
    upstream.stopped_at = "/simple/greeting/"
    async with mirrored(registries, tmp_path, fetch_seconds=0.2) as client:
        assert await client.get(PROJECT) == (504, b"the registry is too slow\n")
        upstream.stopped_at = None
        assert (await client.get(PROJECT))[0] == 200


async def test_many_who_want_the_same_ask_the_registry_once(client: Client, upstream: Upstream) -> None:
    answers = await asyncio.gather(*(client.get(PROJECT) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert upstream.asked == ["GET /simple/greeting/"]


async def test_a_sandbox_is_sent_so_much_and_no_more(registries: Registries, tmp_path: Path) -> None:
    async with mirrored(registries, tmp_path / "a", limit_bytes=1 << 20) as measured:
        await measured.get(PROJECT)
        page_bytes = measured.told[0].bytes_sent
    async with mirrored(registries, tmp_path / "b", limit_bytes=page_bytes + len(WHEEL)) as client:
        assert (await client.get(PROJECT))[0] == 200
        assert (await client.get(WHEEL_PATH))[0] == 200
        status, body = await client.get(WHEEL_PATH)
        assert status == 403
        assert b"limit of" in body


async def test_names_that_do_not_exist_carry_little_out(client: Client, upstream: Upstream) -> None:
    statuses = [(await client.get(f"/pypi/simple/secret-{number}/"))[0] for number in range(UNKNOWN_LIMIT + 10)]
    assert statuses.count(404) == len(upstream.asked) == UNKNOWN_LIMIT
    assert statuses[UNKNOWN_LIMIT:] == [403] * 10


async def test_connections_are_limited_per_sandbox(registries: Registries, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        mirror = await stack.enter_async_context(Mirror.open(registries, cache=tmp_path))
        folders = [await stack.enter_async_context(mirror.serve(lambda _: None)) for _ in range(2)]
        held = [await asyncio.open_unix_connection(folders[0] / SOCKET) for _ in range(CONNECTIONS)]
        assert await Client(folders[0] / SOCKET).get(PROJECT) == (0, b"")
        assert (await Client(folders[1] / SOCKET).get(PROJECT))[0] == 200
        for _, writer in held:
            writer.close()


async def test_a_login_is_for_its_registry_only(registries: Registries, upstream: Upstream, tmp_path: Path) -> None:
    secret = registries.pypi[0].model_copy(update={"login": SecretStr("name:word")})
    async with mirrored(Registries(pypi=(secret,), npm=registries.npm), tmp_path) as client:
        _, page = await client.get(PROJECT)
        await client.get(PACKAGE)
    assert upstream.logins == ["Basic bmFtZTp3b3Jk", None]
    assert b"word" not in page


async def test_the_first_index_that_has_a_file_gives_it(registries: Registries, tmp_path: Path) -> None:
    other = Upstream()
    other.content[WHEEL_NAME] = b"another"
    async with serving(other) as second:
        both = Registries(pypi=(*registries.pypi, *second.pypi), npm=())
        async with mirrored(both, tmp_path) as client:
            assert (await client.get(PROJECT))[0] == 200
            assert await client.get(WHEEL_PATH) == (200, WHEEL)
            assert (await client.get(PACKAGE))[0] == 404
    assert other.asked == ["GET /simple/greeting/"]


async def test_what_the_dead_left_is_cleared_away_and_nothing_else(client: Client) -> None:
    me = this_process()
    dead, alive, nameless = (Path(tempfile.mkdtemp(prefix=PREFIX)) for _ in range(3))
    (dead / "lease").write_text(me.model_copy(update={"started": "1"}).lease)
    (alive / "lease").write_text(me.lease)
    clear_away()
    assert [folder.exists() for folder in (dead, alive, nameless)] == [False, True, True]
    assert (await client.get(PROJECT))[0] == 200
    (alive / "lease").unlink()
    alive.rmdir()
    nameless.rmdir()


async def test_the_registries_are_those_of_the_machines_own_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    settings.write_text(
        "[global]\nindex-url = https://name:w%40rd@packages.example/simple\n"
        "extra-index-url = https://more.example/simple/\n  file:///srv/simple\n"
    )
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\necho \'{"registry": "https://npm.example/"}\'\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = await configured()
    assert [each.address for each in found.pypi] == ["https://packages.example/simple/", "https://more.example/simple/"]
    assert found.pypi[0].login
    assert found.pypi[0].login.get_secret_value() == "name:w@rd"
    assert "w@rd" not in repr(found)
    assert [each.address for each in found.npm] == ["https://npm.example/"]

    settings.write_text("[global]\n")
    assert [each.address.startswith("https://") for each in (await configured()).pypi] == [True]


def test_a_pod_has_one_mirror() -> None:
    with pytest.raises(ValidationError, match="joins another"):
        SandboxSpec(image="base", join="another", packages=True)
