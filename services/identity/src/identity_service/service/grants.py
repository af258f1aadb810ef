"""For whom else identifiers were brought in the time before that was kept: found out and told, once."""

from uuid import UUID

from identity_service.events import identifier_sourced
from identity_service.repository import grants as repository
from identity_service.repository.privacy import hold_erasures
from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.outbox import publish


class GrantTeller:
    """Goes over identifiers of several sources, a stretch a transaction; then begins anew, and finds none.

    It does begin anew: resolvers of the version before may go on for a while. Stopped anywhere, the next one finds what
    is left. Several do the same and no harm.
    """

    def __init__(self, *, database: Database, clock: Clock, partitions: int, stretch: int = 1000) -> None:
        self._database = database
        self._clock = clock
        self._partitions = partitions
        self._stretch = stretch
        self._after: UUID | None = None

    async def tell(self) -> bool:
        """Tell of a stretch; False: that was the last one."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            await hold_erasures(connection)
            anchor_ids = await repository.take_unknown(connection, after=self._after, limit=self._stretch)
            if anchor_ids:
                at = self._clock.now()
                await repository.fill_in_first(connection, anchor_ids)
                brought = await repository.find_brought(connection, anchor_ids)
                more = await repository.save_grants(connection, brought, at=at)
                await publish(session, [identifier_sourced(one, at=at) for one in more], partitions=self._partitions)
        is_last = len(anchor_ids) < self._stretch
        self._after = None if is_last else anchor_ids[-1]
        return not is_last
