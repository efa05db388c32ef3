"""The nouns of the factory as frozen, strict values; no input or output."""

from macrohard.domain.artifact import Artifacts, Picture
from macrohard.domain.budget import (
    ADD_OPTIONS,
    CUT_OFF,
    FAILED,
    SHARED,
    BudgetState,
    Caps,
    Costs,
    Forecast,
    Share,
    Spent,
)
from macrohard.domain.design import Control, Design, Look, Screen
from macrohard.domain.diagnosis import Diagnosis
from macrohard.domain.isolation import TIERS, Tier, at_least
from macrohard.domain.overview import (
    CriterionState,
    IterationSummary,
    PhaseTime,
    RunOverview,
    RunSummary,
    SessionSummary,
)
from macrohard.domain.packages import Fetched, HostReached, PackageFile, RefusedRequest
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
from macrohard.domain.usage import DemoFilm, UserReport, UserSession, UserStep
from macrohard.domain.value import JsonObject, Value
from macrohard.domain.verdict import CheckKind, Finding, Severity, Verdict, VerdictStatus

__all__ = [
    "ADD_OPTIONS",
    "CUT_OFF",
    "EXIT_CODES",
    "FAILED",
    "PHASES",
    "SHARED",
    "TIERS",
    "Artifacts",
    "Assignment",
    "BudgetState",
    "Caps",
    "CheckKind",
    "Control",
    "Costs",
    "Criterion",
    "CriterionState",
    "CriterionStatus",
    "Decision",
    "DemoFilm",
    "Design",
    "Diagnosis",
    "Exclusion",
    "Fetched",
    "Finding",
    "Forecast",
    "HostReached",
    "IterationSummary",
    "JsonObject",
    "Look",
    "PackageFile",
    "Phase",
    "PhaseTime",
    "Picture",
    "Plan",
    "Priority",
    "ProductKind",
    "Question",
    "RefusedRequest",
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
    "Share",
    "Specification",
    "Spent",
    "Step",
    "Task",
    "Tier",
    "UserReport",
    "UserSession",
    "UserStep",
    "Value",
    "Verdict",
    "VerdictStatus",
    "at_least",
    "owns",
    "shared_files",
]
