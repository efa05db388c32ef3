"""Command-line tools: what the built-in model makes of a requirement for one."""

from macrohard.llm.builtin.tool.contract import calls, conventions
from macrohard.llm.builtin.tool.product import MODULES, commands_test, manifest, manual, modules, readme

__all__ = ["MODULES", "calls", "commands_test", "conventions", "manifest", "manual", "modules", "readme"]
