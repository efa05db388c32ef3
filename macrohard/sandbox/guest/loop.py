"""One thread that waits for everything at once: descriptors, signals and the clock."""

from __future__ import annotations

import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Alarm:
    """A callback for later."""

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback = due, callback


class Loop:
    """Calls back when a descriptor is ready; its reading and its writing are watched independently."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[int, dict[int, Callable[[], None]]] = {}
        self._alarms: set[Alarm] = set()

    def watch(self, descriptor: int, event: int, callback: Callable[[], None]) -> None:
        callbacks = self._callbacks.setdefault(descriptor, {})
        known = bool(callbacks)
        callbacks[event] = callback
        if known:
            self._selector.modify(descriptor, sum(callbacks))
        else:
            self._selector.register(descriptor, event)

    def unwatch(self, descriptor: int, event: int) -> None:
        callbacks = self._callbacks[descriptor]
        del callbacks[event]
        if callbacks:
            self._selector.modify(descriptor, sum(callbacks))
        else:
            del self._callbacks[descriptor]
            self._selector.unregister(descriptor)

    def at(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(time.monotonic() + seconds, callback)
        self._alarms.add(alarm)
        return alarm

    def cancel(self, alarm: Alarm | None) -> None:
        if alarm is not None:
            self._alarms.discard(alarm)

    def run(self) -> None:
        """Go on until the process ends."""
        while True:
            next_due = min((alarm.due for alarm in self._alarms), default=None)
            patience = None if next_due is None else max(0.0, next_due - time.monotonic())
            for key, mask in self._selector.select(patience):
                for event, callback in list(self._callbacks.get(key.fd, {}).items()):
                    # A callback before this one may have closed the descriptor.
                    if mask & event and self._callbacks.get(key.fd, {}).get(event) is callback:
                        callback()
            now = time.monotonic()
            for alarm in [alarm for alarm in self._alarms if alarm.due <= now]:
                # An alarm before this one may have cancelled it.
                if alarm in self._alarms:
                    self._alarms.remove(alarm)
                    alarm.callback()
