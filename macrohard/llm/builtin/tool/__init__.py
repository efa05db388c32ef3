"""Command-line tools: what the built-in model makes of a requirement for one."""

from macrohard.llm.builtin.tool.contract import calls, conventions
from macrohard.llm.builtin.tool.product import MODULES, commands_test, manifest, manual, modules, readme
from macrohard.llm.builtin.tool.reading import as_tool

__all__ = ["MODULES", "as_tool", "calls", "commands_test", "conventions", "manifest", "manual", "modules", "readme"]
