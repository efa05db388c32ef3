"""The mirror's cache under what happens to disks and processes, and the mirror behind a proxy."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.cache import DRAFT_SECONDS, Cache
from macrohard.sandbox.packages import Packages
from macrohard.sandbox.registries import Registries, Registry
from tests.sandbox.test_mirror import PACKAGE, PROJECT, mirrored
from tests.sandbox.upstream import TARBALL, TARBALL_PATH, WHEEL, WHEEL_PATH, Upstream, serving


async def test_pages_that_were_cut_off_are_fetched_again(tmp_path: Path) -> None:
    async with serving(Upstream()) as registries:
        async with mirrored(registries, tmp_path) as client:
            assert (await client.get(PROJECT))[0] == 200
        (page,) = (tmp_path / "pages").iterdir()
        page.write_bytes(page.read_bytes()[:-20])
        async with mirrored(registries, tmp_path) as client:
            assert (await client.get(PROJECT))[0] == 200


def test_drafts_of_the_killed_go_and_those_of_others_stay(tmp_path: Path) -> None:
    coming = tmp_path / "coming"
    coming.mkdir()
    for name, age in (("killed", DRAFT_SECONDS + 60), ("at-work", 10)):
        (coming / name).write_bytes(b"half")
        os.utime(coming / name, (time.time() - age,) * 2)
    Cache(tmp_path)
    assert [path.name for path in coming.iterdir()] == ["at-work"]


async def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    async with serving(Upstream()) as registries, mirrored(registries, tmp_path) as client:
        assert (await client.get(PROJECT))[0] == 200
        (tmp_path / "coming").rmdir()
        status, body = await client.get(WHEEL_PATH)
        assert (status, body) == (
            507,
            b"the cache of packages on this machine cannot be written: No such file or directory\n",
        )
        (tmp_path / "coming").mkdir()
        assert await client.get(WHEEL_PATH) == (200, WHEEL)


async def test_a_lock_file_may_name_a_file_by_its_package(tmp_path: Path) -> None:
    upstream = Upstream()
    async with serving(upstream) as registries, mirrored(registries, tmp_path) as client:
        for path in ("/npm/@test/greeting/-/greeting-1.0.0.tgz", "/@test/greeting/-/greeting-1.0.0.tgz"):
            assert await client.get(path) == (200, TARBALL)
        for path in (
            "/npm/@test/greeting/-/greeting-2.0.0.tgz",
            "/npm/@test/greeting/-/..tgz",
            "/npm/@test/other/-/greeting-1.0.0.tgz",
        ):
            assert (await client.get(path))[0] in (400, 404)
        assert client.told[0].file is not None
        assert (client.told[0].file.name, client.told[0].file.version) == ("@test/greeting", "1.0.0")


async def test_many_who_want_one_file_fetch_it_once(tmp_path: Path) -> None:
    upstream = Upstream()
    async with serving(upstream) as registries, mirrored(registries, tmp_path, limit_bytes=1 << 30) as client:
        await client.get(PACKAGE)
        answers = await asyncio.gather(*(client.get(TARBALL_PATH) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert upstream.asked.count("GET /files/greeting-1.0.0.tgz") == 1


async def test_where_this_machine_has_a_proxy_registries_are_asked_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy can be inside; a registry that it reaches need have no address here."""
    asked: list[str] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        path = head.split()[1].removeprefix("http://registry.example")
        beyond, onward = await asyncio.open_connection("127.0.0.1", port)
        onward.write(f"GET {path} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n\r\n".encode())
        writer.write(await beyond.read())
        onward.close()
        writer.close()

    async with serving(Upstream()) as registries:
        port = int(registries.pypi[0].address.split(":")[2].split("/")[0])
        proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
        monkeypatch.setenv("http_proxy", f"http://anna:word@127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        moved = registries.pypi[0].model_copy(update={"address": "http://registry.example/simple/"})
        behind: Any = registries.model_copy(update={"pypi": (moved,)})
        async with mirrored(behind, tmp_path) as client:
            assert (await client.get(PROJECT))[0] == 200
            assert await client.get(WHEEL_PATH) == (200, WHEEL)
        proxy.close()
    assert asked[0].split()[1] == "http://registry.example/simple/greeting/"
    assert all("Proxy-Authorization: Basic YW5uYTp3b3Jk" in head for head in asked)


async def test_a_proxy_that_refuses_is_named_and_its_login_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    monkeypatch.setenv("https_proxy", f"http://anna:word@127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    behind = Registries(pypi=(Registry(address="https://registry.example/simple/"),), npm=())
    async with mirrored(behind, tmp_path) as client:
        assert await client.get(PROJECT) == (502, b"this machine's proxy answered 407\n")
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    async with mirrored(behind, tmp_path) as client:
        status, body = await client.get(PROJECT)
        assert (status, b"socks5 are not supported" in body) == (502, True)
    assert asked[0].startswith("CONNECT registry.example:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5uYTp3b3Jk" in asked[0]
    proxy.close()


async def test_a_cache_that_cannot_be_made_means_no_sandbox(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    packages = Packages(Registries(pypi=(), npm=()), cache=tmp_path / "file" / "cache")
    with pytest.raises(SandboxUnavailable, match="no packages can be kept"):
        await packages.opened()
