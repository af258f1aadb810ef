"""Evaluating everybody for a definition that was published, changed by what it refers to, or archived."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import Compiler
from profile_service.repository import backfills, detecting, segments, signs
from profile_service.repository.backfills import FIRST_ID, LIFECYCLE_STATES, RANKS, BackfillRow
from profile_service.repository.conclusions import Definition, Definitions
from profile_service.repository.detecting import SignChange
from profile_service.repository.signs import SUBJECT, subject_of
from profile_service.service.concluding import Concluder
from profile_service.settings import Settings
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.moves import customers_in_motion, hold_moves, wait_for_writers


class Backfiller:
    """Works on one backfill after the other; each piece is one transaction, so a kill loses nothing.

    A segment's is one look at everybody, which keeps nobody waiting, and then the answers that differ, a chunk of
    customers at a time; see `repository.backfills` for why that is exact. The ranks' and a sign's go by chunks from the
    start.
    """

    def __init__(
        self, settings: Settings, *, database: Database, compiler: Compiler, concluder: Concluder, clock: Clock
    ) -> None:
        self._settings = settings
        self._database = database
        self._compiler = compiler
        self._concluder = concluder
        self._clock = clock

    async def step(self) -> bool:
        """Do one piece of the oldest backfill; True while there is more."""
        async with self._database.transaction() as session:
            work = await backfills.claim_backfill(session)
            if work is None:
                return False
            if work.subject in {RANKS, LIFECYCLE_STATES}:
                await self._evaluate_chunk(session, work)
                return True
            if work.subject.startswith(SUBJECT):
                await self._follow_sign(session, work)
                return True
            segment = await self._segment(session, work)
            if segment is None:
                await self._let_go(session, work)
            elif work.remaining is None:
                await self._look(session, work, segment)
            else:
                await self._keep_chunk(session, work, segment)
            return True

    async def _segment(self, session: AsyncSession, work: BackfillRow) -> Definition | None:
        """The published definition; None: archived."""
        published = await self._concluder.definitions(session)
        return next((each for each in published.segments if str(each.segment_id) == work.subject), None)

    async def _look(self, session: AsyncSession, work: BackfillRow, segment: Definition) -> None:
        """Look at everybody. Nobody is held and no move kept out: this may take long.

        What is written about somebody who is erased meanwhile is a random number, and goes with its chunk.
        """
        await wait_for_writers(session)
        segment_id, now = UUID(work.subject), self._clock.now()
        is_quick = await backfills.may_look_quickly(session, segment_id, segment.dependencies.events, now=now)
        compiled = self._compiler.candidates(segment.condition, is_quick=is_quick)
        found = await backfills.look_at_everybody(
            session, segment_id, compiled, is_first=is_quick, chunk=self._settings.backfill_kept_chunk, now=now
        )
        if not await backfills.note_look(session, work, found=found, now=now):
            await session.rollback()

    async def _keep_chunk(self, session: AsyncSession, work: BackfillRow, segment: Definition) -> None:
        """Keep the next answers found, or evaluate those customers live whose answers may not hold any more."""
        await hold_moves(session)
        work_now = await backfills.lock_backfill(session, work)
        if work_now is None:
            return
        segment_id, now = UUID(work.subject), self._clock.now()
        facts = self._concluder.entry_facts(segment, reason=work.reason, now=now)
        chunk = await backfills.keep_first(session, segment_id, facts, now=now)
        if chunk is None:
            await backfills.look_again(session, work.subject)
            return
        await self._concluder.note_entries(session, chunk, segment_id, reason=work.reason, now=now)
        changes = await backfills.keep_found(session, segment_id, chunk.known, now=now)
        await self._concluder.announce(session, changes, segment, reason=work.reason)
        if chunk.stale:
            await self._concluder.conclude(
                session, chunk.stale, Definitions(segments=(segment,), ranks=()), reason=work.reason
            )
        is_over = (work_now.remaining or 0) <= chunk.size
        await backfills.advance_backfill(
            session, work.subject, cursor=None, evaluated=chunk.size, finished_at=now if is_over else None
        )

    async def _let_go(self, session: AsyncSession, work: BackfillRow) -> None:
        """The segment is archived: the next of its members exit."""
        await hold_moves(session)
        work_now = await backfills.lock_backfill(session, work)
        archived = await segments.get_archived(session, UUID(work.subject))
        if work_now is None or archived is None:
            return
        await backfills.forget_found(session, archived.segment_id)
        changes, cursor = await backfills.leave(
            session, archived.segment_id, after=work_now.cursor, limit=self._settings.backfill_chunk
        )
        await self._concluder.announce(session, changes, archived, reason="definition")
        await backfills.advance_backfill(
            session,
            work.subject,
            cursor=cursor,
            evaluated=len(changes),
            finished_at=self._clock.now() if cursor is None else None,
        )

    async def _follow_sign(self, session: AsyncSession, work: BackfillRow) -> None:
        if _evaluated_by_chunks(await self._concluder.definitions(session), work.subject):
            await self._evaluate_chunk(session, work)
        else:
            await self._let_sign_go(session, work)

    async def _let_sign_go(self, session: AsyncSession, work: BackfillRow) -> None:
        """The sign is archived: it expires in the next of those who show it."""
        await hold_moves(session)
        work_now = await backfills.lock_backfill(session, work)
        if work_now is None:
            return
        changes: list[SignChange] = []
        cursor = None
        archived = await signs.get_archived(session, UUID(work.subject.removeprefix(SUBJECT)))
        if archived is not None:
            changes, cursor = await detecting.leave_signs(
                session, archived.sign_id, after=work_now.cursor or FIRST_ID, limit=self._settings.backfill_chunk
            )
            await self._concluder.announce_signs(session, changes, archived, reason="definition")
        await backfills.advance_backfill(
            session,
            work.subject,
            cursor=cursor,
            evaluated=len(changes),
            finished_at=self._clock.now() if cursor is None else None,
        )

    async def _evaluate_chunk(self, session: AsyncSession, work: BackfillRow) -> None:
        """Evaluate the ranks, or a sign, for one chunk of customers.

        Customers who come behind the cursor are evaluated live, with what is published, because a live batch reads
        definitions only after it has locked its customers. Those in motion are concluded about when they have arrived.
        """
        await hold_moves(session)
        work_now = await backfills.lock_backfill(session, work)
        if work_now is None:
            return
        limit = self._settings.backfill_chunk
        customer_ids = await backfills.next_customers(session, after=work_now.cursor, limit=limit)
        moving = await customers_in_motion(session, customer_ids)
        published = await self._concluder.definitions(session)
        await self._concluder.conclude(
            session,
            [customer_id for customer_id in customer_ids if customer_id not in moving],
            _evaluated_by_chunks(published, work.subject),
            reason=work.reason,
        )
        await backfills.advance_backfill(
            session,
            work.subject,
            cursor=customer_ids[-1] if customer_ids else None,
            evaluated=len(customer_ids),
            finished_at=self._clock.now() if len(customer_ids) < limit else None,
        )


def _evaluated_by_chunks(published: Definitions, subject: str) -> Definitions:
    """What a chunk of this backfill is evaluated for; nothing: it is not published any more."""
    if subject == RANKS:
        return Definitions(segments=(), ranks=published.ranks)
    if subject == LIFECYCLE_STATES:
        return Definitions(segments=(), ranks=(), lifecycle=published.lifecycle)
    signs_asked = tuple(each for each in published.signs if subject_of(each.sign_id) == subject)
    return Definitions(segments=(), ranks=(), signs=signs_asked)
