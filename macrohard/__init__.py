"""Macrohard: a software factory that turns a requirement in plain words into a verified product."""

__version__ = "0.1.0"
