"""Waiting, in front of a person, for the hour at which a parked run can go on."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TextIO

from macrohard.cli.terminal import duration

LOOK_SECONDS = 30.0
"""Sleeps are cut into pieces of this length, because a machine that was suspended wakes up later than it thinks."""


async def wait_until(
    wake_at: datetime,
    run_id: str,
    *,
    goes_on: Callable[[], Awaitable[bool]] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Sleep until then, with a countdown on a terminal, one line anywhere else.

    `goes_on` is asked twice a minute whether somebody had the run go on before its hour: that ends the wait.

    The hour is kept with the run: whoever kills this loses nothing, `macrohard resume --due` goes on all the same.
    """
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    waits = f"run {run_id} waits until {wake_at:%Y-%m-%d %H:%M:%S} UTC"
    if not on_terminal:
        print(waits, file=stream, flush=True)
    looked = time.monotonic()
    try:
        while (left := (wake_at - datetime.now(UTC)).total_seconds()) > 0:
            if on_terminal:
                print(f"\r\x1b[K{waits}, {duration(left)} left; Ctrl-C stops waiting", end="", file=stream, flush=True)
            await asyncio.sleep(min(left, 1.0 if on_terminal else LOOK_SECONDS))
            if goes_on is not None and time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                if await goes_on():
                    break
    except asyncio.CancelledError as error:
        error.add_note(f"go on with: macrohard resume {run_id}, or from its hour on with: macrohard resume --due")
        raise
    finally:
        if on_terminal:
            print(file=stream, flush=True)
