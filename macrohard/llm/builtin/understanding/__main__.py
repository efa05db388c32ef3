"""`python -m macrohard.llm.builtin.understanding TEXT…` prints a reading as JSON; without TEXT, of standard input."""

import sys

from macrohard.llm.builtin.understanding import consistent, read

requirement = " ".join(sys.argv[1:]) or sys.stdin.read()
reading = read(requirement)
print(reading.model_dump_json(indent=1, exclude_defaults=True))
for problem in consistent(reading.blueprint) if reading.blueprint else ():
    print(f"inconsistent: {problem}", file=sys.stderr)
