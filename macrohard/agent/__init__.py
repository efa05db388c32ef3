"""Agents: their files, their tools, their transcripts, and the loop of a session."""

from macrohard.agent.bench import PRODUCT_ROOT, Bench, Visit
from macrohard.agent.conversation import VISITING
from macrohard.agent.definition import PRODUCT, REPOSITORY_FOLDER, AgentDefinition, Catalogue, Persona, load_catalogue
from macrohard.agent.guidance import guides_for
from macrohard.agent.panel import SIMULATED_USERS, drawn_panel
from macrohard.agent.session import Check, OpenBench, Session
from macrohard.agent.skills import Skill
from macrohard.agent.transcript import Entry, Inbox, Note, TranscriptLog
from macrohard.agent.workshop import ALL_FILES, Commits, Workshop, open_workshop

__all__ = [
    "ALL_FILES",
    "PRODUCT",
    "PRODUCT_ROOT",
    "REPOSITORY_FOLDER",
    "SIMULATED_USERS",
    "VISITING",
    "AgentDefinition",
    "Bench",
    "Catalogue",
    "Check",
    "Commits",
    "Entry",
    "Inbox",
    "Note",
    "OpenBench",
    "Persona",
    "Session",
    "Skill",
    "TranscriptLog",
    "Visit",
    "Workshop",
    "drawn_panel",
    "guides_for",
    "load_catalogue",
    "open_workshop",
]
