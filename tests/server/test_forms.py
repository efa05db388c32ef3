"""Forms that say what cannot be: their person is told what is wrong, and nothing comes of it."""

from collections.abc import Iterator

import pytest

from macrohard.server.forms import place_here
from tests.server.served import Served, served

NEW = {"requirement": "A list.", "approve": "plan"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path_factory.mktemp("service") / "home") as service:
        yield service


@pytest.mark.parametrize(
    ("page", "form", "complaint"),
    [
        pytest.param("/new", {**NEW, "plan_hours": "0"}, "approvals.plan", id="no hours"),
        pytest.param("/new", {**NEW, "iterations": "0"}, "iterations", id="no iterations"),
        pytest.param("/new", {**NEW, "iterations": "99"}, "iterations", id="too many iterations"),
        pytest.param("/new", {**NEW, "usd": "0"}, "caps.usd", id="no dollars"),
        pytest.param("/new", {**NEW, "usd": "1.999"}, "usd", id="less than a cent"),
        pytest.param("/new", {"requirement": ""}, "requirement", id="no requirement"),
        pytest.param("/runs/{run}/answers", {"Q-1": "  "}, "nothing was answered", id="no answer"),
        pytest.param("/runs/{run}/answers", {f"Q-{n}": "x" for n in range(51)}, "answers", id="too many answers"),
        pytest.param("/runs/{run}/budget", {"cap": "usd", "amount": "0"}, "amount", id="nothing added"),
        pytest.param("/runs/{run}/budget", {"cap": "tokens", "amount": "1.5"}, "tokens", id="half a token"),
        pytest.param("/runs/{run}/feedback", {"text": ""}, "text", id="no remark"),
        pytest.param("/runs/{run}/feedback", {"text": "x", "line": "-1"}, "line", id="no such line"),
        pytest.param("/runs/{run}/fork", {"iteration": "0"}, "iteration", id="no such iteration"),
        pytest.param("/runs/{run}/fork", {"iteration": "1", "usd": "0"}, "caps.usd", id="a fork without money"),
        pytest.param("/runs/{run}/fork", {"iteration": "1", "iterations": "99"}, "iterations", id="a fork without end"),
        pytest.param("/new", {**NEW, "ask": "true", "ask_hours": "0"}, "answer_seconds", id="no hours for an answer"),
        pytest.param("/new", {**NEW, "improves": "{run}"}, "delivered nothing yet", id="no product to improve"),
        pytest.param("/webhooks", {"url": "nowhere"}, "url", id="no address"),
    ],
)
def test_a_form_that_says_what_cannot_be_is_answered_with_what_is_wrong(
    service: Served, page: str, form: dict[str, str], complaint: str
) -> None:
    run = service.ask("POST", "/api/v1/runs", json={"requirement": "A list."}).json()["id"]
    before = service.ask("GET", "/api/v1/runs").json()
    form = {name: value.format(run=run) for name, value in form.items()}
    answer = service.ask("POST", page.format(run=run), data=form, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "text/html; charset=utf-8"), answer.text
    assert complaint in answer.text
    assert service.ask("GET", "/api/v1/runs").json() == before


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"\x89PNG\r\n\x1a\n\x00", "is not text in UTF-8"), (b"x" * 200_001, "is larger than 200 kB"), (b" ", "is empty")],
    ids=["a picture", "too large", "nothing"],
)
def test_what_is_attached_is_text(service: Served, content: bytes, complaint: str) -> None:
    before = service.ask("GET", "/api/v1/runs").json()
    answer = service.ask(
        "POST", "/new", data=NEW, files={"attachments": ("prices.csv", content)}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 422
    assert f"prices.csv {complaint}" in answer.text
    assert service.ask("GET", "/api/v1/runs").json() == before


@pytest.mark.parametrize(
    "address", ["//evil.example", "http://evil.example", "/\\evil.example", "javascript:x", "/a\nb"]
)
def test_a_form_leads_to_a_page_of_ours_only(address: str) -> None:
    assert place_here(address) == ""


@pytest.mark.parametrize("address", ["", "/runs/r-1/iterations/2?since=1#file-3", "?x=%2F&y=1", "#said"])
def test_a_form_leads_back_to_where_one_was(address: str) -> None:
    assert place_here(address) == address
