"""Running one acceptance scenario: a fresh browser context, a product just started with empty data, step by step."""

import asyncio
import time
from dataclasses import dataclass

from macrohard.domain import Scenario, Step, Value, VerdictStatus
from macrohard.errors import ToolError
from macrohard.product.browser import Browser, BrowserBroke, StepFailed, StepMalformed, Visit
from macrohard.product.placeholders import UnknownPlaceholder, check_placeholders, filled_step
from macrohard.product.service import Service
from macrohard.product.telling import told


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
    """The window at the end as a JPEG; None if there was none to be had."""
    duration_seconds: float


async def run_scenario(browser: Browser, service: Service, scenario: Scenario) -> ScenarioResult:
    """Run the scenario; whatever the product does is a result.

    Besides its steps, it fails when the product answers anything with a status of 500 or above, when a page's
    script has an uncaught error, and when the product does not start. It is "not run" when it asserts nothing or
    cannot be understood. Afterwards the product is running, unless it does not start.

    Raises:
        SandboxUnavailable: a sandbox was lost.
    """
    begin = time.monotonic()

    def result(status: VerdictStatus, summary: str, detail: str, screenshot: bytes | None = None) -> ScenarioResult:
        return ScenarioResult(
            scenario=scenario.id,
            status=status,
            summary=summary,
            detail=detail,
            screenshot=screenshot,
            duration_seconds=time.monotonic() - begin,
        )

    if not scenario.asserts:
        return result("not run", "the scenario checks nothing", told(scenario.steps, None))
    try:
        attempt = await _attempt(browser, service, scenario)
    except BrowserBroke:
        # Once may be the machine's fault; twice is the page's.
        try:
            attempt = await _attempt(browser, service, scenario)
        except BrowserBroke as error:
            await service.require_sandbox()
            return result("failed", f"{scenario.title}: {error}", f"{error}, twice")
    detail = told(attempt.steps, attempt.number if attempt.problem else None)
    if attempt.status == "passed":
        return result("passed", f"{scenario.title}: holds", detail, attempt.screenshot)
    await service.require_sandbox()
    detail = f"{attempt.problem}\n{detail}"
    if attempt.status == "not run":
        return result("not run", "the scenario cannot be understood", detail, attempt.screenshot)
    return result("failed", f"{scenario.title}: {attempt.problem}", detail, attempt.screenshot)


@dataclass(frozen=True)
class _Attempt:
    status: VerdictStatus
    steps: tuple[Step, ...]
    number: int = 0
    """Of the last step that was tried."""
    problem: str = ""
    screenshot: bytes | None = None


async def _attempt(browser: Browser, service: Service, scenario: Scenario) -> _Attempt:
    try:
        await service.restart(wiped=True)
        now = await service.now()
        check_placeholders(scenario, now=now)
        steps = tuple(filled_step(step, now=now, kept={}) for step in scenario.steps)
    except ToolError as error:
        return _Attempt("failed", scenario.steps, problem=f"the product does not start: {error}")
    except UnknownPlaceholder as error:
        return _Attempt("not run", scenario.steps, problem=str(error))
    done = 0
    while True:
        async with browser.visit() as visit:
            next_browser = next((place for place in range(done, len(steps)) if steps[place].do == "new_browser"), None)
            number, problem, status = await _run_steps(visit, service, steps[done:next_browser])
            if status != "passed" or next_browser is None:
                return _Attempt(status, steps, done + number, problem, await _screenshot(visit))
        done = next_browser + 1


async def _run_steps(visit: Visit, service: Service, steps: tuple[Step, ...]) -> tuple[int, str, VerdictStatus]:
    """The number of the last step that was tried, what was wrong with it, and the status."""
    number = 0
    for number, step in enumerate(steps, start=1):
        try:
            if step.do == "restart":
                await service.restart()
                await visit.act("reload")
            else:
                await visit.step(step)
        except BrowserBroke:
            raise
        except StepMalformed as error:
            return number, str(error), "not run"
        except ToolError as error:
            return number, _with_breakdowns(str(error), visit, service), "failed"
        if visit.noticed.breakdowns:
            return number, _with_breakdowns("", visit, service), "failed"
    return number, "", "passed"


def _with_breakdowns(problem: str, visit: Visit, service: Service) -> str:
    """The problem with what probably is its cause before it."""
    causes = list(visit.noticed.breakdowns[:3])
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
