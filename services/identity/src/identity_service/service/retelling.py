"""Identifiers linked before others listened, or listened to all of it: told once more after an upgrade."""

from identity_service.events import identifier_linked
from identity_service.repository import retelling as repository
from identity_service.repository.privacy import hold_erasures
from servicekit.database import Database, raw
from servicekit.outbox import publish


class IdentifierTeller:
    """Goes over all identifiers once, a stretch a call; stopped anywhere, the next one goes on there.

    One stretch a call, and a pause between: what customers do now must not wait in the stream behind all of it. Who
    knows an anchor already learns nothing new.
    """

    def __init__(self, *, database: Database, partitions: int, stretch: int = 1000) -> None:
        self._database = database
        self._partitions = partitions
        self._stretch = stretch

    async def tell(self) -> bool:
        """Tell of a stretch, if there is one; False: the next one has time."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            after = await repository.lock_place(connection)
            if after is None:
                return False
            await hold_erasures(connection)
            rows = await repository.next_identifiers(connection, after, limit=self._stretch)
            await publish(session, [identifier_linked(row) for row in rows], partitions=self._partitions)
            if len(rows) == self._stretch:
                await repository.save_place(connection, rows[-1]["anchor_id"])
            else:
                await repository.finish(connection)
        return False
