"""The contract as those are told it who work by it: what each of them needs, and not what others need."""

from typing import Final

from macrohard.domain import JsonObject, Specification

_NOT_FOR_BUILDERS: Final = frozenset({"decision", "reason", "stories", "questions"})
"""Whether to build it is decided, and answered questions stand among the assumptions; simulated users get stories."""


def for_builders(specification: Specification) -> JsonObject:
    """What the product has to do: every criterion word for word, without where it came from, and the assumptions."""
    told = specification.model_dump(mode="json", exclude=set(_NOT_FOR_BUILDERS))
    told["criteria"] = [
        criterion.model_dump(mode="json", exclude={"source"} | ({"covered"} if criterion.covered else set()))
        for criterion in specification.criteria
    ]
    return told
