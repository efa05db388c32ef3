"""A collector of OpenTelemetry: a server that takes OTLP over HTTP and keeps what it is sent."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.server.listening import listening


@dataclass(frozen=True)
class Span:
    """As it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, Any]

    @property
    def operation(self) -> str:
        return str(self.attributes["gen_ai.operation.name"])


@dataclass
class Collector:
    """What has arrived so far."""

    base_url: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often each was measured, by its name and token type; of one process after the other, the largest."""

    def of(self, operation: str) -> list[Span]:
        """The spans of this operation; what was sent again is the same span."""
        return list({span.id: span for span in list(self.spans) if span.operation == operation}.values())

    def take_spans(self, body: bytes) -> None:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_attributes(sent.resource.attributes))
            for span in (span for scope in sent.scope_spans for span in scope.spans):
                self.spans.append(
                    Span(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.status.code == Status.STATUS_CODE_ERROR,
                        _attributes(span.attributes),
                    )
                )

    def take_figures(self, body: bytes) -> None:
        for sent in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in sent.scope_metrics for metric in scope.metrics):
                for point in metric.histogram.data_points:
                    key = (metric.name, str(_attributes(point.attributes).get("gen_ai.token.type", "")))
                    self.figures[key] = max(self.figures.get(key, 0), point.count)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens, until the context is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            {"/v1/traces": collector.take_spans, "/v1/metrics": collector.take_figures}[self.path](body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    collector = Collector()
    with listening(Handler) as port:
        collector.base_url = f"http://127.0.0.1:{port}"
        yield collector


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, str(kind))
