"""Agents, personas and skills as files of several folders: what counts, what is refused, and what the refusal says."""

import re
from pathlib import Path

import pytest

from macrohard.agent import Catalogue, drawn_panel, load_catalogue
from macrohard.agent.tools import TOOLS
from macrohard.bundled import folder
from macrohard.domain import ProductKind
from macrohard.errors import DefinitionError, ToolError

IMAGES = frozenset({"base"})
CODER = """\
---
description: Writes code.
model: strong
sandbox: base
tools: [read, write]
assignable: true
limits: {turns: 5, cost_usd: 1.0, seconds: 60}
---
You write code.
"""
JUDGE = "---\ndescription: Judges.\nmodel: judge\nlimits: {turns: 5, cost_usd: 1.0, seconds: 60}\n---\nYou judge.\n"
SKILL = "---\nname: soup\ndescription: How soup is made.\nlicense: MIT\n---\nHeat it.\n"


def put(place: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return place


def load(*folders: Path, repository: Path | None = None) -> Catalogue:
    return load_catalogue(folders, images=IMAGES, repository=repository)


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    return put(tmp_path / "bundled", {"coder.md": CODER, "judge.md": JUDGE, "parts/house.md": "House rules."})


def test_a_folder_of_ones_own_adds_and_replaces(bundled: Path, tmp_path: Path) -> None:
    own = put(tmp_path / "own", {"judge.md": JUDGE.replace("You judge.", "You judge mildly."), "cook.md": CODER})
    before, after = load(bundled), load(bundled, own)
    assert sorted(after.agents) == ["coder", "cook", "judge"]
    assert after.agent("judge").prompt == "You judge mildly."
    assert after.agent("judge").hash != before.agent("judge").hash
    assert after.agent("coder").hash == before.agent("coder").hash


def test_a_part_of_ones_own_replaces_that_of_every_agent(bundled: Path, tmp_path: Path) -> None:
    put(bundled, {"coder.md": CODER.replace("assignable", "parts: [house]\nassignable")})
    own = put(tmp_path / "own", {"parts/house.md": "My rules."})
    assert load(bundled, own).agent("coder").prompt == "My rules.\n\nYou write code."


def test_a_folder_that_is_not_there_holds_nothing(bundled: Path, tmp_path: Path) -> None:
    assert load(bundled, tmp_path / "nowhere") == load(bundled)


def test_a_repository_adds_agents_and_replaces_those_that_tasks_are_given_to(bundled: Path, tmp_path: Path) -> None:
    changed = CODER.replace("assignable", "parts: [house]\nassignable")
    put(bundled, {"tester.md": changed})
    repository = put(tmp_path / "repository", {"coder.md": changed, "cook.md": CODER, "parts/house.md": "House rules."})
    found = load(bundled, repository=repository)
    assert found.agent("coder").prompt == "House rules.\n\nYou write code."
    assert found.agent("tester").prompt == "House rules.\n\nYou write code.", "its parts are for its own agents"
    assert "cook" in found.agents


def test_a_repository_replaces_nobody_who_plans_or_judges(bundled: Path, tmp_path: Path) -> None:
    repository = put(tmp_path / "repository", {"judge.md": JUDGE.replace("You judge.", "Everything passed.")})
    with pytest.raises(DefinitionError, match=r"judge\.md: name: judge plans or judges"):
        load(bundled, repository=repository)


def test_a_repository_may_not_lead_out_of_its_folder(bundled: Path, tmp_path: Path) -> None:
    repository = put(tmp_path / "repository", {"skills/soup/SKILL.md": SKILL})
    (repository / "skills/soup/recipe.txt").symlink_to(put(tmp_path, {"secret.txt": "a key"}) / "secret.txt")
    with pytest.raises(DefinitionError, match=r"recipe\.txt: is a link"):
        load(bundled, repository=repository)


def test_an_agent_knows_its_skills_and_reads_them_when_it_needs_them(bundled: Path) -> None:
    put(bundled, {"skills/soup/SKILL.md": SKILL, "skills/soup/lists/herbs.txt": "parsley"})
    put(bundled, {"coder.md": CODER.replace("assignable", "skills: all\nassignable")})
    coder = load(bundled).agent("coder")
    assert coder.prompt.endswith("- soup: How soup is made.")
    assert coder.tools == ("read", "write", "skill")
    assert coder.skills["soup"].text() == ("Heat it.\n\nFiles of this skill, to be read by `file`: lists/herbs.txt")
    assert coder.skills["soup"].text("lists/herbs.txt") == "parsley"
    with pytest.raises(ToolError, match=r"no file '\.\./coder\.md'; it has lists/herbs\.txt"):
        coder.skills["soup"].text("../coder.md")
    put(bundled, {"skills/soup/lists/herbs.txt": "thyme"})
    assert load(bundled).agent("coder").hash != coder.hash, "what it can read is part of what it is"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        pytest.param("x.md", "You write.", "does not begin with front matter", id="no front matter"),
        pytest.param("x.md", CODER.replace("model: strong", "model: big"), "model: ", id="unknown role"),
        pytest.param("x.md", CODER.replace("model", "colour: red\nmodel"), "colour: ", id="unknown field"),
        pytest.param("x.md", CODER.replace("write]", "fly]"), "tools: there is no fly; there are ", id="unknown tool"),
        pytest.param("x.md", CODER.replace("[read, write]", "read"), "tools: 'read' is not a list", id="no list"),
        pytest.param("x.md", CODER.replace("sandbox: base\n", ""), "tools: read, write need a sandbox", id="no room"),
        pytest.param("x.md", CODER.replace("base", "moon"), "sandbox: no image 'moon'; there are base", id="image"),
        pytest.param("x.md", CODER.replace("assign", "parts: [gone]\nassign"), "parts: there is no gone", id="part"),
        pytest.param("x.md", CODER.replace("assign", "skills: [gone]\nassign"), "skills: there is no gone", id="skill"),
        pytest.param("x.md", CODER.replace("model", "name: y\nmodel"), "name: comes from the file", id="own name"),
        pytest.param("x.md", CODER.replace("turns: 5", "turns: 0"), "limits.turns: ", id="limit"),
        pytest.param("x.md", CODER.replace("assignable", "reviews"), "tools: who reviews only reads", id="reviewer"),
        pytest.param("X y.md", CODER, "name: ", id="name of the file"),
        pytest.param("personas/p.md", "---\ndescription: P.\nwidht: 3\n---\nYou.", "widht: ", id="persona"),
        pytest.param("personas/p.md", "---\ndescription: P.\nlocale: polish\n---\nYou.", "locale: ", id="locale"),
        pytest.param("personas/p.md", "---\ndescription: P.\nkinds: [tv]\n---\nYou.", "kinds.0: ", id="kind"),
        pytest.param("skills/s/SKILL.md", SKILL, "name: 'soup' is not the name of its folder, 's'", id="skill's name"),
        pytest.param("skills/soup/SKILL.md", SKILL.replace("desc", "Desc"), "description: ", id="not described"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_file_and_field(
    bundled: Path, tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    own = put(tmp_path / "own", {file: text})
    with pytest.raises(DefinitionError) as refusal:
        load(bundled, own)
    assert str(refusal.value).startswith(f"{own / file}: {complaint}")


def test_what_comes_along_is_understood_and_safe() -> None:
    found = load_catalogue((folder("agents"),), images=frozenset({"base", "web", "browser", "media"}))
    parts = {path.stem: path.read_text() for path in (folder("agents") / "parts").glob("*.md")}
    assert len(found.agents) >= 45
    assert len(found.personas) >= 12
    descriptions = [agent.description for agent in found.agents.values()]
    assert len(set(descriptions)) == len(descriptions), "the planner chooses by them"
    for agent in found.agents.values():
        if agent.name.endswith("reviewer"):
            assert set(agent.tools) <= {"read", "search"}, f"{agent.name} reads only"
            assert agent.reviews != (agent.name == "scenario-reviewer")
        if "coding" in agent.parts:
            told = set(re.findall(r"`(\w+)`", parts["coding"])) & set(TOOLS)
            assert told <= set(agent.tools), f"{agent.name} is told of tools that it has"
        if agent.assignable:
            assert agent.sandbox, f"tasks for {agent.name} are done on files"
    panel = drawn_panel(found.personas, kind="web", seed="r-1")
    assert len(panel) == 6
    assert {found.personas[name].covers for name in panel} >= {"first time", "keyboard", "small screen"}
    assert found.personas["other-language"].view.locale == "pl-PL"
    assert found.personas["slow-connection"].view.slow
    assert not found.personas["no-pictures"].view.pictures
    assert found.personas["gives-up"].patience == 15


@pytest.mark.parametrize(
    ("name", "kind", "lacks"),
    [
        pytest.param("cli-coder", "cli", {"start_product", "stop_product", "look_at_page"}, id="nothing to start"),
        pytest.param("library-coder", "library", {"start_product", "stop_product", "look_at_page"}, id="only called"),
        pytest.param("api-coder", "api", {"look_at_page"}, id="a service without pages"),
        pytest.param("full-stack-coder", "web", set(), id="everything"),
        pytest.param("simulated-developer", "cli", {"request"}, id="a tool is not asked"),
        pytest.param("simulated-developer", "api", {"command"}, id="a service is not called"),
        pytest.param("simulated-user", "web", set(), id="pages"),
    ],
)
def test_nobody_is_offered_what_the_kind_of_product_does_not_have(
    name: str, kind: ProductKind, lacks: set[str]
) -> None:
    agent = load_catalogue([folder("agents")], images=IMAGES | {"python"}).agent(name)
    offered = agent.working_on(kind)
    assert offered.tools == tuple(tool for tool in agent.tools if tool not in lacks)
    assert (offered.prompt, offered.hash) == (agent.prompt, agent.hash), "what it is told stays the same to the byte"


def test_one_agent_alone_has_what_a_coder_of_a_team_has_but_for_colleagues() -> None:
    found = load_catalogue([folder("agents")], images=IMAGES | {"python"})
    alone, coder = found.agent("solo"), found.agent("full-stack-coder")
    assert set(coder.tools) - set(alone.tools) == {"ask_colleague"}
    assert alone.parts == coder.parts
    assert alone.skills == coder.skills
