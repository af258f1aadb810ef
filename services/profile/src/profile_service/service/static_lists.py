"""Putting customers on static lists and taking them off."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import static_lists
from profile_service.repository.backfills import RANKS
from profile_service.repository.conclusions import Definitions
from profile_service.repository.signs import subject_of
from profile_service.service.concluding import Concluder
from profile_service.service.references import References, of_segment
from profile_service.service.segments import get_segment
from servicekit.clock import Clock
from servicekit.erasure import erased_among
from servicekit.errors import Conflict
from servicekit.moves import customers_in_motion, hold_moves

Outcome = Literal["added", "present", "removed", "absent", "unknown"]
"""`unknown`: profile has no timeline of that customer, or it is erased."""


class StaticLists:
    """Changes lists, and at once what follows from them: the members themselves, and whatever asks for the list."""

    def __init__(self, *, concluder: Concluder, clock: Clock) -> None:
        self._concluder = concluder
        self._clock = clock

    async def add(
        self, session: AsyncSession, key: str, customer_ids: Sequence[UUID], *, added_by: str
    ) -> list[tuple[UUID, Outcome]]:
        """Put customers on a list; what became of each, in the order asked. Repeating it changes nothing.

        Raises:
            NotFound: there is no such segment.
            Conflict: it is no static list, or archived.
        """
        segment_id = await self._list(session, key)
        await hold_moves(session)
        known = await static_lists.known_among(session, customer_ids)
        known -= await erased_among(session, customer_ids)
        added = await static_lists.add_members(
            session, segment_id, sorted(known), added_by=added_by, now=self._clock.now()
        )
        await self._conclude(session, key, added)
        return [
            (each, "added" if each in added else "present" if each in known else "unknown") for each in customer_ids
        ]

    async def remove(self, session: AsyncSession, key: str, customer_ids: Sequence[UUID]) -> list[tuple[UUID, Outcome]]:
        """Take customers off a list; what became of each, in the order asked. Repeating it changes nothing.

        Raises:
            NotFound: there is no such segment.
            Conflict: it is no static list, or archived.
        """
        segment_id = await self._list(session, key)
        await hold_moves(session)
        known = await static_lists.known_among(session, customer_ids)
        removed = await static_lists.remove_members(session, segment_id, customer_ids)
        await self._conclude(session, key, removed & known)
        return [
            (each, "removed" if each in removed else "absent" if each in known else "unknown") for each in customer_ids
        ]

    async def _list(self, session: AsyncSession, key: str) -> UUID:
        segment = await get_segment(session, key)
        if segment.kind != "static":
            raise Conflict(f"The segment {key} has a condition: its members follow from that.")
        if segment.archived_at is not None:
            raise Conflict(f"The segment {key} is archived: unarchive it first.")
        return segment.segment_id

    async def _conclude(self, session: AsyncSession, key: str, customer_ids: set[UUID]) -> None:
        """Evaluate the list and whatever reaches it for locked customers; those in motion when they have arrived."""
        still = customer_ids - await customers_in_motion(session, customer_ids)
        if not still:
            return
        published = await self._concluder.definitions(session)
        reached = (await References.read(session)).subjects_that_reach(of_segment(key))
        affected = Definitions(
            segments=tuple(each for each in published.segments if each.key == key or str(each.segment_id) in reached),
            ranks=published.ranks if RANKS in reached else (),
            signs=tuple(each for each in published.signs if subject_of(each.sign_id) in reached),
        )
        await self._concluder.conclude(session, sorted(still), affected, reason="event")
