"""How an assignment is written for a model: every fact in it, in few characters, and the same each time."""

import json
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

from macrohard.domain import Assignment, JsonObject

_STEP: Final = "do"
"""By this a step of a scenario is known."""
_WIDTH: Final = 160
"""What fits into so many characters stands on one line: spaces and ends of lines are tokens too."""


def briefing(assignment: Assignment) -> str:
    """The first message to an agent: its task in words, then all that it is given as a block of JSON.

    What is null or empty is left out, because an agent reads its absence the same way, and most of what is handed
    over between agents is optional. A long task stands in the block only.
    """
    given: JsonObject = {
        "agent": assignment.agent,
        "phase": assignment.phase,
        "persona": assignment.persona,
        "task": assignment.task,
        "material": assignment.material,
    }
    told = _without_nothing(given)
    # No files to be owned means that everything may be written, and an empty list that nothing may.
    if assignment.files is not None:
        told = {**told, "files": list(assignment.files)}
    is_short = len(assignment.task) <= _WIDTH and "\n" not in assignment.task
    task = assignment.task if is_short else "the `task` of this block."
    return f"Your assignment: {task}\n\n```json\n{_written(told, 0)}\n```"


def _without_nothing(given: JsonObject) -> JsonObject:
    return {name: value for name, each in given.items() if (value := _pruned(each)) not in (None, "", [], {})}


def _pruned(value: JsonValue) -> JsonValue:
    if isinstance(value, dict) and _STEP in value:
        # What is empty in a step is something that it says: no environment, an empty list, any code but 0.
        return value
    if isinstance(value, dict):
        return _without_nothing(value)
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value


def _written(value: JsonValue, depth: int) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + depth <= _WIDTH or not isinstance(value, dict | list):
        return line
    space = " " * (depth + 1)
    if isinstance(value, dict):
        parts: Iterable[str] = (
            f"{json.dumps(name, ensure_ascii=False)}: {_written(each, depth + 1)}" for name, each in value.items()
        )
        opening, closing = "{", "}"
    else:
        parts = (_written(each, depth + 1) for each in value)
        opening, closing = "[", "]"
    return f"{opening}\n{space}" + f",\n{space}".join(parts) + f"\n{' ' * depth}{closing}"
