"""What a person is told to type to try a product of each kind."""

import shlex
from pathlib import Path

import pytest

from macrohard.cli.result import way_to_try
from macrohard.domain import Command, Design, ProductKind
from tests.report.sample import overview as sample

MANIFEST = """\
kind = "cli"
name = "Tally"
[commands]
test = "true"
run = "./tally"
"""
DESIGN = Design(summary="A counter.", commands=(Command(usage="tally.total(numbers)", purpose="Adds up."),))


@pytest.mark.parametrize(
    ("kind", "manifest", "told"),
    [
        ("web", None, "macrohard open r-7k2m9"),
        ("api", MANIFEST, "macrohard open r-7k2m9"),
        ("cli", MANIFEST, "cd {} && ./tally --help"),
        ("cli", "no manifest", "cd {}   (then tally.total(numbers); see its README)"),
        ("cli", None, "cd {}   (then tally.total(numbers); see its README)"),
        ("library", None, "cd {}   (then tally.total(numbers); see its README)"),
    ],
)
def test_each_kind_has_its_way_to_be_tried(tmp_path: Path, kind: ProductKind, manifest: str | None, told: str) -> None:
    folder = tmp_path / "a product"
    folder.mkdir()
    if manifest is not None:
        (folder / "product.toml").write_text(manifest)
    overview = sample({})
    assert overview.specification is not None
    specification = overview.specification.model_copy(update={"kind": kind})
    shown = overview.model_copy(update={"specification": specification, "product_path": str(folder), "design": DESIGN})
    assert way_to_try(shown) == told.format(shlex.quote(str(folder)))


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (["./tally add NUMBER…", "./tally sum [--json]", "./tally list --newest"], "./tally list --newest"),
        (["./tally add FILE", "./tally a|b", "tally list"], "./tally --help"),
    ],
)
def test_a_tool_is_tried_by_a_call_that_can_be_typed(tmp_path: Path, calls: list[str], told: str) -> None:
    (tmp_path / "product.toml").write_text(MANIFEST)
    overview = sample({})
    assert overview.specification is not None
    specification = overview.specification.model_copy(update={"kind": "cli"})
    design = Design(summary="A counter.", commands=tuple(Command(usage=call, purpose="Counts.") for call in calls))
    update = {"specification": specification, "product_path": str(tmp_path), "design": design}
    assert way_to_try(overview.model_copy(update=update)) == f"cd {shlex.quote(str(tmp_path))} && {told}"
