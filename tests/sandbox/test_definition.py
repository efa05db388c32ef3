"""Definitions are strict, and their tags follow their content."""

import shutil
from pathlib import Path

import pytest

from macrohard.errors import DefinitionError
from macrohard.sandbox import definition, dockerfile


@pytest.fixture
def data(tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `sandboxes/` that can be changed."""
    shutil.copytree(repository_root / "sandboxes", tmp_path / "sandboxes")
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    return tmp_path / "sandboxes"


def test_those_there_are() -> None:
    assert definition.names() == ("base", "browser", "web", "media")
    assert [each.name for each in definition.lineage("browser")] == ["base", "browser"]


def test_a_tag_follows_everything_that_goes_into_the_image(data: Path) -> None:
    def tags() -> tuple[str, str]:
        return definition.load("base").tag, definition.load("browser").tag

    before = tags()
    (data / "browser" / "extra.txt").write_text("1")
    changed = tags()
    assert (changed[0], changed[1] != before[1]) == (before[0], True)
    (data / "base" / "Dockerfile").write_text((data / "base" / "Dockerfile").read_text() + "RUN true\n")
    assert all(after != then for after, then in zip(tags(), changed, strict=True)), "a child follows its parent"


def test_limits_are_not_part_of_the_image(data: Path) -> None:
    before = definition.load("base").tag
    path = data / "base" / "sandbox.yaml"
    path.write_text(path.read_text().replace("pids: 256", "pids: 300"))
    changed = definition.load("base")
    assert (changed.tag, changed.limits.pids) == (before, 300)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("pids: 256", "pids: many", "pids"),
        ("pids: 256", "pids: 4", "pids"),
        ("pids: 256", "", "pids"),
        ("pids: 256", "pids: 256\nnetwork: host", "network"),
        ("user: 10001", "user: 0", "user"),
        ("seccomp: slim.seccomp.json", "seccomp: ../x.json", "seccomp"),
        ("seccomp: slim.seccomp.json", "seccomp: none.seccomp.json", "no file"),
        ("parent: debian:bookworm-slim", "parent: browser", "its own parent"),
        ("parent: debian:bookworm-slim", "parent: [", "flow sequence"),
    ],
)
def test_what_is_not_understood_is_refused(data: Path, old: str, new: str, complaint: str) -> None:
    path = data / "base" / "sandbox.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DefinitionError, match=complaint):
        definition.load("base")


def test_a_dockerfile_is_read_as_the_engine_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(
        '# why\nARG PARENT\nFROM ${PARENT}\nENV A=1 \\\n    B="two words"\nRUN echo $A \\\n # inside\n && true\n'
    )
    instructions = dockerfile.parse(path)
    assert [(each.word, each.line) for each in instructions] == [("ARG", 2), ("FROM", 3), ("ENV", 4), ("RUN", 6)]
    assert dockerfile.assignments(instructions[2].text) == {"A": "1", "B": "two words"}
    assert instructions[3].text == "echo $A && true"
    assert dockerfile.substitute("${PARENT}-$A-$NONE", {"PARENT": "p", "A": "1"}) == "p-1-"


@pytest.mark.parametrize("line", ["VOLUME /x", "RUN --mount=x true", 'RUN ["a"]', "RUN <<EOF", "COPY --from=x a b"])
def test_what_a_dockerfile_may_not_say(tmp_path: Path, line: str) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(f"ARG PARENT\nFROM ${{PARENT}}\n{line}\n")
    with pytest.raises(DefinitionError, match="line 3"):
        dockerfile.parse(path)
