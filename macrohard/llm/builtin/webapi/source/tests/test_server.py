"""The service as programs meet it: through HTTP, odd input included, over a kill and a new start."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from macrohard.llm.builtin.webapp.source.app.records import PRODUCT
from macrohard.llm.builtin.webapp.source.tests.examples import FREE_TEXT, RECORD, TEXTS

ADDRESS = PRODUCT.record(RECORD).address
ODD = "“Ünïcödé” 🎉 <b>&amp;</b> 100 % _ ' \" \\ {} ;--"


class ServerTest(unittest.TestCase):
    """A running service with data of its own."""

    def setUp(self) -> None:
        """Start it on a free port with empty data."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = folder.name
        self.start()
        self.addCleanup(self.stop)

    def start(self) -> None:
        """Start the service and wait until it says where it is."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PORT": "0", "HOST": "127.0.0.1", "DATA": self.data},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        with self.process.stdout as said:
            self.port = int(said.readline().rpartition(":")[2])

    def stop(self) -> None:
        """Kill the service, as a power failure would."""
        self.process.kill()
        self.process.wait()

    def ask(self, method: str, path: str, body: object = None, *, text: str = "") -> tuple[int, Any]:
        """Status and JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, text or (None if body is None else json.dumps(body)))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else None

    def test_what_was_saved_survives_a_kill(self) -> None:
        """It is there after a new start."""
        status, added = self.ask("POST", ADDRESS, dict(TEXTS))
        self.assertEqual(201, status)
        self.stop()
        self.start()
        self.assertEqual((200, added), self.ask("GET", f"{ADDRESS}/{added['id']}"))

    def test_odd_texts_are_kept_as_they_are(self) -> None:
        """No text breaks an answer."""
        if FREE_TEXT:
            _, added = self.ask("POST", ADDRESS, {**TEXTS, FREE_TEXT: ODD})
            self.assertEqual(ODD, added[FREE_TEXT])

    def test_what_cannot_be_understood_is_refused(self) -> None:
        """Bodies, fields, addresses and methods."""
        self.assertEqual(400, self.ask("POST", ADDRESS, text='{"')[0])
        self.assertEqual(400, self.ask("POST", ADDRESS, [1])[0])
        self.assertEqual(422, self.ask("POST", ADDRESS, {**TEXTS, "no_such_field": 1})[0])
        self.assertEqual(404, self.ask("GET", "/no-such-list")[0])
        self.assertEqual(404, self.ask("GET", f"{ADDRESS}/999")[0])
        self.assertEqual(405, self.ask("PUT", ADDRESS, {})[0])
        self.assertEqual((200, 0), (self.ask("GET", ADDRESS)[0], self.ask("GET", ADDRESS)[1]["count"]))


if __name__ == "__main__":
    unittest.main()
