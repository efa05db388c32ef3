"""Transports that several targets share: one for each endpoint of the process."""

from contextlib import AbstractAsyncContextManager

from macrohard.llm.target import EndpointSettings
from macrohard.llm.transport import Answer, Request, Transport
from macrohard.llm.transport.http import HttpTransport
from macrohard.llm.transport.in_process import InProcessTransport


class _Shared:
    """A transport, and how many hold it."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings, self.holders = settings, 0
        self.transport: Transport = HttpTransport(settings) if settings.base_url else InProcessTransport()


_SHARED: dict[EndpointSettings, _Shared] = {}


class _Held:
    """One holder's share; the last to close it closes the transport."""

    def __init__(self, shared: _Shared) -> None:
        self._shared, self._closed = shared, False
        shared.holders += 1

    def post(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """See `Transport.post`."""
        return self._shared.transport.post(request)

    async def close(self) -> None:
        """See `Transport.close`."""
        if self._closed:
            return
        self._closed = True
        self._shared.holders -= 1
        if self._shared.holders == 0:
            del _SHARED[self._shared.settings]
            await self._shared.transport.close()


def open_transport(settings: EndpointSettings) -> Transport:
    """The way in to an endpoint, shared by all who open it; each closes what it opened."""
    if settings not in _SHARED:
        _SHARED[settings] = _Shared(settings)
    return _Held(_SHARED[settings])
