"""What `make` does: prepare this machine and the Python environment, then build, test or measure.

Standard library only: it runs before anything is installed. Registries, mirrors, proxies and certificates are whatever
apt and pip are configured for on this machine; nothing here names or writes one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "setup.log"
ENGINE_LOG = Path("/var/log/macrohard-dockerd.log")
ENGINE_START_SECONDS = 60
IMAGES = ("base", "browser", "media")
OURS = {"APP", "ARGS", "NAME", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}

HELP = """\
make build APP="todo app. due dates. filter."   from a requirement to a delivered product
make build ARGS="--file req.txt --yes --json"   the same with options; all of them: make build ARGS=--help
make test                                       all checks and tests
make attacks                                    attacks on the sandboxes; the last line is JSON
make bench NAME=understanding                   one benchmark; its last line is JSON
make constraints                                (maintainers) write constraints.txt anew

Each of them installs what is missing first and says what and why.
make itself ends with 2 whenever a command failed; for macrohard's own exit codes run .venv/bin/macrohard."""


class SetupError(Exception):
    """The machine cannot be prepared; the text says what the person can do."""


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


# ── The machine ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Need:
    """A Debian package, what it is for, and how to see that it, or something as good, is there."""

    package: str
    purpose: str
    present: Callable[[], bool]
    backported: bool = False
    """Whether Debian 12's own is too old, so that it has to come from the backports of that release."""


def on_path(*programs: str) -> Callable[[], bool]:
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return lambda: any(shutil.which(program, path=path) for program in programs)


def engine_state() -> str:
    """What answers at the Docker socket: "up", "down", or "forbidden" for this user."""
    address = os.environ.get("DOCKER_HOST", "")
    if address and not address.startswith("unix://"):
        return "up"  # a remote engine; macrohard itself says so if it does not answer
    # A client without an engine is common, so the server is asked, not the command looked for.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(address.removeprefix("unix://") or "/var/run/docker.sock")
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return "up" if b" 200 " in connection.recv(64) else "down"
        except PermissionError:
            return "forbidden"
        except OSError:
            return "down"


def has_engine() -> bool:
    return engine_state() != "down" or on_path("dockerd")()


def has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0


def has_gvisor() -> bool:
    """Whether there is a runsc of 2024 or later; before that it knows no way to work that is not slow or forbidden."""
    if not on_path("runsc")():
        return False
    said = subprocess.run(["runsc", "--version"], capture_output=True, text=True).stdout
    return not re.search(r"0\.0~20(1\d|2[0-3])", said)


def has_libatomic() -> bool:
    return any(Path("/usr/lib").glob("*/libatomic.so.1"))


def has_postgresql() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or on_path("initdb")()


GIT = Need("git", "the repositories of the products", on_path("git"))
PIP = Need("python3-pip", "installs Macrohard's Python packages into .venv", has_pip)
ENGINE = Need("docker.io", "the engine of the sandboxes in which all products are built and run", has_engine)
BASE = Need(
    "mmdebstrap", "makes the sandboxes' base image where no image registry can be reached", on_path("mmdebstrap")
)
BUBBLEWRAP = Need("bubblewrap", "sandboxes for machines where no Docker engine can run", on_path("bwrap"))
CHROMIUM = Need("chromium", "the tests look at reports in it", on_path("chromium", "chromium-browser"))
LIBATOMIC = Need("libatomic1", "Playwright, which drives the tests' browser, is linked with it", has_libatomic)
GVISOR = Need("runsc", "gVisor, the strongest sandbox that is tested", has_gvisor, backported=True)
POSTGRESQL = Need("postgresql", "the tests run on it as well as on SQLite", has_postgresql)

PARTS = (
    ("tests/factory/test_[a-k]*", "tests/cli/*", "tests/store/*"),
    ("tests/factory/*", "tests/product/*"),
    ("tests/llm/*", "tests/report/*", "tests/sandbox/*"),
    ("*",),
)
"""Of the tests: what takes about as long each. More than there are processors, because tests also wait."""

NEEDS = {
    "build": (GIT, ENGINE, BASE),
    "test": (GIT, ENGINE, BASE, BUBBLEWRAP, CHROMIUM, LIBATOMIC, POSTGRESQL, GVISOR),
}


def prepare_machine(purpose: str) -> None:
    confined = is_confined()
    install([need for need in NEEDS[purpose] if not need.present() and not (confined and need is ENGINE)])
    if confined:
        say("this is itself a container without the right to make others, so no Docker engine can work in it")
    elif start_engine():
        return
    install([need for need in [BUBBLEWRAP] if not need.present()])
    if subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True).returncode == 0:
        say("no Docker engine: going on with bubblewrap, a weaker sandbox")
    else:
        say("neither a Docker engine nor bubblewrap works here; macrohard will refuse to build until one does")


def install(needs: Sequence[Need]) -> None:
    """Install what is missing, or say which commands do it; only a machine without the essentials is an error."""
    if not needs:
        return
    say("this machine lacks:")
    for need in needs:
        say(f"  {need.package:<12} {need.purpose}")
    packages = [need.package for need in needs]
    commands = f"sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        advice = f"not Debian or Ubuntu, so please install the equivalents of: {', '.join(packages)}"
    elif os.geteuid() != 0:
        advice = f"only root may install, so please run:\n    {commands}"
    else:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        names = ", ".join(packages)
        with backports(any(need.backported for need in needs)) as options:
            if logged("looking for Debian packages", ["apt-get", *options, "update"], environment) and logged(
                f"installing {names} with apt",
                ["apt-get", *options, "install", "--yes", "--no-install-recommends", *chosen(needs, options)],
                environment,
            ):
                return
        advice = f"apt could not install them (see {LOG}); by hand:\n    {commands.replace('sudo ', '')}"
    if any(need in (GIT, PIP) for need in needs):
        raise SetupError(advice)
    say(advice)
    say("going on without")


@contextmanager
def backports(wanted: bool) -> Iterator[Sequence[str]]:
    """Options with which apt knows the backports of Debian 12 as well, from where it gets Debian 12 itself.

    Only for the commands that get them: what this machine installs otherwise is not changed.
    """
    wish = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(REPO_URI)"]
    lines = subprocess.run(wish, capture_output=True, text=True).stdout.splitlines() if wanted else []
    addresses = [line.split()[2] for line in lines if len(line.split()) == 3 and line.split()[1] == "bookworm"]
    if not addresses:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="macrohard-sources-") as folder:
        # The user who downloads for apt has to be able to read it.
        Path(folder).chmod(0o755)
        own = Path("/etc/apt/sources.list.d")
        for path in own.glob("*") if own.is_dir() else ():
            shutil.copy(path, folder)
        signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        source = f"deb {signed} {addresses[0]} bookworm-backports main\n"
        Path(folder, "macrohard-backports.list").write_text(source)
        yield ["--option", f"Dir::Etc::sourceparts={folder}"]


def chosen(needs: Sequence[Need], options: Sequence[str]) -> list[str]:
    """The packages as apt takes them, those of the backports where it knows any."""
    return [f"{need.package}/bookworm-backports" if need.backported and options else need.package for need in needs]


def is_confined() -> bool:
    """Whether even root may not do here what an engine has to: it would start, and fail at the first container."""
    if engine_state() == "up" or os.geteuid() != 0 or not on_path("unshare")():
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0


def start_engine() -> bool:
    """Whether a Docker engine answers, started if it is installed and nobody else does."""
    state = engine_state()
    if state == "up":
        return True
    if state == "forbidden":
        say("a Docker engine runs, but this user may not use it; please run, then log in again:")
        say("    sudo usermod -aG docker $USER")
        return False
    if not on_path("dockerd")():
        return False
    by_systemd = Path("/run/systemd/system").is_dir()
    if os.geteuid() != 0:
        say("the Docker engine is installed but does not run; please start it:")
        say("    sudo systemctl start docker" if by_systemd else "    sudo dockerd &")
        return False
    if by_systemd:
        subprocess.run(["systemctl", "start", "docker"], capture_output=True)
        return waited_for_engine(None)
    for options in ([], ["--bridge=none", "--iptables=false", "--ip6tables=false"]):
        # The second attempt is for kernels without iptables: sandboxes have no network anyway.
        say(" ".join(["starting the Docker engine: dockerd", *options]))
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        with ENGINE_LOG.open("ab") as log:
            engine = subprocess.Popen(
                ["dockerd", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": path},
            )
        if waited_for_engine(engine):
            say(f"it runs as process {engine.pid} until it is stopped (log: {ENGINE_LOG})")
            return True
        if engine.poll() is None:
            engine.terminate()
            engine.wait()
    say(f"the Docker engine cannot start here: {last_line(ENGINE_LOG)}")
    return False


def waited_for_engine(process: subprocess.Popen[bytes] | None) -> bool:
    deadline = time.monotonic() + ENGINE_START_SECONDS
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if engine_state() == "up":
            return True
        time.sleep(0.1)
    return engine_state() == "up"


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    errors = [line for line in lines[-50:] if line.startswith(("ERROR", "E: ", "failed to start daemon"))]
    return [*lines, *errors][-1] if lines else "it said nothing"


# ── The Python environment ───────────────────────────────────────────────────────────────────────────────────────────


def prepare_python(purpose: str) -> None:
    """Bring `.venv` up to date with pyproject.toml and constraints.txt; quick when it is."""
    import tomllib

    declared = (ROOT / "pyproject.toml").read_bytes()
    pinned = ROOT / "constraints.txt"
    state = hashlib.sha256(b"\0".join([declared, pinned.read_bytes(), str(VENV).encode(), sys.version.encode()]))
    stamp = VENV / f"ready-for-{purpose}"
    if stamp.is_file() and stamp.read_text() == state.hexdigest():
        return
    install([need for need in (PIP,) if not need.present()])
    packages = ["--editable", f"{ROOT}[postgres]"]
    if purpose == "test":
        packages += tomllib.loads(declared.decode())["dependency-groups"]["dev"]
    # Without pip of its own: Debian has Python's ensurepip in a package that may be missing.
    make_venv = [sys.executable, "-m", "venv", "--without-pip", *([] if same_python() else ["--clear"]), str(VENV)]
    if not logged("making .venv", make_venv):
        raise SetupError(f"Python could not make {VENV} (see {LOG})")
    if not logged(
        "installing Macrohard's Python packages into .venv (see constraints.txt)",
        [
            *[sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check", "--no-input"],
            *["install", "--quiet", "--constraint", str(pinned), *packages],
        ],
    ):
        raise SetupError(f"pip could not install the Python packages: {last_line(LOG)}\n    (all of it: {LOG})")
    stamp.write_text(state.hexdigest())


def same_python() -> bool:
    """Whether `.venv` is of the Python that runs this."""
    try:
        output = subprocess.run([str(PYTHON), "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
    except OSError:
        return not VENV.exists()
    return output.stdout.strip() == sys.version.strip()


def logged(what: str, command: Sequence[str], environment: dict[str, str] | None = None) -> bool:
    """Run a command with its output in the log; whether it succeeded."""
    LOG.parent.mkdir(exist_ok=True)
    say(f"{what} …")
    started = time.monotonic()
    with LOG.open("ab") as log:
        log.write(f"\n$ {shlex.join(command)}\n".encode())
        log.flush()
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    seconds = time.monotonic() - started
    if process.returncode == 0 and seconds > 1:
        say(f"… done in {seconds:.0f} s")
    return process.returncode == 0


# ── The targets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def build() -> int:
    text, options = os.environ.get("APP", ""), shlex.split(os.environ.get("ARGS", ""))
    if not text and not options:
        print('make build APP="what you need, in plain words"   (more: make)', file=sys.stderr)
        return 2
    prepare_machine("build")
    prepare_python("build")
    macrohard = str(VENV / "bin" / "macrohard")
    command = [macrohard, "build", *options, *(["--", text] if text else [])]
    return become(command, without_ours())


def without_ours() -> dict[str, str]:
    """The environment, but for what was meant for make."""
    return {name: value for name, value in os.environ.items() if name not in OURS}


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Go on as this program, so that signals and exit code are its own."""
    sys.stderr.flush()
    os.execve(command[0], list(command), environment)


def test() -> int:
    prepare_machine("test")
    prepare_python("test")
    programs = VENV / "bin"
    checks = (
        ["ruff", "check", "--quiet", "."],
        ["ruff", "format", "--check", "--quiet", "."],
        ["mypy"],
        ["lint-imports"],
    )
    with ThreadPoolExecutor(1) as aside:
        images = aside.submit(make_images)
        failed = [check for check in checks if not passes([str(programs / check[0]), *check[1:]])]
        images.result()
    arguments = shlex.split(os.environ.get("ARGS", ""))
    return 1 if failed else tests(arguments)


def make_images() -> None:
    """Make the sandboxes' images: once, because tests run side by side."""
    for engine, names in (("docker", IMAGES), ("bubblewrap", ("base", "browser"))):
        build = [str(PYTHON), "-m", "macrohard", "sandboxes", "build", "--sandbox", engine, *names]
        logged(f"making the sandboxes' images for {engine}", build)


def tests(arguments: Sequence[str]) -> int:
    """All tests, in parts side by side, each always in the same order; or those that the arguments name."""
    pytest = [str(PYTHON), "-m", "pytest"]
    if arguments:
        return subprocess.run([*pytest, *arguments], cwd=ROOT, env=without_ours()).returncode
    shown, *others = parts()
    with ExitStack() as stack:
        aside = []
        for part in others:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen([*pytest, *part], cwd=ROOT, env=without_ours(), stdout=said, stderr=said)
            stack.callback(process.kill)
            aside.append((process, said))
        outcomes = [subprocess.run([*pytest, *shown], cwd=ROOT, env=without_ours()).returncode]
        for process, said in aside:
            outcomes.append(process.wait())
            said.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(said, sys.stdout.buffer)
            sys.stdout.flush()
    return int(any(outcomes))


def parts() -> list[list[str]]:
    """The files of all tests by part: each in the first that names it."""
    # Products that tests build and check have tests of their own, in folders that are no packages.
    found = (path for path in (ROOT / "tests").rglob("test_*.py") if (path.parent / "__init__.py").is_file())
    left = sorted(str(path.relative_to(ROOT)) for path in found)
    divided = []
    for names in PARTS:
        divided.append([file for file in left if any(fnmatchcase(file, name) for name in names)])
        left = [file for file in left if file not in divided[-1]]
    return divided


def passes(command: Sequence[str]) -> bool:
    name = " ".join([Path(command[0]).name, *command[1:]])
    started = time.monotonic()
    check = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    outcome = "passed" if check.returncode == 0 else "FAILED"
    print(f"{name}: {outcome} ({time.monotonic() - started:.1f} s)", flush=True)
    if check.returncode != 0:
        print(check.stdout, flush=True)
    return check.returncode == 0


def bench() -> int:
    name = os.environ.get("NAME", "")
    known = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py"))
    known += sorted(path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py"))
    if name not in known:
        print(f"make bench NAME=…, one of: {', '.join(known) or 'there are none yet'}", file=sys.stderr)
        return 2
    prepare_machine("test")
    prepare_python("test")
    arguments = shlex.split(os.environ.get("ARGS", ""))
    command = [str(PYTHON), "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=without_ours()).returncode


def attacks() -> int:
    prepare_machine("test")
    prepare_python("test")
    rows, environment = shlex.split(os.environ.get("ARGS", "")), without_ours()
    held = 0
    if not rows:
        # What every sandbox has to do, on the kinds that `make test` only looks at.
        contract = [str(PYTHON), "-m", "pytest", "--quiet", "tests/sandbox/test_contract.py", "-k", "userns or gvisor"]
        every = {**environment, "MACROHARD_TEST_EVERY_TIER": "1"}
        held = subprocess.run(contract, cwd=ROOT, env=every, stdout=sys.stderr).returncode
    attacked = subprocess.run([str(PYTHON), "-m", "tests.attacks", *rows], cwd=ROOT, env=environment).returncode
    return attacked or held


def constraints() -> int:
    """Resolve all dependencies afresh and pin what came out, without saying where it came from."""
    target = ROOT / "constraints.txt"
    target.write_text("")
    prepare_python("test")
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
    upgrade = [*pip, "install", "--quiet", "--upgrade", "--upgrade-strategy", "eager"]
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not logged("resolving", [*upgrade, "--editable", f"{ROOT}[postgres]", *declared["dependency-groups"]["dev"]]):
        raise SetupError(f"pip could not resolve the dependencies (see {LOG})")
    frozen = subprocess.run([*pip, "freeze", "--exclude-editable"], capture_output=True, text=True, check=True).stdout
    pins = [line for line in frozen.splitlines() if re.fullmatch(r"[A-Za-z0-9._-]+==[^ ]+", line)]
    target.write_text("# Versions that were tested together; written by `make constraints`.\n" + "\n".join(pins) + "\n")
    print(f"{len(pins)} versions pinned in {target.name}")
    return 0


def show_help() -> int:
    print(HELP)
    return 0


TARGETS = {
    "help": show_help,
    "build": build,
    "test": test,
    "attacks": attacks,
    "bench": bench,
    "constraints": constraints,
}


def main() -> int:
    if sys.hexversion < 0x030B0000:
        print(
            f"setup: Macrohard needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.\n"
            "    Use another one with: make PYTHON=python3.12 …",
            file=sys.stderr,
        )
        return 1
    try:
        return TARGETS[sys.argv[1] if len(sys.argv) > 1 else "help"]()
    except SetupError as error:
        say(str(error))
        return 1
    except ValueError as error:  # shlex: an unclosed quotation in ARGS
        print(f"ARGS={os.environ.get('ARGS', '')!r}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
