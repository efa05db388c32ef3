"""Every exception Macrohard raises on purpose, sorted by who has to act on it.

    MacrohardError
    ├── RequestError            the person: the input or an option is wrong; exit code 2
    │   ├── NotFound            … it names what is not there
    │   └── Conflict            … it does not go with how things stand; RunHeld: another process has the run,
    │                           UnderWay: the same is being done, and to be asked for again,
    │                           QuotaExceeded: its project may take no more
    ├── DefinitionError         the author: a file in agents/ or sandboxes/ is wrong
    ├── ToolError               the agent: shown to it as the tool's answer, the session goes on
    ├── LimitExceeded           nobody: an agreed budget ran out, the run pauses and asks
    ├── ContextExceeded         the session: its conversation is longer than the model can read
    ├── LoginRefused            whom it names: a provider's login did not come about
    ├── AgentGaveUp             the person: an agent did not hand in what all else needs; try another model
    └── Unavailable             the operator: something Macrohard needs did not answer
        ├── ModelUnavailable
        ├── SandboxUnavailable
        ├── StoreUnavailable
        └── LeaseLost           another process took the run over; stop at once

Anything else that escapes is a bug and is left to crash loudly.
"""

from datetime import datetime
from pathlib import Path
from typing import Literal

Cap = Literal["usd", "tokens", "calls", "seconds", "sessions", "fan_out", "depth"]
"""What a run can have a limit on."""


class MacrohardError(Exception):
    """Base of everything raised on purpose."""


class RequestError(MacrohardError):
    """What the person asked for cannot be started as it is; the text says what to do about it."""


class NotFound(RequestError):
    """What the request names is not there."""


class Conflict(RequestError):
    """The request does not go with how things stand now; the text says how they do."""


class RunHeld(Conflict):
    """Another process that is alive carries the run out."""


class UnderWay(Conflict):
    """The same was asked for before and is being done; soon it can be answered."""


class QuotaExceeded(Conflict):
    """A quota of the project leaves no room for it; the text says which one, what is left, and who can raise it."""

    def __init__(self, problem: str, *, retry_seconds: int | None = None) -> None:
        """`retry_seconds`: after so long it may be asked again by itself; None: somebody has to do something."""
        super().__init__(problem)
        self.retry_seconds = retry_seconds


class DefinitionError(MacrohardError):
    """A file in agents/ or sandboxes/ is wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


class ToolError(MacrohardError):
    """The agent used a tool wrongly; the text tells it how to go on."""


class LimitExceeded(MacrohardError):
    """An agreed limit ran out."""

    def __init__(
        self,
        limit: str,
        *,
        used: float,
        allowed: float,
        cap: Cap | None = None,
        problem: str = "",
        remedy: str = "",
        passing: bool = False,
    ) -> None:
        """`problem` says it in words with units; `remedy` is the command that raises the run's `cap`.

        `passing`: it would fit without what is reserved for calls that are under way.
        """
        said = problem or f"{limit}: used {used:g} of {allowed:g}"
        super().__init__(f"{said}. Go on with: {remedy}" if remedy else said)
        self.limit, self.used, self.allowed = limit, used, allowed
        self.cap, self.problem, self.remedy, self.passing = cap, said, remedy, passing


class ContextExceeded(MacrohardError):
    """The conversation is longer than the model can read; the session makes it shorter and asks again."""


class LoginRefused(MacrohardError):
    """Somebody who came by way of an OpenID Connect provider is not let in; the text says who has to do what."""

    def __init__(self, problem: str, *, status: Literal[400, 403, 502, 503], cause: str = "") -> None:
        """`status`: 400 it has to be begun anew, 403 this person, 502 the settings, 503 the provider.

        `cause` is for the log: what somebody else said.
        """
        super().__init__(problem)
        self.status, self.cause = status, cause


class AgentGaveUp(MacrohardError):
    """An agent whose document everything else needs did not hand it in."""


class Undeliverable(MacrohardError):
    """The product cannot be put where it is to be; the run parks until a person names another folder."""


class Unavailable(MacrohardError):
    """Something Macrohard needs did not answer; the run parks and can be resumed."""


class ModelUnavailable(Unavailable):
    """No model endpoint answered, or all refused the request."""

    def __init__(self, problem: str, *, wake_at: datetime | None = None) -> None:
        """`wake_at`: when it is worth asking again without a person having done anything; None: a person must act."""
        super().__init__(problem)
        self.wake_at = wake_at


class SandboxUnavailable(Unavailable):
    """No sandbox could be had, or an open one was lost."""


class StoreUnavailable(Unavailable):
    """The database did not answer."""


class LeaseLost(Unavailable):
    """Another process took the run over."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} is being carried out by another process")
        self.run_id = run_id
