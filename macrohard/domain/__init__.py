"""The nouns of the factory as frozen, strict values; no input or output."""

from macrohard.domain.artifact import Artifacts
from macrohard.domain.design import Control, Design, Look, Screen
from macrohard.domain.overview import (
    CriterionState,
    IterationSummary,
    PhaseTime,
    RunOverview,
    RunSummary,
    SessionSummary,
)
from macrohard.domain.plan import Plan, Task, owns, shared_files
from macrohard.domain.run import (
    EXIT_CODES,
    PHASES,
    Assignment,
    CriterionStatus,
    Phase,
    RunOutcome,
    RunStatus,
    SessionOutcome,
    SessionResult,
)
from macrohard.domain.scenario import Scenario, ScenarioSet, Step
from macrohard.domain.specification import (
    Criterion,
    Decision,
    Exclusion,
    Priority,
    ProductKind,
    Question,
    Specification,
)
from macrohard.domain.usage import UserReport, UserSession, UserStep
from macrohard.domain.value import JsonObject, Value
from macrohard.domain.verdict import CheckKind, Finding, Severity, Verdict, VerdictStatus

__all__ = [
    "EXIT_CODES",
    "PHASES",
    "Artifacts",
    "Assignment",
    "CheckKind",
    "Control",
    "Criterion",
    "CriterionState",
    "CriterionStatus",
    "Decision",
    "Design",
    "Exclusion",
    "Finding",
    "IterationSummary",
    "JsonObject",
    "Look",
    "Phase",
    "PhaseTime",
    "Plan",
    "Priority",
    "ProductKind",
    "Question",
    "RunOutcome",
    "RunOverview",
    "RunStatus",
    "RunSummary",
    "Scenario",
    "ScenarioSet",
    "Screen",
    "SessionOutcome",
    "SessionResult",
    "SessionSummary",
    "Severity",
    "Specification",
    "Step",
    "Task",
    "UserReport",
    "UserSession",
    "UserStep",
    "Value",
    "Verdict",
    "VerdictStatus",
    "owns",
    "shared_files",
]
