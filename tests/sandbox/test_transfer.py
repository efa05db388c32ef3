"""Images go into a file and come out of it; a file that names anything else is not touched."""

import asyncio
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from macrohard.errors import RequestError, SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox import list_images, load_images, save_images
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.transfer import names_in
from tests.sandbox.fault_proxy import Fault, fault_proxy

Entries = dict[str, bytes]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository_root: Path) -> Path:
    """Definitions of two images of our own; nobody else's are touched."""
    data = tmp_path / "sandboxes"
    limits = (repository_root / "sandboxes" / "base" / "sandbox.yaml").read_text()
    data.mkdir()
    (data / "slim.seccomp.json").write_text("{}")
    for name, parent in (("tiny", "debian:bookworm-slim"), ("child", "tiny")):
        (data / name).mkdir()
        (data / name / "Dockerfile").write_text(f"ARG PARENT\nFROM ${{PARENT}}\n# {tmp_path}\n")
        (data / name / "sandbox.yaml").write_text(limits.replace("debian:bookworm-slim", parent))
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
async def broker(folder: Path) -> AsyncIterator[Broker]:
    connected = await Broker.connect()
    (folder / "file").write_bytes(b"x" * 200_000)
    with tarfile.open(folder / "root.tar", "w") as archive:
        archive.add(folder / "file", "file")
    for name in ("tiny", "child"):
        await connected.import_root(folder / "root.tar", tag=definitions.load(name).tag)
    yield connected
    for name in ("tiny", "child"):
        assert await connected.remove_image(definitions.load(name).tag)
    await connected.close()


def tar(path: Path, entries: Entries | list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def listing(*tags: str) -> bytes:
    return json.dumps([{"Config": "c.json", "RepoTags": list(tags), "Layers": []}]).encode()


async def test_what_was_saved_and_removed_is_there_again_after_loading(folder: Path, broker: Broker) -> None:
    file = folder / "images.tar"
    tiny, child = definitions.load("tiny").tag, definitions.load("child").tag
    saved = await save_images(["child"], file, progress=print)
    assert (saved.tags, saved.size_bytes) == ((tiny, child), file.stat().st_size)
    assert saved.size_bytes < 300_000, "what both share is in the file once"
    for tag in (tiny, child):
        assert await broker.remove_image(tag)
    assert {image.engine for image in await list_images(progress=print) if image.current} == {None}
    loaded = await load_images(file, progress=print)
    assert set(loaded.tags) == {tiny, child}
    there = {image.tag: image for image in await list_images(progress=print) if image.current}
    assert {tag: image.engine for tag, image in there.items()} == {tiny: "docker", child: "docker"}
    assert there[tiny].size_bytes >= 200_000
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]


async def test_a_file_that_is_there_is_kept_and_what_is_not_built_is_said(folder: Path, broker: Broker) -> None:
    file = folder / "images.tar"
    file.write_text("mine")
    with pytest.raises(RequestError, match="is there already"):
        await save_images(["tiny"], file, progress=print)
    assert file.read_text() == "mine"
    assert await broker.remove_image(definitions.load("child").tag)
    with pytest.raises(RequestError, match=f"not built: {definitions.load('child').tag}. First: macrohard sandboxes"):
        await save_images(["child"], folder / "other.tar", progress=print)


@pytest.mark.parametrize("how", ["cut", "cancelled"])
async def test_a_save_that_is_broken_off_leaves_no_file(
    folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async with fault_proxy(folder) as (proxy, address):
        monkeypatch.setenv("DOCKER_HOST", address)
        fault = Fault("GET .*/images/get", "hang")
        proxy.faults.append(fault)
        before = set(os.listdir(folder))
        saving = asyncio.create_task(save_images(["tiny"], folder / "images.tar", progress=print))
        await fault.met.wait()
        assert any(name.endswith(".part") for name in os.listdir(folder))
        if how == "cancelled":
            saving.cancel()
        else:
            await proxy.close()
        with pytest.raises((asyncio.CancelledError, SandboxUnavailable)):
            await saving
        assert set(os.listdir(folder)) == before


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        pytest.param({"manifest.json": listing("debian:latest")}, "names 'debian:latest'", id="foreign"),
        pytest.param(
            {"manifest.json": listing("macrohard/tiny:0123456789abcdef")}, "no definition", id="other version"
        ),
        pytest.param({"repositories": b'{"macrohard/base": {"mine": "1"}}'}, "names 'macrohard/base:mine'", id="old"),
        pytest.param(
            {"index.json": b'{"manifests": [{"annotations": {"io.containerd.image.name": "docker.io/other/x:1"}}]}'},
            "names 'other/x:1'",
            id="new",
        ),
        pytest.param({"manifest.json": listing()}, "names no image", id="none"),
        pytest.param({"a": b"b"}, "names no image", id="something else"),
        pytest.param({"manifest.json": b"["}, "no clear manifest.json", id="broken"),
        pytest.param({"manifest.json": b"[" * 100_000}, "no clear manifest.json", id="deep"),
        pytest.param({"manifest.json": b'{"RepoTags": 5}'}, "in no way that is known", id="shape"),
        pytest.param({"../x": b"", "manifest.json": listing()}, "leaves its folder", id="outside"),
    ],
)
async def test_a_file_that_names_anything_else_never_reaches_the_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, entries: Entries, complaint: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/nothing.sock")
    with pytest.raises(RequestError, match=complaint):
        await load_images(tar(folder / "images.tar", entries), progress=print)


async def test_a_list_that_is_there_twice_is_refused(folder: Path) -> None:
    tag = definitions.load("tiny").tag
    entries = [("manifest.json", listing(tag)), ("./manifest.json", listing("debian:latest"))]
    with tar(folder / "images.tar", entries).open("rb") as file, pytest.raises(RequestError, match="no clear manifest"):
        names_in(file)


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.write_bytes(b"x" * 2000)], ids=["none", "no tar"]
)
async def test_no_file_of_images_is_said(folder: Path, make: Callable[[Path], Any]) -> None:
    make(folder / "images.tar")
    with pytest.raises(RequestError, match="is not a file of images"):
        await load_images(folder / "images.tar", progress=print)
