"""The service: REST for machines, a dashboard for people, one truth below both."""

from macrohard.server.app import create_app

__all__ = ["create_app"]
