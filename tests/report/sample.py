"""A run as it could have been: two iterations of a to-do list, with users who stumble, and hostile texts."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from macrohard.domain import (
    Checked,
    Criterion,
    CriterionState,
    Exclusion,
    Finding,
    IterationSummary,
    PhaseTime,
    Question,
    RunOverview,
    RunStatus,
    RunSummary,
    Scenario,
    SessionSummary,
    Specification,
    Task,
    UserReport,
    UserSession,
    UserStep,
    Verdict,
)
from macrohard.domain.review import Disputed, Objection
from macrohard.domain.scenario import See

FIRST, SECOND = "1f" * 20, "9c" * 20
HOSTILE = (
    '</script><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> {{ 7*7 }} \x1b[2J'
)

REQUIREMENT = (
    "We need a simple to-do list for the office.\n\n"
    "Tasks have a title, a due date and a priority (low, normal, high). I want to tick them off, and untick them "
    "when I was too fast. Show only what is open, please. The list must still be there after a restart. "
    "It would be nice to get an e-mail the day before something is due."
)


class Cupboard:
    """Artifacts in memory."""

    def __init__(self, content: Mapping[str, bytes] | None = None) -> None:
        self.content = dict(content or {})

    async def put(self, content: bytes, *, media_type: str) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.content[digest] = content
        return digest

    async def get(self, digest: str) -> bytes:
        return self.content[digest]


def overview(
    shots: Mapping[str, str], *, status: RunStatus = "partial", words: str = "", log: str | None = None
) -> RunOverview:
    """The sample; `shots` are digests by name (list, form, error, phone), `words` go wherever a product can speak."""
    list_shot, form_shot = (shots.get(name) for name in ("list", "form"))
    criteria = (
        ("AC-1", "A task has a title, a due date and a priority; the title is required.", "MUST", "Tasks have a title"),
        ("AC-2", "A task can be marked done and marked open again.", "MUST", "tick them off, and untick them"),
        ("AC-3", "The list can be narrowed to open tasks.", "MUST", "Show only what is open, please"),
        ("AC-4", "Tasks are still there after the product was restarted.", "MUST", "must still be there"),
        ("AC-5", "The due date must be a date, and may be empty.", "MUST", ""),
        ("AC-6", "An e-mail is sent the day before a task is due.", "SHOULD", "It would be nice to get an e-mail"),
    )
    texts = {
        "S-1": ("AC-1", "Adding a task with all fields shows it in the list"),
        "S-2": ("AC-1", "A task without a title is refused, and what was typed is kept"),
        "S-3": ("AC-2", "Done and back to open"),
        "S-4": ("AC-3", "Choosing “open” hides the tasks that are done"),
        "S-5": ("AC-4", "A task is there after a restart"),
        "S-6": ("AC-5", "30 February is refused with a message at the field"),
    }
    scenarios = {
        name: Scenario(id=name, criterion=criterion, title=title, steps=(See(text="x"),))
        for name, (criterion, title) in texts.items()
    }

    def verdict(name: str, commit: str, *, passed: bool, summary: str = "as expected") -> Verdict:
        shot = form_shot if name in ("S-2", "S-6") else list_shot
        return Verdict(
            check=name,
            kind="scenario",
            criterion=texts[name][0],
            commit=commit,
            status="passed" if passed else "failed",
            summary=summary + words,
            duration_seconds=0.6,
            evidence=tuple(digest for digest in (None if passed else log, shot) if digest),
        )

    first = tuple(
        verdict(name, FIRST, passed=name not in ("S-2", "S-4", "S-6"), summary=said)
        for name, said in {
            "S-1": "shown",
            "S-2": "Expected the message “Title is required.”; the empty task was saved.",
            "S-3": "shown",
            "S-4": "Expected only open tasks; tasks that are done were listed as well.",
            "S-5": "shown",
            "S-6": "Expected a message at the field; an error page came instead.",
        }.items()
    )
    second = tuple(
        verdict(
            name,
            SECOND,
            passed=name != "S-6",
            summary="Expected a message at the field; the date was changed to 2 March without a word.",
        )
        for name in texts
    )
    states = tuple(
        CriterionState(
            criterion=Criterion.model_validate(
                {
                    "id": name,
                    "text": text + (words if name == "AC-1" else ""),
                    "priority": priority,
                    "source": source,
                    "covered": name != "AC-6",
                }
            ),
            status="not covered" if name == "AC-6" else "unmet" if name == "AC-5" else "met",
            scenarios=tuple(scenario for scenario in scenarios.values() if scenario.criterion == name),
            verdicts=tuple(said for said in second if said.criterion == name),
            disputed=(_disputed(words),) if name == "AC-2" else (),
        )
        for name, text, priority, source in criteria
    )
    checklist = (
        Checked(criterion="AC-1", verdict="PASS", evidence="steps 3 to 6: “Water the plants” is listed" + words),
        Checked(criterion="AC-5", verdict="UNCLEAR", evidence="no date could be told from another"),
    )
    return RunOverview(
        checklist=checklist,
        summary=RunSummary(
            id="r-7k2m9",
            title="Office to-do list" + words[:40],
            requirement=REQUIREMENT + words,
            status=status,
            model="builtin:careless",
            created_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
            seconds=94.2,
            iterations=2,
            cost_usd=0.0,
        ),
        problem="" if status == "delivered" else "The limit of 2 iterations is reached." + words,
        notices=(
            "The built-in model worked on this: it follows rules, knows record-keeping products and nothing else.",
            "No Docker engine could be reached: sandboxes are made with bubblewrap, which isolates less." + words,
        ),
        sandbox_tier="bubblewrap",
        specification=Specification(
            decision="build",
            title="Office to-do list",
            summary="A list of tasks with due dates and priorities for a small office." + words,
            stories=("As an office worker, I note down what has to be done by when.",),
            criteria=tuple(state.criterion for state in states),
            assumptions=(
                "Everybody in the office sees the same list; there are no accounts.",
                "A new task is open and of normal priority." + words,
            ),
            questions=(Question(id="Q-1", text="May two tasks have the same title?", default="yes"),),
            exclusions=(
                Exclusion(text="get an e-mail the day before" + words, reason="products have no way to send e-mail"),
            ),
        ),
        design=None,
        criteria=states,
        iterations=(
            IterationSummary(
                number=1,
                commit=FIRST,
                kept=True,
                reason="The first version; three checks failed and become tasks." + words,
                tasks=(
                    Task(id="T-1", title="Storage and rules", agent="coder", instructions="…", files=("app/store.py",)),
                    Task(
                        id="T-2",
                        title="Pages",
                        agent="coder",
                        instructions="…",
                        criteria=("AC-1", "AC-3"),
                        files=("app/pages.py",),
                        depends_on=("T-1",),
                    ),
                ),
                verdicts=first,
                gained=("AC-2", "AC-4"),
                lost=(),
                findings=_findings(FIRST, words),
                users=_users(FIRST, shots, words, stumbling=True),
                seconds=51.0,
                cost_usd=0.0,
            ),
            IterationSummary(
                number=2,
                commit=SECOND,
                kept=True,
                reason="Two of three repairs hold.",
                tasks=(
                    Task(
                        id="T-3",
                        title="Refuse a task without a title, filter by state",
                        agent="coder",
                        instructions="…",
                        criteria=("AC-1", "AC-3"),
                        files=("app/pages.py",),
                    ),
                ),
                verdicts=second,
                gained=("AC-1", "AC-3"),
                lost=(),
                findings=_findings(SECOND, words)[1:2],
                users=_users(SECOND, shots, words, stumbling=False),
                seconds=38.4,
                cost_usd=0.0,
            ),
        ),
        sessions=_sessions(words),
        phases=tuple(
            PhaseTime.model_validate({"phase": phase, "seconds": seconds})
            for phase, seconds in {
                "analyse": 0.4,
                "design": 0.3,
                "plan": 0.2,
                "scenarios": 0.5,
                "implement": 21.3,
                "integrate": 2.2,
                "verify": 31.0,
                "use": 35.7,
                "triage": 0.6,
                "release": 2.0,
            }.items()
        ),
        model_calls=143,
        cost_usd=0.0,
        budget_usd=20.0,
        product_commit=SECOND,
        product_path="/home/ada/products/office-to-do-list",
    )


def _findings(commit: str, words: str) -> tuple[Finding, ...]:
    return (
        Finding(
            id="F-1",
            commit=commit,
            found_by="wrong input first",
            category="crash",
            severity=4,
            title="An error page instead of a message after entering 30 February",
            detail="“Internal Server Error”, and what was typed is gone." + words,
            page="/tasks/new",
            reproduced=True,
        ),
        Finding(
            id="F-2",
            commit=commit,
            found_by="phone",
            category="layout",
            severity=3,
            title="The table is cut off on a phone" + words,
            detail="The buttons in the last column cannot be reached at 375 px without scrolling sideways.",
            page="/tasks",
            reproduced=True,
        ),
        Finding(
            id="F-3",
            commit=commit,
            found_by="axe",
            category="accessibility",
            severity=2,
            title="The search field has no label",
            detail="Screen readers say “edit” and nothing else.",
            page="/tasks",
            element="input#q",
        ),
    )


def _users(commit: str, shots: Mapping[str, str], words: str, *, stumbling: bool) -> tuple[UserSession, ...]:
    def step(number: int, action: str, result: str, surprise: int, shot: str, remark: str = "") -> UserStep:
        return UserStep(
            number=number,
            intention="get the call with the tax office onto the list",
            expectation="the list with the new task in it" if number > 2 else "a form for a new task",
            action=action + words,
            result=result + words,
            surprise=surprise,
            remark=remark,
            page="/tasks",
            frame=shots.get(shot),
            at_seconds=number * 2.5,
        )

    wrong = 3 if stumbling else 0
    steps = (
        step(1, "open /tasks", "“No tasks yet.” and a link “Add task”", 0, "list"),
        step(2, "click link “Add task”", "a form with Title, Due date, Priority", 0, "form"),
        step(3, "fill “Due date” with “30 February”", "the field stayed empty", 1, "form", "Hm, it just ignores me."),
        step(
            4,
            "click button “Save”",
            "an error page" if stumbling else "“Please correct …” and “Title is required.”",
            wrong,
            "error" if stumbling else "form",
            "Everything I typed is gone!" if stumbling else "",
        ),
        step(5, "fill “Title” with “Call the tax office”", "the text is in the field", 0, "form"),
        step(6, "press Enter", "the list with one task, and “Task saved.”", 0, "list"),
    )
    phone = tuple(one.model_copy(update={"frame": shots.get("phone")}) for one in steps[:2])
    return (
        UserSession(
            persona="wrong input first",
            goal="Put three things on the list that have to be done this week.",
            commit=commit,
            steps=steps,
            report=UserReport(
                goal_reached=True,
                summary="It works once one knows which dates it takes." + words,
                quote="I would have liked to be told before, not after.",
            ),
            width=1280,
            height=800,
        ),
        UserSession(
            persona="phone",
            goal="Tick off what was done on the way home.",
            commit=commit,
            steps=phone,
            report=None,
            width=375,
            height=667,
        ),
    )


def _disputed(words: str) -> Disputed:
    scenario = Scenario(id="S-9", criterion="AC-2", title="It is quick" + words, steps=(See(text="quick"),))
    reason = "Neither specification nor design says how quick." + words
    return Disputed(scenario=scenario, objection=Objection(scenario="S-9", flaw="not in the contract", reason=reason))


def _sessions(words: str) -> tuple[SessionSummary, ...]:
    rows = (
        (0, "analyse", "analyst", None, "Read the requirement", ()),
        (0, "design", "designer", None, "Lay down screens, labels and data", ()),
        (0, "plan", "planner", None, "Split the work", ()),
        (0, "scenarios", "scenario-writer", None, "Write the hidden scenarios", ("AC-1", "AC-2", "AC-3")),
        (1, "implement", "coder", None, "T-1 Storage and rules", ("AC-2", "AC-4")),
        (1, "implement", "coder", None, "T-2 Pages" + words, ("AC-1", "AC-3")),
        (1, "use", "user", "wrong input first", "Use the product", ()),
        (1, "use", "user", "phone", "Use the product", ()),
        (2, "implement", "coder", None, "T-3 Refuse a task without a title, filter by state", ("AC-1", "AC-3")),
        (2, "use", "user", "wrong input first", "Use the product", ()),
    )
    return tuple(
        SessionSummary.model_validate(
            {
                "id": f"r-7k2m9/{iteration}/{phase}/{number}",
                "iteration": iteration,
                "phase": phase,
                "agent": agent,
                "persona": persona,
                "task": task,
                "criteria": criteria,
                "outcome": "limit" if persona == "phone" else "finished",
                "problem": "60 turns are over" if persona == "phone" else "",
                "commit": (FIRST if iteration == 1 else SECOND) if agent == "coder" else None,
                "contradictions": [{"about": "tests", "claim": "All tests pass." + words, "log": "it ran no tests"}]
                if task.startswith("T-2")
                else [],
                "summary": f"Did {task}." if agent == "coder" else "",
                "open_points": ["Dates are those of the server's clock." + words] if agent == "coder" else [],
                "decisions": ["Titles are trimmed before they are measured." + words] if task.startswith("T-1") else [],
                "model_calls": 9 + number,
                "input_tokens": 41_000 + 900 * number,
                "output_tokens": 3_200,
                "cost_usd": 0.0,
                "started_at": datetime(2026, 11, 22, 9, 30, number, tzinfo=UTC),
                "seconds": 3.4 + number,
            }
        )
        for number, (iteration, phase, agent, persona, task, criteria) in enumerate(rows)
    )
