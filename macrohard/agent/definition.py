"""Agents and personas as files: front matter that is checked to the letter, and a prompt."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from macrohard.agent.conversation import VISITING
from macrohard.agent.front_matter import split_matter, text_of, validated
from macrohard.agent.skills import Skill, listing, load_skills
from macrohard.agent.tools import TOOLS, names_for
from macrohard.domain import ProductKind, Value
from macrohard.errors import DefinitionError
from macrohard.llm import ModelRole
from macrohard.product import View

REPOSITORY_FOLDER: Final = Path(".macrohard/agents")
"""Where a repository has agents of its own."""
NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
NEED_NO_SANDBOX: Final = VISITING | {"skill", "ask_colleague", "ask_person"}
"""Tools of those that only think, or only look."""
READ_ONLY: Final = frozenset({"read", "search", "skill"})
"""The tools of those who review: what they judge cannot be changed by them."""
DESCRIPTION_CHARACTERS: Final = 200
"""The planner reads all descriptions in every run."""


class Limits(Value):
    """Where a session ends even if its agent has not finished."""

    turns: int = Field(ge=1, le=500)
    cost_usd: float = Field(gt=0)
    seconds: int = Field(ge=10)


class AgentDefinition(Value):
    """One specialist."""

    name: str = Field(pattern=NAME)
    description: str = Field(min_length=1, max_length=DESCRIPTION_CHARACTERS)
    """One sentence; the planner chooses by it."""
    model: ModelRole
    sandbox: str | None = None
    """The image whose sandbox holds the product's files while the agent works, or "product" for the one that products
    of the run are built and checked in; None: it only thinks, or only looks."""
    tools: tuple[str, ...] = ()
    """Beside `finish`, which every agent has."""
    parts: tuple[str, ...] = ()
    """Files in parts/ that are put before the prompt."""
    skills: Mapping[str, Skill] = Field(default_factory=dict)
    """What it can read when it needs it; in its file "all", or a list of names."""
    assignable: bool = False
    """Whether the planner and the manager may give tasks to it."""
    reviews: bool | Literal["tests"] = False
    """Whether the planner may have it read what was built; it has tools that change nothing. "tests": tests as well, so
    that it is asked again when only these have changed."""
    knows: Literal["contract", "look"] = "contract"
    """What it is told beside its task: specification, design and what colleagues said; or what the product is called,
    what it is for and how it looks, for those who draw and write no code."""
    limits: Limits
    prompt: str
    """With its parts and the list of its skills: the system message, the same byte for byte in every session."""
    hash: str
    """SHA-256 of what the prompt, the settings and the skills were made of; recorded with each session."""
    path: str = ""
    """The file it was read from."""

    def working_on(self, kind: ProductKind) -> "AgentDefinition":
        """The same agent, offered only the tools that can do anything with a product of this kind."""
        return self.model_copy(update={"tools": names_for(self.tools, kind)})


class Persona(Value):
    """How a simulated user behaves; behaviour, not biography."""

    name: str = Field(pattern=NAME)
    description: str = Field(min_length=1, max_length=DESCRIPTION_CHARACTERS)
    kinds: tuple[ProductKind, ...] = ("web",)
    """The products that it is drawn for; see `macrohard.agent.panel`."""
    core: bool = False
    """Part of every panel for these kinds."""
    covers: Literal["first time", "keyboard", "small screen"] | None = None
    """One of those who cover the same is part of every panel for these kinds."""
    asked_by: tuple[str, ...] = ()
    """Words, or beginnings of words, by which a specification asks for such a user."""
    width: int = Field(default=1280, ge=320, le=2560)
    height: int = Field(default=800, ge=320, le=2000)
    keyboard_only: bool = False
    """Enforced: clicks are refused."""
    locale: str = Field(default="en-US", pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")
    """What the browser says that the person reads."""
    slow: bool = False
    """Whether the browser's connection is that of a phone where there is little of it."""
    pictures: bool = True
    """Else the browser loads none."""
    patience: int | None = Field(default=None, ge=3, le=100)
    """Acts after which they leave; None: as many as the agent's limits allow."""
    behaviour: str

    @property
    def view(self) -> View:
        """What they look at pages with."""
        return View(
            width=self.width, height=self.height, locale=self.locale, slow=self.slow, pictures=self.pictures
        )  # fmt: skip


class Catalogue(Value):
    """All agents and personas."""

    agents: Mapping[str, AgentDefinition]
    personas: Mapping[str, Persona]
    skills: Mapping[str, Skill] = Field(default_factory=dict)

    def agent(self, name: str) -> AgentDefinition:
        """The agent of that name; KeyError if there is none."""
        return self.agents[name]

    @property
    def assignable(self) -> tuple[AgentDefinition, ...]:
        """Those that tasks can be given to."""
        return tuple(agent for agent in self.agents.values() if agent.assignable)

    @property
    def reviewers(self) -> tuple[AgentDefinition, ...]:
        """Those that can be had read what was built."""
        return tuple(agent for agent in self.agents.values() if agent.reviews)


PRODUCT: Final = "product"
"""The name of no image in particular: that of the run's products."""


def load_catalogue(folders: Sequence[Path], *, images: frozenset[str], repository: Path | None = None) -> Catalogue:
    """Read every agent, persona and skill of folders; what a later one names like an earlier one replaces it.

    `images` are the names that `sandbox` may have. `repository` is the last folder, and comes with somebody's code:
    its parts are for its own agents, it may add agents and replace those that tasks are given to, but never one that
    plans or judges, and nothing in it may lead out of it. A folder that is not there holds nothing.

    Raises:
        DefinitionError: a file says something that is not understood; names the file and the field.
    """
    parts: dict[str, str] = {}
    skills: dict[str, Skill] = {}
    personas: dict[str, Persona] = {}
    agents: dict[str, AgentDefinition] = {}
    for folder in folders:
        parts |= _parts(folder)
        skills |= load_skills(folder / "skills")
        personas |= _personas(folder)
    if repository is not None:
        _refuse_links(repository)
        skills |= load_skills(repository / "skills")
        personas |= _personas(repository)
    for folder in folders:
        agents |= _agents(folder, parts, skills, images)
    if repository is not None:
        added = _agents(repository, parts | _parts(repository), skills, images)
        for agent in added.values():
            if (there := agents.get(agent.name)) is not None and not there.assignable:
                raise DefinitionError(
                    Path(agent.path),
                    f"name: {agent.name} plans or judges, so a repository cannot replace it; your own folder can",
                )
        agents |= added
    if not agents:
        raise DefinitionError(folders[0], "holds no agents")
    return Catalogue(agents=agents, personas=personas, skills=skills)


def _parts(folder: Path) -> dict[str, str]:
    return {path.stem: text_of(path).strip() for path in sorted((folder / "parts").glob("*.md"))}


def _personas(folder: Path) -> dict[str, Persona]:
    found = {}
    for path in sorted((folder / "personas").glob("*.md")):
        matter, behaviour = split_matter(path)
        _refuse(path, matter, "name", "behaviour")
        found[path.stem] = validated(Persona, path, {**matter, "name": path.stem, "behaviour": behaviour})
    return found


def _agents(
    folder: Path, parts: Mapping[str, str], skills: Mapping[str, Skill], images: frozenset[str]
) -> dict[str, AgentDefinition]:
    return {path.stem: _agent(path, parts, skills, images) for path in sorted(folder.glob("*.md"))}


def _agent(
    path: Path, parts: Mapping[str, str], skills: Mapping[str, Skill], images: frozenset[str]
) -> AgentDefinition:
    matter, prompt = split_matter(path)
    _refuse(path, matter, "name", "prompt", "hash", "path")
    texts = [parts[part] for part in _named(path, matter, "parts", parts)]
    has = {name: skills[name] for name in _named(path, matter, "skills", skills)}
    tools = [*_named(path, matter, "tools", TOOLS), *(["skill"] if has else [])]
    whole = "\n\n".join([*texts, prompt, *filter(None, (listing(has),))])
    made_of = (sorted(matter.items()), whole, [skill.hash for skill in has.values()])
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
    given = {"name": path.stem, "tools": tools, "skills": has, "prompt": whole, "hash": digest, "path": str(path)}
    agent = validated(AgentDefinition, path, {**matter, **given})
    if agent.sandbox not in (None, PRODUCT, *images):
        raise DefinitionError(path, f"sandbox: no image {agent.sandbox!r}; there are {', '.join(sorted(images))}")
    if agent.sandbox is None and (lacking := [tool for tool in agent.tools if tool not in NEED_NO_SANDBOX]):
        raise DefinitionError(path, f"tools: {', '.join(lacking)} need a sandbox")
    if agent.reviews and (changing := sorted(set(agent.tools) - READ_ONLY)):
        raise DefinitionError(path, f"tools: who reviews only reads, and cannot have {', '.join(changing)}")
    if agent.reviews and agent.sandbox != PRODUCT:
        raise DefinitionError(path, f"sandbox: who reviews reads what was built, and needs {PRODUCT!r}")
    return agent


def _named(path: Path, matter: Mapping[str, object], field: str, known: Mapping[str, object]) -> list[str]:
    """What the field lists, where "all" stands for all skills."""
    wanted = matter.get(field, [])
    if field == "skills" and wanted == "all":
        return list(known)
    if not isinstance(wanted, list):
        raise DefinitionError(path, f"{field}: {wanted!r} is not a list of names")
    if unknown := [str(each) for each in wanted if each not in known]:
        raise DefinitionError(
            path, f"{field}: there is no {', '.join(unknown)}; there are {', '.join(sorted(known)) or 'none'}"
        )
    return wanted


def _refuse(path: Path, matter: Mapping[str, object], *fields: str) -> None:
    for field in fields:
        if field in matter:
            raise DefinitionError(path, f"{field}: comes from the file itself and cannot be set")


def _refuse_links(folder: Path) -> None:
    """Whoever wrote the repository could have this machine's files read through them."""
    for path in (folder, *sorted(folder.rglob("*"))):
        if path.is_symlink():
            raise DefinitionError(path, "is a link, which the agents of a repository may not have")
