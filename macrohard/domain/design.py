"""The interface contract that coders and scenario writers both see before any code."""

from typing import Literal

from pydantic import Field

from macrohard.domain.environment import Environment
from macrohard.domain.value import JsonObject, Value


class Control(Value):
    """Something a person sees or operates, as assistive technology names it."""

    role: str
    """An ARIA role: textbox, searchbox, combobox, checkbox, button, link, table, heading, …"""
    name: str
    """Its accessible name, letter for letter."""


class Screen(Value):
    """One page of the product."""

    path: str = Field(pattern=r"^/")
    title: str
    purpose: str
    controls: tuple[Control, ...] = ()


class Route(Value):
    """One thing that programs can ask a service for."""

    method: str
    path: str
    purpose: str
    request: str = ""
    """Fields, headers, who may; in precise words."""
    answer: str = ""
    """Statuses, with the fields of each answer, letter for letter."""


class Command(Value):
    """One way to call the product in a terminal, or one function of a library."""

    usage: str
    """As it is typed, or its signature."""
    purpose: str
    output: str = ""
    """What it prints, returns and writes, with exit codes or exceptions, letter for letter."""


class Look(Value):
    """Design tokens; colours as #rrggbb."""

    accent: str = "#2563eb"
    background: str = "#ffffff"
    text: str = "#1f2937"
    font: str = "system-ui, sans-serif"
    corner_radius_px: int = 8
    density: Literal["compact", "comfortable"] = "comfortable"


class Design(Value):
    """Screens with their labelled controls, the data model, conventions, look."""

    summary: str
    screens: tuple[Screen, ...] = ()
    """Of web products; the others have routes, or commands."""
    routes: tuple[Route, ...] = ()
    """Of services; of web products those addresses that are part of the contract beside the screens."""
    commands: tuple[Command, ...] = ()
    conventions: tuple[str, ...] = ()
    """Texts, formats and behaviours that hold on every screen, e.g. how dates are written, what follows saving."""
    data_model: JsonObject = Field(default_factory=dict)
    """Record types, fields and rules, in whatever precise notation the designer uses; both sides read the same."""
    environment: Environment = Field(default_factory=dict)
    """With which it is started for checks, and for whoever tries it; made up, never somebody's secret."""
    look: Look | None = None
    """None where nothing is seen."""
