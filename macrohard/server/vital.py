"""Work without which the service is none: when that ends by a mistake of ours, the service ends, to be started anew."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("macrohard.server")


class Vital:
    """What must go on as long as the service does."""

    def __init__(self) -> None:
        self.failure: RuntimeError | None = None
        """What ended, with its cause; None: all goes on."""

    @asynccontextmanager
    async def work(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Have it done beside what is in the context, and cancel it with its end."""

        def ended(task: "asyncio.Task[None]") -> None:
            if task.cancelled():
                return
            self.failure = RuntimeError(f"{name} ended, and with it the service")
            self.failure.__cause__ = task.exception()
            log.critical("%s", self.failure, exc_info=task.exception())

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
