"""What takes long about traits, in chunks beside the live work: another policy, a source that takes back everything."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.profile import MembershipReason
from profile_service.repository import retractions, trait_definitions, traits
from profile_service.repository.conclusions import Definitions
from profile_service.service.concluding import Concluder
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.moves import customers_in_motion, hold_moves, wait_for_writers

_FIRST_ID = UUID(int=0)


class TraitWork:
    """Goes through everybody with a trait; each chunk is one transaction, so a kill repeats one and loses nothing.

    Before the first chunk everybody who may still write by what was there before has ended; whoever writes later,
    behind the cursor too, follows what is there now. Customers in motion are left out: they are folded when they have
    arrived.
    """

    def __init__(self, *, database: Database, concluder: Concluder, clock: Clock, chunk: int) -> None:
        self._database = database
        self._concluder = concluder
        self._clock = clock
        self._chunk = chunk

    async def step(self) -> bool:
        """Do one piece of the oldest retraction, or else of the oldest refold; True while there is more."""
        async with self._database.transaction() as session:
            if await self._begin_some(session):
                return True
        async with self._database.transaction() as session:
            await hold_moves(session)
            return await self._retract_chunk(session) or await self._refold_chunk(session)

    async def _begin_some(self, session: AsyncSession) -> bool:
        """Nothing is locked while waiting: those who are waited for may want to request a refold."""
        retraction_id, refold = (
            await retractions.next_retraction(session),
            await trait_definitions.next_refold(session),
        )
        if retraction_id is None and refold is None:
            return False
        await wait_for_writers(session)
        now = self._clock.now()
        if retraction_id is not None:
            await retractions.begin_retraction(session, retraction_id, now=now)
        if refold is not None:
            name, requested_at = refold
            await trait_definitions.begin_refold(session, name, requested_at=requested_at, now=now)
        return True

    async def _retract_chunk(self, session: AsyncSession) -> bool:
        work = await retractions.claim_retraction(session)
        if work is None:
            return False
        listed, still = await self._next_customers(session, work.name, work.cursor)
        found = await retractions.retract(session, work, still)
        await self.refold(session, work.name, sorted(found), reason="event")
        await retractions.note_retracted(
            session,
            work.retraction_id,
            cursor=listed[-1] if listed else None,
            retracted=sum(found.values()),
            finished_at=self._clock.now() if len(listed) < self._chunk else None,
        )
        return True

    async def _refold_chunk(self, session: AsyncSession) -> bool:
        work = await trait_definitions.claim_refold(session)
        if work is None:
            return False
        listed, still = await self._next_customers(session, work.name, work.cursor)
        await self.refold(session, work.name, still, reason="definition")
        await trait_definitions.advance_refold(
            session,
            work.name,
            cursor=listed[-1] if listed else None,
            refolded=len(listed),
            finished_at=self._clock.now() if len(listed) < self._chunk else None,
        )
        return True

    async def _next_customers(
        self, session: AsyncSession, name: str, cursor: UUID | None
    ) -> tuple[list[UUID], list[UUID]]:
        """The next customers with the trait, and those of them that are there and at rest, locked."""
        listed = await traits.customers_with(session, name, after=cursor or _FIRST_ID, limit=self._chunk)
        locked = await traits.lock_customers(session, listed)
        moving = await customers_in_motion(session, locked)
        return listed, [customer_id for customer_id in locked if customer_id not in moving]

    async def refold(
        self, session: AsyncSession, name: str, customer_ids: Sequence[UUID], *, reason: MembershipReason
    ) -> None:
        """Fold a trait of locked customers anew, and conclude about those for whom it changed."""
        changed = sorted(await traits.fold_traits(session, [(customer_id, name) for customer_id in customer_ids]))
        if not changed:
            return
        await traits.touch_customers(session, changed)
        published = await self._concluder.definitions(session)
        depending = Definitions(
            segments=tuple(each for each in published.segments if name in each.dependencies.traits),
            ranks=published.ranks if any(name in each.dependencies.traits for each in published.ranks) else (),
            signs=tuple(each for each in published.signs if name in each.dependencies.traits),
        )
        await self._concluder.conclude(session, changed, depending, reason=reason)
