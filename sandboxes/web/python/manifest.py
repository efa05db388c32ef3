"""Prints what is installed here for products, in a few lines for those who write them."""

import json
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

asked = Path("/opt/python/requirements.txt").read_text().partition("# What these need")[0]
python = [found[1] for found in re.finditer(r"^([\w.-]+)(?:\[\w+\])?==", asked, re.MULTILINE)]
node = json.loads(Path("/opt/node/package.json").read_text())["dependencies"]


def node_version(name: str) -> str:
    return str(json.loads(Path(f"/node_modules/{name}/package.json").read_text())["version"])


program = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")
print(f"Python {platform.python_version()} with", ", ".join(f"{name} {version(name)}" for name in python))
print(f"Node.js {program} with", ", ".join(f"{name} {node_version(name)}" for name in node))
