"""What models at endpoints were seen to accept, so that they are asked about it once."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from macrohard.domain import JsonObject
from macrohard.store.database import Database
from macrohard.store.tables import CapabilityRow


class CapabilityStore:
    """The latest finding for each model at each address; what it says is the gateway's business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, *, endpoint_url: str, model: str, body: JsonObject) -> None:
        """Keep what was found out just now, in the place of what was known before."""
        values = {"endpoint_url": endpoint_url, "model": model, "probed_at": datetime.now(UTC), "body": body}
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        changed = {"probed_at": values["probed_at"], "body": body}
        async with self._database.write() as session:
            await session.execute(
                insert(CapabilityRow)
                .values(values)
                .on_conflict_do_update(index_elements=["endpoint_url", "model"], set_=changed)
            )

    async def load(self) -> Mapping[tuple[str, str], JsonObject]:
        """All that is known, by address and model."""
        async with self._database.read() as session:
            rows = (await session.scalars(select(CapabilityRow))).all()
        return {(row.endpoint_url, row.model): row.body for row in rows}
