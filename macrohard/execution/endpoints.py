"""Opens the endpoints of a run's models, with a recorder around each if the run is recorded."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

from macrohard.llm import ModelRole
from macrohard.llm.endpoint import Endpoint, open_endpoint
from macrohard.llm.media import MediaPlan
from macrohard.llm.recording.recorder import Recording, Traffic
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import RoleTargets
from macrohard.llm.transport.connections import open_transport


@asynccontextmanager
async def open_endpoints(
    targets: RoleTargets, *, record_to: Path | None, media: MediaPlan | None = None
) -> AsyncIterator[Mapping[ModelRole, Sequence[Endpoint]]]:
    """The endpoints by role, closed in the end; `record_to`: the file that all their traffic is added to.

    `media`, who makes pictures and clips, is only noted there: what they make is kept by the run's orders.
    """
    async with AsyncExitStack() as stack:
        traffic = None
        if record_to is not None:
            keys = (target.endpoint.api_key.get_secret_value() for target in chain(*targets.values()))
            traffic = Traffic(record_to, redactor=Redactor(keys))
            stack.callback(traffic.close)
            traffic.take_up(targets, media)
        opened = {}
        for role, given in targets.items():
            opened[role] = [
                open_endpoint(target)
                if traffic is None
                else Endpoint(target, Recording(open_transport(target.endpoint), traffic))
                for target in given
            ]
            for endpoint in opened[role]:
                stack.push_async_callback(endpoint.close)
        yield opened
