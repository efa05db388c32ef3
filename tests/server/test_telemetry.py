"""Runs as a collector of OpenTelemetry sees them, from real processes."""

import asyncio
import hashlib
import json
import socket
import sys
import time
from pathlib import Path

import pytest

from macrohard.llm.builtin.app import Receive, Scope, Send, application
from macrohard.telemetry import Telemetry
from tests.faults import FaultyEndpoint, serving, settings_of
from tests.server.collector import Collector, collecting
from tests.server.conftest import Installation, Running, waited_for
from tests.server.served import Served, served

REQUIREMENT = "A list of cats. Each cat has a name."
REFUSED = "A multiplayer first-person shooter with ray tracing."
CONTENTS = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class SecondHeld:
    """The built-in model, which answers at once the first time, and then when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.asked > 1:
            await self.let.wait()
        await application(scope, receive, send)


def trace_of(run: str) -> str:
    return hashlib.sha256(run.encode()).hexdigest()[:32]


def status(service: Running | Served, run: str) -> str:
    return str(service.ask("GET", f"/api/v1/runs/{run}").json()["summary"]["status"])


@pytest.mark.usefixtures("sandboxes")
async def test_a_run_is_one_trace_also_when_the_service_is_killed_within_it(installation: Installation) -> None:
    model = SecondHeld()
    endpoint = FaultyEndpoint(rate=0.0, seed=1, behind=model)
    with collecting() as collector:
        async with serving(endpoint):
            path = installation.home.parent / "settings.toml"
            path.write_text(settings_of(endpoint))
            installation.environment |= {
                "MACROHARD_SETTINGS": str(path),
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.base_url,
                "OTEL_BSP_SCHEDULE_DELAY": "50",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
            }

            def until_death() -> tuple[str, int]:
                service = installation.serve("--workers", "1")
                body = {"requirement": REQUIREMENT, "ask": False}
                run = service.ask("POST", "/api/v1/runs", json=body).json()["id"]
                waited_for(lambda: model.asked == 2 and bool(collector.of("chat")))
                service.kill()
                return run, time.time_ns()

            run, died = await asyncio.to_thread(until_death)
            before = list(collector.spans)
            assert {span.trace for span in before} == {trace_of(run)}
            model.let.set()

            def to_the_end() -> None:
                service = installation.serve("--workers", "1")
                waited_for(lambda: len(collector.of("chat")) > 2)
                service.ask("POST", f"/api/v1/runs/{run}/cancel")
                waited_for(lambda: status(service, run) == "cancelled")
                assert service.terminate() == 0, service.told()

            await asyncio.to_thread(to_the_end)
    check_tree(collector, run, died=died)
    check_calls(collector)
    assert all(resource["service.name"] == "macrohard" for resource in collector.resources)
    assert all(resource["deployment.environment"] == "test" for resource in collector.resources)
    assert "cats" not in str(collector.spans).lower(), "what is said to models stays here unless it is asked for"


def check_tree(collector: Collector, run: str, *, died: int) -> None:
    """One trace without loose ends, and a session of both lives."""
    assert {span.trace for span in collector.spans} == {trace_of(run)}
    ids = [span.id for span in collector.spans]
    (root,) = (span for span in collector.spans if not span.parent)
    assert (root.name, root.operation, root.failed) == ("invoke_workflow macrohard", "invoke_workflow", True)
    assert root.attributes["macrohard.run.id"] == run
    assert root.attributes["macrohard.outcome"] == root.attributes["error.type"] == "cancelled"
    assert {span.parent for span in collector.spans} <= {"", *ids}
    sessions = collector.of("invoke_agent")
    assert {span.parent for span in sessions} == {root.id}
    assert any(span.began < died < span.ended for span in sessions), "it went on where it was cut off"
    cut_off = {span.id for span in sessions if span.attributes.get("error.type") == "cut_off"}
    assert {span.id for span in sessions if span.failed} == cut_off
    first = min(sessions, key=lambda span: span.began)
    assert first.name == f"invoke_agent {first.attributes['gen_ai.agent.name']}"
    assert first.attributes["gen_ai.conversation.id"]
    assert first.attributes["gen_ai.agent.version"]
    assert first.attributes["macrohard.phase"] == "analyse"
    assert root.attributes["macrohard.model_calls"] == len(collector.of("chat"))
    spent = sum(span.attributes["macrohard.cost_usd"] for span in collector.of("chat"))
    assert root.attributes["macrohard.cost_usd"] == pytest.approx(spent)
    assert spent > 0


def check_calls(collector: Collector) -> None:
    """What each call of a model and of a tool says, and the figures of them."""
    sessions = {span.id: span for span in collector.of("invoke_agent")}
    for call in collector.of("chat"):
        said = call.attributes
        assert call.name == "chat m"
        assert said["gen_ai.provider.name"] == "faulty"
        assert said["gen_ai.request.model"] == "m"
        assert said["gen_ai.response.model"]
        assert said["gen_ai.usage.input_tokens"] > 0
        assert said["gen_ai.usage.output_tokens"] > 0
        assert said["gen_ai.response.finish_reasons"] in (["tool_call"], ["stop"])
        assert (said["server.address"], said["server.port"] > 0) == ("127.0.0.1", True)
        assert sessions[call.parent].attributes["gen_ai.conversation.id"] == said["gen_ai.conversation.id"]
        assert call.began < call.ended
    tools = collector.of("execute_tool")
    assert "execute_tool finish" in {tool.name for tool in tools}
    assert {tool.attributes["gen_ai.tool.type"] for tool in tools} == {"function"}
    assert all(tool.parent in sessions for tool in tools)
    assert set(collector.figures) == {
        ("gen_ai.client.token.usage", "input"),
        ("gen_ai.client.token.usage", "output"),
        ("gen_ai.client.operation.duration", ""),
    }


@pytest.mark.usefixtures("sandboxes")
def test_what_is_said_to_models_is_told_to_those_who_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.base_url)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
        monkeypatch.setenv(CONTENTS, "span_only")
        with served(tmp_path / "home", slots=1) as service:
            run = service.ask("POST", "/api/v1/runs", json={"requirement": REFUSED}).json()["id"]
            waited_for(lambda: status(service, run) == "refused")
    (call,) = collector.of("chat")
    asked = json.loads(call.attributes["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == ["system", "user"]
    assert REFUSED in asked[1]["parts"][0]["content"]
    (answer,) = json.loads(call.attributes["gen_ai.output.messages"])
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "tool_call")
    assert {part["type"] for part in answer["parts"]} >= {"tool_call"}
    (root,) = (span for span in collector.spans if not span.parent)
    assert not root.failed, "that a requirement is refused is a result"
    assert not collector.figures


@pytest.mark.usefixtures("sandboxes")
def test_a_collector_that_is_not_there_harms_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with served(tmp_path / "home", slots=1) as service:
        run = service.ask("POST", "/api/v1/runs", json={"requirement": REFUSED}).json()["id"]
        waited_for(lambda: status(service, run) == "refused")
    said = [record for record in caplog.records if record.name.startswith("opentelemetry.")]
    assert len(said) == 1, "it is said, and not at each attempt"
    assert str(port) in said[0].getMessage()


@pytest.mark.parametrize(
    ("environ", "detail", "advice"),
    [
        pytest.param({}, "off: OTEL_EXPORTER_OTLP_ENDPOINT is not set", "", id="off"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, "off: ", "", id="empty"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, "off: ", "", id="disabled"
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
            "traces and figures of runs go to http://c:4318, without what is said",
            "",
            id="on",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4318/v1/traces", CONTENTS: "true"},
            "traces of runs go to http://t:4318/v1/traces, with what is said",
            "",
            id="traces only",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "nothing goes to http://c:4317",
            "only http/protobuf is spoken",
            id="another protocol",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", CONTENTS: "event_only"},
            "without what is said",
            "span_only puts it on the spans",
            id="contents elsewhere",
        ),
    ],
)
def test_doctor_says_what_is_exported(environ: dict[str, str], detail: str, advice: str) -> None:
    row = Telemetry(environ).diagnosis()
    assert detail in row.detail
    assert advice in row.advice
    assert row.ok == (not advice)
    assert not row.needed


def test_what_is_not_installed_is_said_by_doctor_and_at_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "macrohard.telemetry.export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with served(tmp_path / "home", slots=1) as service:
        rows = {row["check"]: row for row in service.ask("GET", "/api/v1/doctor").json()}
        assert rows["telemetry"]["advice"].endswith("is not installed: pip install 'macrohard[otel]'")
        assert not rows["telemetry"]["ok"]
    assert [record.message for record in caplog.records if record.name == "macrohard.telemetry"] == [
        "telemetry to http://127.0.0.1:9: opentelemetry.sdk.metrics is not installed: pip install 'macrohard[otel]'"
    ]
