"""What machines watch the service by, and what it says of its installation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from macrohard.events import ModelCalled, ModelTroubled
from tests.server.served import Served, served
from tests.server.test_products import STARTED, told


@pytest.fixture
def service(tmp_path: Path, url: str) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path / "home", url=url) as service:
        yield service


def called(model: str, tokens: int, usd: float) -> ModelCalled:
    return ModelCalled(
        session_id="r/1/a/b", endpoint="xai", model=model, input_tokens=tokens, output_tokens=7, cost_usd=usd, seconds=1
    )  # fmt: skip


def test_figures_and_usage_are_the_sums_of_what_calls_took(service: Served) -> None:
    store = service.factory.store
    first, second = (service.within(store.create_run("A list.", options={}, model="m")) for _ in range(2))
    failed = ModelTroubled(endpoint="xai", problem="it broke off", reaction="asks again", cost_usd=0.5)
    service.within(told(service.factory, first, STARTED, called("a", 100, 0.25), called("a", 10, 0.25), failed))
    service.within(told(service.factory, second, STARTED, called("a", 1, 0.125), called("b", 2, 1)))
    service.ask("POST", "/api/v1/runs", json={"requirement": "Another."})
    used = service.ask("GET", "/api/v1/usage").json()
    assert [(each["model"], each["runs"], each["calls"], each["input_tokens"], each["cost_usd"]) for each in used] == [
        ("", 1, 1, 0, 0.5),
        ("a", 2, 3, 111, 0.625),
        ("b", 1, 1, 2, 1.0),
    ]
    day = used[0]["day"]
    assert service.ask("GET", "/api/v1/usage", params={"since": day, "until": day}).json() == used
    assert service.ask("GET", "/api/v1/usage", params={"until": "2020-01-01"}).json() == []
    answer = service.ask("GET", "/metrics")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["macrohard_runs", "running"] == 2
    assert samples["macrohard_runs", "waiting"] == samples["macrohard_queued_runs",] == 1
    assert samples["macrohard_model_calls_total", "a", "xai"] == 3
    assert samples["macrohard_tokens_total", "a", "input", "xai"] == 111
    assert samples["macrohard_dollars_total", "a", "xai"] == 0.625
    assert samples["macrohard_sandboxes",] == 0


def test_figures_are_for_those_who_are_known_and_health_is_for_all(service: Served) -> None:
    assert requests.get(f"{service.base_url}/metrics", timeout=30).status_code == 401
    health = requests.get(f"{service.base_url}/healthz", timeout=30)
    assert (health.status_code, health.text) == (200, "ok\n")


def test_models_and_agents_are_listed_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text(
        'model = "m@theirs"\n[endpoints.theirs]\nbase_url = "http://127.0.0.1:1/v1"\nkey = "THEIR_KEY"\n'
        "[prices.m]\ninput = 1.0\ncached_input = 1.0\noutput = 1.0\n"
    )
    monkeypatch.setenv("MACROHARD_SETTINGS", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("THEIR_KEY", "sk-nobody-is-told")
    with served(tmp_path / "home") as service:
        roles = service.ask("GET", "/api/v1/models").json()
        assert {each["models"][0]["endpoint"] for each in roles} == {"theirs"}
        for path in ("/api/v1/models", "/settings", "/new"):
            answer = service.ask("GET", path)
            assert answer.status_code == 200, path
            assert "nobody-is-told" not in answer.text, path


def test_models_and_agents_are_listed(service: Served) -> None:
    roles = {each["role"]: each["models"] for each in service.ask("GET", "/api/v1/models").json()}
    assert roles.keys() == {"strong", "fast", "vision", "judge"}
    assert roles["strong"][0]["model"] == "builtin"
    for kind in ("agents", "personas", "skills"):
        found = service.ask("GET", f"/api/v1/{kind}").json()
        assert len(found) > 3
        assert all(each["name"] and each["description"] for each in found)
