"""Following what changes without an event: time passes, anchors move. (Definitions: see backfilling.)"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import anonymising, conclusions, detecting, relations, retractions, timeline, traits
from profile_service.repository.conclusions import Definitions
from profile_service.service.concluding import Concluder
from profile_service.settings import Settings
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.moves import Group, hold_moves

DUE_CUSTOMERS = 500
"""Customers whose time has come that are concluded about in one transaction."""


class Follower:
    """Concludes anew where no event calls for it; each piece of work is one transaction, so a kill loses nothing."""

    def __init__(self, settings: Settings, *, database: Database, concluder: Concluder, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._concluder = concluder
        self._clock = clock

    async def expire(self) -> bool:
        """Ask again for customers whose answers are due; True while there may be more.

        Customers whom another transaction holds are skipped: it may conclude about them itself, else they come again.
        So are customers in motion: they are concluded about when they have arrived.
        """
        now = self._clock.now()
        async with self._database.transaction() as session:
            await hold_moves(session)
            customer_ids = await conclusions.claim_due(session, now=now, limit=DUE_CUSTOMERS)
            if not customer_ids:
                return False
            due = await conclusions.due_segments(session, customer_ids, now=now)
            published = await self._concluder.definitions(session)
            segments = tuple(each for each in published.segments if each.segment_id in due)
            if len(segments) < len(due):
                in_use = [each.segment_id for each in published.segments if each.segment_id is not None]
                await conclusions.stop_asking(session, customer_ids, in_use, now=now)
            due_signs = await detecting.due_signs(session, customer_ids, now=now)
            signs = tuple(each for each in published.signs if each.sign_id in due_signs)
            if len(signs) < len(due_signs):
                in_use = [each.sign_id for each in published.signs]
                await detecting.stop_asking(session, customer_ids, in_use, now=now)
            await self._concluder.conclude(
                session,
                customer_ids,
                Definitions(segments=segments, ranks=published.ranks, signs=signs, lifecycle=published.lifecycle),
                reason="time",
            )
            return True

    async def recompute(self, session: AsyncSession, groups: Sequence[Group]) -> None:
        """Conclude anew about customers among whom anchors moved, once all their facts are re-keyed.

        A customer left without any event is no more: its conclusions go without a word, because consumers map a fact of
        its anchors to the customer they belong to now, and an exit would be taken for that one's.

        Where one of a group was in a segment, those of it that are not are said to have left it, although they never
        entered: what others keep of that membership (a journey's run, say) may hang on an anchor that is theirs now.
        """
        customer_ids = sorted(set().union(*groups))
        await timeline.lock_customers(session, customer_ids, now=self._clock.now())
        members = await conclusions.members_among(session, customer_ids)
        counts = await timeline.recount_customers(session, customer_ids, purchase_event=self._settings.purchase_event)
        gone = [customer_id for customer_id, count in counts.items() if not count]
        await self._concluder.note_departures(session, gone, reason="move")
        await detecting.refold_signs(session, groups)
        await anonymising.forget_readings(session, customer_ids)
        await timeline.forget_customers(session, gone)
        alive = sorted(customer_id for customer_id, count in counts.items() if count)
        await retractions.retract_arrived(session, alive)
        await traits.refold_customers(session, alive)
        await relations.refold_relations(session, alive)
        await self._concluder.conclude(
            session,
            alive,
            await self._concluder.definitions(session),
            reason="move",
            partings=partings(groups, members, frozenset(alive)),
        )


def partings(
    groups: Iterable[Group], members: Mapping[UUID, frozenset[UUID]], alive: frozenset[UUID]
) -> list[tuple[UUID, UUID]]:
    """Who was in no segment, but shared anchors with somebody who was: (customer, segment). `members` by segment."""
    found = []
    for segment_id, inside in members.items():
        for group in groups:
            if group & inside:
                found += [(customer_id, segment_id) for customer_id in sorted((group - inside) & alive)]
    return found
