"""A run whose Docker engine fails in the middle waits for a person; nothing is called the product's failure."""

import asyncio
from pathlib import Path

from macrohard.sandbox import SandboxProvider
from tests.factory.conftest import Macrohard
from tests.sandbox.fault_proxy import Fault, fault_proxy

FULL = "write /var/lib/docker/tmp: no space left on device"


async def test_a_full_disk_of_the_engine_pauses_the_run(
    macrohard: Macrohard, sandboxes: SandboxProvider, tmp_path: Path
) -> None:
    async with fault_proxy(tmp_path) as (proxy, address):
        # The first is that which shows the tier.
        full = Fault("POST .*/containers/create", "answer", message=FULL, after=3)
        proxy.faults.append(full)
        ended = await asyncio.to_thread(
            macrohard, "build", "todo app.", "--yes", "--sandbox", "docker", environment={"DOCKER_HOST": address}
        )
    assert full.met.is_set()
    result = ended.result
    assert result["outcome"] == "paused", ended.told[-3000:]
    overview = macrohard("show", result["run"]).result["overview"]
    problem = overview["problem"]
    assert "the disk of the Docker engine is full" in problem
    assert "macrohard sandboxes prune" in problem
    assert f"macrohard resume {result['run']}" in problem
    assert not [verdict for row in overview["criteria"] for verdict in row["verdicts"] if verdict["status"] == "failed"]
