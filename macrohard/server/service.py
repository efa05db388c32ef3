"""What every operation and page is handed."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from macrohard.assembly import Factory, Worker
from macrohard.server.access import Access
from macrohard.server.feed import Feed
from macrohard.server.people.oidc import Provider
from macrohard.server.people.recording import Recorder
from macrohard.server.people.throttle import Throttle
from macrohard.server.previews import Previews
from macrohard.server.vital import Vital
from macrohard.settings import Settings


@dataclass(frozen=True)
class Service:
    """What every request can use."""

    factory: Factory
    settings: Settings
    access: Access
    feed: Feed
    previews: Previews
    vital: Vital
    worker: Worker | None
    """The one in this process; None: others carry runs out."""
    throttle: Throttle | None
    """A team's; None: one person's machine."""
    recorder: Recorder | None
    provider: Provider | None
    """By which a team's people can log in; None: by passwords only."""

    def queued(self) -> None:
        """Say that a run was put into the queue: a worker in this process takes it at once."""
        if self.worker is not None:
            self.worker.look()


async def _serving(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_serving)]
"""The service that answers a request."""
