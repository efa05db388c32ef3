"""An engine that hangs, breaks off, fails, is full or lies: typed errors in bounded time, and nothing left behind."""

import asyncio
import io
import os
import signal
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images, clearing_away
from macrohard.sandbox.broker import Broker, Patience
from macrohard.sandbox.owner import installation
from tests.sandbox.fault_proxy import Fault, FaultProxy, fault_proxy

BASE = SandboxSpec(image="base")
IMPATIENT = Patience(answer_seconds=3, pull_seconds=3, build_seconds=3)
"""Longer than an engine takes that has a busy machine below it."""
CREATE, INSPECT, ATTACH, START, REMOVE = (
    "POST .*/containers/create",
    "GET .*/containers/[0-9a-f]{64}/json",
    "/attach",
    "/start",
    "DELETE .*/containers/",
)
FULL = "write /var/lib/docker/tmp: no space left on device"
HANGS = "did not answer within 3 s"
ROOT = "macrohard/test-root:imported"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
async def shared_proxy(home: Path) -> AsyncIterator[FaultProxy]:
    await build_images(["base"], engine="docker", progress=print)
    with pytest.MonkeyPatch.context() as patch:
        async with fault_proxy(home) as (opened, address):
            patch.setenv("DOCKER_HOST", address)
            yield opened


@pytest.fixture(scope="module")
async def shared_provider(shared_proxy: FaultProxy, home: Path) -> AsyncIterator[DockerProvider]:
    connected = await DockerProvider.connect(home=home, patience=IMPATIENT)
    yield connected
    async with connected.open(BASE) as sandbox:
        assert (await sandbox.run("echo on", timeout_seconds=10)).stdout == "on\n"
    await connected.close()


@pytest.fixture
async def proxy(shared_proxy: FaultProxy) -> AsyncIterator[FaultProxy]:
    """Without faults so far."""
    yield shared_proxy
    shared_proxy.faults.clear()
    shared_proxy.requests.clear()


@pytest.fixture
async def provider(proxy: FaultProxy, shared_provider: DockerProvider, home: Path) -> AsyncIterator[DockerProvider]:
    """One of which nothing may be left in the end."""
    yield shared_provider
    proxy.faults.clear()
    assert await left_of(home) == []


@pytest.fixture
async def broker(proxy: FaultProxy) -> AsyncIterator[Broker]:
    connected = await Broker.connect(patience=IMPATIENT)
    yield connected
    await connected.close()


async def left_of(home: Path) -> list[str]:
    """The names of the containers of that installation."""
    broker = await Broker.connect()
    try:
        return [each.name for each in await broker.held(installation(home))]
    finally:
        await broker.close()


@pytest.mark.parametrize(
    ("request_line", "kind", "message", "said"),
    [
        (CREATE, "hang", "", HANGS),
        (CREATE, "reset", "", "systemctl status docker"),
        (CREATE, "lose", "", "systemctl status docker"),
        (CREATE, "answer", "boom", r"engine failed \(boom\)"),
        (CREATE, "answer", FULL, "macrohard sandboxes prune"),
        (INSPECT, "hang", "", HANGS),
        (INSPECT, "reset", "", "systemctl status docker"),
        (ATTACH, "hang", "", HANGS),
        (ATTACH, "reset", "", "systemctl status docker"),
        (ATTACH, "answer", "boom", "refuses"),
        (START, "hang", "", HANGS),
        (START, "reset", "", "systemctl status docker"),
        (START, "answer", FULL, "macrohard sandboxes prune"),
    ],
)
async def test_a_sandbox_that_cannot_be_opened_leaves_nothing(
    request_line: str, kind: Any, message: str, said: str, proxy: FaultProxy, provider: DockerProvider
) -> None:
    proxy.faults.append(Fault(request_line, kind, message=message))
    async with asyncio.timeout(30):
        with pytest.raises(SandboxUnavailable, match=said):
            async with provider.open(BASE):
                pass


@pytest.mark.parametrize("request_line", ["GET /version", "GET .*/info", "GET .*/images/"])
@pytest.mark.parametrize(("kind", "said"), [("hang", HANGS), ("reset", "no Docker|does not"), ("answer", "Docker")])
async def test_an_engine_that_cannot_be_reached_is_told_as_such(
    request_line: str, kind: Any, said: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.faults.append(Fault(request_line, kind))
    async with asyncio.timeout(30):
        with pytest.raises(SandboxUnavailable, match=said):
            await DockerProvider.connect(home=tmp_path, patience=IMPATIENT)


def settings(name: str, value: object) -> Callable[[Any], None]:
    return lambda found: found["HostConfig"].update({name: value})


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(settings("Privileged", True), id="Privileged"),
        pytest.param(settings("CapAdd", ["CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN"]), id="CapAdd"),
        pytest.param(settings("PidMode", "host"), id="PidMode"),
        pytest.param(settings("NetworkMode", "host"), id="NetworkMode"),
        pytest.param(settings("Binds", ["/var/run/docker.sock:/s"]), id="Binds"),
        pytest.param(settings("Devices", [{"PathOnHost": "/dev/kvm"}]), id="Devices"),
        pytest.param(settings("SecurityOpt", ["no-new-privileges:true"]), id="SecurityOpt"),
        pytest.param(settings("ReadonlyRootfs", False), id="ReadonlyRootfs"),
        pytest.param(settings("Memory", 0), id="Memory"),
        pytest.param(settings("LogConfig", {"Type": "json-file", "Config": {}}), id="LogConfig"),
        pytest.param(settings("InAYetUnknownWay", "host"), id="InAYetUnknownWay"),
    ],
)
async def test_what_was_not_asked_for_is_never_started(
    tamper: Callable[[Any], None], proxy: FaultProxy, provider: DockerProvider, request: pytest.FixtureRequest
) -> None:
    proxy.faults.append(Fault(INSPECT, "tamper", tamper=tamper))
    with pytest.raises(SandboxUnavailable, match=rf"{request.node.callspec.id} differ.*not started"):
        async with provider.open(BASE):
            pass
    assert any(CREATE.rpartition("*")[2] in line for line in proxy.requests)
    assert not any(START in line or ATTACH in line for line in proxy.requests)


async def test_an_answer_that_is_passed_on_unchanged_is_accepted(proxy: FaultProxy, provider: DockerProvider) -> None:
    proxy.faults.append(Fault(INSPECT, "tamper"))
    async with provider.open(BASE) as sandbox:
        assert (await sandbox.run("echo in", timeout_seconds=10)).stdout == "in\n"


async def test_what_cannot_be_removed_takes_nothing_with_it_and_is_removed_later(
    proxy: FaultProxy, provider: DockerProvider, home: Path
) -> None:
    hang = Fault(START, "hang")
    proxy.faults += [hang, Fault(REMOVE, "hang")]
    with pytest.raises(SandboxUnavailable, match=HANGS):
        async with provider.open(BASE):
            pass
    (left,) = await left_of(home)
    with pytest.raises(SandboxUnavailable, match=HANGS):
        await provider.reap()
    proxy.faults.clear()
    async with provider.open(BASE) as sandbox:
        assert await provider.reap() == (left,)
        assert (await sandbox.run("echo on", timeout_seconds=10)).stdout == "on\n"


async def test_the_work_of_a_sandbox_outlives_an_engine_that_hangs(proxy: FaultProxy, provider: DockerProvider) -> None:
    async with provider.open(BASE) as sandbox:
        proxy.faults.append(Fault(".", "hang"))
        result = await sandbox.run("echo done", timeout_seconds=10)
    assert result.stdout == "done\n"


async def test_a_process_killed_between_create_and_start_leaves_nothing_after_the_next_start(
    proxy: FaultProxy, provider: DockerProvider, home: Path
) -> None:
    started = Fault(START, "hang")
    proxy.faults.append(started)
    program = (
        "import asyncio, pathlib, sys\n"
        "from macrohard.sandbox import DockerProvider\n"
        "asyncio.run(DockerProvider.connect(home=pathlib.Path(sys.argv[1])))\n"
    )
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(home))
    async with asyncio.timeout(60):
        await started.met.wait()
    (left,) = await left_of(home)
    assert await provider.reap() == ()
    os.kill(dying.pid, signal.SIGKILL)
    await dying.wait()
    proxy.faults.clear()
    assert await provider.reap() == (left,)


async def test_it_is_cleared_away_regularly_also_after_an_engine_that_failed(
    proxy: FaultProxy, provider: DockerProvider, home: Path
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(60), clearing_away(provider, tell=told.put_nowait, every_seconds=0.05):
        proxy.faults += [Fault(START, "reset"), Fault(REMOVE, "reset")]
        with pytest.raises(SandboxUnavailable, match="systemctl status docker"):
            async with provider.open(BASE):
                pass
        (left,) = await left_of(home)
        listing = Fault("GET .*/containers/json", "answer")
        proxy.faults.append(listing)
        await listing.met.wait()
        assert told.empty()
        proxy.faults.clear()
        assert left in await told.get()


def archive(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as files:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("hang", "", HANGS),
        ("reset", "", "systemctl status docker"),
        ("answer", "boom", "engine failed"),
        ("answer", FULL, "macrohard sandboxes prune"),
    ],
)
async def test_images_are_made_in_bounded_time_too(
    kind: Any, message: str, said: str, proxy: FaultProxy, broker: Broker, tmp_path: Path
) -> None:
    root = tmp_path / "root.tar"
    root.write_bytes(archive("file", b"content"))
    proxy.faults.append(Fault("POST .*/(images/create|build)", kind, message=message))
    context = archive("Dockerfile", b"FROM scratch\n")
    async with asyncio.timeout(30):
        with pytest.raises(SandboxUnavailable, match=said):
            await broker.pull("debian:bookworm-slim")
        with pytest.raises(SandboxUnavailable, match=said):
            await broker.import_root(root, tag=ROOT)
        with pytest.raises(SandboxUnavailable, match=said):
            await broker.build(ROOT, context=context, arguments={}, tell=print)


async def test_an_archive_becomes_an_image(broker: Broker, tmp_path: Path) -> None:
    root = tmp_path / "root.tar"
    root.write_bytes(archive("file", b"content"))
    await broker.import_root(root, tag=ROOT)
    try:
        stored = await broker.image(ROOT)
        assert stored is not None
        assert stored.size_bytes == len(b"content")
    finally:
        assert await broker.remove_image(ROOT)
    assert await broker.image(ROOT) is None


async def test_a_step_that_fails_is_told_with_what_it_printed(broker: Broker) -> None:
    dockerfile = b"FROM macrohard/debian:bookworm\nRUN echo here it is && exit 3\n"
    with pytest.raises(SandboxUnavailable, match=r"(?s)returned a non-zero code: 3.*here it is"):
        await broker.build(ROOT, context=archive("Dockerfile", dockerfile), arguments={}, tell=print)
