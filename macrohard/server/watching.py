"""What machines that watch the service ask for: whether it lives, and its figures for Prometheus."""

from collections.abc import Iterable
from typing import get_args

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from macrohard.assembly.rooms import Rooms
from macrohard.domain import RunStatus
from macrohard.server.access import Asking
from macrohard.server.problems import RESPONSES
from macrohard.server.service import Serving
from macrohard.store.usage import Totals

router = APIRouter(tags=["watching"], responses={status: RESPONSES[status] for status in (400, 401, 413, 503)})


@router.get("/healthz", response_class=PlainTextResponse)
async def health(service: Serving) -> Response:
    """ "ok" as long as the service and its database answer; nobody needs to say who asks."""
    await service.factory.store.touched(since=None)
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Serving, principal: Asking) -> Response:
    """Figures in Prometheus' text format, of the projects that one sees."""
    registry = CollectorRegistry(auto_describe=False)
    totals = await service.factory.store.usage.totals(within=principal.within)
    registry.register(_Figures(totals, rooms=service.factory.rooms if principal.within is None else None))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """The figures of one moment."""

    def __init__(self, totals: Totals, *, rooms: Rooms | None) -> None:
        """`rooms`: what all projects share; None: who asks does not see all of them."""
        self._totals, self._rooms = totals, rooms

    def collect(self) -> Iterable[Metric]:
        runs = GaugeMetricFamily("macrohard_runs", "Runs, by the status that was recorded last.", labels=["status"])
        for status in get_args(RunStatus):
            runs.add_metric([status], self._totals.runs.get(status, 0))
        yield runs
        yield GaugeMetricFamily("macrohard_queued_runs", "Runs that wait for a worker.", value=self._totals.queued)
        if self._rooms is not None:
            taken, waiting = self._rooms.taken, self._rooms.waiting
            yield GaugeMetricFamily("macrohard_sandboxes", "Sandboxes that this process has open.", value=taken)
            yield GaugeMetricFamily("macrohard_sandboxes_waiting", "Who waits here for a sandbox.", value=waiting)
        labels = ["endpoint", "model"]
        calls = CounterMetricFamily("macrohard_model_calls", "Calls of models.", labels=labels)
        tokens = CounterMetricFamily("macrohard_tokens", "Tokens of all calls.", labels=[*labels, "direction"])
        dollars = CounterMetricFamily("macrohard_dollars", "What calls cost, in US dollars.", labels=labels)
        for endpoint, model, called, read, said, usd in self._totals.usage:
            calls.add_metric([endpoint, model], called)
            tokens.add_metric([endpoint, model, "input"], read)
            tokens.add_metric([endpoint, model, "output"], said)
            dollars.add_metric([endpoint, model], usd)
        yield from (calls, tokens, dollars)
