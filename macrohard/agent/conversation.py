"""What the model is shown of a session: rebuilt from its entries, so that a resumed session goes on identically."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson
from pydantic import JsonValue

from macrohard.agent.repair import BAD_ARGUMENTS
from macrohard.agent.transcript import Entry
from macrohard.domain import JsonObject
from macrohard.llm import ToolCall

VISITING: Final = frozenset({"look", "act", "request", "command"})
"""The tools of those who use a running product; what they did is done again when a session is resumed."""
CHARACTERS_PER_TOKEN = 4
PICTURE_TOKENS = 1_792
"""The most that xAI counts for one (docs.x.ai, image understanding: tiles of 448 pixels, 256 tokens each)."""
DENSITY = (0.5, 4.0)
"""How far an endpoint's count may be from the estimate; what lies outside is a wrong count."""
FAILURE_CHARACTERS = 1_500
FAILURES_AT_MOST = 3
ERROR = "Error: "
_LASTING = re.compile(r"\b(?:cd|export|source|install|activate)\b|(?:^|[;&\n]) *\. ")
"""Commands whose effect an agent counts on later, and that is not in the product's files."""
_EXIT = re.compile(r"exit code (-?\d+)\s*\Z")


@dataclass(frozen=True)
class Said:
    """A message in the conversation."""

    message: JsonObject
    tokens: int
    output: str | None = None
    """What the message is called where it is kept whole."""
    calls: tuple[ToolCall, ...] = ()
    """Of an assistant's message: what it wants; of a tool's: what it answers."""

    @property
    def role(self) -> str:
        """system, user, assistant or tool."""
        return str(self.message["role"])


@dataclass(frozen=True)
class Round:
    """An answer of the model, and what it brought about, by their places in the conversation."""

    first: int
    end: int


class Conversation:
    """All state of a session that follows from its entries."""

    def __init__(self, tools: Sequence[JsonObject]) -> None:
        self.said: list[Said] = []
        self.head = 0
        """So many messages open the conversation and are never shortened; see `Compaction.head`."""
        self.outputs: list[str] = []
        """Digests of what is kept whole; output-1 is the first."""
        self.failures: dict[str, str] = {}
        """Commands whose last run failed, with the end of what they said; the latest last."""
        self.badly_called: set[str] = set()
        """Tools whose last call had arguments that do not fit."""
        self.visited: list[ToolCall] = []
        """What was done in the browser."""
        self.asked = 0
        """How many questions colleagues were asked."""
        self.assumptions: list[JsonObject] = []
        """Questions to the person, each with the default that was taken."""
        self._moved = False
        self._started = False
        self.cut_off_tokens = 0
        """Of the last answer; see `Entry.cut_off_tokens`."""
        self.refusal: str | None = None
        """What the model said when it declined to go on."""
        self.ceiling: int | None = None
        """See `Compaction.ceiling`."""
        self.pictures = 0
        self._tools_tokens = sum(tokens_of(tool) for tool in tools)
        self._said_tokens = 0
        self._density = 1.0
        self._open: list[ToolCall] = []

    @property
    def messages(self) -> list[JsonObject]:
        """As the model is shown them."""
        return [said.message for said in self.said]

    @property
    def tokens(self) -> int:
        """What a request with this conversation will have: estimated by length, as densely as the endpoint counted."""
        return self.estimated(self._said_tokens)

    @property
    def head_tokens(self) -> int:
        """What is left when all rounds are taken away."""
        return self.estimated(sum(said.tokens for said in self.said[: self.head]))

    def estimated(self, message_tokens: int) -> int:
        """What a request with such messages and the session's tools will have."""
        return int((self._tools_tokens + message_tokens) * self._density)

    def bytes_in(self, tokens: int) -> int:
        """How much text has so many tokens, as densely as the endpoint counted."""
        return int(tokens / self._density * CHARACTERS_PER_TOKEN)

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """Calls that were recorded without an answer: they are to be carried out, for the first time or again."""
        last = self.said[-1]
        return last.calls if last.role == "assistant" else ()

    @property
    def lost(self) -> str:
        """What an agent has to know whose session goes on in a fresh sandbox; empty if it cannot have lost anything."""
        if not (self._moved or self._started):
            return ""
        running = " No process runs, the product neither; start again what you need." if self._started else ""
        return (
            "The session was interrupted and goes on in a fresh sandbox. The files of your assignment are as they "
            "were, and the shell stands where it stood; exported variables, what was installed, and files that git "
            f"ignores or that are not yours are gone.{running}"
        )

    @property
    def rounds(self) -> list[Round]:
        """From the oldest to the latest."""
        begins = [place for place in range(self.head, len(self.said)) if self.said[place].role == "assistant"]
        return [Round(first, end) for first, end in itertools.pairwise([*begins, len(self.said)])]

    def recall(self, entry: Entry) -> None:
        """Take an entry in, as it is recorded or as it is read."""
        names = {}
        for output in entry.outputs:
            self.outputs.append(output.digest)
            if output.message is not None:
                names[output.message] = f"output-{len(self.outputs)}"
        if (compaction := entry.compaction) is not None:
            self._shorten(compaction.parts, names)
            self.head, self.ceiling = compaction.head, compaction.ceiling or self.ceiling
            self._said_tokens = sum(said.tokens for said in self.said)
            self.pictures = sum(len(pictures_in(said.message)) for said in self.said)
        if entry.input_tokens:
            fewest, most = DENSITY
            self._density = min(max(entry.input_tokens / (self._tools_tokens + self._said_tokens), fewest), most)
        for place, message in enumerate(entry.messages):
            said = self._heard(message, names.get(place))
            self._note(said)
            self.said.append(said)
            self._said_tokens += said.tokens
            self.pictures += len(pictures_in(message))
        if not self.head and entry.messages:
            self.head = len(self.said)
        if entry.calls and not entry.compaction:
            self.cut_off_tokens = entry.cut_off_tokens
        if entry.refused:
            self.refusal = str(entry.messages[-1].get("content") or "").strip()

    def _shorten(self, parts: Sequence[int | JsonObject], names: Mapping[int, str]) -> None:
        before, self.said, self._open = self.said, [], []
        for place, part in enumerate(parts):
            if not isinstance(part, int):
                self.said.append(self._heard(part, names.get(place)))
                continue
            said = before[part]
            if said.role == "assistant":
                self._open = list(said.calls)
            self._open = [call for call in self._open if said.role != "tool" or call not in said.calls]
            self.said.append(replace(said, output=names.get(place, said.output)))

    def _heard(self, message: JsonObject, output: str | None) -> Said:
        """The message with what it calls, or what it answers."""
        said = Said(message=message, tokens=tokens_of(message), output=output)
        if said.role == "assistant":
            said = replace(said, calls=calls_of(message))
            self._open = list(said.calls)
        elif said.role == "tool":
            answered = next((call for call in self._open if call.id == message["tool_call_id"]), None)
            if answered is not None:
                # Some endpoints give two calls one id; they are answered in their order.
                self._open.remove(answered)
                said = replace(said, calls=(answered,))
        return said

    def _note(self, said: Said) -> None:
        if said.role != "tool" or not said.calls:
            return
        call, text = said.calls[0], str(said.message["content"])
        if text.startswith(ERROR + BAD_ARGUMENTS):
            self.badly_called.add(call.name)
        else:
            self.badly_called.discard(call.name)
        if call.name in VISITING:
            self.visited.append(call)
        if call.name == "ask_colleague" and not text.startswith(ERROR):
            self.asked += 1
        if call.name == "ask_person" and not text.startswith(ERROR):
            given = readable_arguments(call)
            self.assumptions.append({"question": given.get("question"), "assumed": given.get("default")})
        self._started = self._started or call.name in ("background", "start_product")
        if call.name == "shell":
            command = str(readable_arguments(call).get("command", ""))
            self._moved = self._moved or _LASTING.search(command) is not None
        if call.name == "shell" and (ended := _EXIT.search(text)) is not None:
            self.failures.pop(command, None)
            if int(ended[1]) != 0:
                self.failures[command] = text[-FAILURE_CHARACTERS:]
            while len(self.failures) > FAILURES_AT_MOST:
                del self.failures[next(iter(self.failures))]


def tokens_of(message: JsonObject) -> int:
    """Estimated by length: about four bytes each, and a flat sum for a picture."""
    return len(orjson.dumps(message)) // CHARACTERS_PER_TOKEN + 4 + PICTURE_TOKENS * len(pictures_in(message))


def pictures_in(message: JsonObject) -> list[JsonObject]:
    """The parts of a message that refer to pictures."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, dict) and part.get("type") == "image"]


def calls_of(message: JsonObject) -> tuple[ToolCall, ...]:
    """What an assistant's message wants called."""
    calls = message.get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
            arguments = str(function.get("arguments") or "{}")
            found.append(ToolCall(id=str(call["id"]), name=str(function["name"]), arguments=arguments))
    return tuple(found)


def readable_arguments(call: ToolCall) -> JsonObject:
    """A call's arguments; empty if they are not a JSON object."""
    try:
        value: JsonValue = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def in_one_line(call: ToolCall, answer: str) -> str:
    """A tool's use, for people."""
    first = answer.strip().partition("\n")[0]
    if call.name == "shell":
        last = answer.rstrip().rpartition("\n")[2]
        command = " ".join(str(readable_arguments(call).get("command", "")).split())
        return f"{command[:100]} → {last[:60]}"
    if call.name == "ask_person" and not answer.startswith(ERROR):
        given = readable_arguments(call)
        return f"asked the person: {given.get('question')} → assumed: {given.get('default')}"
    return first[:160]
