"""A factory that does as a script says, in the place of the real one, for what only the command line decides."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from macrohard import assembly
from macrohard.cli import main
from macrohard.domain import BudgetState, Caps, Forecast, Question, RunOverview, RunStatus, RunSummary, Specification
from macrohard.domain.approval import Approvals
from macrohard.errors import RequestError
from macrohard.events import Event
from macrohard.settings import SandboxChoice, Settings
from macrohard.workspace.existing import Existing, ExistingRepository
from tests.report.sample import overview as sample

Ending = RunStatus | BaseException
Run = Callable[..., tuple[int, str, str]]


class ScriptedFactory:
    """Each `carry_out` ends as the next entry of `endings` says."""

    def __init__(self, *, endings: Sequence[Ending] = ("delivered",), events: Sequence[Event] = ()) -> None:
        self.endings, self.events = list(endings), events
        self.calls: list[tuple[str, object]] = []
        self.status: RunStatus = "waiting"
        self.questions: tuple[Question, ...] = ()
        self.due_runs: tuple[str, ...] = ()
        self.forecast: Forecast | None = None
        self.begun_from = self.project = ""
        self.gates: tuple[Approvals, float | None, float | None] = ({}, None, None)

    async def submit(
        self,
        requirement: str,
        *,
        model: str,
        caps: Caps,
        iterations: int,
        ask: bool,
        existing: Existing | None = None,
        approvals: Approvals,
        answer_seconds: float | None,
        budget_seconds: float | None,
        project: str,
    ) -> str:
        self.project, self.gates = project, (approvals, answer_seconds, budget_seconds)
        self.calls.append(("submit", (requirement, model, caps, iterations, ask)))
        return "r-7k2m9"

    async def delivered(self, run: str) -> Existing:
        self.begun_from = (await self.overview(run)).summary.id[: len(run)]
        return ExistingRepository(Path(), include_changes=False, publish=False)

    async def carry_out(
        self, run_id: str, *, out: Path | None, observe: Callable[[Event], None], ask: bool | None = None
    ) -> RunOverview:
        self.calls.append(("carry out", (run_id, out, ask)))
        for event in self.events:
            observe(event)
        ending = self.endings.pop(0)
        if isinstance(ending, BaseException):
            raise ending
        self.status = ending
        return await self.overview(run_id)

    async def answer(self, run_id: str, answers: Mapping[str, str]) -> None:
        self.calls.append(("answer", dict(answers)))
        self.questions = ()

    async def due(self) -> tuple[str, ...]:
        return self.due_runs

    async def raise_caps(self, run_id: str, more: Caps) -> None:
        self.calls.append(("raise caps", more))

    async def spending(self, run_id: str) -> tuple[BudgetState, Forecast | None]:
        budget = BudgetState(caps=Caps(usd=20.0), spent_usd=0.42, reserved_usd=0.1, spent_tokens=118_000, calls=7)
        return budget, self.forecast

    async def overview(self, run_id: str) -> RunOverview:
        if not "r-7k2m9".startswith(run_id):
            raise RequestError(f"there is no run {run_id!r}; `macrohard runs` lists them")
        full = sample({}, status=self.status)
        assert full.specification is not None
        specification = Specification(decision="ask", title=full.summary.title, questions=self.questions)
        return full.model_copy(update={"specification": specification if self.questions else full.specification})

    async def export(self, run_id: str, out: Path, *, iteration: int | None) -> Path:
        self.calls.append(("export", ((await self.overview(run_id)).summary.id, out, iteration)))
        return out

    def recording(self, run_id: str) -> Path | None:
        return None

    async def runs(self, limit: int, *, project: str | None = None) -> tuple[RunSummary, ...]:
        self.project = project or ""
        return (sample({}).summary,) * min(limit, 3)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings or keys of whoever runs the tests; gives the path of the settings file, which does not exist yet."""
    for name in os.environ:
        if name.startswith(("MACROHARD_", "XAI_", "OPENAI_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".config" / "macrohard" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `macrohard` in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["macrohard", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ScriptedFactory:
    scripted = ScriptedFactory()

    @asynccontextmanager
    async def open_factory(settings: Settings, *, sandbox: SandboxChoice) -> AsyncIterator[ScriptedFactory]:
        yield scripted

    monkeypatch.setattr(assembly, "open_factory", open_factory)
    monkeypatch.setenv("MACROHARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MACROHARD_MODEL", "builtin")
    return scripted
