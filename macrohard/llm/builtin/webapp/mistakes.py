"""Mistakes that a careless coder makes, and their repair once somebody reported what they cause."""

from collections.abc import Mapping, Sequence

from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.webapp.problems import Edit, Problem


def repairs(blueprint: Blueprint, problems: Sequence[Problem], current: Mapping[str, str]) -> tuple[Edit, ...]:
    """The edits that mend what was reported; nothing else is touched."""
    return ()
