"""The report of a run: one HTML file that says first what does not hold, and needs nothing but itself."""

from macrohard.report.pull_request import pull_request
from macrohard.report.render import policy_of, render

__all__ = ["policy_of", "pull_request", "render"]
