"""The products as engineers get them: readable, tested by themselves, and mended when something was done carelessly."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from macrohard.domain import Look
from macrohard.domain.plan import owns
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.webapp import Edit, Problem, conventions, files, parts, repairs, screens
from macrohard.llm.builtin.webapp.mistakes import mistakes_for, repaired
from macrohard.llm.builtin.webapp.palette import contrast, dark, light
from macrohard.llm.builtin.webapp.testing import product_tests

from .blueprints import ALL, LIBRARY, TODO
from .running import Running, put

SOURCE = Path(sys.modules[files.__module__].__file__ or "").parent / "source"
EACH = pytest.mark.parametrize("blueprint", [pytest.param(one, id=name) for name, one in ALL.items()])


def own_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the product's own tests as its manifest says."""
    command = tomllib.loads((folder / "product.toml").read_text())["commands"]["test"]
    program = command.replace("python3", f"{sys.executable} -W error", 1)
    return subprocess.run(["bash", "-c", program], cwd=folder, capture_output=True, text=True, check=False)


def count(result: subprocess.CompletedProcess[str]) -> int:
    assert result.returncode == 0, result.stderr
    return int(result.stderr.partition("Ran ")[2].split()[0])


def carried_out(edits: tuple[Edit, ...], made: dict[str, str]) -> dict[str, str]:
    """As the edit tool does: each old text stands exactly once."""
    changed = dict(made)
    for edit in edits:
        assert changed[edit.file].count(edit.old) == 1
        changed[edit.file] = changed[edit.file].replace(edit.old, edit.new)
    return changed


# --- the files -------------------------------------------------------------------------------------------------------


@EACH
def test_the_files_are_complete_and_the_same_each_time(blueprint: Blueprint) -> None:
    made = files(blueprint, Look())
    assert made == files(blueprint, Look())
    assert set(made) >= {
        "app/__main__.py", "app/records.py", "app/static/style.css", "product.toml", "Dockerfile", "README.md",
        "docs/manual.md", ".gitignore", "tests/__init__.py", "tests/test_server.py", "tests/test_fields.py",
    }  # fmt: skip
    manifest = tomllib.loads(made["product.toml"])
    assert manifest["kind"] == "web"
    assert manifest["name"] == blueprint.title
    assert set(manifest["commands"]) == {"install", "test", "start"}
    assert manifest["service"] == {"health": "/health"}


@EACH
def test_the_code_is_short_documented_and_needs_the_standard_library_only(blueprint: Blueprint) -> None:
    for path, content in files(blueprint, Look()).items():
        if not path.endswith(".py"):
            continue
        module = ast.parse(content)
        assert len(content.splitlines()) <= 400, path
        assert ast.get_docstring(module), path
        for node in ast.walk(module):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or "app"]
                relative = isinstance(node, ast.ImportFrom) and node.level > 0
                tops = {name.partition(".")[0] for name in names}
                assert relative or tops <= set(sys.stdlib_module_names) | {"app"}, (path, tops)


@EACH
def test_the_code_is_formatted_as_engineers_here_expect(blueprint: Blueprint, tmp_path: Path) -> None:
    put(files(blueprint, Look()), tmp_path)
    for command in (["format", "--check"], ["check", "--select", "E,F,W,I,UP,B,C4,SIM,RET,RUF100"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", "."]
        result = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


def test_the_records_module_in_the_source_is_that_of_the_to_do_list() -> None:
    assert (SOURCE / "app" / "records.py").read_text() == files(TODO, Look())["app/records.py"]


def test_texts_of_a_requirement_cannot_become_code() -> None:
    nasty = 'x") + __import__("os").system("id") + ("\\'
    record = TODO.records[0]
    title = record.fields[0].model_copy(update={"label": nasty})
    changed = record.model_copy(update={"label": nasty, "fields": (title, *record.fields[1:])})
    blueprint = TODO.model_copy(update={"records": (changed,), "title": nasty})
    made = files(blueprint, Look())
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(made["app/records.py"]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls <= {"Action", "Condition", "Field", "Highlight", "Product", "Record", "Total", "View"}


@EACH
def test_the_work_is_divided_without_overlap_and_completely(blueprint: Blueprint) -> None:
    divided = parts(blueprint)
    for path in files(blueprint, Look()):
        assert sum(owns(part.files, path) for part in divided) == 1, path
    claimed = {index for part in divided for index in part.claims}
    assert claimed == {place for place, claim in enumerate(blueprint.claims) if claim.kind != "not covered"}
    assert all(earlier < place for place, part in enumerate(divided) for earlier in part.after)
    coders = {"backend-coder", "frontend-coder", "test-author"}
    assert {part.agent for part in divided} == {*coders, "release-writer", "media-artist"}


def test_screens_and_conventions_name_what_people_see() -> None:
    named = {screen.path: {(one.role, one.name) for one in screen.controls} for screen in screens(LIBRARY)}
    assert {"/", "/books", "/books/new", "/loans/<id>", "/pupils/import", "/views/overdue"} <= set(named)
    assert {("combobox", "Pupil"), ("textbox", "Out date from"), ("button", "Extend by 7 days")} <= named["/loans"]
    assert {("textbox", "Due date"), ("button", "Save")} <= named["/loans/new"]
    assert ("textbox", "Extensions") not in named["/loans/new"]
    assert any("is already used" in text for text in conventions(LIBRARY))


def test_the_manual_says_what_can_be_done_and_what_holds() -> None:
    manual = files(LIBRARY, Look())["docs/manual.md"]
    for text in ("**Add loan**", "**Extend by 7 days**", "This book is out already.", "a shelf from A1 to Z99"):
        assert text in manual


def test_the_container_asks_for_its_health_with_a_command_that_works(tmp_path: Path) -> None:
    made = files(TODO, Look())
    put(made, tmp_path)
    product = Running(tmp_path)
    command = json.loads(made["Dockerfile"].partition("HEALTHCHECK")[2].partition("CMD \\\n")[2].partition("\n")[0])
    for port, code in ((product.port, 0), (1, 1)):
        environment = os.environ | {"PORT": str(port)}
        assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == code
    product.kill()


@pytest.mark.parametrize("accent", ["#2563eb", "#ffff00", "#000000", "#ffffff", "#777777", "#ff0000", "#00ff88"])
@pytest.mark.parametrize("background", ["#ffffff", "#fffbe6", "#111111", "#888888"])
def test_every_look_can_be_read(accent: str, background: str) -> None:
    look = Look(accent=accent, background=background)
    for colours in (light(look).colours, dark(look).colours):
        pairs = [("text", "ground"), ("text", "sheet"), ("text", "raised"), ("muted", "raised"), ("accent", "sheet")]
        pairs += [("on-accent", "accent"), ("on-danger", "danger")]
        pairs += [(tone, f"{tone}-soft") for tone in ("danger", "warning", "good")]
        pairs += [(f"shade-{number}", f"shade-{number}-soft") for number in range(1, 7)]
        low = [(*pair, contrast(colours[pair[0]], colours[pair[1]])) for pair in pairs]
        assert [one for one in low if one[2] < 4.5] == []


# --- their tests -----------------------------------------------------------------------------------------------------


@EACH
def test_the_products_own_tests_pass(blueprint: Blueprint, tmp_path: Path) -> None:
    put(files(blueprint, Look()), tmp_path)
    assert count(own_tests(tmp_path)) == len(product_tests(blueprint))


def test_nearly_every_claim_has_a_test_of_the_products_own() -> None:
    tested = {test.about for test in product_tests(LIBRARY)}
    kinds = {"required", "unique", "range", "length", "pattern", "checksum", "default", "rule", "action", "view"}
    left_out = [claim.text for claim in LIBRARY.claims if claim.kind in kinds and claim not in tested]
    assert left_out == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("limit=5", "limit=6"),
        ('sets={"in_date": "today"}', 'sets={"in_date": "today-1d"}'),
        ('"isbn13", "ISBN", "text", required=True, unique=True', '"isbn13", "ISBN", "text", required=True'),
        ('maximum="this year"', 'maximum="2900"'),
    ],
)
def test_the_products_own_tests_can_fail(right: str, wrong: str, tmp_path: Path) -> None:
    made = files(LIBRARY, Look())
    assert made["app/records.py"].count(right) == 1
    put({**made, "app/records.py": made["app/records.py"].replace(right, wrong)}, tmp_path)
    assert re.search(r"FAILED \((failures|errors)=1\)", own_tests(tmp_path).stderr)


# --- mistakes and repairs --------------------------------------------------------------------------------------------


@EACH
def test_a_careless_coder_makes_mistakes_of_many_kinds_that_its_own_tests_do_not_show(
    blueprint: Blueprint, tmp_path: Path
) -> None:
    careless = files(blueprint, Look(), careless=True)
    mistakes = mistakes_for(blueprint, files(blueprint, Look()))
    assert len({mistake.kind for mistake in mistakes}) == len(mistakes) >= 6
    assert {"validation forgotten", "filter wrong", "not persisted", "unlabelled input", "crash on odd input"} <= {
        mistake.kind for mistake in mistakes
    }
    for mistake in mistakes:
        assert careless[mistake.file].count(mistake.wrong) == 1
    for path, content in careless.items():
        if path.endswith(".py"):
            ast.parse(content)
    put(careless, tmp_path)
    assert 0 < count(own_tests(tmp_path)) < len(product_tests(blueprint))


@EACH
def test_what_is_reported_is_mended_and_its_tests_come_back(blueprint: Blueprint, tmp_path: Path) -> None:
    careless = files(blueprint, Look(), careless=True)
    problems = [Problem(criterion=f"AC-{number}") for number in range(1, len(blueprint.claims) + 1)]
    problems.append(Problem(kind="finding", category="crash", title="Saving ended in an error page", detail="HTTP 500"))
    mended = carried_out(repairs(blueprint, problems, careless), careless)
    assert mended == files(blueprint, Look())


@EACH
def test_each_criterion_that_failed_leads_to_its_own_mistake_only(blueprint: Blueprint) -> None:
    careless = files(blueprint, Look(), careless=True)
    mistakes = mistakes_for(blueprint, files(blueprint, Look()))
    for number, claim in enumerate(blueprint.claims, 1):
        problem = Problem(criterion=f"AC-{number}", title=claim.text)
        found = repaired(mistakes, blueprint.claims, [problem], careless)
        assert found == tuple(mistake for mistake in mistakes if mistake.explains(claim))


@pytest.mark.parametrize(
    ("problem", "kinds"),
    [
        pytest.param(
            Problem(kind="finding", category="crash", title="The page broke", detail="500 Internal Server Error"),
            {"crash on odd input"},
            id="crash",
        ),
        pytest.param(
            Problem(
                kind="finding",
                category="accessibility",
                title="Form elements must have labels",
                page="/tasks",
                element="#search",
            ),
            {"unlabelled input"},
            id="axe",
        ),
        pytest.param(
            Problem(kind="finding", category="data loss", title="My task is gone", detail="after coming back"),
            {"not persisted"},
            id="data loss",
        ),
        pytest.param(Problem(kind="finding", category="wish", title="I would like it pink"), set(), id="a wish"),
        pytest.param(Problem(kind="gate", title="install failed"), set(), id="a gate"),
        pytest.param(Problem(criterion="AC-99"), set(), id="an unknown criterion"),
    ],
)
def test_what_visitors_notice_leads_to_its_mistake_only(problem: Problem, kinds: set[str]) -> None:
    careless = files(TODO, Look(), careless=True)
    edits = repairs(TODO, [problem], careless)
    mistakes = mistakes_for(TODO, files(TODO, Look()))
    wrong = {edit.old for edit in edits}
    assert {mistake.kind for mistake in mistakes if mistake.wrong in wrong} == kinds


def test_nothing_is_mended_twice_or_without_need() -> None:
    problems = [Problem(criterion=f"AC-{number}") for number in range(1, len(TODO.claims) + 1)]
    assert repairs(TODO, problems, files(TODO, Look())) == ()
    assert repairs(TODO, [], files(TODO, Look(), careless=True)) == ()


def test_a_mended_product_keeps_its_data(tmp_path: Path) -> None:
    careless = files(TODO, Look(), careless=True)
    put(careless, tmp_path)
    product = Running(tmp_path)
    product.post("/tasks/new", title="Pay rent")
    product.kill()
    product.start()
    assert product.get("/tasks").rows == []
    kept = next(number for number, claim in enumerate(TODO.claims, 1) if claim.kind == "survives restart")
    put(carried_out(repairs(TODO, [Problem(criterion=f"AC-{kept}")], careless), careless), tmp_path)
    for _ in range(2):
        product.kill()
        product.start()
        product.post("/tasks/new", title="Pay rent")
    assert len(product.get("/tasks").rows) == 2
    product.kill()
