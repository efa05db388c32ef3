"""The product as browsers meet it: through HTTP, odd input included, over a kill and a new start."""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlencode

from macrohard.llm.builtin.webapp.source.app.records import PRODUCT

from .examples import FREE_TEXT, RECORD, TEXTS

ADDRESS = PRODUCT.record(RECORD).address
ODD = "“Ünïcödé” 🎉 <b>&amp;</b> 100 % _ ' \" \\ {} ;--"


class ServerTest(unittest.TestCase):
    """A running product; the tests share its data."""

    process: "subprocess.Popen[str]"
    port: int
    data: str

    @classmethod
    def setUpClass(cls) -> None:
        """Start it on a free port with empty data."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.data = folder.name
        cls.start()
        cls.addClassCleanup(cls.stop)

    @classmethod
    def start(cls) -> None:
        """Start the product and wait until it says where it is."""
        cls.process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PORT": "0", "HOST": "127.0.0.1", "DATA": cls.data},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert cls.process.stdout is not None
        with cls.process.stdout as said:
            cls.port = int(said.readline().rpartition(":")[2])

    @classmethod
    def stop(cls) -> None:
        """Kill the product, as a power failure would."""
        cls.process.kill()
        cls.process.wait()

    def add(self) -> str:
        """The address of a new record, or of an earlier one if there must not be a second one like it."""
        before = self.addresses()
        status = self.ask("POST", f"{ADDRESS}/new", dict(TEXTS))[0]
        self.assertIn(status, (303, 422) if before else (303,))
        return next(iter(set(self.addresses()) - set(before)), *before[:1])

    def addresses(self) -> list[str]:
        """Of the records in the list."""
        return re.findall(rf'<a href="({ADDRESS}/[0-9]+)">', self.ask("GET", ADDRESS)[1])

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        connection.request(method, path, urlencode(form) if form is not None else None, {**kind, **headers})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text, dict(response.getheaders())

    def test_every_page_opens(self) -> None:
        own = self.add()
        addresses = ["/health", "/static/style.css", "/static/app.js", "/static/icon.svg", own, f"{own}/edit"]
        addresses += [view.address for view in PRODUCT.views]
        for record in PRODUCT.records:
            addresses += [record.address, f"{record.address}/new"]
            addresses += [f"{record.address}/import"] * record.import_csv
            addresses += [f"{record.address}/export.csv"] * record.export_csv
        for address in addresses:
            with self.subTest(address):
                self.assertEqual(200, self.ask("GET", address)[0])

    def test_what_is_added_is_listed(self) -> None:
        own = self.add()
        self.assertIn(own, self.addresses())

    def test_a_form_that_is_sent_twice_is_saved_once(self) -> None:
        found = re.search(r'name="_ticket" value="(\w+)"', self.ask("GET", f"{ADDRESS}/new")[1])
        assert found
        before = len(self.addresses())
        form = {**TEXTS, "_ticket": found[1]}
        statuses = [self.ask("POST", f"{ADDRESS}/new", form)[0] for _ in range(2)]
        self.assertEqual(statuses[0], statuses[1])
        self.assertEqual(before + (statuses[0] == 303), len(self.addresses()))

    def test_what_was_saved_survives_a_kill(self) -> None:
        own = self.add()
        self.stop()
        self.start()
        self.assertIn(own, self.addresses())

    def test_it_ends_in_peace_when_asked_to(self) -> None:
        self.process.terminate()
        self.assertEqual(0, self.process.wait(10))
        self.start()

    def test_odd_texts_are_kept_and_shown_as_they_are(self) -> None:
        if FREE_TEXT is None:
            return
        own, before = self.add(), self.addresses()
        odd = {**TEXTS, FREE_TEXT: ODD}
        self.assertIn(self.ask("POST", f"{ADDRESS}/new", odd)[0], (303, 422))
        if new := set(self.addresses()) - set(before):
            own = new.pop()
        else:
            self.assertEqual(303, self.ask("POST", f"{own}/edit", odd)[0])
        form = self.ask("GET", f"{own}/edit")[1]
        self.assertIn("“Ünïcödé” 🎉 &lt;b&gt;&amp;amp;&lt;/b&gt; 100 % _ &#x27; &quot; \\ {} ;--", form)

    def test_odd_addresses_are_answered(self) -> None:
        odd = urlencode({"search": ODD * 20, "page": "-1", "sort": "\x00", "filter-x": "?"})
        for path, status in [
            (f"{ADDRESS}?{odd}", 200),
            (f"{ADDRESS}?page=many", 200),
            (f"{ADDRESS}/0", 404),
            (f"{ADDRESS}/99999999999999999999", 404),
            (f"{ADDRESS}/%F0%9F%8E%89", 404),
            ("/nothing", 404),
            ("/static/../app/records.py", 404),
        ]:
            with self.subTest(path):
                self.assertEqual(status, self.ask("GET", path)[0])

    def test_forms_of_other_sites_are_refused(self) -> None:
        before = self.addresses()
        status, page, _ = self.ask("POST", f"{ADDRESS}/new", dict(TEXTS), Origin="https://elsewhere.example")
        self.assertEqual(403, status)
        self.assertIn("Back to the start", page)
        self.assertEqual(before, self.addresses())

    def test_what_is_too_large_is_refused(self) -> None:
        self.assertEqual(413, self.ask("POST", f"{ADDRESS}/new", {"x": "x" * 2_000_000})[0])
