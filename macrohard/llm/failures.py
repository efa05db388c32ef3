"""How one attempt at a call can fail, sorted by what the gateway does about it; nothing of this leaves the gateway.

CallFailed
├── Throttled          wait, then the same endpoint: 429, or "overloaded"
├── Interrupted        ask again: 5xx, a broken or silent connection, an answer that cannot be read
└── Rejected           asking again changes nothing: wrong key, unknown model, a request it does not understand
    └── TooLong        the conversation does not fit; becomes ContextExceeded
"""

from macrohard.llm.chat import Usage


class CallFailed(Exception):
    """Base; `spent` is what the attempt is taken to have cost: None when the endpoint billed nothing."""

    def __init__(self, problem: str, *, spent: Usage | None = None) -> None:
        super().__init__(problem)
        self.spent = spent


class Throttled(CallFailed):
    """The endpoint has no room for this key now."""

    def __init__(self, problem: str, *, retry_after_seconds: float | None) -> None:
        super().__init__(problem)
        self.retry_after_seconds = retry_after_seconds


class Interrupted(CallFailed):
    """No whole answer came back."""


class Rejected(CallFailed):
    """The text says what the operator can do; `status` is the HTTP status."""

    def __init__(self, problem: str, *, status: int) -> None:
        super().__init__(problem)
        self.status = status


class TooLong(Rejected):
    """More tokens than the model can read."""
