"""What the environment says of telemetry, by the standard variables of OpenTelemetry."""

from collections.abc import Mapping

from macrohard.domain import Value

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
SPOKEN = "http/protobuf"
CONTENTS = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON_SPANS = frozenset({"true", "span_only", "span_and_event"})
_ON_NOTHING = frozenset({"", "false", "no_content"})


class Wanted(Value):
    """What is to be exported."""

    traces: bool = False
    metrics: bool = False
    contents: bool = False
    """Whether spans of model calls hold what was said."""
    where: str = ""
    problem: str = ""
    """Why nothing is exported although somewhere was named, or not all that was wanted; and what to do."""


def wanted(environ: Mapping[str, str]) -> Wanted:
    """What these variables ask for: nothing, unless an address is among them."""
    traces, metrics = _address(environ, "TRACES"), _address(environ, "METRICS")
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or not (traces or metrics):
        return Wanted()
    where = traces or metrics
    for name in (PROTOCOL, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"):
        if (spoken := environ.get(name, "").strip() or SPOKEN) != SPOKEN:
            return Wanted(where=where, problem=f"{name} is {spoken!r}, and only {SPOKEN} is spoken: set it so, or not")
    contents, problem = environ.get(CONTENTS, "").strip().lower(), ""
    if contents not in _ON_SPANS | _ON_NOTHING:
        problem = f"{CONTENTS} is {contents!r}, so what is said stays here: span_only puts it on the spans of calls"
    return Wanted(
        traces=bool(traces), metrics=bool(metrics), contents=contents in _ON_SPANS, where=where, problem=problem
    )


def _address(environ: Mapping[str, str], signal: str) -> str:
    """Where this signal goes; empty: nowhere."""
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() not in ("otlp", ""):
        return ""
    return (environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(ENDPOINT) or "").strip()
