"""Tests that notice broken code are told from those that cannot fail: in real sandboxes, on real products."""

import subprocess
from pathlib import Path

import pytest

from macrohard.domain import Verdict
from macrohard.product.mutation import MUTANTS, Source, is_mutable, mutants_of, sampled, verify_test_quality
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import MemoryArtifacts

RULES = '''\
"""Rules: 1 == 1 and True."""

LIMIT = 10


def fits(length: int, width: int) -> bool:
    # Never > LIMIT or < 0.
    return length + width <= LIMIT and length >= 0


def spare(length: int) -> int:
    if length == 0 or length > LIMIT:
        return 0
    return LIMIT - length


def wide(width: int) -> bool:
    return width > 2
'''
GOOD = """\
from rules import fits, spare, wide


def test_fits() -> None:
    assert [fits(5, 5), fits(6, 5), fits(0, 0), fits(-1, 0)] == [True, False, True, False]


def test_spare() -> None:
    assert [spare(0), spare(1), spare(10), spare(11)] == [0, 9, 0, 0]


def test_wide() -> None:
    assert [wide(3), wide(2)] == [True, False]
"""
USELESS = """\
from rules import fits, spare, wide


def test_it_runs() -> None:
    fits(5, 5), wide(3)
    assert spare(3) is not None
"""
SCRIPT = """\
// 1 < 2 && true
const name = "a == b"; // x || y
export function next(page, last) {
  if (page >= last && !(page < 0)) { return last; }
  return page + 1;
}
const add = (a, b) => a - b;
"""


def whole(text: str) -> Source:
    return Source(text=text, lines=frozenset(range(1, text.count("\n") + 2)))


@pytest.mark.parametrize(
    ("path", "text", "changes"),
    [
        pytest.param(
            "rules.py",
            RULES,
            ["8 `length + width <= LIMIT and length >= 0` None", "8 `+` -", "8 `<=` >", "8 `and` or", "8 `>=` <",
             "8 `0` 1", "12 `==` !=", "12 `0` 1", "12 `or` and", "12 `>` <=", "13 `0` None", "13 `0` 1",
             "14 `LIMIT - length` None", "14 `-` +", "18 `width > 2` None", "18 `>` <=", "18 `2` 3"],
            id="python",
        ),
        pytest.param(
            "web/next.js",
            SCRIPT,
            ["4 `>=` <", "4 `&&` ||", "4 `<` >=", "4 `0` 1", "4 `last` undefined", "5 `page + 1` undefined", "5 `+` -",
             "5 `1` 2", "7 `-` +"],
            id="javascript",
        ),
    ],
)  # fmt: skip
def test_rules_are_broken_and_neither_texts_nor_comments(path: str, text: str, changes: list[str]) -> None:
    made = list(mutants_of(path, whole(text)))
    assert [f"{mutant.line} `{mutant.before}` {mutant.after}" for mutant in made] == changes
    some = Source(text=text, lines=frozenset({12, 5}))
    assert {mutant.line for mutant in mutants_of(path, some)} <= {12, 5}


def test_the_same_commit_gives_the_same_sample_and_what_tests_come_to_is_chosen_first() -> None:
    sources = {f"app/{name}.py": whole(RULES) for name in "abcd"}
    one = sampled(sources, commit="a" * 40)
    assert one == sampled(dict(reversed(sources.items())), commit="a" * 40)
    assert one != sampled(sources, commit="b" * 40)
    assert len({(mutant.path, mutant.line) for mutant in one}) == len(one) == MUTANTS
    touched = frozenset({("app/c.py", 13), ("app/d.py", 8)})
    assert touched == {(mutant.path, mutant.line) for mutant in sampled(sources, commit="a" * 40, touched=touched)[:2]}


def test_what_own_tests_are_not_for_is_left_alone() -> None:
    paths = ("app/rules.py", "src/next.ts", "tests/test_rules.py", "src/next.test.js", "app/static/menu.js", "a.min.js",
             "node_modules/x/index.js", "README.md", "page.jsx")  # fmt: skip
    assert [path for path in paths if is_mutable(path)] == ["app/rules.py", "src/next.ts"]


def committed(folder: Path, files: dict[str, str], *, command: str) -> str:
    """The commit of a product with these files, in `all.bundle`."""
    folder.mkdir()
    manifest = f'kind = "library"\nname = "Rules"\n[commands]\ntest = "{command}"\n'
    for name, text in {"product.toml": manifest, **files}.items():
        (folder / name).write_text(text)
    named = ("git", "-C", str(folder), "-c", "user.name=coder", "-c", "user.email=coder@example.invalid")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "All of it"),
                      ("bundle", "create", "-q", "all.bundle", "HEAD", "main")):  # fmt: skip
        subprocess.run([*named, *arguments], check=True)
    return subprocess.check_output([*named, "rev-parse", "HEAD"], text=True).strip()


async def judged(
    sandboxes: SandboxProvider, folder: Path, files: dict[str, str], *, command: str
) -> tuple[Verdict | None, str]:
    commit = committed(folder, files, command=command)
    artifacts = MemoryArtifacts()
    verdict = await verify_test_quality(
        sandboxes,
        bundle=(folder / "all.bundle").read_bytes(),
        commit=commit,
        sources={name: whole(text) for name, text in files.items() if is_mutable(name)},
        artifacts=artifacts,
    )
    return verdict, (await artifacts.get(verdict.evidence[0])).decode() if verdict else ""


@pytest.mark.parametrize(
    ("tests", "status", "said"),
    [
        pytest.param(GOOD, "passed", "noticed 5 of 5 lines", id="that assert"),
        pytest.param(USELESS, "failed", "of 5 lines", id="that only run it"),
    ],
)
async def test_tests_that_notice_broken_lines_pass_and_those_that_cannot_fail_do_not(
    sandboxes: SandboxProvider, tmp_path: Path, tests: str, status: str, said: str
) -> None:
    files = {"rules.py": RULES, "test_rules.py": tests}
    verdict, log = await judged(sandboxes, tmp_path / "product", files, command="python3 -m pytest -q")
    assert verdict is not None
    assert verdict.status == status
    assert said in verdict.summary
    assert log.count("\n") == 4


async def test_scripts_are_broken_too(sandboxes: SandboxProvider, tmp_path: Path) -> None:
    next_page = (
        "export function next(page, last) {\n  if (page >= last) {\n    return last;\n  }\n  return page + 1;\n}\n"
        "export function empty(list) {\n  return !list || list.length === 0;\n}\n"
        "export function valid(page) {\n  return page > 0;\n}\n"
    )
    tests = (
        "import assert from 'node:assert';\nimport { test } from 'node:test';\n"
        "import { next, empty, valid } from './next.mjs';\n"
        "test('all', () => {\n"
        "  assert.deepEqual([next(1, 3), next(3, 3), next(4, 3)], [2, 3, 3]);\n"
        "  assert.deepEqual([empty(null), empty([]), empty([1])], [true, true, false]);\n"
        "  assert.deepEqual([valid(0), valid(1)], [false, true]);\n});\n"
    )
    verdict, _ = await judged(
        sandboxes, tmp_path / "product", {"next.mjs": next_page, "next.test.mjs": tests}, command="node --test"
    )
    assert verdict is not None
    assert "noticed 5 of 5 lines" in verdict.summary


async def test_nothing_is_said_where_tests_fail_by_themselves_or_leave_something_behind_that_makes_them(
    sandboxes: SandboxProvider, tmp_path: Path
) -> None:
    many = {f"rules{number}.py": RULES for number in range(3)}
    red, _ = await judged(sandboxes, tmp_path / "red", many, command="false")
    few, _ = await judged(sandboxes, tmp_path / "few", {"rules.py": "LIMIT = 1\n"}, command="true")
    left = "test -e left && exit 1; git diff --quiet || { touch left; exit 1; }"
    poisoned, _ = await judged(sandboxes, tmp_path / "left", many, command=left)
    assert (red, few, poisoned) == (None, None, None)
