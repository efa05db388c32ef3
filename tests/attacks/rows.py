"""All rows of the table: what is tried, and what cannot be here."""

from tests.attacks import boundary, channel, files, life, network, resources
from tests.attacks.attack import Absent

ATTACKS = (
    *boundary.ATTACKS,
    *channel.ATTACKS,
    *resources.ATTACKS,
    *files.ATTACKS,
    *network.ATTACKS,
    *life.ATTACKS,
)

NO_MIRROR = "no row yet: sandboxes were without any way out when these rows were written"
NO_BOARD = "there is no control interface in a browser that a page could attack"
ELSEWHERE = "tried by `make test`"

ABSENT = (
    Absent("A7", "procfs races of the runtime (CVE-2025-31133)", "nothing here compares the runtime's version yet"),
    Absent("C6", "a busy neighbour", "a measurement; it needs a machine that does nothing else"),
    Absent("C7", "sparse files and deep folders", f"{ELSEWHERE}: tests/sandbox/test_contract.py"),
    Absent("D5", "archives copied out by the engine", "nothing is copied out as an archive"),
    Absent("D6", "odd file names", f"{ELSEWHERE}: tests/workspace/test_attacks.py"),
    Absent("D7", "a hostile page opened from disk", "products are served, and never opened as files"),
    Absent("E5", "an embedded bare repository", f"{ELSEWHERE}: tests/workspace/test_attacks.py"),
    Absent("E6", "cloning a hostile repository", f"{ELSEWHERE}: tests/workspace/test_attacks.py"),
    Absent("E7", "submodules and names like options", f"{ELSEWHERE}: tests/workspace/test_attacks.py"),
    Absent("F5", "tricks on a proxy's parser", NO_MIRROR),
    Absent("F6", "another name inside TLS", NO_MIRROR),
    Absent("F7", "an allowed name with a forbidden address", NO_MIRROR),
    Absent("F8", "carrying data out through a registry", NO_MIRROR),
    Absent("F9", "replacing the socket of the way out", NO_MIRROR),
    Absent("F10", "the product's page against the control interface", NO_BOARD),
    Absent("G1", "a browser without a sandbox of its own", f"{ELSEWHERE}: tests/sandbox/test_browser.py"),
    Absent("G2", "pages that open files", f"{ELSEWHERE}: tests/product/test_browser.py"),
    Absent("G3", "pages that carry data out", "no row yet; the browser is in the same loopback as F1 to F4"),
    Absent("G4", "orders hidden in what a model reads", "no row yet; the built-in model obeys no text"),
    Absent("G5", "pages that hold the browser up", "no row yet"),
    Absent("G6", "success that was made up", "no row yet"),
    Absent("H4", "an engine that hangs or fails", f"{ELSEWHERE}: tests/sandbox/test_engine_faults.py"),
    Absent("H6", "a process number used again", f"{ELSEWHERE}: tests/sandbox/test_docker.py"),
    Absent("H7", "a failed start of gVisor", "gVisor is not an engine's runtime here"),
    Absent("H8", "another engine that breaks the bridge", "it would break the network of this machine"),
    Absent("H9", "a poisoned cache of packages", NO_MIRROR),
)
