"""What makes work done: one commit checked in fresh sandboxes, each verdict told as soon as it is known."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from macrohard.domain import Artifacts, CheckKind, ProductKind, Scenario, Verdict, VerdictStatus
from macrohard.domain.environment import NONE
from macrohard.domain.standing import gates_of
from macrohard.errors import ToolError
from macrohard.product.browser import Browser, open_browser
from macrohard.product.scenarios import ScenarioResult, run_scenario
from macrohard.product.service import Load, NotReached, Service, checkout, readable
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec

_TAIL_CHARACTERS = 1500
_UNREACHED_AT_MOST = 3
"""After so many scenarios that could not be tried twice, the machine is in no state in which a second try helps."""

_LATE_AT_MOST = 5
"""After so many scenarios for which the time was up it is the product that is slow."""

OnVerdict = Callable[[Verdict], Awaitable[None]]


@dataclass(frozen=True)
class _Pod:
    """A product in a sandbox, installed, with a browser beside it if it has pages."""

    service: Service
    browser: Browser | None


class _Broken(Exception):
    """The product cannot be brought to the point where anything more could be checked; the text says why."""


class _Verdicts:
    """The verdicts on one commit: those known before, and those that are told now."""

    def __init__(
        self,
        *,
        commit: str,
        kind: ProductKind,
        artifacts: Artifacts,
        on_verdict: OnVerdict,
        already: Mapping[str, Verdict],
        environment: Mapping[str, str],
    ) -> None:
        self.commit = commit
        self.environment = environment
        self.kind = kind
        self._artifacts = artifacts
        self._on_verdict = on_verdict
        self._known = dict(already)
        self._clocks: dict[str, float] = {}
        self._stumbles: dict[str, str] = {}
        self._unreached = 0
        self.late: list[tuple[Scenario, float]] = []
        """What is tried again at the end, alone, and with how many times the usual patience."""

    def __contains__(self, check: str) -> bool:
        return check in self._known

    def __getitem__(self, check: str) -> Verdict:
        return self._known[check]

    def begin(self, check: str) -> None:
        self._clocks[check] = time.monotonic()

    def deserves_another_try(self, check: str, why: str) -> bool:
        """Whether a check that did not come to trying anything is tried again, in another sandbox: once."""
        again = check not in self._stumbles and self._unreached < _UNREACHED_AT_MOST
        if again:
            self._stumbles[check] = why
        else:
            self._unreached += 1
        return again

    def deserve_more_time(self, scenario: Scenario, result: ScenarioResult, load: Load) -> bool:
        """Whether a scenario that failed only because time was up on a busy machine is tried once more: alone."""
        if load.slowness == 1 or len(self.late) == _LATE_AT_MOST:
            return False
        why = (
            f"time was up while {load.told}, so that pages had {load.slowness:.1f} times as long now, and nothing "
            f"else was going on; {result.summary}"
        )
        if again := self.deserves_another_try(scenario.id, why):
            self.late.append((scenario, load.slowness))
        return again

    def _with_stumble(self, check: str, summary: str) -> str:
        stumble = self._stumbles.get(check)
        return (
            f"{summary} (on a second try, in another sandbox; the first came to nothing: {stumble})"
            if stumble
            else summary
        )

    async def basic(
        self,
        check: CheckKind,
        status: VerdictStatus,
        summary: str,
        *,
        log: str = "",
    ) -> None:
        """Tell the verdict on one of the basic checks, with its log as evidence, unless it is known."""
        if check in self:
            return
        evidence = (await self._artifacts.put(log.encode(), media_type="text/plain"),) if log else ()
        begin = self._clocks.get(check, time.monotonic())
        await self._tell(
            Verdict(
                check=check,
                kind=check,
                commit=self.commit,
                status=status,
                summary=self._with_stumble(check, summary),
                duration_seconds=time.monotonic() - begin,
                evidence=evidence,
            )
        )

    async def scenario(self, scenario: Scenario, result: ScenarioResult) -> None:
        """Tell how a scenario went, with the last window, the steps, and what was asked and answered as evidence."""
        evidence = [await self._artifacts.put(result.detail.encode(), media_type="text/plain")]
        if result.screenshot is not None:
            evidence.insert(0, await self._artifacts.put(result.screenshot, media_type="image/jpeg"))
        exchanges = None
        if result.exchanges.exchanges:
            asked = result.exchanges.model_dump_json().encode()
            exchanges = await self._artifacts.put(asked, media_type="application/json")
        await self._tell(
            Verdict(
                check=scenario.id,
                kind="scenario",
                criterion=scenario.criterion,
                commit=self.commit,
                status=result.status,
                summary=self._with_stumble(scenario.id, result.summary),
                duration_seconds=result.duration_seconds,
                evidence=tuple(evidence),
                exchanges=exchanges,
            )
        )

    async def not_run(self, scenario: Scenario, reason: str) -> None:
        """Tell that a scenario could not be run, unless it is known how it went."""
        if scenario.id in self:
            return
        await self._tell(
            Verdict(
                check=scenario.id,
                kind="scenario",
                criterion=scenario.criterion,
                commit=self.commit,
                status="not run",
                summary=reason,
                duration_seconds=0,
            )
        )

    async def _tell(self, verdict: Verdict) -> None:
        self._known[verdict.check] = verdict
        await self._on_verdict(verdict)


async def verify(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    kind: ProductKind,
    scenarios: Sequence[Scenario],
    artifacts: Artifacts,
    on_verdict: OnVerdict,
    already: Mapping[str, Verdict],
    environment: Mapping[str, str] = NONE,
) -> tuple[Verdict, ...]:
    """Check a commit of a product of that kind: the gates, then the hidden scenarios, in two pods at once.

    Each pod is fresh: a clean clone of the bundle, installed there. Of the scenarios nothing enters the product's
    sandbox but the commands that they type there; what these should write stays outside. Tests and service are started
    with `environment`, and commands are called with it. What a product gets wrong is a verdict; after a failed
    manifest, install or start, everything that needs it is "not run". A check that did not come to trying the product,
    because it could not be put in place or was not up in time, is tried once more in another sandbox; a scenario for
    which that fails, too, is "not run", for nothing is known. A scenario that failed only because a page's time was up,
    while the machine had more to do than it has processors, is tried once more at the end, alone and with as much more
    time as the machine was slow; that try counts. `already` holds verdicts on this commit that need not be repeated, by
    `Verdict.check`.

    Returns:
        All verdicts, the old ones included: the gates of this kind, then the scenarios in the order given.

    Raises:
        SandboxUnavailable: a sandbox could not be had, or was lost; the verdicts told until then hold.
    """
    verdicts = _Verdicts(
        commit=commit, kind=kind, artifacts=artifacts, on_verdict=on_verdict, already=already, environment=environment
    )
    checks = [*gates_of(kind), *(scenario.id for scenario in scenarios)]
    if all(check in verdicts for check in checks):
        return tuple(verdicts[check] for check in checks)
    waiting = deque(scenario for scenario in scenarios if scenario.id not in verdicts)
    try:
        await _check_in_two_pods(provider, bundle, verdicts, waiting)
    except _Broken as broken:
        for check in gates_of(kind):
            await verdicts.basic(check, "not run", f"not run: {broken}")
        for scenario in scenarios:
            await verdicts.not_run(scenario, f"{scenario.title}: not run: {broken}")
    return tuple(verdicts[check] for check in checks)


async def _check_in_two_pods(
    provider: SandboxProvider, bundle: bytes, verdicts: _Verdicts, waiting: deque[Scenario]
) -> None:
    second = asyncio.create_task(_second_pod(provider, bundle, verdicts, waiting))
    try:
        # What is broken is told by the first, even if the second stumbles over it earlier.
        await _first_pod(provider, bundle, verdicts, waiting)
        await second
    finally:
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    if verdicts.late:
        await _last_pod(provider, bundle, verdicts)


async def _first_pod(provider: SandboxProvider, bundle: bytes, verdicts: _Verdicts, waiting: deque[Scenario]) -> None:
    """Check manifest, install and start, then scenarios."""
    done = False
    # What is tried again goes to no pod that others have used.
    again: list[Scenario] = []
    while not done:
        coming = (*again, *waiting)
        async with _pod(provider, bundle, verdicts, tells=True, coming=coming, browser=bool(coming)) as pod:
            done = await _starts(pod.service, verdicts) and await _run_waiting(pod, verdicts, waiting, again)


async def _second_pod(provider: SandboxProvider, bundle: bytes, verdicts: _Verdicts, waiting: deque[Scenario]) -> None:
    """Run the product's own tests, then scenarios."""
    done = False
    again: list[Scenario] = []
    while not done:
        coming = (*again, *waiting)
        browser = bool(again) or len(waiting) > 1
        async with _pod(provider, bundle, verdicts, tells=False, coming=coming, browser=browser) as pod:
            done = await _tests(pod.service, verdicts)
            if done and (pod.browser is not None or pod.service.manifest.kind != "web"):
                done = await _run_waiting(pod, verdicts, waiting, again)


async def _last_pod(provider: SandboxProvider, bundle: bytes, verdicts: _Verdicts) -> None:
    """Try alone, and with more time, what had too little of it."""
    coming = [scenario for scenario, _ in verdicts.late]
    async with _pod(provider, bundle, verdicts, tells=False, coming=coming, browser=True) as pod:
        for scenario, patience in verdicts.late:
            result = await run_scenario(pod.browser, pod.service, scenario, patience=patience)
            await verdicts.scenario(scenario, result)


async def _starts(service: Service, verdicts: _Verdicts) -> bool:
    """Tell whether the product starts; false if it is to be tried again elsewhere.

    Raises:
        _Broken: it does not.
    """
    if not service.manifest.is_served or "start" in verdicts:
        return True
    verdicts.begin("start")
    try:
        await service.start(wiped=True)
    except ToolError as error:
        if isinstance(error, NotReached) and verdicts.deserves_another_try("start", str(error)):
            return False
        await verdicts.basic("start", "failed", f"the product does not start: {error}", log=str(error))
        raise _Broken(f"the product does not start: {error}") from error
    await verdicts.basic("start", "passed", f"healthy at {service.manifest.service.health}")
    return True


async def _tests(service: Service, verdicts: _Verdicts) -> bool:
    """Tell how the product's own tests go; false if they are to be tried again elsewhere."""
    if "tests" in verdicts:
        return True
    verdicts.begin("tests")
    try:
        run = await service.run_tests()
    except ToolError as error:
        if isinstance(error, NotReached) and verdicts.deserves_another_try("tests", str(error)):
            return False
        await verdicts.basic("tests", "failed", f"the tests could not be run: {error}")
    else:
        await verdicts.basic("tests", "passed" if run.passed else "failed", run.summary, log=run.output)
    return True


@asynccontextmanager
async def _pod(
    provider: SandboxProvider,
    bundle: bytes,
    verdicts: _Verdicts,
    *,
    tells: bool,
    coming: Sequence[Scenario],
    browser: bool,
) -> AsyncIterator[_Pod]:
    """A clean clone, installed; with `tells`, its manifest and install verdicts are told.

    Raises:
        _Broken: there is nothing to run.
    """
    typed = any(scenario.types for scenario in coming)
    async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
        verdicts.begin("manifest")
        try:
            service = await checkout(sandbox, bundle=bundle, commit=verdicts.commit, environment=verdicts.environment)
            if service.manifest.kind != verdicts.kind:
                raise ToolError(f"product.toml says kind {service.manifest.kind}, and {verdicts.kind} was asked for")
        except ToolError as error:
            if tells:
                await verdicts.basic("manifest", "failed", str(error))
            raise _Broken(str(error)) from error
        if tells:
            await verdicts.basic("manifest", "passed", f"a product of kind {service.manifest.kind}")
        if browser and service.manifest.kind == "web":
            async with open_browser(provider, beside=sandbox) as opened:
                await _install(service, verdicts, tells=tells, remembers=typed)
                yield _Pod(service=service, browser=opened)
        else:
            await _install(service, verdicts, tells=tells, remembers=typed)
            yield _Pod(service=service, browser=None)


async def _install(service: Service, verdicts: _Verdicts, *, tells: bool, remembers: bool) -> None:
    verdicts.begin("install")
    result = await service.install()
    if remembers:
        try:
            await service.remember()
        except ToolError as error:
            raise _Broken(str(error)) from error
    if result is None:
        if tells:
            await verdicts.basic("install", "passed", "nothing to install")
        return
    log = readable(result.stdout + result.stderr).strip()
    if result.exit_code == 0:
        if tells:
            await verdicts.basic("install", "passed", "installed", log=log)
        return
    why = result.limit_hit or ("took too long" if result.timed_out else f"exit code {result.exit_code}")
    hint = f" ({result.hint})" if result.hint else ""
    summary = f"the install command failed ({why}): {log[-_TAIL_CHARACTERS:]}{hint}"
    if tells:
        await verdicts.basic("install", "failed", summary, log=log)
    raise _Broken(summary)


async def _run_waiting(pod: _Pod, verdicts: _Verdicts, waiting: deque[Scenario], again: list[Scenario]) -> bool:
    """Run what is tried again and the scenarios that are left; false if one is then in `again`, for another pod."""
    while again or waiting:
        scenario = again.pop() if again else waiting.popleft()
        result = await run_scenario(pod.browser, pod.service, scenario)
        if result.unreached and verdicts.deserves_another_try(scenario.id, result.unreached):
            again.append(scenario)
            return False
        if result.late and verdicts.deserve_more_time(scenario, result, await pod.service.load()):
            continue
        await verdicts.scenario(scenario, result)
    return True
