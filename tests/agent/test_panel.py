"""Who of the simulated users visits, and which guides hold for which files: pure functions over names."""

import pytest

from macrohard.agent import Persona, drawn_panel, guides_for
from macrohard.domain import ProductKind

PEOPLE = {
    name: Persona(name=name, description=f"Is {name}.", core=core, kinds=kinds, behaviour="You.")
    for name, core, kinds in (
        ("core", True, ("web",)),
        *((f"web-{number}", False, ("web",)) for number in range(9)),
        *((f"all-{number}", False, ("web", "cli")) for number in range(3)),
    )
}


def test_a_run_has_the_same_panel_in_every_iteration() -> None:
    panel = drawn_panel(PEOPLE, kind="web", seed="r-1")
    assert panel == drawn_panel(dict(reversed(PEOPLE.items())), kind="web", seed="r-1")
    assert len(panel) == len(set(panel)) == 6
    assert panel[0] == "core"


def test_other_runs_meet_other_people() -> None:
    assert {name for run in range(50) for name in drawn_panel(PEOPLE, kind="web", seed=f"r-{run}")} == set(PEOPLE)


def test_what_must_be_covered_is_covered_by_one_and_who_is_asked_for_comes_before_others() -> None:
    people = PEOPLE | {
        name: Persona.model_validate(
            {"name": name, "description": f"Is {name}.", "covers": covers, "asked_by": asked_by, "behaviour": "You."}
        )
        for name, covers, asked_by in (
            ("blind", "keyboard", ("accessib",)),
            ("mouseless", "keyboard", ()),
            ("phone", "small screen", ()),
            ("pole", None, ("language", "currenc")),
        )
    }
    panels = [drawn_panel(people, kind="web", seed=f"r-{run}", size=3) for run in range(30)]
    assert {len({"blind", "mouseless"} & set(panel)) for panel in panels} == {1}
    assert {panel[0] for panel in panels} == {"core"}
    assert {"blind", "mouseless"} < {name for panel in panels for name in panel}
    assert all("phone" in panel for panel in panels)
    asked = [drawn_panel(people, kind="web", seed=f"r-{run}", size=4, wanted="Two Languages.") for run in range(30)]
    assert {panel[3] for panel in asked} == {"pole"}
    wanted = "All of it is accessible"
    both = [drawn_panel(people, kind="web", seed=f"r-{run}", size=4, wanted=wanted) for run in range(30)]
    assert all("blind" in panel for panel in both), "who covers and is asked for may be there beside the other"


def test_the_kind_decides_who_comes() -> None:
    assert set(drawn_panel(PEOPLE, kind="cli", seed="r-1")) == {"all-0", "all-1", "all-2"}
    assert drawn_panel(PEOPLE, kind="library", seed="r-1") == ()


def test_somebody_new_moves_nobody_elses_lot() -> None:
    newcomer = Persona(name="new", description="Is new.", behaviour="You.")
    for run in range(20):
        before = drawn_panel(PEOPLE, kind="web", seed=f"r-{run}")
        after = [
            name for name in drawn_panel({**PEOPLE, "new": newcomer}, kind="web", seed=f"r-{run}") if name != "new"
        ]
        assert before[: len(after)] == tuple(after)


TRACKED = ("AGENTS.md", "README.md", "web/AGENTS.md", "web/pages/AGENTS.md", "core/app.py", "core/AGENTS.md")


@pytest.mark.parametrize(
    ("files", "guides"),
    [
        pytest.param(["README.md"], ["AGENTS.md"], id="in the root"),
        pytest.param(["web/pages/home.js"], ["AGENTS.md", "web/AGENTS.md", "web/pages/AGENTS.md"], id="root first"),
        pytest.param(["web/"], ["AGENTS.md", "web/AGENTS.md", "web/pages/AGENTS.md"], id="a folder and what it holds"),
        pytest.param(["website/x", "core/app.py"], ["AGENTS.md", "core/AGENTS.md"], id="no beginnings of names"),
        pytest.param(["core/", "web/x"], ["AGENTS.md", "core/AGENTS.md", "web/AGENTS.md"], id="several"),
        pytest.param([""], ["AGENTS.md", "core/AGENTS.md", "web/AGENTS.md", "web/pages/AGENTS.md"], id="everything"),
        pytest.param([], [], id="no files"),
    ],
)
def test_guides_hold_from_the_root_to_the_edited_folder(files: list[str], guides: list[str]) -> None:
    assert list(guides_for(files, tracked=TRACKED)) == guides


def test_without_guides_there_are_none() -> None:
    kind: ProductKind = "web"
    assert guides_for(["app/x.py"], tracked=["app/x.py", "docs/AGENTS.md"]) == ()
    assert drawn_panel({}, kind=kind, seed="r-1") == ()
