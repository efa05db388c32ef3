"""The two languages endpoints speak, behind one small contract: encode a request, read an answer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from macrohard.domain import JsonObject
from macrohard.llm.target import Target
from macrohard.llm.target import Wire as WireName
from macrohard.llm.wire.answer import Draft
from macrohard.llm.wire.chat import ChatWire
from macrohard.llm.wire.responses import ResponsesWire
from macrohard.llm.wire.stream import Event


class Reader(Protocol):
    """Reads one answer, event by event."""

    @property
    def draft(self) -> Draft:
        """What came so far."""

    def read(self, event: Event) -> None:
        """Take the next event in; what is not understood and no error is passed over.

        Raises:
            CallFailed: the endpoint says that something went wrong.
        """

    def close(self) -> Draft:
        """The answer, after its last event."""


class Wire(Protocol):
    """How a conversation is written for an endpoint, and how its answer is read."""

    path: str
    """Below the endpoint's base URL."""

    def encode(
        self, target: Target, messages: Sequence[JsonObject], tools: Sequence[JsonObject], *, session_id: str
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of a request.

        The body of a conversation that goes on begins with the same bytes up to the end of what was there before: the
        model, the tools, the messages; what may vary follows them.
        """

    def reader(self, target: Target, *, tools: Collection[str]) -> Reader:
        """For one answer; `tools` are the names that were offered."""


WIRES: Mapping[WireName, Wire] = {"chat": ChatWire(), "responses": ResponsesWire()}
