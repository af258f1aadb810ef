"""Digests of identifiers that were stored without: before there were any, or before partners could send them hashed."""

from collections.abc import Callable
from uuid import UUID

from identity_service.repository import digests as repository
from identity_service.repository.resolution import load_namespaces, lock_forms
from identity_service.rules.hashing import digest_of_value
from servicekit.database import Database, raw


class DigestFiller:
    """Fills in what is missing, a stretch a transaction; once nothing is, it looks again when the rules say otherwise.

    Stopped anywhere, the next one finds what is still missing. Several do the same and no harm.
    """

    def __init__(self, *, database: Database, secret: Callable[[], bytes], stretch: int = 2000) -> None:
        self._database = database
        self._secret = secret
        self._stretch = stretch
        self._sought: frozenset[str] = frozenset()
        self._after: UUID | None = None
        self._is_complete = True

    async def fill(self) -> bool:
        """Fill in a stretch; False: nothing is missing any more."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            namespaces = await load_namespaces(connection)
            hashable = frozenset(filter(namespaces.is_hashable, namespaces.normalisers))
            if not hashable <= self._sought:
                self._sought, self._after, self._is_complete = hashable, None, False
            if self._is_complete:
                return False
            await lock_forms(connection, exclusive=False)  # as whoever adds a value in plain
            missing = await repository.find_without_digest(
                connection, self._sought, after=self._after, limit=self._stretch
            )
            secret = self._secret()
            digests = {one.anchor_id: digest_of_value(one.value, secret=secret) for one in missing}
            await repository.fill_in_digests(connection, digests)
        if missing:
            self._after = missing[-1].anchor_id
        self._is_complete = len(missing) < self._stretch
        return not self._is_complete
