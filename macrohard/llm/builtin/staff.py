"""Who answers for which role: every agent of the factory, played by rules."""

from collections.abc import Callable

from macrohard.llm.builtin.artist import artist
from macrohard.llm.builtin.coder import coder, integrator
from macrohard.llm.builtin.conversation import Conversation, Turn, Unreadable
from macrohard.llm.builtin.improving import change_analyst, scenario_keeper
from macrohard.llm.builtin.office import analyst, designer, manager, planner, reader, scenario_reviewer, scenario_writer
from macrohard.llm.builtin.users import turn as visitor

ARTIST = "media-artist"
CAREFUL = "builtin"
CARELESS = "builtin:careless"
"""The same products with seeded mistakes, to see the loop of test, use and repair at work."""
MODELS = (CAREFUL, CARELESS)

_ANALYSTS = {"reader": reader, "change-analyst": change_analyst}
_TESTERS = {"scenario-reviewer": scenario_reviewer, "scenario-keeper": scenario_keeper}


def turn(conversation: Conversation, *, model: str) -> Turn:
    """The next answer in a session.

    Raises:
        Unreadable: the phase is none of the factory's.
    """
    if (last := conversation.last) and last.call.name == "finish":
        # Rules that were refused once would be refused again: say so, and let the factory end the session.
        return Turn(text=f"My report was not accepted, and I have no other: {last.result}")
    roles: dict[str, Callable[[Conversation], Turn]] = {
        "analyse": lambda session: _ANALYSTS.get(session.agent, analyst)(session),
        "design": designer,
        "plan": planner,
        "scenarios": lambda session: _TESTERS.get(session.agent, scenario_writer)(session),
        "implement": lambda session: (
            artist(session) if session.agent == ARTIST else coder(session, careless=model == CARELESS)
        ),
        "integrate": integrator,
        "use": visitor,
        "triage": manager,
    }
    if conversation.phase not in roles:
        raise Unreadable(f"the built-in model knows no phase {conversation.phase!r}; it knows {', '.join(roles)}")
    return roles[conversation.phase](conversation)
