"""Skills: folders with a `SKILL.md`, of which an agent knows the description, and reads the rest when it needs it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from macrohard.agent.front_matter import split_matter, text_of, validated
from macrohard.domain import Value
from macrohard.errors import DefinitionError, ToolError

SKILL_FILE = "SKILL.md"
FILES_AT_MOST = 50


class Skill(Value):
    """How one kind of work is done well."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    """That of its folder."""
    description: str = Field(min_length=1, max_length=1024)
    """What it is about and when it helps; agents choose by it."""
    body: str
    files: Mapping[str, str] = Field(default_factory=dict)
    """Texts beside `SKILL.md`, by their paths in the folder."""
    hash: str
    """SHA-256 of all of it."""

    def text(self, file: str = "") -> str:
        """The skill itself with the names of its files, or one of these.

        Raises:
            ToolError: there is no such file; says which there are.
        """
        if file in ("", SKILL_FILE):
            beside = f"\n\nFiles of this skill, to be read by `file`: {', '.join(self.files)}" if self.files else ""
            return f"{self.body}{beside}"
        if file not in self.files:
            raise ToolError(f"the skill {self.name} has no file {file!r}; it has {', '.join(self.files) or 'none'}")
        return self.files[file]


def load_skills(folder: Path) -> dict[str, Skill]:
    """Every skill of a folder of skills, by name; empty if there is no such folder.

    Of the front matter `name` and `description` count; what else stands there is for other programs.

    Raises:
        DefinitionError: a skill is not understood; names the file and the field.
    """
    return {path.parent.name: _skill(path) for path in sorted(folder.glob(f"*/{SKILL_FILE}"))}


def listing(skills: Mapping[str, Skill]) -> str:
    """What an agent is told about its skills at the end of its prompt; empty if it has none."""
    if not skills:
        return ""
    lines = "\n".join(f"- {skill.name}: {skill.description}" for skill in skills.values())
    return (
        f"Skills, which you read with `skill` before you begin, if one fits your task; most tasks need none:\n{lines}"
    )


def _skill(path: Path) -> Skill:
    matter, body = split_matter(path)
    folder = path.parent
    if matter.get("name") != folder.name:
        raise DefinitionError(path, f"name: {matter.get('name')!r} is not the name of its folder, {folder.name!r}")
    beside = [each for each in sorted(folder.rglob("*")) if each.is_file() and each != path]
    if len(beside) > FILES_AT_MOST:
        raise DefinitionError(folder, f"holds {len(beside)} files beside {SKILL_FILE}; {FILES_AT_MOST} at most")
    files = {each.relative_to(folder).as_posix(): text_of(each) for each in beside}
    description = matter.get("description")
    digest = hashlib.sha256(repr((folder.name, description, body, sorted(files.items()))).encode()).hexdigest()
    given = {"name": folder.name, "description": description, "body": body, "files": files, "hash": digest}
    return validated(Skill, path, given)
