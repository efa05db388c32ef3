"""The program beside a command in a terminal: `python3 -c … COMMAND`, keys in and screen out, one JSON text a line.

Each line in is what is typed. Each line out is what the command wrote, in base64; the last one is its exit code.
"""

import base64
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios

ROWS, COLUMNS = 24, 80
PIECE_BYTES = 32 << 10


def main(command: str) -> None:
    """Run the command in a terminal of its own until it ends, or until nobody listens any more."""
    child, screen = pty.fork()
    if child == 0:
        os.environ["TERM"] = "linux"
        os.execvp("bash", ["bash", "-c", command])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    typed = b""
    sources = [screen, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if 0 in ready:
            more = os.read(0, PIECE_BYTES)
            typed += more
            if not more:
                sources.remove(0)
            while b"\n" in typed:
                line, _, typed = typed.partition(b"\n")
                os.write(screen, json.loads(line).encode())
        if screen in ready:
            try:
                written = os.read(screen, PIECE_BYTES)
            except OSError:
                # So Linux says that the command has closed its terminal.
                written = b""
            if not written:
                break
            print(json.dumps(base64.b64encode(written).decode()), flush=True)
    _, status = os.waitpid(child, 0)
    print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
