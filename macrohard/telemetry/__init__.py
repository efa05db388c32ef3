"""What a collector of OpenTelemetry is told of runs: traces and figures by the conventions for generative AI."""

from macrohard.telemetry.telemetry import Listener, Telemetry

__all__ = ["Listener", "Telemetry"]
