"""The contract before it is paid for: a form in which a person changes criteria and tasks, and then says yes."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from macrohard.domain import Criterion, Plan, RunOverview, Specification, Task, Value
from macrohard.domain.printable import printable
from macrohard.errors import Conflict, RequestError
from macrohard.server.access import Asking, Reviewing
from macrohard.server.api import steering
from macrohard.server.pages.rendering import page
from macrohard.server.service import Service, Serving

router = APIRouter(prefix="/runs/{run}/plan")

LONGEST = 2_000
"""Characters of a criterion, or of a task's title."""
INSTRUCTIONS = 20_000
"""Characters of a task's instructions."""
COMMENT = 10_000
FIELDS = 10_000
"""Of the largest contract."""
MOST_NEW = 50
"""Criteria that one can add at once."""
STALE = "This plan waits no more: somebody ruled on it, or had it made anew. Open it again to see it as it is."
_CRITERION = re.compile(r"AC-[1-9][0-9]*")


class PlanForm(Value):
    """What stands in the form, as it was sent or shown, and what is wrong with it."""

    values: Mapping[str, str]
    """By the field's name, such as "AC-1.text", "T-2.out" or "new-1.task"."""
    rows: int = 1
    """Rows for new criteria."""
    problems: Mapping[str, str] = {}
    """By the field's name; "" for what is wrong with all of it."""


@router.get("")
async def show(
    request: Request,
    run: str,
    service: Serving,
    principal: Asking,
    rows: Annotated[int, Query(ge=1, le=MOST_NEW)] = 1,
) -> Response:
    """Criteria and tasks; where a plan waits for a yes, as a form."""
    overview = await service.factory.overview(run)
    return await _page(request, service, overview, PlanForm(values=_values(*_shown(overview)), rows=rows))


@router.post("")
async def rule(request: Request, run: str, service: Serving, principal: Reviewing) -> Response:
    """A yes to what stands in the form, a no with a comment, or one more row for a criterion."""
    values = {name: str(text) for name, text in (await request.form(max_fields=FIELDS)).items()}
    overview = await service.factory.overview(run)
    rows = max([1, *(int(found[1]) for name in values if (found := re.fullmatch(r"new-([1-9]\d?)\.text", name)))])
    verdict = values.get("verdict", "")
    if verdict == "add":
        return await _page(request, service, overview, PlanForm(values=values, rows=min(rows + 1, MOST_NEW)))
    specification, plan = _shown(overview)
    problems: dict[str, str] = {}
    comment = values.get("comment", "").strip()
    given = steering.RulingGiven(point="plan", approved=verdict == "approve", comment=comment[:COMMENT])
    if len(comment) > COMMENT:
        problems["comment"] = f"{COMMENT:,} characters at most; these are {len(comment):,}"
    if verdict != "approve" and not comment:
        problems["comment"] = "Say what is to be different."
    if verdict == "approve":
        builtin, _ = await _model(service, overview)
        agreed = await service.factory.agreed_before(overview)
        wanted = _Wanted(values, rows, specification, plan, problems, agreed=agreed, builtin=builtin)
        given = given.model_copy(update=wanted.changes())
    status = 422
    if not problems:
        try:
            waits = overview.awaited
            if waits is None or waits.point != "plan" or values.get("number") != str(waits.number):
                raise Conflict(STALE)
            await steering.rule(run, given, service, principal)
            return RedirectResponse(f"/runs/{overview.summary.id}", status_code=303)
        except Conflict as error:
            problems[""], status = str(error), 409
        except RequestError as error:
            problems[""] = str(error)
    form = PlanForm(values=values, rows=rows, problems=problems)
    return await _page(request, service, overview, form, status=status)


async def _page(
    request: Request, service: Service, overview: RunOverview, form: PlanForm, *, status: int = 200
) -> Response:
    waits = overview.awaited is not None and overview.awaited.point == "plan"
    specification, plan = _shown(overview)
    builtin, trouble = await _model(service, overview) if waits else (False, "")
    return page(
        request, "run/plan.html.jinja", status=status, overview=overview, tab="plan", form=form, waits=waits,
        specification=specification, plan=plan, longest=LONGEST, instructions=INSTRUCTIONS,
        agreed=await service.factory.agreed_before(overview) if waits else frozenset(),
        builtin=builtin, trouble=trouble,
    )  # fmt: skip


async def _model(service: Service, overview: RunOverview) -> tuple[bool, str]:
    """Whether the built-in model builds it, and why nobody could as the settings are now; empty: somebody can."""
    try:
        return await service.factory.builtin_takes_part(overview.summary.model), ""
    except RequestError as error:
        return False, str(error)


def _shown(overview: RunOverview) -> tuple[Specification, Plan]:
    """As far as the run has come."""
    tasks = overview.iterations[0].tasks if overview.iterations else ()
    nothing = Specification(decision="build", title=overview.summary.title[:80])
    return overview.specification or nothing, Plan(tasks=tasks)


def _values(specification: Specification, plan: Plan) -> dict[str, str]:
    """What stands in the fields at first."""
    found: dict[str, str] = {}
    for each in specification.criteria:
        found |= {f"{each.id}.text": each.text, f"{each.id}.priority": each.priority}
        if not each.covered:
            found[f"{each.id}.out"] = "on"
    for task in plan.tasks:
        found |= {
            f"{task.id}.title": task.title,
            f"{task.id}.instructions": task.instructions,
            f"{task.id}.serves": ", ".join(task.criteria),
        }
    return found


class _Wanted:
    """What a person makes of the contract; what is wrong with it goes into `problems`, at its field."""

    def __init__(
        self,
        values: Mapping[str, str],
        rows: int,
        shown: Specification,
        planned: Plan,
        problems: dict[str, str],
        *,
        agreed: Collection[str],
        builtin: bool,
    ) -> None:
        self._values, self._rows, self._shown, self._planned = values, rows, shown, planned
        self._problems, self._agreed, self._builtin = problems, agreed, builtin
        self._out = {task.id for task in planned.tasks if f"{task.id}.out" in values}
        self._served_by: dict[str, str] = {}
        """The field in which a new criterion says who brings it about, by that criterion."""

    def changes(self) -> dict[str, Specification | Plan]:
        """What of a ruling is different from what was shown."""
        criteria = (*(self._criterion(each) for each in self._shown.criteria), *self._new())
        if not any(each.priority == "MUST" and each.covered for each in criteria):
            self._problems["criteria"] = "At least one criterion has to be a MUST that is not left out."
        specification = self._shown.model_copy(update={"criteria": criteria})
        plan = self._plan(specification)
        found: dict[str, Specification | Plan] = {}
        if specification != self._shown:
            found["specification"] = specification
        if plan is not None and plan != self._planned:
            found["plan"] = plan
        return found

    def _text(self, field: str, *, most: int, empty: str, shown: str = "") -> str:
        text = _plain(self._values.get(field, ""))
        # What was shown to a browser is not, to the letter, what it was made from.
        as_shown = _plain(printable(shown))
        if shown and text in (as_shown, as_shown.replace("\n", "")):
            return shown
        if not text:
            self._problems[field] = empty
        elif len(text) > most:
            self._problems[field] = f"{most:,} characters at most; these are {len(text):,}"
        return text

    def _priority(self, name: str) -> str:
        return "SHOULD" if self._values.get(f"{name}.priority") == "SHOULD" else "MUST"

    def _criterion(self, shown: Criterion) -> Criterion:
        if shown.id in self._agreed:
            return shown
        text = self._text(f"{shown.id}.text", most=LONGEST, empty="Say what is to hold.", shown=shown.text)
        covered = f"{shown.id}.out" not in self._values and (shown.covered or not self._builtin)
        # What nobody wants any more is not to keep the product from being delivered.
        priority = "SHOULD" if shown.covered and not covered else self._priority(shown.id)
        return shown.model_copy(update={"text": text, "priority": priority, "covered": covered})

    def _new(self) -> list[Criterion]:
        known = [*self._shown.criteria, *(each.criterion for each in self._shown.superseded)]
        last = max((int(each.id.removeprefix("AC-")) for each in known), default=0)
        found: list[Criterion] = []
        for row in range(1, self._rows + 1):
            name = f"new-{row}"
            if not self._values.get(f"{name}.text", "").strip():
                continue
            text = self._text(f"{name}.text", most=LONGEST, empty="")
            criterion = Criterion.model_validate(
                {
                    "id": f"AC-{last + len(found) + 1}",
                    "text": text,
                    # What cannot be built is not to keep the product from being delivered.
                    "priority": "SHOULD" if self._builtin else self._priority(name),
                    "covered": not self._builtin,
                }
            )
            found.append(criterion)
            if not self._builtin:
                self._served_by[criterion.id] = f"{name}.task"
        return found

    def _plan(self, specification: Specification) -> Plan | None:
        """The tasks that are left; None: they are no plan."""
        known = {each.id for each in specification.criteria}
        left_out = {each.id for each in self._shown.criteria if each.covered} - {
            each.id for each in specification.criteria if each.covered
        }
        tasks = [
            self._task(task, known, left_out) for task in self._planned.tasks if task.id not in self._out
        ]  # fmt: skip
        if not tasks:
            self._problems["tasks"] = "Without a task nothing is built: leave at least one."
            return None
        served = {criterion for task in tasks for criterion in task.criteria}
        for criterion in specification.criteria:
            if criterion.covered and criterion.id not in served | set(self._agreed):
                field = self._served_by.get(criterion.id, f"{criterion.id}.text")
                self._problems.setdefault(
                    field, "No task brings this about: name it where a task says what it serves, or leave it out."
                )
        try:
            return Plan(tasks=tuple(tasks))
        except ValidationError as error:
            self._problems["tasks"] = "; ".join(str(each["msg"]) for each in error.errors())
            return None

    def _task(self, shown: Task, known: Collection[str], left_out: Collection[str]) -> Task:
        field = f"{shown.id}.serves"
        named = [each for each in re.split(r"[\s,;]+", self._values.get(field, "")) if each]
        if strangers := [each for each in named if not _CRITERION.fullmatch(each) or each not in known]:
            self._problems[field] = f"No criteria: {', '.join(strangers)}. Write their numbers, such as AC-1, AC-2."
        mine = [id for id, by in self._served_by.items() if self._values.get(by) == shown.id]
        serves = dict.fromkeys(each for each in (*named, *mine) if each not in left_out)
        return shown.model_copy(
            update={
                "title": self._text(
                    f"{shown.id}.title", most=LONGEST, empty="Say what is to be done.", shown=shown.title
                ),
                "instructions": self._text(
                    f"{shown.id}.instructions",
                    most=INSTRUCTIONS,
                    empty="Say how it is to be done.",
                    shown=shown.instructions,
                ),
                "criteria": tuple(serves),
                "depends_on": self._waits_for(shown),
            }
        )

    def _waits_for(self, task: Task) -> tuple[str, ...]:
        """Who waited for a task that is left out waits for what that one waited for."""
        by_id = {each.id: each for each in self._planned.tasks}
        found: dict[str, None] = {}
        for each in task.depends_on:
            found |= dict.fromkeys((each,) if each not in self._out else self._waits_for(by_id[each]))
        return tuple(found)


def _plain(text: str) -> str:
    """Browsers end lines as on paper."""
    return text.replace("\r\n", "\n").strip()
