"""What it costs to keep a workspace and to begin others as it; beside `docker commit` and a copy on this machine.

Run: make bench NAME=forks, or python -m benchmarks.forks. Needs a Docker engine; builds a missing image first. The
workspace is 3,520 files of 24.7 kB, 87 MB of random bytes. The ways take turns; compare the rows of one run.

- snapshot: from asking to a file on this machine that is named after its content.
- fork: from asking to an open sandbox whose workspace is the snapshot; warm, where one waits in the pool. Restore is
  the part of it that unpacks.
- docker commit: the same files in a container's writable layer; a commit, then a container of the new image that can
  run a command. (What is in memory, as our workspaces are, a commit leaves out.)
- cp -a: the same files on this machine's disk, without any isolation.
"""

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import docker
from docker.utils import kwargs_from_env

from macrohard.sandbox import DockerProvider, SandboxSpec, SnapshotId, build_images
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.pool import PooledProvider

BASE = SandboxSpec(image="base")
ROUNDS = 8
FILL = """
import os, sys
for n in range(3520):
    os.makedirs(f"{sys.argv[1]}/{n % 100}", exist_ok=True)
    with open(f"{sys.argv[1]}/{n % 100}/{n}", "wb") as file:
        file.write(os.urandom(24_700))
"""


def row(title: str, seconds: list[float]) -> float:
    """One line of the table; gives the median in milliseconds."""
    ordered = sorted(1000 * each for each in seconds)
    p50 = statistics.median(ordered)
    print(f"{title:<48}{p50:>10.0f}{ordered[-1]:>10.0f}{len(ordered):>6}", flush=True)
    return p50


async def forked(provider: DockerProvider | PooledProvider, snapshot: SnapshotId) -> float:
    """Seconds until a sandbox that begins as the snapshot can run a command."""
    began = time.perf_counter()
    async with provider.open(SandboxSpec(image="base", workspace=snapshot)) as fork:
        counted = await fork.run("find many -type f | wc -l", timeout_seconds=60)
        seconds = time.perf_counter() - began
    if counted.stdout.strip() != "3520":
        raise SystemExit(f"the fork is not what it was forked from: {counted}")
    return seconds


class Committed:
    """The same with what the engine itself has: a container that was written to, and images of it."""

    def __init__(self, engine: docker.APIClient) -> None:
        self._engine, self._made = engine, list[str]()
        self._name = f"macrohard-bench-{uuid.uuid4().hex[:8]}"
        self._run(definitions.load("base").tag, self._name)
        self._execute(self._name, ["python3", "-c", FILL, "/many"])

    def _run(self, image: str, name: str) -> None:
        self._engine.create_container(
            image, ["sleep", "600"], name=name, user="0", entrypoint=[], network_disabled=True
        )
        self._made.append(name)
        self._engine.start(name)

    def _execute(self, name: str, command: list[str]) -> None:
        made = self._engine.exec_create(name, command, user="0")
        self._engine.exec_start(made["Id"])
        if self._engine.exec_inspect(made["Id"])["ExitCode"] != 0:
            raise SystemExit(f"docker exec failed: {command[:2]}")

    def once(self) -> tuple[float, float]:
        """Seconds of a commit, and of a container of it that can run a command."""
        name = f"{self._name}-fork"
        began = time.perf_counter()
        self._engine.commit(self._name, repository=name)
        committed = time.perf_counter()
        self._run(name, name)
        self._execute(name, ["test", "-e", "/many/19/3519"])
        ready = time.perf_counter()
        self._engine.remove_container(name, force=True)
        self._made.remove(name)
        self._engine.remove_image(name, force=True)
        return committed - began, ready - committed

    def close(self) -> None:
        """Remove the container."""
        for name in self._made:
            self._engine.remove_container(name, force=True)


def run(*command: str) -> float:
    """Run it on this machine; gives the seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


async def measured(home: Path) -> dict[str, float]:
    """All figures, with a table on the way."""
    await build_images(("base",), engine="docker", progress=print)
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    provider = await DockerProvider.connect(home=home)
    pool = PooledProvider(provider, size=1, places=12, tell=print)
    committed = Committed(engine)
    times: dict[str, list[float]] = {name: [] for name in ("snapshot", "cold", "warm", "commit", "run", "copy")}
    await asyncio.to_thread(run, "python3", "-c", FILL, str(home / "many"))
    try:
        async with provider.open(BASE) as sandbox:
            filled = await sandbox.run('python3 -c "$FILL" many', timeout_seconds=60, environment={"FILL": FILL})
            if filled.exit_code:
                raise SystemExit(str(filled))
            async with pool.open(BASE):
                pass  # From its first use on the pool keeps one.
            for number in range(ROUNDS):
                began = time.perf_counter()
                snapshot = await sandbox.snapshot()
                times["snapshot"].append(time.perf_counter() - began)
                await pool.filled()
                times["warm"].append(await forked(pool, snapshot.id))
                await pool.filled()
                times["cold"].append(await forked(provider, snapshot.id))
                for name, seconds in zip(("commit", "run"), await asyncio.to_thread(committed.once), strict=True):
                    times[name].append(seconds)
                times["copy"].append(
                    await asyncio.to_thread(run, "cp", "-a", str(home / "many"), str(home / f"copy-{number}"))
                )
    finally:
        committed.close()
        await pool.close()
        engine.close()
    print(f"{snapshot.files} files and folders, {snapshot.size_bytes / 1e6:.0f} MB, tier {provider.tier}")
    print(f"{'milliseconds':<48}{'p50':>10}{'most':>10}{'n':>6}")
    titles = {
        "snapshot": "snapshot", "warm": "fork, warm", "cold": "fork, cold", "commit": "docker commit",
        "run": "  and a container of it", "copy": "cp -a on this machine's disk",
    }  # fmt: skip
    medians = {name: row(titles[name], times[name]) for name in titles}
    return {
        "snapshot_ms_p50": round(medians["snapshot"]),
        "fork_warm_ms_p50": round(medians["warm"]),
        "fork_cold_ms_p50": round(medians["cold"]),
        "docker_commit_and_run_ms_p50": round(medians["commit"] + medians["run"]),
        "cp_ms_p50": round(medians["copy"]),
    }


def main() -> None:
    """Measure and print one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
