"""Spans and figures on their way to a collector, by the SDK of OpenTelemetry; the only module that knows it.

The SDK reads the other standard variables itself: headers, time limits, sampling, sizes of batches and attributes.
"""

import logging
import time
from collections.abc import Mapping
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from macrohard import __version__
from macrohard.telemetry.spans import (
    ADDRESS,
    ANSWERED,
    ERROR,
    INPUT_TOKENS,
    OPERATION,
    OUTPUT_TOKENS,
    PORT,
    PROVIDER,
    REQUESTED,
    Attribute,
    Span,
)

NAME = "macrohard"
TOKEN_BOUNDS = [4.0**power for power in range(14)]
SECOND_BOUNDS = [0.01 * 2**power for power in range(14)]
"""What the conventions advise."""
COMPLAINERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.sdk._shared_internal",
)
SILENCE_SECONDS = 60.0
"""Between two complaints about a collector that does not answer: each attempt has one of its own."""


class Export:
    """Takes what is over; it is sent in the background, and dropped where that does not work."""

    def __init__(self, *, traces: bool, metrics: bool) -> None:
        self._seldom = _Seldom()
        for name in COMPLAINERS:
            logging.getLogger(name).addFilter(self._seldom)
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: NAME, "service.version": __version__}))
        self._ids = _Ids()
        self._tracing = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        if traces:
            self._tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if metrics else []
        self._metering = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._tracer = self._tracing.get_tracer(NAME, __version__)
        meter = self._metering.get_meter(NAME, __version__)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BOUNDS,
        )
        self._seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECOND_BOUNDS,
        )

    def add(self, trace: int, span: Span, said: Mapping[str, Attribute]) -> None:
        """Have the span exported, with `said` among its attributes, and counted if it was a call."""
        flags = TraceFlags(TraceFlags.SAMPLED if self._sampled(trace) else TraceFlags.DEFAULT)
        context = None
        if span.parent is not None:
            parent = SpanContext(trace, span.parent, is_remote=False, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(parent))
        self._ids.next = (trace, span.id)
        kind = SpanKind.CLIENT if span.client else SpanKind.INTERNAL
        made = self._tracer.start_span(
            span.name, context, kind=kind, attributes={**span.attributes, **said}, start_time=_nanoseconds(span.began)
        )
        if span.problem:
            made.set_status(Status(StatusCode.ERROR, span.problem))
        made.end(_nanoseconds(span.ended))
        if span.client:
            self._count(span)

    def close(self) -> None:
        """Send what was not sent yet, and end the threads."""
        self._tracing.shutdown()
        self._metering.shutdown()
        for name in COMPLAINERS:
            logging.getLogger(name).removeFilter(self._seldom)

    def _sampled(self, trace: int) -> bool:
        """Whether the run is; by its trace alone, so that it is the same in each process."""
        return self._tracing.sampler.should_sample(None, trace, NAME).decision == Decision.RECORD_AND_SAMPLE

    def _count(self, span: Span) -> None:
        names = (OPERATION, PROVIDER, REQUESTED, ANSWERED, ADDRESS, PORT, ERROR)
        about = {name: span.attributes[name] for name in names if name in span.attributes}
        self._seconds.record((span.ended - span.began).total_seconds(), about)
        for name, kind in ((INPUT_TOKENS, "input"), (OUTPUT_TOKENS, "output")):
            tokens = span.attributes.get(name)
            if isinstance(tokens, int):
                self._tokens.record(tokens, {**about, "gen_ai.token.type": kind})


class _Seldom(logging.Filter):
    """Lets one record pass, and then none for a while."""

    _until = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if time.monotonic() < self._until:
            return False
        self._until = time.monotonic() + SILENCE_SECONDS
        return True


class _Ids(RandomIdGenerator):
    """Ids that follow from the run, where they do."""

    next: tuple[int, int | None] = (0, None)
    """The trace, and the span if it is not any."""

    def generate_trace_id(self) -> int:
        return self.next[0]

    def generate_span_id(self) -> int:
        return self.next[1] or super().generate_span_id()


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000
