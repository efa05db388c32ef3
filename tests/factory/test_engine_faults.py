"""A run whose Docker engine fails again and again waits for a person each time, blames nobody, and is delivered."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from macrohard.sandbox import SandboxProvider
from tests.factory.conftest import KITES, Macrohard, surroundings
from tests.sandbox.fault_proxy import Fault, FaultProxy, fault_proxy

FULL = "write /var/lib/docker/tmp: no space left on device"

Strike = Callable[[FaultProxy], Any]


def disk_is_full(proxy: FaultProxy) -> Any:
    """No container can be made any more."""
    proxy.faults.append(Fault("POST .*/containers/create", "answer", message=FULL))
    return asyncio.sleep(0)


def engine_restarts(proxy: FaultProxy) -> Any:
    """All connections end, with them all containers, and nobody answers."""
    proxy.faults.append(Fault(".*", "reset"))
    return proxy.close()


def runtime_fails(proxy: FaultProxy) -> Any:
    """Containers die, and every request is answered with an error."""
    proxy.faults.append(Fault(".*", "answer", message="cannot connect to containerd"))
    return proxy.close()


async def test_a_run_whose_engine_fails_in_every_phase_is_parked_and_then_delivered(
    macrohard: Macrohard, sandboxes: SandboxProvider, tmp_path: Path, repository_root: Path
) -> None:
    async def struck(phase: str, strike: Strike, *arguments: str) -> tuple[dict[str, Any], str]:
        """Let the engine fail once the phase has begun; the result and all that was told."""
        async with fault_proxy(tmp_path) as (proxy, address):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "macrohard", *arguments, "--yes", "--sandbox", "docker", "--json",
                cwd=tmp_path, env={**surroundings(repository_root, tmp_path / "home"), "DOCKER_HOST": address},
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stderr is not None
            told = ""
            while line := (await process.stderr.readline()).decode():
                told += line
                if f"] {phase} …" in line and not proxy.faults:
                    await strike(proxy)
            output, _ = await process.communicate()
            assert proxy.faults, told
            return json.loads(output), told

    run = ""
    for phase, strike, said in (
        ("implement", disk_is_full, ("the disk of the Docker engine is full", "macrohard sandboxes prune")),
        ("verify", engine_restarts, ("sandbox",)),
        ("use", runtime_fails, ("sandbox",)),
    ):
        result, told = await struck(phase, strike, *(("resume", run) if run else ("build", KITES)))
        run = result["run"]
        assert result["outcome"] == "paused", told[-3000:]
        overview = (await asyncio.to_thread(macrohard, "show", run)).result["overview"]
        for part in (*said, f"macrohard resume {run}"):
            assert part in overview["problem"]
        for iteration in overview["iterations"]:
            assert {verdict["status"] for verdict in iteration["verdicts"]} <= {"passed"}
            assert iteration["findings"] == []
    ended = await asyncio.to_thread(macrohard, "resume", run, "--yes", "--sandbox", "docker")
    assert ended.result["outcome"] == "delivered", ended.told[-3000:]
    assert {criterion["status"] for criterion in ended.result["criteria"]} == {"met"}
