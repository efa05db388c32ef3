"""Reads requirements in plain English, by rules alone: what is to be recorded, with which fields, rules and lists."""

from macrohard.llm.builtin.understanding.consistency import consistent
from macrohard.llm.builtin.understanding.reading import read

__all__ = ["consistent", "read"]
