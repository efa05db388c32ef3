"""A queue that is fair among runs, and within a run among its sessions."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Runs take turns, the sessions of a run take turns, and calls of a session come in their order.

    Every operation costs the same however many wait, but for going through all of them.
    """

    def __init__(self) -> None:
        # Calls are keys, not items of a list, so that one that is given up leaves at once.
        self._runs: OrderedDict[str, OrderedDict[str, dict[T, None]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return (call for sessions in self._runs.values() for calls in sessions.values() for call in calls)

    def add(self, call: T, *, run: str, session: str) -> None:
        """Wait behind the other calls of the session."""
        self._runs.setdefault(run, OrderedDict()).setdefault(session, {})[call] = None
        self._length += 1

    def first(self) -> T:
        """Whose turn it is; IndexError if nobody waits."""
        if not self._length:
            raise IndexError("nobody waits")
        sessions = next(iter(self._runs.values()))
        return next(iter(next(iter(sessions.values()))))

    def pop(self) -> T:
        """Take out whose turn it is; its session and its run go to the end of their rows."""
        call = self.first()
        run = next(iter(self._runs))
        session = next(iter(self._runs[run]))
        self._runs.move_to_end(run)
        self._runs[run].move_to_end(session)
        self.remove(call, run=run, session=session)
        return call

    def remove(self, call: T, *, run: str, session: str) -> None:
        """Take out a call that is given up; one that does not wait any more is left alone."""
        sessions = self._runs.get(run)
        calls = sessions.get(session) if sessions is not None else None
        if sessions is None or calls is None or call not in calls:
            return
        del calls[call]
        self._length -= 1
        if not calls:
            del sessions[session]
        if not sessions:
            del self._runs[run]
