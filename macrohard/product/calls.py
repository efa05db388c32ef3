"""A service as a developer meets it: its documents, requests with their answers, and what is wrong with these."""

import json
import re
import time
from difflib import unified_diff
from typing import Final

from pydantic import ValidationError

from macrohard.domain import Design
from macrohard.domain.scenario import Request
from macrohard.errors import ToolError
from macrohard.product.browser import StepFailed
from macrohard.product.client import Answer, Client, Unanswered
from macrohard.product.documents import documents
from macrohard.product.scene import Deed, Scene, Sight, pattern_of, shortened
from macrohard.product.service import Service

SLOW_SECONDS = 3.0
SLOW_TIMES = 10.0
"""An answer is slow only if the health path answers so many times faster just afterwards: machines may be busy."""
SHOWN_CHARACTERS = 6_000
RESULT_CHARACTERS = 600
OF_HTTP: Final = frozenset({304, 405, 406, 411, 413, 414, 415, 417, 429, 431})
"""Statuses that every service may answer with, whatever its documents say."""
_DULL_HEADERS: Final = frozenset({"date", "server", "connection", "content-length", "keep-alive", "transfer-encoding"})
_STATUS = re.compile(r"(?<![\d.])[1-5]\d\d(?![\d.])")
_PARAMETER = re.compile(r"<[^/>]+>|\{[^/}]+\}|:[A-Za-z_]\w*")


class Calls(Scene):
    """Clients of one running service, each with cookies of its own."""

    def __init__(self, service: Service, *, design: Design | None) -> None:
        super().__init__(service)
        self._routes = [
            (route.method.upper(), _pattern(route.path), _statuses(route.answer))
            for route in (design.routes if design else ())
        ]
        self._of_all = _statuses("\n".join(design.conventions)) if design else frozenset[int]()
        self._clients: dict[str, Client] = {}
        self._last: object = None
        self._earlier: dict[tuple[str, str], tuple[str, list[str]]] = {}

    async def look(self) -> Sight:
        return Sight(text=await documents(self.service), state=self._last)

    async def act(self, action: str, target: str, value: str) -> Deed:
        """The action is a method, the target a path; the value holds the other fields of a `Request` as JSON."""
        request = _request(action, target, value)
        asked, element = f"{request.method} {request.path}", f"{request.method} {pattern_of(request.path)}"
        told = _in_words(request)
        before = Sight(text="", state=self._last)
        client = self._clients.setdefault(request.client, Client(self.service.sandbox))
        answer, problem, unanswered = None, "", ""
        begin = time.monotonic()
        try:
            answer = await client.ask(request)
        except Unanswered as error:
            problem = unanswered = str(error)
        except StepFailed as error:
            problem = str(error)
        seconds = time.monotonic() - begin
        if problem:
            await self.service.require_sandbox()
        broken = unanswered.replace(asked, element)
        if answer is not None and answer.status >= 500:
            broken = f"{element} answered {answer.status}\nIt was: {asked}. The body: {answer.text[:RESULT_CHARACTERS]}"
        broke = await self.note_broken([broken] if broken else [], after=told, page="/", element=element)
        if answer is not None:
            self._note_form(request, answer, element)
            await self._note_slowness(client, seconds, asked, element)
        self._last = (asked, answer.status, answer.body) if answer is not None else (asked, problem)
        shown, whole = self._shown(request, answer, asked) if answer is not None else ("There is no answer.", "")
        result = f"{answer.status} {answer.text[:RESULT_CHARACTERS]}" if answer is not None else problem
        return Deed(
            told=told,
            before=before,
            after=Sight(text="", state=self._last),
            result="; ".join([*(title.partition("\n")[0] for title in broke), result]),
            shown=shown,
            whole=whole,
            target=request.path,
            element=element,
            problem=problem,
            broke=tuple(title.partition("\n")[0] for title in broke),
        )

    def _note_form(self, request: Request, answer: Answer, element: str) -> None:
        """Note what contradicts the answer's own headers, or the routes as they were promised."""
        kind = (answer.headers.get("Content-Type") or "").casefold()
        has_body = request.method != "HEAD" and answer.status not in (204, 304)
        if has_body and "json" in kind and _value(answer) is None:
            title = f"{element} says JSON and sends something else"
            detail = (
                f"{answer.asked} answered {answer.status} with {kind}: {answer.text[:RESULT_CHARACTERS] or 'nothing'}"
            )
            self.note("misleading", 3, title, detail, page="/", element=element)
        path = request.path.partition("?")[0]
        promised = [
            codes for method, route, codes in self._routes if method == request.method and route.fullmatch(path)
        ]
        codes = set().union(*promised)
        if codes and answer.status < 500 and answer.status not in codes | self._of_all | OF_HTTP:
            listed = ", ".join(map(str, sorted(codes)))
            self.note(
                "misleading",
                2,
                f"{element} answers {answer.status}, which nobody promised",
                f"{_in_words(request)} was answered {answer.status}: {answer.text[:RESULT_CHARACTERS]}. "
                f"The design promises {listed}.",
                page="/",
                element=element,
            )

    async def _note_slowness(self, client: Client, seconds: float, asked: str, element: str) -> None:
        if seconds < SLOW_SECONDS:
            return
        begin = time.monotonic()
        try:
            await client.ask(Request(path=self.service.manifest.service.health))
        except StepFailed:
            # With nothing to compare it with, nobody can tell whose fault it is.
            return
        usual = time.monotonic() - begin
        if seconds >= SLOW_TIMES * usual:
            title = f"{element} is slow"
            detail = f"{asked} took {seconds:.1f} s, and just afterwards the health path {usual:.2f} s."
            self.note("dead end", 2, title, detail, page="/", element=element)

    def _shown(self, request: Request, answer: Answer, asked: str) -> tuple[str, str]:
        """Status, headers and body; of what was asked before, only how its body differs. And the body, if it is cut."""
        head = [f"{answer.status}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items() if name.casefold() not in _DULL_HEADERS]
        lines = _lines(answer)
        key = (request.client, asked)
        earlier, self._earlier[key] = self._earlier.get(key), (str(answer.status), lines)
        if earlier is not None and request.method in ("GET", "HEAD") and earlier[0] == str(answer.status):
            if earlier[1] == lines:
                return "\n".join([*head, "", "(the same body as the last time this was asked)"]), ""
            changes = list(unified_diff(earlier[1], lines, lineterm="", n=1))[2:]
            if len(changes) < len(lines):
                return "\n".join([*head, "", "The body differs from the last time this was asked:", *changes]), ""
        body = "\n".join(lines) or "(no body)"
        if len(body) > SHOWN_CHARACTERS:
            cut = f"{body[:SHOWN_CHARACTERS]}\n… {len(body) - SHOWN_CHARACTERS:,} more characters"
            return "\n".join([*head, "", cut]), body
        return "\n".join([*head, "", body]), ""


def _request(action: str, target: str, value: str) -> Request:
    try:
        return Request.model_validate({"method": action, "path": target, **json.loads(value or "{}")})
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ToolError(f"that is no request: {said}") from error


def _in_words(request: Request) -> str:
    told = f"{request.method} {request.path}"
    if request.json_body is not None:
        told += f" with {shortened(json.dumps(request.json_body, ensure_ascii=False))}"
    elif request.text_body is not None:
        told += f" with the text {shortened(request.text_body)!r}"
    if request.headers:
        told += f" ({', '.join(f'{name}: {shortened(text)}' for name, text in request.headers.items())})"
    return f"{told} as {request.client}" if request.client else told


def _value(answer: Answer) -> object:
    """What the body holds as JSON, in a tuple; None if it is not JSON."""
    try:
        return (json.loads(answer.body),)
    except ValueError:
        return None


def _lines(answer: Answer) -> list[str]:
    parsed = _value(answer)
    if isinstance(parsed, tuple) and isinstance(parsed[0], dict | list):
        return json.dumps(parsed[0], ensure_ascii=False, indent=1).splitlines()
    return answer.text.splitlines()


def _pattern(path: str) -> re.Pattern[str]:
    pieces = _PARAMETER.split(path.partition("?")[0])
    return re.compile("[^/]+".join(map(re.escape, pieces)) + "/?")


def _statuses(text: str) -> frozenset[int]:
    return frozenset(int(found) for found in _STATUS.findall(text))
