"""Which servers with models run on this machine; they are asked what they serve, and sent nothing else."""

import asyncio
from collections.abc import Mapping

from macrohard.domain import Value
from macrohard.llm.models.known import KNOWN_ENDPOINTS
from macrohard.llm.models.served import listed_models
from macrohard.llm.target import EndpointSettings
from macrohard.llm.transport import TransportFailed
from macrohard.llm.transport.http import HttpTransport

ANSWER_SECONDS = 1.0
"""A server that is there answers from memory, also when it is busy; a port where nothing listens refuses at once."""
_NO_CHAT = ("embed", "bge-", "rerank", "whisper", "tts")
"""In names of models that answer no questions; servers list them with the others."""


class LocalServer(Value):
    """A server that answered, and the models it says it has."""

    endpoint: str
    """Its well-known name, e.g. "ollama"."""
    title: str
    base_url: str
    models: tuple[str, ...]

    @property
    def first_choice(self) -> str:
        """The first model that is not for something else by its name, as MODEL@ENDPOINT."""
        chatting = [name for name in self.models if not any(word in name.lower() for word in _NO_CHAT)]
        return f"{(chatting or self.models)[0]}@{self.endpoint}"


async def local_servers(addresses: Mapping[str, str] | None = None) -> tuple[LocalServer, ...]:
    """Those that answer on their usual ports and have a model, in the order of the table of known endpoints.

    `addresses`: where each endpoint is looked for instead, base URLs by name. What listens there and does not answer
    like such a server is left out.
    """
    usual = {name: known.base_url for name, known in KNOWN_ENDPOINTS.items() if known.local}
    found = await asyncio.gather(*(_asked(name, url) for name, url in (addresses or usual).items()))
    return tuple(server for server in found if server is not None)


async def _asked(name: str, base_url: str) -> LocalServer | None:
    transport = HttpTransport(EndpointSettings(name=name, base_url=base_url))
    try:
        page = await transport.get("/models", timeout_seconds=ANSWER_SECONDS)
    except TransportFailed:
        return None
    finally:
        await transport.close()
    models = tuple(listed_models(page.body)) if page.status == 200 else ()
    title = KNOWN_ENDPOINTS[name].title
    return LocalServer(endpoint=name, title=title, base_url=base_url, models=models) if models else None
