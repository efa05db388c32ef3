"""The program in the browser sandbox: one JSON request a line in, one JSON reply a line out, until the input ends.

A reply holds `ok` (the answer), `failed` (the page does not do what was asked, in words) or `malformed` (the request
makes no sense); and `noticed`, what happened beside it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from playwright.async_api import Browser, Error, async_playwright

from macrohard.product.guest.acts import act
from macrohard.product.guest.drawing import draw
from macrohard.product.guest.steps import STEPS
from macrohard.product.guest.visit import LOAD_SECONDS, Failed, Malformed, Visit, first_line

PATIENCE_AT_MOST = 3.0
"""So many times as long pages may take on a machine that has more to do than it can."""
REQUEST_SECONDS = LOAD_SECONDS + 7
"""For people's acts and for steps that have no more patience than usual."""
LINE_BYTES = 4 << 20


def slowness() -> float:
    """How many times as long everything takes now as on a machine with a processor for each program that is at work."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), PATIENCE_AT_MOST)


class Program:
    """The open visits of one browser."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser = browser
        self._origin = origin
        self._visits: dict[int, Visit] = {}

    async def reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the request says; a page has as much time as patience allows.

        Steps bring theirs along, so that what they say depends on nothing else. People see that a machine is busy.
        """
        reply: dict[str, Any] = {"id": request["id"]}
        visit = self._visits.get(request.get("visit", 0))
        patience: float = request["patience"] if request["do"] == "step" else slowness()
        try:
            reply["ok"] = await asyncio.wait_for(self._do(request, visit, patience), REQUEST_SECONDS * patience)
        except Failed as failed:
            reply["failed"], reply["late"] = str(failed), failed.late
        except Malformed as malformed:
            reply["malformed"] = str(malformed)
        except TimeoutError:
            reply["failed"], reply["late"] = "the page did not react any more", True
        except Error as error:
            closed = visit.closed_by if visit else ""
            reply["failed"] = f"the page was closed {closed}" if closed else first_line(error)
        if visit:
            reply["noticed"] = visit.tell()
        return reply

    async def _do(self, request: Mapping[str, Any], visit: Visit | None, patience: float) -> Any:
        what = request["do"]
        if what == "begin":
            return await self._begin(request)
        if what == "draw":
            return await draw(self._browser, request)
        if visit is None:
            raise Malformed(f"no visit {request.get('visit')!r}")
        if what == "end":
            del self._visits[request["visit"]]
            return await visit.end()
        async with visit.turn:
            visit.begin_step()
            visit.be_patient(patience)
            match what:
                case "step":
                    return await STEPS[request["step"]["do"]](visit, request["step"])
                case "act":
                    return await act(visit, request["action"], request["target"], request["value"])
                case "look":
                    return await visit.look()
                case "screenshot":
                    return await visit.screenshot()
                case "picture":
                    return await visit.picture(request["long_side"])
                case "axe":
                    return await visit.axe()
        raise Malformed(f"no request {what!r}")

    async def _begin(self, request: Mapping[str, Any]) -> int:
        visit = await Visit.begin(
            self._browser,
            origin=self._origin,
            width=request["width"],
            height=request["height"],
            locale=request["locale"],
            touch=request["touch"],
            slow=request["slow"],
            pictures=request["pictures"],
        )
        number: int = request["id"]
        self._visits[number] = visit
        return number


async def serve(origin: str) -> None:
    """Answer requests until the standard input ends; those of different visits at the same time."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    host_and_port = origin.removeprefix("http://")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ["MACROHARD_CHROMIUM"],
            # Off only where the surrounding sandbox is one that allows no sandbox within.
            chromium_sandbox=os.environ.get("MACROHARD_CHROMIUM_SANDBOX") != "0",
            # All but the product goes to a proxy that does not exist, redirects and sockets included.
            args=[
                "--proxy-server=http://127.0.0.1:9",
                f"--proxy-bypass-list=<-loopback>;{host_and_port}",
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
            ],
        )
        browser.on("disconnected", _give_up)
        program = Program(browser, origin)
        print(json.dumps({"ready": browser.version}), flush=True)
        answering: set[asyncio.Task[None]] = set()

        async def answer(line: bytes) -> None:
            reply = _storable(await program.reply(json.loads(line)))
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()

        while line := await lines.readline():
            task = asyncio.create_task(answer(line))
            answering.add(task)
            task.add_done_callback(answering.discard)
        browser.remove_listener("disconnected", _give_up)
        await browser.close()


def _give_up(_: Browser) -> None:
    # Without its browser the program is of no use; who drives it starts another.
    os._exit(1)


def _storable(value: Any) -> Any:
    """The same without characters that no database takes: NUL, and halves of characters that scripts cut in two."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {name: _storable(one) for name, one in value.items()}
    return value


def main() -> None:
    """`python -m macrohard.product.guest http://127.0.0.1:8000`."""
    asyncio.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
