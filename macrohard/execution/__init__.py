"""Carrying runs out: one process, one lease, one budget, one end."""

from macrohard.execution.carry_out import Surroundings, carry_out

__all__ = ["Surroundings", "carry_out"]
