"""All rows of the table: what is tried, and what cannot be here."""

from tests.attacks import boundary, browser, channel, deceit, egress, engine, files, life, network, resources, shown
from tests.attacks.attack import Absent

ATTACKS = (
    *boundary.ATTACKS,
    *engine.ATTACKS,
    *channel.ATTACKS,
    *shown.ATTACKS,
    *resources.ATTACKS,
    *files.ATTACKS,
    *network.ATTACKS,
    *egress.ATTACKS,
    *browser.ATTACKS,
    *deceit.ATTACKS,
    *life.ATTACKS,
)

NO_BOARD = "there is no control interface in a browser that a page could attack"

ABSENT = (
    Absent("F10", "the product's page against the control interface", NO_BOARD),
    Absent("G4", "orders hidden in what a model reads", "no row yet; the built-in model obeys no text"),
    Absent("H7", "a failed start of gVisor", "gVisor is not an engine's runtime here"),
    Absent("H8", "another engine that breaks the bridge", "it would break the network of this machine"),
)
