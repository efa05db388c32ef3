"""All rows of the table: what is tried, and what cannot be here."""

from tests.attacks import (
    boundary,
    browser,
    channel,
    deceit,
    egress,
    engine,
    files,
    life,
    network,
    obedience,
    resources,
    shown,
)
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
    *obedience.ATTACKS,
    *life.ATTACKS,
)

NO_BOARD = "there is no control interface in a browser yet that a page could attack"

ABSENT = (Absent("F10 board", "the product's page against the control interface", NO_BOARD),)
