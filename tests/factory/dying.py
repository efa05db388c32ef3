"""Carries a run out and kills its own process with SIGKILL at a given event; run as a program by the tests.

Arguments: home, run id, folder for the product, and "type:detail:n" (the n-th such event kills; empty: none does).
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from macrohard.assembly import open_factory
from macrohard.events import Event
from macrohard.settings import load_settings


def matches(event: Event, kind: str, detail: str) -> bool:
    """Whether this is such an event: by type, and by phase, tool, the session's phase, or how its text begins."""
    if event.type != kind:
        return False
    told = event.model_dump()
    if kind == "progress":
        return str(told["text"]).startswith(detail)
    return detail in (told.get("phase"), told.get("tool"), "") or f"/{detail}/" in str(told.get("session_id"))


async def main(home: Path, run_id: str, out: Path, trigger: str) -> None:
    """Go on with the run."""
    kind, _, rest = trigger.partition(":")
    detail, _, number = rest.rpartition(":")
    left = int(number or 0)

    def observe(event: Event) -> None:
        nonlocal left
        if trigger and matches(event, kind, detail):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        overview = await factory.carry_out(run_id, out=out, observe=observe)
        print(json.dumps({"status": overview.summary.status, "model_calls": overview.model_calls}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
