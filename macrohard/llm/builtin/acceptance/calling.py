"""The same scripts for command-line tools: what a program would ask of a service, a person types, and reads in JSON."""

import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from pydantic import JsonValue

from macrohard.domain import Step
from macrohard.domain.scenario import PutFile, Request, Restart, Run, SeeExit, SeeHeader, SeeOutput, SeeStatus
from macrohard.llm.builtin.acceptance.asking import AskingScript, said
from macrohard.llm.builtin.acceptance.records import importable
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Record
from macrohard.llm.builtin.tool.contract import called
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

Written = Iterator[tuple[str, "CallingScript"]]
_CODES = {405: 2}
"""What a status is as an exit code, if it is not 0 below 400 and else 1."""


class CallingScript(AskingScript):
    """Calls a tool; what only services have, such as headers and a restart, is left out."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self._refused = False

    def do(self, *steps: Step) -> None:
        super().do(*(step for step in steps if not isinstance(step, Request | SeeStatus | SeeHeader | Restart)))

    def ask(self, method: str, path: str, status: int, body: Mapping[str, JsonValue] | None = None) -> None:
        self._refused = status >= 400
        code = _CODES.get(status, int(self._refused))
        self.do(Run(command=self._command(method, path, body)), SeeExit(code=code))

    def tell(self, text: str) -> None:
        if self._refused:
            self.do(SeeOutput(text=said(text), stream="stderr"))
        else:
            super().tell(text)

    def call(self, record: Record, arguments: str, code: int = 0) -> None:
        """Type something about a record type that no request stands for."""
        self.do(Run(command=f"{called(self.blueprint, record)} {arguments}"), SeeExit(code=code))

    def _command(self, method: str, path: str, body: Mapping[str, JsonValue] | None) -> str:
        address, _, query = path.partition("?")
        parts = address.strip("/").split("/")
        view = next((one for one in self.blueprint.views if view_address(one) == address), None)
        record = next(
            one
            for one in self.blueprint.records
            if (view and one.name == view.record) or record_address(one) == f"/{parts[0]}"
        )
        start = called(self.blueprint, record)
        match method, parts[1:]:
            case _ if view is not None:
                return f"{start} list --view {parts[-1]}{_question(query)} --json"
            case "GET", []:
                return f"{start} list{_question(query)} --json"
            case "GET", [number]:
                return f"{start} show {number} --json"
            case "POST", []:
                return f"{start} add{_given(body or {}, new=True)} --json"
            case "PATCH", [number]:
                return f"{start} edit {number}{_given(body or {}, new=False)} --json"
            case "DELETE", [number]:
                return f"{start} delete {number} --json"
            case "POST", [number, _, action]:
                return f"{start} {action} {number} --json"
        raise AssertionError(f"no command for {method} {path}")


def _question(query: str) -> str:
    told = ""
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        # Placeholders hold plus signs, which are no spaces.
        text = unquote(value)
        if name.startswith("filter-"):
            filtered = f"{name.removeprefix('filter-')}={text}"
            told += f" --filter {shlex.quote(filtered)}"
        else:
            told += " " + shlex.quote(f"--{name}={text}")
    return told


def _given(body: Mapping[str, JsonValue], *, new: bool) -> str:
    told = ""
    for name, value in body.items():
        if value is None and new:
            continue
        text = ("yes" if value else "no") if isinstance(value, bool) else str("" if value is None else value)
        told += " " + shlex.quote(f"--{name.replace('_', '-')}={text}")
    return told


def export(blueprint: Blueprint, claim: Claim) -> Written:
    """Header and records, those that are asked for alone, on standard output and in a file."""
    script, record = CallingScript(blueprint), blueprint.record(claim.record or "")
    row, other = script.add(record.name, full=True), script.add(record.name)
    labels = [one.label for one in record.fields if not one.computed and not one.automatic]
    handles = [said(script.world.handle(one)) for one in (row, other)]
    script.call(record, "export")
    for text in (*labels, *handles):
        script.do(SeeOutput(text=text, stream="stdout"))
    script.call(record, "export --file written.csv")
    script.do(Run(command="cat written.csv"), SeeExit(), *(SeeOutput(text=text) for text in handles))
    script.call(record, "export --file no-such-folder/written.csv", code=1)
    script.do(SeeOutput(text="error: ", stream="stderr"))
    yield f"The {record.plural.lower()} are exported as CSV with a header", script


def import_(blueprint: Blueprint, claim: Claim) -> Written:
    """Good lines are taken, each bad one is reported with its number."""
    script, record = CallingScript(blueprint), blueprint.record(claim.record or "")
    content, good, message = importable(script, record)
    script.do(PutFile(path="some.csv", content=said(content)))
    script.call(record, "import some.csv", code=1)
    script.do(SeeOutput(text=f"{len(good)} {record.plural.lower()} imported.", stream="stdout"))
    script.do(SeeOutput(text="Line 4: ", stream="stderr"))
    if message:
        script.do(SeeOutput(text=said(message), stream="stderr"))
    script.world.rows.extend(good)
    script.count(record.name)
    yield f"Good lines of a CSV file become {record.plural.lower()}, bad ones are named", script
