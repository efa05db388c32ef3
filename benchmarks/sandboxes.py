"""What sandboxes cost: opening, commands, files, a pod with a browser, memory; beside `docker exec` and bare processes.

Run: make bench NAME=sandboxes, or python -m benchmarks.sandboxes. Needs a Docker engine; builds missing images first.
Times of one machine say little, and those of a busy one less; compare the rows of one run, in which they take turns.

- command: the program `true` over the sandbox's own channel, from the call to its result. `docker exec` is docker-py's
  `exec_create` and `exec_start` in the same container, a bare process is asyncio's `create_subprocess_exec`; the rows
  below are the same for a shell, and for Python.
- cold: from asking to an open sandbox that can run a command. Warm: the same where one waits in the pool.
- pod: from asking for the product's sandbox to the outline of its first page in a browser, a server of static files
  being the product; the pool is full before. At once: so many are asked for in the same moment and stay until all have
  shown their page twice.
- idle: memory of the container that the kernel counts, caches not included, and beside it of its shim outside.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import docker
from docker.utils import kwargs_from_env

from macrohard.product.browser import Visit, open_browser
from macrohard.product.service import PORT
from macrohard.sandbox import Command, DockerProvider, Sandbox, SandboxProvider, SandboxSpec, build_images
from macrohard.sandbox.pool import PooledProvider

BASE = SandboxSpec(image="base")
ROUNDS, COMMANDS_IN_ROUND = 10, 30
OPENINGS, PODS, IDLE, TOGETHER = 12, 5, 4, 12
LARGE = 16 << 20
PAGE = b"<!doctype html><html lang=en><title>t</title><h1>Tasks</h1><label>Title <input></label><button>Add</button>"
SERVER = f"exec python3 -m http.server {PORT} --bind 127.0.0.1 >/tmp/log 2>&1"

Act = Callable[[], Awaitable[object]]


async def milliseconds(act: Act) -> float:
    """How long it takes once."""
    began = time.perf_counter()
    await act()
    return 1000 * (time.perf_counter() - began)


def row(title: str, figures: list[float], *, digits: int = 2) -> float:
    """One line of the table; gives the median."""
    ordered = sorted(figures)
    p50, p95 = statistics.median(ordered), ordered[round(0.95 * (len(ordered) - 1))]
    print(f"{title:<48}{p50:>10.{digits}f}{p95:>10.{digits}f}{len(ordered):>6}", flush=True)
    return p50


# ── What is compared ─────────────────────────────────────────────────────────────────────────────────────────────────


def over_channel(sandbox: Sandbox, command: Command) -> Act:
    """Ours."""

    async def act() -> None:
        result = await sandbox.run(command, timeout_seconds=60)
        if result.exit_code != 0:
            raise SystemExit(f"{command}: {result}")

    return act


def words(command: Command) -> list[str]:
    """As it is started."""
    return ["bash", "-c", command] if isinstance(command, str) else list(command)


def docker_exec(engine: docker.APIClient, sandbox: Sandbox, command: Command) -> Act:
    """What most programs do: an exec in the same container, as the same user, by docker-py."""

    def execute() -> None:
        made = engine.exec_create(sandbox.id, words(command), user="10001", workdir="/workspace")
        engine.exec_start(made["Id"])
        if engine.exec_inspect(made["Id"])["ExitCode"] != 0:
            raise SystemExit(f"docker exec: {command} failed")

    return lambda: asyncio.to_thread(execute)


def bare(command: Command) -> Act:
    """No isolation at all."""

    async def act() -> None:
        process = await asyncio.create_subprocess_exec(
            *words(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        await process.communicate()

    return act


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def commands(engine: docker.APIClient, sandbox: Sandbox) -> tuple[float, float]:
    """Medians of a command over the channel and by `docker exec`."""
    medians = {}
    commands: tuple[Command, ...] = (("true",), "true", ("/usr/bin/python3", "-c", "pass"))
    for command in commands:
        ways = {
            "sandbox": over_channel(sandbox, command),
            "docker exec": docker_exec(engine, sandbox, command),
            "bare process": bare(command),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, act in ways.items():
                # An exec takes so long that few tell as much.
                for _ in range(COMMANDS_IN_ROUND // 10 if name == "docker exec" else COMMANDS_IN_ROUND):
                    times[name].append(await milliseconds(act))
        medians[command] = {name: row(f"{' '.join(words(command))}, {name}", each) for name, each in times.items()}
    return medians["true",]["sandbox"], medians["true",]["docker exec"]


async def files(sandbox: Sandbox) -> None:
    """Content in and out, and the same on this machine's own disk."""
    large = {PurePosixPath("large"): b"x" * LARGE}
    many = {PurePosixPath(f"many/{n % 20}/{n}"): b"x" * 4096 for n in range(2000)}

    async def onto_disk() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for path, content in many.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    written = [await milliseconds(lambda: sandbox.write(large)) for _ in range(10)]
    read = [await milliseconds(lambda: sandbox.read(PurePosixPath("large"), limit_bytes=LARGE)) for _ in range(10)]
    for title, times in (("write 16 MiB", written), ("read 16 MiB", read)):
        print(f"{'':<48}{LARGE / 1000 / row(title, times):>10.0f} MB/s")
    row("write 2,000 files of 4 KiB", [await milliseconds(lambda: sandbox.write(many)) for _ in range(5)])
    row("  onto this machine's disk, and off again", [await milliseconds(onto_disk) for _ in range(5)])


async def openings(provider: SandboxProvider, *, before: Act) -> tuple[list[float], list[float]]:
    """From asking to an open sandbox; and from there to its end."""
    opened, closed = [], []
    for _ in range(OPENINGS):
        await before()
        opening = provider.open(BASE)
        opened.append(await milliseconds(opening.__aenter__))
        closed.append(await milliseconds(lambda opening=opening: opening.__aexit__(None, None, None)))  # type: ignore[misc]
    return opened, closed


async def until_answered(sandbox: Sandbox) -> None:
    """Wait for the product's server."""
    while True:
        try:
            stream = await sandbox.connect(PORT)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            continue
        await stream.close()
        return


@asynccontextmanager
async def pod(provider: SandboxProvider) -> AsyncIterator[Visit]:
    """A product and its browser, from the moment that the browser has the first page."""
    async with provider.open(BASE) as sandbox:
        await sandbox.write({PurePosixPath("index.html"): PAGE})
        await sandbox.spawn(SERVER)
        async with open_browser(provider, beside=sandbox) as browser, browser.visit(width=1280, height=800) as visit:
            await until_answered(sandbox)
            await visit.act("open", target="/")
            await see_page(visit)
            yield visit


async def see_page(visit: Visit) -> None:
    """Read the page's outline."""
    seen = await visit.look()
    if "Tasks" not in seen.snapshot:
        raise SystemExit(f"the page is not shown: {seen.snapshot!r}")


async def first_page(provider: SandboxProvider) -> float:
    """Seconds from nothing to the outline of a product's first page."""
    began = time.perf_counter()
    async with pod(provider):
        return time.perf_counter() - began


async def crowd(engine: docker.APIClient, pool: PooledProvider, *, instance: str) -> None:
    """So many pods at once as there are places on 24 GiB, all of them open until all have been asked again."""
    began = time.perf_counter()
    times: list[float] = []
    here, asked = asyncio.Barrier(TOGETHER + 1), asyncio.Barrier(TOGETHER)

    async def one() -> None:
        async with pod(pool) as visit:
            times.append(time.perf_counter() - began)
            await here.wait()
            await here.wait()
            await see_page(visit)
            await asked.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(one())
        await here.wait()
        held = engine.containers(filters={"label": f"io.macrohard.instance={instance}"})
        used = await asyncio.gather(*(asyncio.to_thread(used_bytes, engine, each["Id"]) for each in held))
        await here.wait()
    row(f"{TOGETHER} pods at once, each to its first page", [1000 * each for each in times], digits=0)
    print(f"  all after {max(times):.1f} s, {sum(used) / 1e6:.0f} MB in {len(held)} containers, all answered again")


def used_bytes(engine: docker.APIClient, container: str) -> int:
    """What the kernel counts for the container, files that it could drop left out."""
    used = engine.stats(container, stream=False)["memory_stats"]
    cached = used["stats"].get("total_inactive_file", used["stats"].get("inactive_file", 0))
    return int(used["usage"]) - int(cached)


async def idle_mb(engine: docker.APIClient, provider: SandboxProvider) -> tuple[float, float]:
    """Memory of a sandbox that waits for its first command, mean of so many: inside, and of its shim."""
    inside, shim = [], []
    opened = [provider.open(BASE) for _ in range(IDLE)]
    try:
        for opening in opened:
            sandbox = await opening.__aenter__()
            await asyncio.sleep(0.5)
            inside.append(await asyncio.to_thread(used_bytes, engine, sandbox.id))
            parent = _parent(engine.inspect_container(sandbox.id)["State"]["Pid"])
            shim.append(_anonymous_bytes(parent))
    finally:
        for opening in reversed(opened):
            await opening.__aexit__(None, None, None)
    return statistics.mean(inside) / 1e6, statistics.mean(shim) / 1e6


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _anonymous_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024


async def nothing() -> None:
    """Before an opening that needs no preparation."""


async def measured(home: Path) -> dict[str, float]:
    """All figures, with a table on the way."""
    await build_images(("base", "browser"), engine="docker", progress=print)
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    provider = await DockerProvider.connect(home=home)
    pool = PooledProvider(provider, size=2, places=12, tell=print)
    try:
        print(f"{'tier ' + provider.tier + '; milliseconds':<48}{'p50':>10}{'p95':>10}{'n':>6}")
        async with provider.open(BASE) as sandbox:
            command_ms, exec_ms = await commands(engine, sandbox)
            await files(sandbox)
        opened, closed = await openings(provider, before=nothing)
        cold_ms = row("open, cold", opened)
        row("close", closed)
        async with pool.open(BASE):
            pass  # From its first use on the pool keeps one.
        warm_ms = row("open, warm", (await openings(pool, before=pool.filled))[0])
        seconds: dict[str, list[float]] = {"cold": [], "warm": []}
        for _ in range(PODS):
            seconds["cold"].append(1000 * await first_page(provider))
            await pool.filled()
            seconds["warm"].append(1000 * await first_page(pool))
        row("pod to its first page, cold", seconds["cold"], digits=0)
        pod_ms = row("pod to its first page, warm", seconds["warm"], digits=0)
        await crowd(engine, pool, instance=provider.installation)
        inside, shim = await idle_mb(engine, provider)
        print(f"an idle sandbox: {inside:.1f} MB inside, {shim:.1f} MB of its shim")
    finally:
        await pool.close()
        engine.close()
    return {
        "command_ms_p50": round(command_ms, 2),
        "docker_exec_ms_p50": round(exec_ms, 1),
        "cold_ms_p50": round(cold_ms, 1),
        "warm_ms_p50": round(warm_ms, 1),
        "pod_first_snapshot_s": round(pod_ms / 1000, 2),
        "idle_mb": round(inside, 1),
    }


def main() -> None:
    """Measure and print one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
