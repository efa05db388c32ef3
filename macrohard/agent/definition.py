"""Agents and personas as files: front matter that is checked to the letter, and a prompt."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from macrohard.domain import Value
from macrohard.errors import DefinitionError
from macrohard.llm import ModelRole

ToolName = Literal["shell", "read", "write", "edit", "search", "look", "act", "picture", "clip"]


class Limits(Value):
    """Where a session ends even if its agent has not finished."""

    turns: int = Field(ge=1, le=500)
    cost_usd: float = Field(gt=0)
    seconds: int = Field(ge=10)


class AgentDefinition(Value):
    """One specialist."""

    name: str
    description: str
    """One sentence; the planner chooses by it."""
    model: ModelRole
    sandbox: str | None = None
    """The image whose sandbox holds the product's files while the agent works, or "product" for the one that products
    of the run are built and checked in; None: it only thinks, or only looks."""
    tools: tuple[ToolName, ...] = ()
    """Beside `finish`, which every agent has."""
    parts: tuple[str, ...] = ()
    """Files in agents/parts/ that are put before the prompt."""
    assignable: bool = False
    """Whether the planner and the manager may give tasks to it."""
    limits: Limits
    prompt: str
    """With its parts: the system message, the same byte for byte in every session."""
    hash: str
    """SHA-256 of what the prompt and the settings were made of; recorded with each session."""


class Persona(Value):
    """How a simulated user behaves; behaviour, not biography."""

    name: str
    description: str
    width: int = Field(default=1280, ge=320, le=2560)
    height: int = Field(default=800, ge=320, le=2000)
    keyboard_only: bool = False
    """Enforced: clicks are refused."""
    behaviour: str


class Catalogue(Value):
    """All agents and personas."""

    agents: Mapping[str, AgentDefinition]
    personas: Mapping[str, Persona]

    def agent(self, name: str) -> AgentDefinition:
        """The agent of that name; KeyError if there is none."""
        return self.agents[name]

    @property
    def assignable(self) -> tuple[AgentDefinition, ...]:
        """Those that tasks can be given to."""
        return tuple(agent for agent in self.agents.values() if agent.assignable)


PRODUCT: Final = "product"
"""The name of no image in particular: that of the run's products."""


def load_catalogue(folder: Path, *, images: frozenset[str]) -> Catalogue:
    """Read every agent and persona; `images` are the names that `sandbox` may have.

    Raises:
        DefinitionError: a file says something that is not understood; names the file and the field.
    """
    parts = {path.stem: path.read_text(encoding="utf-8").strip() for path in sorted((folder / "parts").glob("*.md"))}
    agents = {}
    for path in sorted(folder.glob("*.md")):
        matter, prompt = _split(path)
        wanted = matter.get("parts", [])
        if not isinstance(wanted, list) or (unknown := [part for part in wanted if part not in parts]):
            raise DefinitionError(
                path, f"parts: no such file in parts/: {unknown if isinstance(wanted, list) else wanted}"
            )
        whole = "\n\n".join([*(parts[part] for part in wanted), prompt])
        digest = hashlib.sha256(repr((sorted(matter.items()), whole)).encode()).hexdigest()
        agent = _validated(AgentDefinition, path, {**matter, "name": path.stem, "prompt": whole, "hash": digest})
        if agent.sandbox not in (None, PRODUCT, *images):
            raise DefinitionError(path, f"sandbox: no image {agent.sandbox!r}; there are {', '.join(sorted(images))}")
        if agent.sandbox is None and set(agent.tools) - {"look", "act"}:
            raise DefinitionError(path, f"tools: {', '.join(agent.tools)} need a sandbox")
        agents[agent.name] = agent
    personas = {}
    for path in sorted((folder / "personas").glob("*.md")):
        matter, behaviour = _split(path)
        personas[path.stem] = _validated(Persona, path, {**matter, "name": path.stem, "behaviour": behaviour})
    if not agents:
        raise DefinitionError(folder, "holds no agents")
    return Catalogue(agents=agents, personas=personas)


def _split(path: Path) -> tuple[dict[str, object], str]:
    text = path.read_text(encoding="utf-8")
    opening, _, rest = text.partition("---\n")
    matter, closed, body = rest.partition("\n---\n")
    if opening or not closed:
        raise DefinitionError(path, "does not begin with front matter between two lines of three dashes")
    try:
        values = yaml.safe_load(matter)
    except yaml.YAMLError as error:
        raise DefinitionError(path, f"front matter: {error}") from error
    if not isinstance(values, dict):
        raise DefinitionError(path, "front matter is not a list of names and values")
    if not body.strip():
        raise DefinitionError(path, "has no text after the front matter")
    return values, body.strip()


V = TypeVar("V", bound=Value)


def _validated(kind: type[V], path: Path, values: Mapping[str, object]) -> V:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "front matter"
        raise DefinitionError(path, f"{field}: {first['msg']}") from error
