"""Sources as identity tells of them."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import SourceChanged
from profile_service.repository import sources, trait_definitions
from profile_service.repository.sources import SourceVersion
from servicekit.clock import Clock


class SourceKeeper:
    """Keeps every version of the sources, in whatever order they are told; the handler of their notices.

    Where a source turns out to belong to another department, what is folded by departments is folded anew.
    """

    def __init__(self, *, clock: Clock, wake_trait_work: Callable[[AsyncSession], None]) -> None:
        self._clock = clock
        self._wake_trait_work = wake_trait_work

    async def __call__(self, session: AsyncSession, notices: Sequence[SourceChanged]) -> None:
        """Keep what the notices tell."""
        versions = [
            SourceVersion(
                source_id=notice.source_id,
                version=notice.version,
                name=notice.name,
                department=notice.department,
                brand=notice.brand,
                legal_entity=notice.legal_entity,
                purposes=notice.purposes,
                changed_at=notice.occurred_at,
            )
            for notice in notices
        ]
        if not await sources.record_versions(session, versions):
            return
        names = await trait_definitions.names_trusting_departments(session)
        if names:
            await trait_definitions.request_refolds(session, names, now=self._clock.now())
            self._wake_trait_work(session)
