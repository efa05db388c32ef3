"""What the built-in model sees of a session, and what it answers: the OpenAI messages, read back into an assignment."""

import json

from pydantic import JsonValue

from macrohard.domain import JsonObject, Value


class Call(Value):
    """A tool call, made or to be made."""

    name: str
    arguments: JsonObject


class Exchange(Value):
    """A call and what the tool answered."""

    call: Call
    result: str


class Turn(Value):
    """The model's answer: words, calls, or both."""

    text: str = ""
    calls: tuple[Call, ...] = ()


class Conversation(Value):
    """One session so far, as every model gets it: the assignment, then calls and answers in order."""

    agent: str
    phase: str
    persona: str | None
    material: JsonObject
    tools: frozenset[str]
    exchanges: tuple[Exchange, ...]

    def results(self, tool: str) -> tuple[str, ...]:
        """What the calls of that tool answered, in order."""
        return tuple(exchange.result for exchange in self.exchanges if exchange.call.name == tool)

    @property
    def last(self) -> Exchange | None:
        """The latest call with its answer; None at the beginning."""
        return self.exchanges[-1] if self.exchanges else None


class Unreadable(ValueError):
    """The messages hold no assignment of the factory; the text says what was expected."""


def conversation_of(messages: list[JsonObject], tools: list[JsonObject]) -> Conversation:
    """Read the messages of a chat completion request.

    The assignment is the first fenced JSON block of the first user message: an object with agent, phase, persona and
    material, as `macrohard.agent.session` writes it. Calls that came back garbled are left out with their answers.

    Raises:
        Unreadable: there is none.
    """
    assignment = _assignment(messages)
    results = {
        str(message.get("tool_call_id")): _text(message.get("content"))
        for message in messages
        if message.get("role") == "tool"
    }
    names = [function.get("name") for tool in tools if isinstance(function := tool.get("function"), dict)]
    exchanges = []
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            if not isinstance(call, dict) or not isinstance(function := call.get("function"), dict):
                raise Unreadable("a tool call without a function")
            arguments = _arguments(function.get("arguments"))
            # The rules never call what there is not, nor write what is no JSON: the call was garbled on its way.
            if arguments is None or (names and function.get("name") not in names):
                continue
            made = Call(name=str(function["name"]), arguments=arguments)
            exchanges.append(Exchange(call=made, result=results.get(str(call.get("id")), "")))
    return Conversation(
        agent=str(assignment["agent"]),
        phase=str(assignment["phase"]),
        persona=str(assignment["persona"]) if assignment.get("persona") else None,
        material=material if isinstance(material := assignment.get("material"), dict) else {},
        tools=frozenset(str(name) for name in names),
        exchanges=tuple(exchanges),
    )


def _arguments(written: JsonValue) -> JsonObject | None:
    """None: they are not what the model wrote, see `macrohard.llm.wire.answer.readable`."""
    try:
        arguments = json.loads(str(written or "{}"))
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) and arguments.keys() != {"not_json"} else None


def _assignment(messages: list[JsonObject]) -> JsonObject:
    for message in messages:
        if message.get("role") != "user":
            continue
        _, opened, rest = _text(message.get("content")).partition("```json\n")
        block, closed, _ = rest.partition("\n```")
        if opened and closed:
            assignment = json.loads(block)
            if isinstance(assignment, dict) and {"agent", "phase"} <= set(assignment):
                return assignment
        break
    raise Unreadable(
        "The built-in model carries out Macrohard's assignments only: the first user message holds a fenced JSON block "
        "with agent, phase and material. For a conversation, name a real model's endpoint."
    )


def _text(content: JsonValue) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
