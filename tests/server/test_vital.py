"""A service whose worker, or whose look-out for what happens, ended by a mistake of ours."""

from pathlib import Path

import pytest
import requests

from macrohard.assembly import Worker
from macrohard.store import Store
from tests.server.conftest import waited_for
from tests.server.served import Served, served


async def mistaken(*_: object, **__: object) -> None:
    raise KeyError("a mistake of ours")


def is_gone(service: Served) -> bool:
    try:
        service.ask("GET", "/healthz")
    except requests.ConnectionError:
        return True
    return False


def test_a_service_whose_worker_ended_ends_and_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "_look", mistaken)
    with pytest.raises(RuntimeError, match="the worker ended"), served(tmp_path / "home", slots=1) as service:
        waited_for(lambda: is_gone(service))


def test_a_service_that_no_longer_sees_what_happens_ends_with_its_open_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def followed() -> None:
        with served(tmp_path / "home") as service:
            run = service.within(service.factory.store.create_run("A list.", options={}, model="builtin"))
            monkeypatch.setattr(Store, "touched", mistaken)
            stream = service.ask("GET", f"/api/v1/runs/{run}/events", headers={"Accept": "text/event-stream"})
            assert stream.status_code == 200, "it ended in good order"
            waited_for(lambda: is_gone(service))

    with pytest.raises(RuntimeError, match="what wakes streams ended"):
        followed()
