"""Services without pages: what the built-in model makes of a requirement for an API."""

from macrohard.llm.builtin.webapi.contract import conventions, routes
from macrohard.llm.builtin.webapi.product import MODULES, manual, modules, server_test

__all__ = ["MODULES", "conventions", "manual", "modules", "routes", "server_test"]
