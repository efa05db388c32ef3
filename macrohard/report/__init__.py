"""The report of a run: one HTML file that says first what does not hold, and needs nothing but itself."""

from macrohard.report.render import render

__all__ = ["render"]
