"""How many runs can be submitted in a second."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

AT_ONCE, EACH = 8, 25


def measure(port: int, token: str) -> float:
    """Runs per second, by several programs at once."""

    def submit(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps({"requirement": "A list of plants: name (required), planted on (date).", "model": "builtin"})
        for _ in range(EACH):
            connection.request("POST", "/api/v1/runs", body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 201:
                raise SystemExit(f"{answer.status} {said[:300]!r}")
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(submit, range(AT_ONCE)))
    return round(AT_ONCE * EACH / (time.perf_counter() - began), 1)
