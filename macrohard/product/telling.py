"""The steps of a scenario in words, for those who may know them."""

import json

from pydantic import JsonValue

from macrohard.domain import Step

_TEXT_CHARACTERS = 300


def told(steps: tuple[Step, ...], failed: int | None) -> str:
    """The steps in words, one a line; the failed one is marked, those after it were not run."""
    lines = []
    for number, step in enumerate(steps, start=1):
        mark = " " if failed is None or number < failed else ("✗" if number == failed else "·")
        lines.append(f"{mark} {number}. {in_words(step)}")
    return "\n".join(lines)


def in_words(step: Step) -> str:
    """One step as a sentence."""
    data = step.model_dump()
    row = f' in the row with "{data["row"]}"' if data.get("row") else ""
    absent = "" if data.get("present", True) else "no "
    match step.do:
        case "open":
            return f"open {step.path}{_coloured(step.colour_scheme)}"
        case "click":
            how = "right-click" if step.button == "right" else "click"
            held = f", held for {step.hold_ms} ms" if step.hold_ms else ""
            return f'{how} the {step.role} "{step.name}"{row}{held}'
        case "fill":
            return f'fill "{step.name}" with "{step.value}"'
        case "choose":
            return f'choose "{step.value}" in "{step.name}"'
        case "check":
            return f'{"tick" if step.on else "untick"} "{step.name}"'
        case "press":
            return f"press {step.key}"
        case "upload":
            return f'upload {step.filename} to "{step.name}"'
        case "reload":
            return "reload the page"
        case "wait":
            return f"wait for {step.seconds:g} s"
        case "restart":
            given = f" with {' '.join(step.environment) or 'no environment'}" if step.environment is not None else ""
            return f"restart the product{given}"
        case "request":
            body = _shown(step.json_body) if step.json_body is not None else step.text_body or ""
            who = f" as {step.client}" if step.client else ""
            return f"{step.method} {step.path}{who}" + (f" with {_short(body)}" if body else "")
        case "together":
            asked = ", ".join(in_words(each) for each in step.requests)
            return f"at the same time {asked}: see the statuses {', '.join(map(str, sorted(step.statuses)))}"
        case "see_status":
            return f"see the status {step.status}"
        case "see_json":
            place = step.at or "the whole"
            if step.type == "any":
                return f"see {absent}{place} in the JSON"
            what = _shown(step.value) if step.type is None else f"some {step.type}"
            what = f"{step.count} elements" if step.count is not None else what
            return f"see {what} at {place} in the JSON" if step.present else f"see not {what} at {place} in the JSON"
        case "see_header":
            return f"see {absent or 'a '}header {step.name}" + (f' with "{step.text}"' if step.text else "")
        case "keep":
            what = f"the header {step.header}" if step.header else f"{step.at or 'the whole'} of the JSON"
            return f"remember {_part(step.like)}{what} as {step.name}"
        case "keep_address":
            return f"remember {_part(step.like)}the page's address as {step.name}"
        case "run":
            return f"run {step.command}" + (f" with the input {_short(step.input)}" if step.input else "")
        case "converse":
            typed = ", ".join(f'"{line}"' for line in step.lines)
            return f"run {step.command} in a terminal" + (f" and type {typed}" if typed else "")
        case "see_exit":
            return f"see the exit code {step.code}" if step.code is not None else "see an exit code other than 0"
        case "see_output":
            where = "the output" if step.stream == "any" else step.stream
            verb = "is exactly" if step.exactly else "has"
            return f"see that {where} {verb if step.present else f'not {verb}'} {_short(step.text)}"
        case "put_file":
            return f"put {_short(step.content)} into the file {step.path}"
        case "see_file":
            what = f" with {_short(step.text)}" if step.text else ""
            return f"see {absent or 'a '}file {step.path}{what}"
        case "new_browser":
            return "open another browser, as somebody else"
        case "see_fits":
            return "see that nothing is wider than the window"
        case "resize":
            return f"resize the window to {step.width} × {step.height}{_coloured(step.colour_scheme)}"
        case "see_focus":
            return f'see that the {step.role} "{step.name}" has the focus'
        case "see":
            return f'see {"" if step.present else "nothing of "}"{step.text}"{row}'
        case "see_row":
            return f"see {absent or 'a '}row with " + ", ".join(f'"{text}"' for text in step.texts)
        case "see_order":
            return "see in this order " + ", ".join(f'"{text}"' for text in step.texts)
        case "see_control":
            return f'see {absent or "a "}{step.role} "{step.name}"{row}'
        case "see_value":
            return f'see "{step.value}" in the field "{step.name}"'
        case "see_rows":
            return f"see {step.count} rows"
        case "download":
            return f'download a file with the {step.role} "{step.name}"'


def _part(like: str) -> str:
    return f"what stands at * in {like} of " if like else ""


def _coloured(scheme: str | None) -> str:
    return f" in {scheme} colours" if scheme else ""


def _shown(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    return f'"{text}"' if len(text) <= _TEXT_CHARACTERS else f'"{text[:_TEXT_CHARACTERS]}…" ({len(text)} characters)'
