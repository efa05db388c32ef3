"""The wire between host and guest: what a frame looks like.

A frame is a kind, a channel number and a length, then that many bytes. The host opens a channel with OPEN (JSON);
the guest ends it with RESULT (JSON). In between DATA, ERRORS and END carry the streams, and CREDIT hands back room in
a stream's window. What a command prints travels only as counted data: nothing is ever parsed from output.
"""

import struct

HEADER = struct.Struct("!BII")
CREDIT_BODY = struct.Struct("!BI")
"""The number of the stream, and the bytes that may follow."""
ENTRY = struct.Struct("!HI")
"""Before each file that is written: the length of its path, and of its content."""

OPEN, DATA, ERRORS, END, CREDIT, RESULT, CONNECTED = range(1, 8)
STDOUT, STDERR = 0, 1
CHUNK = 1 << 16
FRAME_LIMIT = 1 << 20
WINDOW = 1 << 20
