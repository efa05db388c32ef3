"""How long a whole build takes, by phase: once as it comes, and once more with the images there.

Run: make bench NAME=build_time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUIREMENT = "todo app. due dates. priorities. done/undone. filter."


def build(folder: Path, *, model: str) -> tuple[float, dict[str, object]]:
    """Seconds from the command to its end, and the run as `show --json` has it."""
    environment = {**os.environ, "MACROHARD_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "macrohard", "build", REQUIREMENT, "--yes", "--json", "--model", model]
    began = time.perf_counter()
    made = subprocess.run(
        [*command, "--out", str(folder / "product")], check=True, stdout=subprocess.PIPE, env=environment, text=True
    )
    seconds = time.perf_counter() - began
    run = json.loads(made.stdout)["run"]
    shown = subprocess.run(
        [sys.executable, "-m", "macrohard", "show", run, "--json"],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    return seconds, json.loads(shown.stdout)


def main() -> None:
    """Build twice, and once carelessly; print one JSON line."""
    figures: dict[str, object] = {}
    for name, model in (("first", "builtin"), ("second", "builtin"), ("careless", "builtin:careless")):
        with tempfile.TemporaryDirectory() as folder:
            seconds, shown = build(Path(folder), model=model)
        overview = shown["overview"]
        assert isinstance(overview, dict)
        figures[f"{name}_s"] = round(seconds, 1)
        figures[f"{name}_phases_s"] = {row["phase"]: round(row["seconds"], 1) for row in overview["phases"]}
        figures[f"{name}_iterations"] = shown["iterations"]
        print(f"{name}: {seconds:.1f} s, {shown['outcome']}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
