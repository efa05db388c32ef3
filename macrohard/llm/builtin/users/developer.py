"""The built-in model as a developer: reads the documents, tries what they name, rightly and wrongly, and compares."""

import json
import re
from collections.abc import Generator

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Call

Doing = Generator[Call, str, JsonObject]
"""A visit; its value is the report."""
ROUTES = 6
"""Lists that are tried."""
COMMANDS = 6
_ROUTE = re.compile(r"\b(GET|POST) (/[\w./-]*)(?![\w/<{:?-])")
_CALLED = re.compile(r"^.* is called in this folder as: (.+)$", re.M)
_COMMAND = re.compile(r"^ {2,}([a-z][a-z-]*) {2,}\S", re.M)
"""A line of a help text that says what a command is for."""
_STATUS = re.compile(r"^([1-5]\d\d)$", re.M)
_EXIT = re.compile(r"^exit code (-?\d+)$", re.M)
NOBODY = "no-such-thing-here"


class Developer:
    """What somebody remembers during one visit without pages."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.trouble: list[str] = []
        self._surprise, self._remark = 0, ""

    def ask(
        self, intention: str, expectation: str, wanted: tuple[int, ...], **request: JsonValue
    ) -> Generator[Call, str, str]:
        """Make one request, and mind any status but those that were wanted."""
        answer = yield Call(name="request", arguments=self._said(intention, expectation) | request)
        status = _STATUS.search(answer)
        asked = f"{request['method']} {request['path']}"
        self._compare(asked, expectation, answer, bool(status and int(status[1]) in wanted))
        return answer

    def call(self, intention: str, expectation: str, text: str, *, fails: bool = False) -> Generator[Call, str, str]:
        """Run one command, and mind an end that was not wanted."""
        answer = yield Call(
            name="command", arguments={**self._said(intention, expectation), "action": "run", "text": text}
        )
        code = _EXIT.search(answer)
        self._compare(f"ran {text}", expectation, answer, bool(code and (code[1] != "0") == fails))
        return answer

    def report(self, *, reached: bool) -> JsonObject:
        """What is handed in at the end."""
        did = "; ".join(self.done) or "Nothing could be done"
        way = f"In the way: {' | '.join(self.trouble[:4])}" if self.trouble else "Nothing got in the way."
        return {
            "goal_reached": reached,
            "summary": f"{did}. {way}",
            "quote": "I would not build on it yet." if self.trouble else "It does what its documents say.",
            "last_surprise": self._surprise,
            "last_remark": self._remark,
        }

    def _said(self, intention: str, expectation: str) -> JsonObject:
        said: JsonObject = {"intention": intention, "expectation": expectation}
        return said | {"surprise": self._surprise, "remark": self._remark} if self._surprise else said

    def _compare(self, deed: str, expectation: str, answer: str, as_expected: bool) -> None:
        broke = "The product broke: " in answer
        self._surprise, self._remark = (3 if broke else 0 if as_expected else 2), ""
        if self._surprise:
            got = " ".join(answer.splitlines()[1:8])[:300]
            self._remark = f"I {deed}, expected “{expectation}”, and got: {got}"
            self.trouble.append(self._remark)
        else:
            self.done.append(deed)


def visit(material: JsonObject) -> Doing:
    """A whole visit to a service or a tool; libraries are only looked at, because rules cannot write programs."""
    product = material.get("product")
    kind = product.get("kind") if isinstance(product, dict) else ""
    documents = yield Call(name="look", arguments={})
    developer = Developer()
    if kind == "api":
        yield from _service(developer, documents)
    elif called := _CALLED.search(documents):
        yield from _tool(developer, called[1])
    return developer.report(reached=not developer.trouble)


def _service(developer: Developer, documents: str) -> Generator[Call, str, None]:
    routes = list(dict.fromkeys(_ROUTE.findall(documents)))
    for _, path in [each for each in routes if each[0] == "GET"][:ROUTES]:
        yield from developer.ask("to see what is there", "200 with JSON", (200,), method="GET", path=path)
    for _, path in [each for each in routes if each[0] == "POST"][:ROUTES]:
        refusal = (400, 404, 409, 415, 422)
        yield from developer.ask(
            "to send something broken", "a refusal", refusal, method="POST", path=path, text_body='{"'
        )
        missing = f"{path.rstrip('/')}/{NOBODY}"
        yield from developer.ask("to ask for what is not there", "404", (404,), method="GET", path=missing)
        empty = yield from developer.ask(
            "to send nothing of what is needed", "a refusal, or a record", (200, 201, *refusal), method="POST",
            path=path, json_body={},
        )  # fmt: skip
        if (made := _number(empty)) is not None:
            one = f"{path.rstrip('/')}/{made}"
            yield from developer.ask("to find what was added", "200 with it", (200,), method="GET", path=one)


def _number(answer: str) -> str | None:
    """Of the record that an answer holds."""
    try:
        value = json.loads(answer.partition("\n\n")[2])
    except ValueError:
        return None
    return str(value["id"]) if isinstance(value, dict) and isinstance(value.get("id"), int | str) else None


def _tool(developer: Developer, called: str) -> Generator[Call, str, None]:
    told = yield from developer.call("to learn how it is called", "a list of commands", f"{called} --help")
    for name in list(dict.fromkeys(_COMMAND.findall(told)))[:COMMANDS]:
        yield from developer.call("to learn what it takes", "its usage", f"{called} {name} --help")
    yield from developer.call("to call it wrongly", "a refusal", f"{called} {NOBODY}", fails=True)
