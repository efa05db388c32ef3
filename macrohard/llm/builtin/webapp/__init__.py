"""The built-in coder's craft: the complete source of a web product from a blueprint and a look."""

from macrohard.llm.builtin.webapp.problems import Edit, Problem
from macrohard.llm.builtin.webapp.product import Part, files, parts, repairs
from macrohard.llm.builtin.webapp.screens import conventions, screens
from macrohard.llm.builtin.webapp.sign import sign

__all__ = ["Edit", "Part", "Problem", "conventions", "files", "parts", "repairs", "screens", "sign"]
