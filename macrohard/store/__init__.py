"""What is kept of runs: SQLite in a file by default, PostgreSQL by URL."""

from macrohard.store.artifacts import ArtifactStore
from macrohard.store.budget import BudgetLedger
from macrohard.store.lease import Lease
from macrohard.store.log import RunLog
from macrohard.store.overview import Recorded
from macrohard.store.queue import OVER, Queue
from macrohard.store.store import Store
from macrohard.store.transcripts import Transcripts

__all__ = [
    "OVER",
    "ArtifactStore",
    "BudgetLedger",
    "Lease",
    "Queue",
    "Recorded",
    "RunLog",
    "Store",
    "Transcripts",
]
