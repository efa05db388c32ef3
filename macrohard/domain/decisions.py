"""The decision log: what was settled while the work went on, for all who come later."""

from macrohard.domain.value import Value


class Settled(Value):
    """Something that specification and design left open, and that others have to keep to."""

    by: str
    """The task, and its agent."""
    iteration: int
    text: str


class DecisionLog(Value):
    """In the order in which it was settled; nothing is taken out."""

    entries: tuple[Settled, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """As agents read it."""
        return tuple(f"{entry.by}: {entry.text}" for entry in self.entries)
