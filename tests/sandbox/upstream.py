"""A package registry on loopback, as pip and npm know them, that can be stopped and made hostile."""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from macrohard.sandbox.registries import Registries, Registry


def wheel() -> bytes:
    """Of the project `greeting`, whose module says hello."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("greeting.py", 'print("hello from a wheel")\n')
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(
            "greeting-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    return target.getvalue()


def tarball() -> bytes:
    """Of the package `@test/greeting`, which exports a sentence."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, text in (
            ("package.json", '{"name": "@test/greeting", "version": "1.0.0", "main": "index.js"}'),
            ("index.js", 'module.exports = "hello from a tarball";\n'),
        ):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(target.getvalue(), mtime=0)


WHEEL, TARBALL = wheel(), tarball()
WHEEL_NAME = "greeting-1.0-py3-none-any.whl"
WHEEL_PATH = f"/pypi/files/{hashlib.sha256(WHEEL).hexdigest()}/{WHEEL_NAME}"
TARBALL_PATH = f"/npm/-/{hashlib.sha512(TARBALL).hexdigest()}/greeting-1.0.0.tgz"


class Upstream:
    """What it gives, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.logins: list[str | None] = []
        self.content = {WHEEL_NAME: WHEEL, "greeting-1.0.0.tgz": TARBALL}
        self.addresses = {WHEEL_NAME: f"/files/{WHEEL_NAME}"}
        """Of files, where they are not what they should be."""
        self.redirections: dict[str, str] = {}
        self.html = False
        self.stopped_at: str | None = None
        """The path that is never answered to the end."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.logins.append(request.headers.get("Authorization"))
        if (target := self.redirections.get(request.path)) is not None:
            return web.Response(status=302, headers={"Location": target})
        if request.path == self.stopped_at:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"{")
            await asyncio.Event().wait()
        match request.path.strip("/").split("/"):
            case ["simple", "greeting"]:
                return self._project()
            case ["npm", "@test", "greeting"]:
                return self._package(request)
            case ["files", name] if name in self.content:
                return web.Response(body=self.content[name])
        return web.Response(status=404)

    def _project(self) -> web.Response:
        digest, address = hashlib.sha256(WHEEL).hexdigest(), self.addresses[WHEEL_NAME]
        if self.html:
            page = f'<!DOCTYPE html><a href="{address}#sha256={digest}" data-requires-python="&gt;=3">{WHEEL_NAME}</a>'
            return web.Response(text=page, content_type="text/html")
        return web.Response(
            body=json.dumps(
                {
                    "meta": {"api-version": "1.1"},
                    "name": "greeting",
                    "files": [
                        {
                            "filename": WHEEL_NAME,
                            "url": address,
                            "hashes": {"sha256": digest},
                            "requires-python": ">=3",
                        },
                        {"filename": "greeting-0.9-py3-none-any.whl", "url": "/files/old", "hashes": {"md5": "0" * 32}},
                    ],
                }
            ).encode(),
            content_type="application/vnd.pypi.simple.v1+json",
        )

    def _package(self, request: web.BaseRequest) -> web.Response:
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
        found = {"tarball": f"http://{request.host}/files/greeting-1.0.0.tgz", "integrity": integrity}
        versions = {
            "1.0.0": {"name": "@test/greeting", "version": "1.0.0", "dist": found},
            "0.1.0": {
                "name": "@test/greeting",
                "version": "0.1.0",
                "dist": {"tarball": found["tarball"], "shasum": "0"},
            },
        }
        tags = {"latest": "1.0.0", "old": "0.1.0"}
        return web.json_response({"name": "@test/greeting", "dist-tags": tags, "versions": versions})


@asynccontextmanager
async def serving(upstream: Upstream) -> AsyncIterator[Registries]:
    """The registries to configure; when the context ends, nothing answers there any more."""
    server = web.Server(upstream.answer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield Registries(pypi=(Registry(address=f"{address}/simple/"),), npm=(Registry(address=f"{address}/npm/"),))
    finally:
        await runner.cleanup()
