"""An endpoint that answers every request alike, after a time and in so many pieces; both stand in the base URL.

`/<milliseconds>/<pieces>/v1/...`. The pieces leave one by one, as a model's do. It speaks HTTP itself, so that it costs
little beside what is measured, and keeps to the machine's first processor.
"""

import asyncio
import functools
import json
import os
import sys

PIECE_SECONDS = 0.0005
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@functools.cache
def stream(pieces: int) -> tuple[bytes, bytes]:
    """One piece of text, and the end with the usage, both as HTTP chunks."""
    common = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    usage = {"prompt_tokens": 1000, "completion_tokens": pieces, "total_tokens": 1000 + pieces}
    piece = {**common, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
    stop = {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    last = {**common, "choices": [], "usage": usage}
    end = chunk(b"".join(event(json.dumps(part)) for part in (stop, last)) + event("[DONE]")) + b"0\r\n\r\n"
    return chunk(event(json.dumps(piece))), end


def event(data: str) -> bytes:
    """As server-sent events write it."""
    return f"data: {data}\n\n".encode()


def chunk(content: bytes) -> bytes:
    """As HTTP writes it."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


class Connection(asyncio.Protocol):
    """One client; it sends one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received, self._head, self._wanted = transport, 0, b"", -1

    def data_received(self, data: bytes) -> None:
        """Count, and answer when the body is whole; its content does not matter."""
        if self._wanted < 0:
            self._head += data
            head, ended, rest = self._head.partition(b"\r\n\r\n")
            if not ended:
                return
            self._head, self._received = head, len(rest)
            lines = head.lower().split(b"\r\n")
            self._wanted = int(next(line for line in lines if line.startswith(b"content-length:")).partition(b":")[2])
        else:
            self._received += len(data)
        if self._received >= self._wanted:
            _, milliseconds, pieces, _ = self._head.split(b" ", 2)[1].split(b"/", 3)
            self._head, self._wanted = b"", -1
            asyncio.get_running_loop().call_later(int(milliseconds) / 1000, self._answer, int(pieces), int(pieces))

    def _answer(self, pieces: int, left: int) -> None:
        piece, end = stream(pieces)
        begun = HEAD if left == pieces else b""
        if left > 1:
            self._transport.write(begun + piece)
            asyncio.get_running_loop().call_later(PIECE_SECONDS, self._answer, pieces, left - 1)
        else:
            self._transport.write(begun + piece + end)


async def main(port: int) -> None:
    """Serve until stopped."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asyncio.run(main(int(sys.argv[1])))
