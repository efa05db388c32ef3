"""Start the product: listens on $PORT (8000) of $HOST (127.0.0.1), keeps its data in $DATA (./data)."""

import logging
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from .records import PRODUCT
from .routes import Site
from .server import Server
from .storage import Storage


def main() -> int:
    """Serve until asked to stop; the exit code is 1 when it cannot even start."""
    logging.basicConfig(level=os.environ.get("LOG", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000")
    file = Path(os.environ.get("DATA", "data")) / "records.sqlite3"
    try:
        storage = Storage(file, PRODUCT)
        server = Server(host, int(port), Site(storage))
    except (OSError, ValueError, OverflowError, sqlite3.Error) as error:
        print(f"Cannot start on {host}:{port} with {file}: {error}", file=sys.stderr)
        return 1
    for one in (signal.SIGTERM, signal.SIGINT):
        # Stopping waits for the loop that this very handler interrupts, so another thread has to ask for it.
        signal.signal(one, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{PRODUCT.title} is at http://{host}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    storage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
