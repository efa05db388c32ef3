import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from macrohard.llm.models.discovery import local_servers
from tests.llm.families import Family, serving


@contextmanager
def silent_server() -> Iterator[str]:
    """Connections are taken, by the system, and nobody ever says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


async def test_servers_are_asked_what_they_have_and_nothing_else() -> None:
    async with (
        serving(Family(model="qwen3:8b")) as ollama,
        serving(Family(pages={"/v1/models": {"detail": "a web site of somebody's"}})) as other,
    ):
        with silent_server() as silent:
            found = await local_servers(
                {"ollama": ollama.base_url, "llamacpp": other.base_url, "vllm": silent, "lmstudio": nobody()}
            )
    (server,) = found
    assert (server.endpoint, server.title, server.base_url) == ("ollama", "Ollama", ollama.base_url)
    assert server.models == ("embed-1", "qwen3:8b")
    # Models for something else stand in the same list.
    assert server.first_choice == "qwen3:8b@ollama"
    assert ollama.asked == other.asked == ["GET /v1/models"]
    assert ollama.bodies == []


async def test_what_runs_here_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Family()) as proxy, serving(Family(model="here")) as ollama:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        by_number = await local_servers({"ollama": ollama.base_url})
        by_name = await local_servers({"ollama": ollama.base_url.replace("127.0.0.1", "localhost")})
    assert [server.first_choice for server in (*by_number, *by_name)] == ["here@ollama"] * 2
    assert proxy.asked == []
