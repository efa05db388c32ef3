"""Running one acceptance scenario: a product just started with empty data, fresh browsers and clients, step by step."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from macrohard.domain import SERVED, BrowserStep, Design, ProductKind, Scenario, Step, Value, VerdictStatus
from macrohard.domain.scenario import Converse, KeepAddress, Request, Restart, Run, SeeHeader, SeeStatus, Together, Wait
from macrohard.domain.verdict import Exchanges
from macrohard.errors import ToolError
from macrohard.product.browser import Browser, BrowserBroke, StepFailed, StepMalformed, Visit
from macrohard.product.placeholders import UnknownPlaceholder, check_placeholders, filled_step
from macrohard.product.places import part_of
from macrohard.product.programs import Programs
from macrohard.product.service import NotReached, Service
from macrohard.product.telling import told

_CALLED = re.compile(r"\./([\w.-]+)")
_ADDRESS_SECONDS = 3.0
"""So long a page may take until its address is what a step waits for, as for all that pages show."""
_INSTEAD: Mapping[ProductKind, str] = {
    "api": "ask it by request, and look at the answer by see_status, see_json, see_header and see_output",
    "cli": "call it by run or converse, and look at what it shows by see_exit, see_output, see_json and see_file",
    "library": "use it by run, e.g. of a script that put_file puts down, and look by see_exit, see_output and see_file",
}


def missing_for(scenario: Scenario, kind: ProductKind) -> str:
    """What the scenario asks of a product that this kind does not have, and what to do instead; empty if nothing."""
    if kind == "web":
        return ""
    lacking: dict[str, list[str]] = {}
    for step in scenario.steps:
        if isinstance(step, BrowserStep):
            lacking.setdefault("pages", []).append(step.do)
        elif kind not in SERVED and isinstance(step, Request | Together | SeeStatus | SeeHeader | Restart):
            lacking.setdefault("service", []).append(step.do)
    told = " and ".join(f"no {what} for the steps {', '.join(dict.fromkeys(dos))}" for what, dos in lacking.items())
    return f"a product of kind {kind} has {told}: {_INSTEAD[kind]}" if told else ""


def mistyped(scenario: Scenario, design: Design) -> str:
    """Which command of the design the scenario calls without its path, and how it is called; empty if none.

    Whoever calls it by its path as well means two things, such as the tool and the standard command of that name.
    """
    typed = [step.command for step in scenario.steps if isinstance(step, Run | Converse)]
    for name in {found[1] for each in design.commands if (found := _CALLED.match(each.usage))}:
        bare = re.compile(rf"(?:^|[|;&(\n])\s*{re.escape(name)}(?=\s|$)")
        if any(map(bare.search, typed)) and not any(f"./{name}" in command for command in typed):
            return f"{name} is no command where scenarios are run; in the product's folder it is typed ./{name}"
    return ""


class ScenarioResult(Value):
    """How one scenario went on one commit."""

    scenario: str
    """Its id."""
    status: VerdictStatus
    summary: str
    """What was expected and seen, for a coder: the behaviour, not the steps."""
    detail: str
    """Everything, steps included, for the report."""
    screenshot: bytes | None
    """The window at the end as a JPEG; None if there was no browser, or none to be had."""
    duration_seconds: float
    unreached: str = ""
    """Why the product could not be brought to where the scenario begins, through no word of its own: not run, and
    worth another try in another sandbox."""
    late: bool = False
    """It failed only because a page had not done what it should when its time was up, and patience was as usual."""
    exchanges: Exchanges = Exchanges()


async def run_scenario(
    browser: Browser | None, service: Service, scenario: Scenario, *, patience: float = 1.0
) -> ScenarioResult:
    """Run the scenario; whatever the product does is a result.

    A page has `patience` times as long as usual for each step, three times at most.

    Besides its steps, it fails when the product answers anything with a status of 500 or above, when a page's
    script has an uncaught error, and when the product does not start. It is "not run" when it asserts nothing,
    cannot be understood, is about what this kind of product does not have, or when it was not reached. Steps in a
    terminal are done on the product's folder and home as they were at `Service.remember`. Afterwards the product is
    running, if it is a service and starts.

    Raises:
        SandboxUnavailable: a sandbox was lost.
    """
    begin = time.monotonic()

    def result(status: VerdictStatus, summary: str, detail: str, attempt: _Attempt | None = None) -> ScenarioResult:
        return ScenarioResult(
            scenario=scenario.id,
            status=status,
            summary=summary,
            detail=detail,
            screenshot=attempt.screenshot if attempt else None,
            duration_seconds=time.monotonic() - begin,
            exchanges=attempt.exchanges if attempt else Exchanges(),
        )

    if not scenario.asserts:
        return result("not run", "the scenario checks nothing", told(scenario.steps, None))
    try:
        attempt = await _attempt(browser, service, scenario, patience)
    except BrowserBroke:
        # Once may be the machine's fault; twice is the page's.
        try:
            attempt = await _attempt(browser, service, scenario, patience)
        except BrowserBroke as error:
            await service.require_sandbox()
            return result("failed", f"{scenario.title}: {error}", f"{error}, twice")
    detail = told(attempt.steps, attempt.number if attempt.problem else None)
    if attempt.status == "passed":
        return result("passed", f"{scenario.title}: holds", detail, attempt)
    await service.require_sandbox()
    detail = f"{attempt.problem}\n{detail}"
    if attempt.unreached:
        tried = result("not run", f"{scenario.title}: could not be tried: {attempt.problem}", detail)
        return tried.model_copy(update={"unreached": attempt.problem})
    if attempt.status == "not run":
        return result("not run", "the scenario cannot be understood", detail, attempt)
    failed = result("failed", f"{scenario.title}: {attempt.problem}", detail, attempt)
    return failed.model_copy(update={"late": attempt.late and patience == 1})


@dataclass(frozen=True)
class _Attempt:
    status: VerdictStatus
    steps: tuple[Step, ...]
    number: int = 0
    """Of the last step that was tried."""
    problem: str = ""
    screenshot: bytes | None = None
    unreached: bool = False
    late: bool = False
    exchanges: Exchanges = field(default_factory=Exchanges)


async def _attempt(browser: Browser | None, service: Service, scenario: Scenario, patience: float) -> _Attempt:
    try:
        await _begin(service, scenario)
        now = await service.now()
        check_placeholders(scenario, now=now)
    except NotReached as error:
        return _Attempt("not run", scenario.steps, problem=str(error), unreached=True)
    except ToolError as error:
        return _Attempt("failed", scenario.steps, problem=f"the product does not start: {error}")
    except UnknownPlaceholder as error:
        return _Attempt("not run", scenario.steps, problem=str(error))
    course = _Course(service, scenario.steps, now)
    try:
        while True:
            if not course.needs_browser:
                problem, status = await course.go_on(None)
                return _Attempt(status, course.steps, course.number, problem, exchanges=course.programs.exchanges)
            if browser is None:
                problem = f"a product of kind {service.manifest.kind} has no pages"
                return _Attempt("not run", scenario.steps, problem=problem)
            async with browser.visit(patience=patience) as visit:
                problem, status = await course.go_on(visit)
                if status != "passed" or course.ended:
                    window = await _screenshot(visit)
                    return _Attempt(
                        status,
                        course.steps,
                        course.number,
                        problem,
                        window,
                        late=course.late,
                        exchanges=course.programs.exchanges,
                    )
    finally:
        await course.programs.close()


async def _begin(service: Service, scenario: Scenario) -> None:
    """Empty data, and for those who type commands also files and a home that nobody touched."""
    await service.stop()
    if scenario.types:
        await service.renew()
    if service.manifest.is_served:
        await service.start(wiped=True)


class _Course:
    """How far a scenario has come."""

    def __init__(self, service: Service, steps: tuple[Step, ...], now: datetime) -> None:
        self._service = service
        self._now = now
        self.programs = Programs(service)
        self.steps = steps
        """Filled as far as they were tried."""
        self.number = 0
        """Of the last step that was tried."""
        self.late = False
        """It ended because time was up, and for no other reason."""

    @property
    def needs_browser(self) -> bool:
        return any(isinstance(step, BrowserStep) for step in self.steps)

    @property
    def ended(self) -> bool:
        return self.number == len(self.steps)

    async def go_on(self, visit: Visit | None) -> tuple[str, VerdictStatus]:
        """Do the steps up to the next `new_browser`, or to the end; what was wrong with the last one, and the status.

        Raises:
            BrowserBroke: see `Visit.step`.
        """
        opened = False
        while not self.ended:
            try:
                step = filled_step(self.steps[self.number], now=self._now, kept=self.programs.kept)
            except UnknownPlaceholder as error:
                return str(error), "not run"
            self.steps = (*self.steps[: self.number], step, *self.steps[self.number + 1 :])
            self.number += 1
            if step.do == "new_browser":
                break
            try:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Restart):
                    await self._restart(step, visit if opened else None)
                elif isinstance(step, KeepAddress):
                    assert visit is not None
                    self.programs.kept[step.name] = await _address(visit, step.like)
                elif isinstance(step, BrowserStep):
                    assert visit is not None
                    await visit.step(step)
                    opened = True
                else:
                    await self.programs.step(step)
            except BrowserBroke:
                raise
            except StepMalformed as error:
                return str(error), "not run"
            except ToolError as error:
                problem = _with_breakdowns(str(error), visit, self._service)
                self.late = isinstance(error, StepFailed) and error.late and problem == str(error)
                return problem, "failed"
            if visit is not None and visit.noticed.breakdowns:
                return _with_breakdowns("", visit, self._service), "failed"
        return "", "passed"

    async def _restart(self, step: Restart, visit: Visit | None) -> None:
        if not self._service.manifest.is_served:
            raise StepMalformed(f"a product of kind {self._service.manifest.kind} has no service to restart")
        await self._service.restart(environment=step.environment)
        if visit is not None:
            await visit.act("reload")


async def _address(visit: Visit, like: str) -> str:
    """The page's address, or a part of it, as soon as it is like that.

    Raises:
        StepFailed: it never was.
    """
    end = time.monotonic() + _ADDRESS_SECONDS
    while (part := part_of(address := (await visit.look()).address, like)) is None:
        if time.monotonic() > end:
            raise StepFailed(f"the page's address is {address}, which is not like {like!r}")
        await asyncio.sleep(0.1)
    return part


def _with_breakdowns(problem: str, visit: Visit | None, service: Service) -> str:
    """The problem with what probably is its cause before it."""
    causes = list(visit.noticed.breakdowns[:3]) if visit is not None else []
    if service.ended:
        causes.append("the product ended by itself")
    if not causes:
        return problem
    log = service.log()[-600:]
    text = "; ".join(causes) + (f"; {problem}" if problem else "")
    return f"{text}. The end of its log: {log}" if log else text


async def _screenshot(visit: Visit) -> bytes | None:
    try:
        return await asyncio.wait_for(visit.screenshot(), 5)
    except (StepFailed, TimeoutError):
        return None
