"""The built-in model as somebody in front of the product: a simulated user with a habit, or the tester."""

from macrohard.llm.builtin.users.visitor import turn

__all__ = ["turn"]
