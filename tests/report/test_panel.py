"""What a report tells of the panel."""

from macrohard.domain import Checked, Design, Finding, Looks, ProductKind, RunOverview, Screen
from macrohard.report import render
from macrohard.report.panel import in_short, panel_of
from tests.report.sample import Cupboard
from tests.report.sample import overview as sample_overview


def test_who_managed_with_how_many_steps_and_what_it_was_before() -> None:
    panel = panel_of(sample_overview({}))
    assert panel.now is not None
    assert [(row.persona, row.reached, row.steps, row.detours) for row in panel.now.rows] == [
        ("wrong input first", True, 6, 0),
        ("phone", None, 2, 0),
    ]
    before = panel.before(panel.now.rows[0])
    assert before is not None
    assert (before.reached, before.detours) == (True, 1)
    assert in_short(sample_overview({})) == (
        "1 of 2 simulated users reached their goal, in 6 to 6 steps; 0 detours (before: 1 of 2, 1 detour)"
    )


def with_findings(overview: RunOverview, *findings: Finding) -> RunOverview:
    *earlier, last = overview.iterations
    return overview.model_copy(update={"iterations": (*earlier, last.model_copy(update={"findings": findings}))})


def test_wishes_and_what_did_not_happen_again_are_told_apart() -> None:
    def finding(id: str, category: str, reproduced: bool | None) -> Finding:
        return Finding.model_validate(
            {
                "id": id, "commit": "c", "found_by": "phone", "category": category, "severity": 2,
                "title": f"{id} is odd", "detail": "", "reproduced": reproduced, "step": 1,
            }
        )  # fmt: skip

    panel = panel_of(
        with_findings(
            sample_overview({}),
            finding("wish", "wish", None),
            finding("once", "misleading", False),
            finding("again", "misleading", True),
        )
    )
    assert [each.finding.id for each in panel.frictions] == ["again"]
    assert [each.finding.id for each in panel.notes] == ["once"]
    assert [each.id for each in panel.wishes] == ["wish"]


async def test_where_it_was_tried_again_is_told_by_the_kind_of_product() -> None:
    once = Finding(
        id="f-1", commit="c", found_by="phone", category="misleading", severity=3, title="Odd", detail="",
        reproduced=False,
    )  # fmt: skip
    run = with_findings(sample_overview({}), once, once.model_copy(update={"id": "f-2", "reproduced": True}))
    assert run.specification is not None
    kinds: dict[ProductKind, str] = {"web": "in a fresh browser", "api": "on a freshly started service"}
    for kind, where in kinds.items():
        specification = run.specification.model_copy(update={"kind": kind})
        told = await render(run.model_copy(update={"specification": specification}), Cupboard())
        assert {f"not again {where}" in told, f"happened again {where}" in told} == {True}
        assert ("fresh browser" in told) == (kind == "web")


async def test_what_led_to_something_is_shown_step_by_step() -> None:
    run = sample_overview({})
    visit = run.iterations[-1].users[0]
    framed = tuple(step.model_copy(update={"frame": f"frame-{step.number}"}) for step in visit.steps)
    last = run.iterations[-1].model_copy(update={"users": (visit.model_copy(update={"steps": framed}),)})
    run = run.model_copy(update={"iterations": (*run.iterations[:-1], last)})
    odd = Finding(
        id="f-1", commit="c", found_by=visit.persona, category="misleading", severity=3, title="Odd", detail="", step=4
    )  # fmt: skip
    by_code = odd.model_copy(update={"id": "f-2", "title": "Axe", "element": "x", "step": 0})
    run = with_findings(run, odd, by_code)
    assert [[step.number for step in each.steps] for each in panel_of(run).frictions] == [[2, 3, 4], []]
    frames = {f"frame-{number}": b"\x89PNG\r\n\x1a\n" + bytes(16) + bytes([number]) for number in (3, 4)}
    told = (await render(run, Cupboard(frames))).partition('aria-label="What led to it"')[2].partition("</ol>")[0]
    assert told.count("<li>") == 3
    assert ["After step 2" in told, "After step 3" in told, "After step 4" in told] == [False, True, True]


async def test_a_product_that_looks_different_in_dark_colours_is_shown_in_both() -> None:
    run = sample_overview({}).model_copy(update={"looks": Looks(commit="9c" * 20, light="day", dark="night")})
    pictures = {name: b"\x89PNG\r\n\x1a\n" + bytes(16) + name.encode() for name in ("day", "night")}
    told = await render(run, Cupboard(pictures))
    assert told.count("<figcaption>The first page in ") == 2
    assert told.index("The first page in light colours, after a visit") < told.index(
        "The first page in dark colours, a"
    )
    assert "The first page in" not in await render(run, Cupboard({"day": pictures["day"]})), "one alone shows nothing"


async def test_the_testers_checklist_is_told_as_its_words() -> None:
    checked = (
        Checked(criterion="AC-1", verdict="PASS", evidence="step 2: “Milk” is listed"),
        Checked(criterion="AC-5", verdict="UNCLEAR", evidence="<b>no way</b> to hold"),
    )
    told = await render(sample_overview({}).model_copy(update={"checklist": checked}), Cupboard())
    section = told.partition("What the product tester went through")[2].partition("</section>")[0]
    assert "decide nothing" in section
    assert '<th scope="row">AC-1</th><td>holds</td><td>step 2: “Milk” is listed</td>' in section
    assert "<td>could not be told</td><td>&lt;b&gt;no way&lt;/b&gt; to hold</td>" in section
    untested = sample_overview({}).model_copy(update={"checklist": ()})
    assert "went through" not in await render(untested, Cupboard())


def test_what_nobody_tried_is_listed() -> None:
    screens = tuple(Screen(path=path, title=path, purpose="") for path in ("/tasks", "/tasks/{id}/history"))
    told = panel_of(sample_overview({}).model_copy(update={"design": Design(summary="", screens=screens)})).not_tested
    assert "The visit of phone has no end: gave up, or ran into a limit" in told
    assert [text for text in told if text.startswith("No simulated user came")] == [
        "No simulated user came to the screen “/tasks/{id}/history” (/tasks/{id}/history)"
    ]


async def test_the_file_of_a_reviewers_finding_is_named_once() -> None:
    found = Finding(
        id="security-reviewer-1", commit="c", found_by="security-reviewer", category="security", severity=3,
        title="Anybody may delete", detail="app/deeds.py:12: delete(row)\nNobody is asked who it is.",
        file="app/deeds.py", line=12,
    )  # fmt: skip
    for detail in (found.detail, "Nobody is asked who it is."):
        run = with_findings(sample_overview({}), found.model_copy(update={"detail": detail}))
        told = await render(run, Cupboard())
        assert told.count("app/deeds.py") == told.count("Anybody may delete") > 0
