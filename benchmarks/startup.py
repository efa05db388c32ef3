"""How long the command line takes to say its help, against an empty Python of the same environment.

Run: make bench NAME=startup.
"""

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 11


def seconds(*command: str) -> float:
    """One run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Interleave the rounds, so that both meet the same weather."""
    commands = {
        "python": (sys.executable, "-c", "pass"),
        "help": (sys.executable, "-m", "macrohard", "--help"),
        "build_help": (sys.executable, "-m", "macrohard", "build", "--help"),
        "runs": (sys.executable, "-m", "macrohard", "runs"),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(seconds(*command))
    medians = {f"{name}_ms_p50": round(1000 * statistics.median(times), 1) for name, times in taken.items()}
    ratio = round(medians["help_ms_p50"] / medians["python_ms_p50"], 1)
    print(json.dumps({**medians, "help_to_empty_python": ratio}))


if __name__ == "__main__":
    main()
