"""The one door to OpenTelemetry: opened by the environment, heard by runs, harmful to none."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from macrohard.domain import Diagnosis
from macrohard.events import Event, ModelCalled, RunEnded
from macrohard.llm import ChatModel
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import Target
from macrohard.telemetry.spans import Provider, RunSpans, Span, trace_id
from macrohard.telemetry.wanted import ENDPOINT, wanted
from macrohard.telemetry.words import Overheard

if TYPE_CHECKING:
    from macrohard.telemetry.export import Export

INSTALL = "pip install 'macrohard[otel]'"
CLOSE_SECONDS = 3.0
"""For what was not sent yet, when the process ends."""
UNSENT_SECONDS = 10.0
"""What is older than that was sent."""
_PROVIDERS = {
    "api.x.ai": "x_ai",
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
"""What the conventions call who answers there; others are called as their endpoint is."""

log = logging.getLogger("macrohard.telemetry")


class Listener:
    """Hears one run, as far as one process carries it out."""

    def __init__(self, spans: RunSpans, export: "Export", *, trace: int, redactor: Redactor | None) -> None:
        self._spans, self._export, self._trace = spans, export, trace
        self._redactor = redactor
        self._words: Overheard | None = None

    def overhears(self, model: ChatModel) -> ChatModel:
        """The model, heard if what is said is to be exported."""
        if self._redactor is None:
            return model
        self._words = Overheard(model, self._redactor)
        return self._words

    def observe(self, event: Event) -> None:
        """Export what is over by this event; the run goes on whatever becomes of that."""
        try:
            said = self._words.take(event.session_id) if self._words and isinstance(event, ModelCalled) else {}
            for span in self._spans.read(event, datetime.now(UTC)):
                self._export.add(self._trace, span, said if isinstance(event, ModelCalled) else {})
        except Exception:  # the wall around telemetry: no run fails because somebody watches it
            log.exception("an event of the trace %032x was not exported", self._trace)


class Telemetry:
    """What this process exports, by the standard variables in `environ`; opened when the first run begins."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._wanted = wanted(environ)
        self._export: Export | None = None
        self._told = False

    def begin(self) -> bool:
        """Whether runs are exported from here on; what stands in the way is logged, once."""
        if self._export is not None:
            return True
        problem = (_missing() if self._wanted.where else "") or self._wanted.problem
        if problem and not self._told:
            self._told = True
            log.warning("telemetry to %s: %s", self._wanted.where, problem)
        if not (self._wanted.traces or self._wanted.metrics) or _missing():
            return False
        from macrohard.telemetry.export import Export

        self._export = Export(traces=self._wanted.traces, metrics=self._wanted.metrics)
        return True

    async def listener(
        self,
        run_id: str,
        *,
        created_at: datetime,
        past: AsyncIterable[tuple[Event, datetime]],
        targets: Sequence[Target],
    ) -> Listener | None:
        """Who hears the run from now on, after what its log says already; None: nothing is exported."""
        if not self.begin():
            return None
        assert self._export is not None, "it was opened"
        spans = RunSpans(run_id, created_at=created_at, providers=dict(map(_provider, targets)))
        told, last = list[Span](), None
        async for event, at in past:
            # A fork's log begins with what happened to another run.
            if at >= created_at:
                told, last = [*_recent(told, at), *spans.read(event, at)], event
        if not isinstance(last, RunEnded):
            # The process was killed, perhaps before it had sent these; without them what they hold would hang loose.
            for span in told:
                if span.id is not None:
                    self._export.add(trace_id(run_id), span, {})
        redactor = Redactor(target.endpoint.api_key.get_secret_value() for target in targets)
        return Listener(
            spans, self._export, trace=trace_id(run_id), redactor=redactor if self._wanted.contents else None
        )

    def diagnosis(self) -> Diagnosis:
        """What is exported, or why nothing is."""
        name, wish = "telemetry", self._wanted
        if not wish.where:
            return Diagnosis(check=name, ok=True, needed=False, detail=f"off: {ENDPOINT} is not set")
        missing = _missing()
        if missing or not (wish.traces or wish.metrics):
            detail = f"nothing goes to {wish.where}"
            advice = missing or wish.problem
            return Diagnosis(check=name, ok=False, needed=False, detail=detail, advice=advice)
        what = " and ".join(part for part, on in (("traces", wish.traces), ("figures", wish.metrics)) if on)
        words = ", with what is said to models" if wish.contents else ", without what is said to models"
        detail = f"{what} of runs go to {wish.where}{words}"
        return Diagnosis(check=name, ok=not wish.problem, needed=False, detail=detail, advice=wish.problem)

    async def close(self) -> None:
        """Send what was not sent yet, for a few seconds at most."""
        if self._export is None:
            return
        closing = threading.Thread(target=self._export.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)


def _recent(spans: Sequence[Span], now: datetime) -> list[Span]:
    return [span for span in spans if (now - span.ended).total_seconds() < UNSENT_SECONDS]


def _missing() -> str:
    """What has to be installed, and how; empty: nothing."""
    try:
        import macrohard.telemetry.export  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed: {INSTALL}"
    return ""


def _provider(target: Target) -> tuple[str, Provider]:
    endpoint = target.endpoint
    if endpoint.base_url is None:
        return endpoint.name, Provider("macrohard")
    parts = urlsplit(endpoint.base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return endpoint.name, Provider(_PROVIDERS.get(host, endpoint.name), host, port)
