"""A, D, H: what stands between us and the engine, or the engine itself, turns against us."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import docker
import pytest
import requests
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, broker
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Patience
from macrohard.sandbox.owner import installation, this_process
from tests.attacks.attack import ENGINE_TIERS, Attack, Ground, ProbeFailed, engine_client, environment
from tests.attacks.boundary import NO_ENGINE
from tests.sandbox.engines import private_engine
from tests.sandbox.fault_proxy import REAL, Fault, FaultProxy, fault_proxy
from tests.sandbox.test_engine_faults import ATTACH, CREATE, FULL, INSPECT, START

BASE = SandboxSpec(image="base")
PATIENCE = Patience(answer_seconds=1, pull_seconds=1, build_seconds=1)
BOUND_SECONDS = 20.0
KINDS: Sequence[tuple[Literal["hang", "reset", "answer"], str]] = (
    ("hang", ""),
    ("reset", ""),
    ("answer", "boom"),
    ("answer", FULL),
)
DOCKER_SOCKET = "/var/run/docker.sock"


def settings(**values: object) -> Callable[[Any], None]:
    return lambda asked: asked["HostConfig"].update(values)


def bound(path: str) -> Callable[[Any], None]:
    return settings(Binds=[f"{path}:/found:ro"])


ALTERED: Mapping[str, Callable[[Any], None]] = {
    **{f"{path} bound": bound(path) for path in (DOCKER_SOCKET, "/", "/proc", "/etc")},
    "/ as a mount": settings(Mounts=[{"Type": "bind", "Source": "/", "Target": "/found", "ReadOnly": True}]),
    "a volume": settings(Mounts=[{"Type": "volume", "Source": "macrohard-attack", "Target": "/found"}]),
    "the host's processes": settings(PidMode="host"),
    "the host's network": settings(NetworkMode="host"),
    "the host's memory": settings(IpcMode="host"),
    "another capability": settings(CapAdd=["KILL", "SETGID", "SETUID", "DAC_READ_SEARCH"]),
    "any system call": settings(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"]),
    "a writable image": settings(ReadonlyRootfs=False),
    "no limit of memory": settings(Memory=0, MemorySwap=0),
    "a device": settings(Devices=[{"PathOnHost": "/dev/null", "PathInContainer": "/found", "CgroupPermissions": "r"}]),
    "a log": settings(LogConfig={"Type": "json-file", "Config": {}}),
}


@asynccontextmanager
async def between(folder: Path) -> AsyncIterator[FaultProxy]:
    """Whatever speaks to the engine in the meantime does so through this proxy."""
    real = os.environ.get("DOCKER_HOST", f"unix://{REAL}").removeprefix("unix://")
    async with fault_proxy(folder, real=real) as (proxy, address):
        with environment(DOCKER_HOST=address):
            yield proxy


async def sandboxes_that_were_altered(ground: Ground) -> Sequence[str]:
    """Those that were started though the engine had been asked for something else than we asked."""
    found = []
    async with between(ground.folder) as proxy:
        provider = await DockerProvider.connect(home=ground.folder)
        try:
            for name, alter in ALTERED.items():
                found += [name] if await _is_started(provider, proxy, alter) else []
        finally:
            await provider.close()
    with engine_client() as engine:
        if any(volume["Name"] == "macrohard-attack" for volume in engine.volumes()["Volumes"] or ()):
            engine.remove_volume("macrohard-attack")
    return found + [f"left behind: {each}" for each in _containers(ground.folder)]


async def _is_started(provider: DockerProvider, proxy: FaultProxy, alter: Callable[[Any], None]) -> bool:
    fault = Fault(CREATE, "alter", tamper=alter)
    proxy.faults, proxy.requests = [fault], []
    try:
        async with provider.open(BASE):
            pass
    except SandboxUnavailable as error:
        if not fault.met.is_set():
            raise ProbeFailed(f"nothing was altered: {error}") from error
    return any(START in line or ATTACH in line for line in proxy.requests)


async def sandboxes_that_nobody_looks_at(ground: Ground) -> Sequence[str]:
    """The same, by a broker that believes what it asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "audit", lambda found, template: None)
        return await sandboxes_that_were_altered(ground)


def _containers(home: Path) -> Sequence[str]:
    with engine_client() as engine:
        ours = engine.containers(all=True, filters={"label": f"io.macrohard.instance={installation(home)}"})
        return [container["Id"] for container in ours]


FORBIDDEN = ("/exec", "/archive", "/export", "/copy", "/commit", "/logs", "/containers/prune", "/update")


async def requests_that_reach_into_a_container(ground: Ground) -> Sequence[str]:
    """Of those the product makes in the whole life of a sandbox: none runs or copies anything by the engine."""
    async with between(ground.folder) as proxy:
        provider = await DockerProvider.connect(home=ground.folder)
        try:
            async with provider.open(BASE) as sandbox:
                await sandbox.write({PurePosixPath("d/x"): b"content"})
                await sandbox.run("ln -s /etc/hostname link; cat d/x", timeout_seconds=20)
                await sandbox.read(PurePosixPath("d/x"), limit_bytes=100)
                await (await sandbox.spawn("sleep 60")).kill()
                await sandbox.kill_all()
            await provider.reap()
        finally:
            await provider.close()
    if not any(CREATE.rpartition("*")[2] in line for line in proxy.requests):
        raise ProbeFailed("no request was seen")
    return [line for line in proxy.requests if any(word in line for word in FORBIDDEN)]


async def requests_of_docker_cp(ground: Ground) -> Sequence[str]:
    async with ground.open() as room, between(ground.folder) as proxy:
        copying = ("docker", "cp", f"{room.id}:/etc/hostname", str(ground.folder / "copied"))
        await asyncio.to_thread(subprocess.run, copying, check=True, capture_output=True)
        return [line for line in proxy.requests if any(word in line for word in FORBIDDEN)]


FAULTS = tuple((request, kind, message) for request in (CREATE, INSPECT, ATTACH, START) for kind, message in KINDS)


async def faults_that_are_not_told(ground: Ground) -> Sequence[str]:
    """Of an engine that hangs, breaks off, fails or is full, at every step of making a sandbox."""
    found = []
    async with between(ground.folder) as proxy:
        provider = await DockerProvider.connect(home=ground.folder, patience=PATIENCE)
        try:
            for request, kind, message in FAULTS:
                proxy.faults = [Fault(request, kind, message=message)]
                found += [f"{kind} {message} at {request}: {problem}" for problem in await _opened(provider)]
                proxy.faults = []
            left = await asyncio.to_thread(_containers, ground.folder)
            found += [f"not removed: {each}" for each in left]
            async with provider.open(BASE) as sandbox:
                proxy.faults = [Fault(".", "hang")]
                if (await sandbox.run("echo on", timeout_seconds=20)).stdout != "on\n":
                    found.append("a sandbox that ran did not survive an engine that hangs")
            proxy.faults = []
            await provider.reap()
        finally:
            await provider.close()
    return found + [f"left behind: {each}" for each in _containers(ground.folder)]


async def _opened(provider: DockerProvider) -> Sequence[str]:
    try:
        async with asyncio.timeout(BOUND_SECONDS), provider.open(BASE):
            return ["it opened"]
    except SandboxUnavailable:
        return []
    except TimeoutError:
        return ["it hung"]


async def faults_met_by_the_careless(ground: Ground) -> Sequence[str]:
    """A client without a time limit of its own before an engine that hangs."""
    async with between(ground.folder) as proxy:
        proxy.faults = [Fault("GET .*/info", "hang")]
        client = docker.APIClient(version="1.40", timeout=3600, **kwargs_from_env())
        asking = asyncio.get_running_loop().run_in_executor(None, _asked, client)
        try:
            done, _ = await asyncio.wait([asking], timeout=3)
        finally:
            await proxy.close()
            await asking
            client.close()
    return [] if done else ["it hung"]


def _asked(client: docker.APIClient) -> None:
    try:
        client.info()
    except requests.RequestException:
        return


@contextmanager
def _orphan(home: Path, lease: str) -> Iterator[str]:
    """A container as another process of this installation would have left it, never started."""
    with engine_client() as engine:
        labels = {"io.macrohard.instance": installation(home), "io.macrohard.lease": lease}
        made = str(engine.create_container(definitions.load("base").tag, command="true", labels=labels)["Id"])
        try:
            yield made
        finally:
            if made in _containers(home):
                engine.remove_container(made, force=True)


def _lease_of_one_before_us() -> str:
    """Of a process that had the number this one has now."""
    return this_process().model_copy(update={"started": "1"}).lease


async def orphans_kept_for_a_number_used_again(ground: Ground) -> Sequence[str]:
    with _orphan(ground.folder, _lease_of_one_before_us()) as orphan:
        provider = await DockerProvider.connect(home=ground.folder)
        try:
            await provider.reap()
        finally:
            await provider.close()
        return [orphan] if orphan in _containers(ground.folder) else []


async def orphans_kept_by_their_number_alone(ground: Ground) -> Sequence[str]:
    """A reaper that only asks whether there is a process of that number."""
    lease = _lease_of_one_before_us()
    with _orphan(ground.folder, lease) as orphan:
        return [orphan] if lease.split("/")[2] == str(os.getpid()) else []


BROKEN_RUNSC = {"runsc-broken": ("/usr/bin/runsc", "--platform=nonsense")}


async def left_by_a_runtime_that_fails(ground: Ground) -> Sequence[str]:
    """Containers, and processes that serve one, of a gVisor that cannot start any."""
    async with private_engine(remapped=False, runtimes=BROKEN_RUNSC) as address:
        with environment(DOCKER_HOST=address):
            try:
                provider = await DockerProvider.connect(home=ground.folder, runtime="runsc-broken")
            except SandboxUnavailable:
                return await asyncio.to_thread(_left_in_engine)
            await provider.close()
    raise ProbeFailed("the broken runtime works")


async def left_by_the_careless(ground: Ground) -> Sequence[str]:
    """The same by who makes a container, starts it, and goes away when that fails."""
    async with private_engine(remapped=False, runtimes=BROKEN_RUNSC) as address:
        with environment(DOCKER_HOST=address):
            starting = (
                "docker",
                "run",
                "--network=none",
                "--runtime=runsc-broken",
                definitions.load("base").tag,
                "true",
            )
            await asyncio.to_thread(subprocess.run, starting, capture_output=True)
            return await asyncio.to_thread(_left_in_engine)


def _left_in_engine() -> Sequence[str]:
    with engine_client() as engine:
        containers = [f"container {each['State']}" for each in engine.containers(all=True)]
    processes = subprocess.run(["pgrep", "-a", "-f", "nonsense"], capture_output=True, text=True).stdout
    serving = [line for line in processes.splitlines() if "runsc" in line and "tests.sandbox.engines" not in line]
    return [*containers, *(f"process {line[:60]}" for line in serving)]


async def sandboxes_that_need_a_bridge(ground: Ground) -> Sequence[str]:
    """On an engine that has none, as after somebody took it away: sandboxes and pods work all the same."""
    async with private_engine(remapped=False, runtimes={}) as address:
        with environment(DOCKER_HOST=address):
            provider = await DockerProvider.connect(home=ground.folder)
            try:
                async with provider.open(BASE) as one, provider.open(SandboxSpec(image="base", join=one.id)) as other:
                    answers = [(await each.run("echo on", timeout_seconds=20)).stdout for each in (one, other)]
            except SandboxUnavailable as error:
                return [str(error)]
            finally:
                await provider.close()
    return [] if answers == ["on\n", "on\n"] else ["they do not work"]


async def containers_that_need_a_bridge(ground: Ground) -> Sequence[str]:
    async with private_engine(remapped=False, runtimes={}) as address:
        image = definitions.load("base").tag
        running = ("docker", "--host", address, "run", "--rm", "--network=bridge", image, "ls", "/sys/class/net")
        done = await asyncio.to_thread(subprocess.run, running, capture_output=True, text=True)
    return [] if "eth0" in done.stdout.split() else ["it has no network"]


def of_the_engine(**attack: Any) -> Attack:
    return Attack(tiers=ENGINE_TIERS, elsewhere=NO_ENGINE, **attack)


ATTACKS = (
    of_the_engine(
        id="A1 audit",
        title="something between us and the engine that asks for more",
        probe=sandboxes_that_were_altered,
        control=sandboxes_that_nobody_looks_at,
    ),
    of_the_engine(
        id="D5",
        title="the engine as a way to copy or run",
        probe=requests_that_reach_into_a_container,
        control=requests_of_docker_cp,
    ),
    of_the_engine(
        id="H4",
        title="an engine that hangs, breaks off, fails or is full",
        probe=faults_that_are_not_told,
        control=faults_met_by_the_careless,
    ),
    of_the_engine(
        id="H6",
        title="a process number used again",
        probe=orphans_kept_for_a_number_used_again,
        control=orphans_kept_by_their_number_alone,
    ),
    Attack(
        id="H7",
        title="a gVisor that cannot start",
        probe=left_by_a_runtime_that_fails,
        control=left_by_the_careless,
        tiers=("gvisor",),
        elsewhere="it is about gVisor",
    ),
    Attack(
        id="H8",
        title="an engine whose bridge is gone",
        probe=sandboxes_that_need_a_bridge,
        control=containers_that_need_a_bridge,
        tiers=("runc+userns",),
        elsewhere="tried on one engine of its own, because it would break this machine's network",
    ),
)
