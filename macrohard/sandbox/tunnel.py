"""TLS from a sandbox to hosts that a person has listed by name, and to nothing else."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from macrohard.domain import Value
from macrohard.sandbox.outside import HOST, HTTPS
from macrohard.sandbox.registries import Refused, printable

METHOD: Final = b"CONNECT "
HEAD_LIMIT_BYTES: Final = 8 << 10
HEAD_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 300.0
UP_LIMIT_BYTES: Final = 32 << 20
"""What one sandbox may send to all hosts together."""
DOWN_LIMIT_BYTES: Final = 2 << 30
TUNNELS_LIMIT: Final = 1000
RECORD_LIMIT_BYTES: Final = 16 << 10
ALLOWING: Final = "the person can allow it with `allow` in the table [sandboxes] of the settings"
_HEAD: Final = re.compile(
    rb"CONNECT (?P<name>[ -~]*) HTTP/1\.[01]\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*\r\n"
)
_NAME: Final = re.compile(rf"(?P<host>{HOST}):{HTTPS}")
_SERVER_NAME, _HIDDEN_HELLO = 0, 0xFE0D

Dial = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class TunnelEnded(Value):
    """One attempt to reach a host, and what became of it."""

    asked: str
    """Cut, and without anything that a terminal would obey."""
    refusal: str
    """Empty if the host was reached."""
    bytes_up: int
    bytes_down: int


class Tunnels:
    """Those of one sandbox."""

    def __init__(
        self,
        hosts: frozenset[str],
        dial: Dial,
        tell: Callable[[TunnelEnded], None],
        *,
        up_limit_bytes: int = UP_LIMIT_BYTES,
        down_limit_bytes: int = DOWN_LIMIT_BYTES,
    ) -> None:
        self._hosts, self._dial, self._tell = hosts, dial, tell
        self._left = {"up": up_limit_bytes, "down": down_limit_bytes}
        self._count = 0
        self._open = set[asyncio.Task[None]]()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection over whose first bytes are those of the method."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """Cut all of them off."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, refusal = "", ""
        amounts = {"up": 0, "down": 0}
        try:
            head = await _in_time(reader.readuntil(b"\r\n\r\n"))
            asked = printable(head[len(METHOD) :].partition(b"\r\n")[0].rpartition(b" HTTP/")[0].decode("latin-1"))
            await self._carry(self._judged(head), reader, writer, amounts)
        except Refused as refused:
            refusal = refused.reason
            with contextlib.suppress(OSError):
                # After the first answer this is no TLS, so that the client gives up as well.
                writer.write(f"HTTP/1.1 {refused.status} {printable(refusal)}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
            refusal = "" if amounts["up"] else "what came was no TLS connection"
        finally:
            writer.close()
            self._tell(
                TunnelEnded(asked=asked[:200], refusal=refusal, bytes_up=amounts["up"], bytes_down=amounts["down"])
            )

    def _judged(self, head: bytes) -> str:
        """The host, if it is one that may be reached.

        Raises:
            Refused: it is not, or the request is not to the letter what it has to be.
        """
        self._count += 1
        if self._count > TUNNELS_LIMIT or not all(self._left.values()):
            raise Refused(403, "this sandbox has reached out too often, or for too much")
        found = _HEAD.fullmatch(head)
        name = _NAME.fullmatch(found["name"].decode("ascii")) if found else None
        if name is None:
            raise Refused(400, f"only names of hosts, in lower case and with port {HTTPS}, can be reached")
        if name["host"] not in self._hosts:
            raise Refused(403, f"{name['host']} is not allowed; {ALLOWING}")
        return name["host"]

    async def _carry(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, amounts: dict[str, int]
    ) -> None:
        far_reader, far_writer = await self._dial(host)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            header = await _in_time(reader.readexactly(5))
            size = int.from_bytes(header[3:])
            if header[:2] != b"\x16\x03" or size > RECORD_LIMIT_BYTES:
                raise Refused(400, "only TLS is let through")
            hello = await _in_time(reader.readexactly(size))
            if (said := server_name(hello)) != host:
                raise Refused(403, f"TLS is for {printable(str(said))[:100]}, not for {host}")
            self._count_in("up", len(header) + size, amounts)
            far_writer.write(header + hello)
            ways = [
                asyncio.create_task(self._pump(reader, far_writer, "up", amounts)),
                asyncio.create_task(self._pump(far_reader, writer, "down", amounts)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                for way in ways:
                    way.cancel()
                ended = await asyncio.gather(*ways, return_exceptions=True)
            for each in ended:
                if isinstance(each, Refused):
                    raise each
        finally:
            far_writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: str, amounts: dict[str, int]
    ) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await source.read(1 << 16)
            if not data:
                break
            self._count_in(way, len(data), amounts)
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    def _count_in(self, way: str, size: int, amounts: dict[str, int]) -> None:
        if size > self._left[way]:
            self._left[way] = 0
            raise Refused(403, f"this sandbox's limit of bytes {way} is reached")
        self._left[way] -= size
        amounts[way] += size


async def _in_time(reading: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(HEAD_SECONDS):
        return await reading


def server_name(hello: bytes) -> str | None:
    """The one name that a TLS client says whom it wants to speak with; None if it says none, more, or hides it.

    Args:
        hello: the content of the client's first record, which has to hold its whole first message.
    """
    rest = _Bytes(hello)
    try:
        if rest.number(1) != 1 or rest.number(3) != len(rest.data):
            return None
        # Version and random; the session; ciphers; compression.
        rest.take(34)
        for width in (1, 2, 1):
            rest.take(rest.number(width))
        extensions = _Bytes(rest.take(rest.number(2)))
        names = []
        while extensions.data:
            kind, content = extensions.number(2), extensions.take(extensions.number(2))
            if kind == _HIDDEN_HELLO:
                # Another name could be inside, encrypted.
                return None
            if kind == _SERVER_NAME:
                names.append(_only_name(_Bytes(content)))
    except ValueError:
        return None
    return names[0] if len(names) == 1 and not rest.data else None


def _only_name(extension: "_Bytes") -> str | None:
    listed = _Bytes(extension.take(extension.number(2)))
    kind, name = listed.number(1), listed.take(listed.number(2))
    if kind != 0 or listed.data or extension.data or not name.isascii():
        return None
    return name.decode("ascii")


class _Bytes:
    """Read from the front; ValueError if there are too few."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        if size > len(self.data):
            raise ValueError("cut off")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))
