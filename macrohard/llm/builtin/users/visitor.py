"""One visit as a conversation: what was done is done again in the mind, and what comes next is the answer."""

from collections.abc import Callable, Generator

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Call, Conversation, Turn
from macrohard.llm.builtin.users import developer
from macrohard.llm.builtin.users.habits import HABITS, PATIENCE, USUAL_PATIENCE, curious
from macrohard.llm.builtin.users.person import Enough, Person
from macrohard.llm.builtin.users.tester import inspect
from macrohard.llm.builtin.users.trials import be_careful

TESTER = "product-tester"
DEVELOPER = "simulated-developer"

Visit = Generator[Call, str, JsonObject]
"""A whole visit; its value is the report."""


def turn(conversation: Conversation) -> Turn:
    """The next action of the simulated user or product tester, or the report at the end."""
    visits: dict[str, Callable[[Conversation], Visit]] = {
        TESTER: lambda session: inspect(session.material),
        DEVELOPER: lambda session: developer.visit(session.material),
    }
    visit = visits.get(conversation.agent, _use)(conversation)
    answers = iter(conversation.exchanges)
    try:
        call = next(visit)
        for exchange in answers:
            call = visit.send(exchange.result)
    except StopIteration as end:
        return Turn(calls=(Call(name="finish", arguments=end.value),))
    return Turn(text=str(call.arguments.get("intention", "")), calls=(call,))


def _persona(conversation: Conversation) -> str:
    persona = conversation.material.get("persona")
    named = persona.get("name") if isinstance(persona, dict) else None
    return str(conversation.persona or named or "")


def _use(conversation: Conversation) -> Visit:
    persona = _persona(conversation)
    stories = conversation.material.get("stories")
    goal = " ".join(map(str, stories)) if isinstance(stories, list) else ""
    person = Person(patience=PATIENCE.get(persona, USUAL_PATIENCE), goal=goal)
    reached = False
    try:
        entry = yield from HABITS.get(persona, curious)(person)
        reached = entry is not None
        if entry is not None:
            yield from be_careful(person, entry, persona)
    except Enough:
        reached = reached or (bool(person.done) and not person.trouble)
    try:
        yield from person.last_word()
    except Enough:
        person.done.append("gave up")
    return {"goal_reached": reached, "summary": _summary(person), "quote": _quote(person, reached)}


def _summary(person: Person) -> str:
    did = "; ".join(person.done) or "Nothing could be done"
    if not person.trouble:
        return f"{did}. Nothing got in the way."
    return f"{did}. In the way: {' | '.join(person.trouble[:4])}"


def _quote(person: Person, reached: bool) -> str:
    if person.trouble:
        return "I would not rely on it like this." if reached else "I could not do what I came for."
    return "It does what I expected, and says so." if reached else "I did not get as far as I wanted."
