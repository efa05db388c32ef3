"""The built-in scenario writer: from a blueprint's claims to acceptance tests that fail when a claim does not hold."""

from macrohard.llm.builtin.acceptance.writer import Missing, Writing, scenarios, written

__all__ = ["Missing", "Writing", "scenarios", "written"]
