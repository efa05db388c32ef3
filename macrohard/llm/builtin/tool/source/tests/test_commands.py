"""The tool as people and scripts meet it: called as a program of its own each time, odd input included."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from macrohard.llm.builtin.tool.source.app.commands import option
from macrohard.llm.builtin.webapp.source.app.records import PRODUCT
from macrohard.llm.builtin.webapp.source.tests.examples import FREE_TEXT, RECORD, TEXTS

RECORD_TYPE = PRODUCT.record(RECORD)
NOUN = [RECORD_TYPE.address.strip("/")] if len(PRODUCT.records) > 1 else []
ODD = "“Ünïcödé” 🎉 <b>&amp;</b> 100 % _ ' \" \\ {} ;--"


class CommandTest(unittest.TestCase):
    """Calls with data of their own."""

    def setUp(self) -> None:
        """Begin with empty data."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = folder.name

    def call(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "app", *NOUN, *arguments],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "DATA": self.data},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def add(self, **changes: str) -> Any:
        """What the tool answers about a record that it accepts."""
        texts = {**TEXTS, **changes}
        given = [f"{option(RECORD_TYPE.field(name))}={text}" for name, text in texts.items()]
        code, said, errors = self.call("add", "--json", *given)
        self.assertEqual((0, ""), (code, errors))
        return json.loads(said)

    def test_what_was_saved_is_there_when_it_is_called_again(self) -> None:
        """Every call is a program of its own."""
        added = self.add()
        code, said, _ = self.call("show", str(added["id"]), "--json")
        self.assertEqual((0, added), (code, json.loads(said)))
        self.assertIn(f"{RECORD_TYPE.label} {added['id']}", self.call("show", str(added["id"]))[1])
        self.assertEqual(1, json.loads(self.call("list", "--json")[1])["count"])

    def test_odd_texts_are_kept_as_they_are(self) -> None:
        """No text breaks an answer."""
        if FREE_TEXT:
            self.assertEqual(ODD, self.add(**{FREE_TEXT: ODD})[FREE_TEXT])

    def test_what_cannot_be_understood_is_refused_in_words(self) -> None:
        """Numbers, options, fields and commands; nothing on standard output."""
        for code, arguments in (
            (1, ["show", "999"]),
            (1, ["show", "x"]),
            (1, ["edit", "999"]),
            (2, ["list", "--sort", "no-such-field"]),
            (2, ["list", "--filter", "no-such-field=1"]),
            (2, ["list", "--view", "no-such-view"]),
            (2, ["add", "--no-such-field", "1"]),
            (2, ["no-such-command"]),
            (2, []),
        ):
            ended, said, errors = self.call(*arguments)
            self.assertEqual((code, ""), (ended, said), arguments)
            self.assertIn("error: ", errors)
        self.assertEqual(0, json.loads(self.call("list", "--json")[1])["count"])

    def test_it_says_how_it_is_called(self) -> None:
        """The help of the tool and of a command."""
        self.assertIn("list", self.call("--help")[1])
        self.assertIn("--json", self.call("add", "--help")[1])

    def test_lists_are_exported(self) -> None:
        """To standard output and to a file."""
        self.add()
        code, said, _ = self.call("export")
        self.assertEqual(0, code)
        self.assertEqual(2, len(said.splitlines()))
        file = Path(self.data) / "some file.csv"
        self.assertEqual(0, self.call("export", "--file", str(file))[0])
        self.assertEqual(said, file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))


if __name__ == "__main__":
    unittest.main()
