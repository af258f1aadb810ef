"""Concluding about customers and saying what changed."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.profile import MembershipReason, SegmentEntered, SegmentExited
from profile_service.events import (
    HINT_SUBJECT,
    SegmentAtVersion,
    SignAtVersion,
    encoded_segment_facts,
    ending_of_segment_fact,
    hint_bodies,
    lifecycle_facts,
    rank_facts,
    sign_facts,
)
from profile_service.repository import sizes
from profile_service.repository.backfills import EntryFacts, KeptChunk
from profile_service.repository.conclusions import Conclusions, Definitions, SegmentChange, non_members
from profile_service.repository.detecting import SignChange, note_detections
from servicekit.clock import Clock
from servicekit.database import after_commit
from servicekit.nats import PUBLISH_ERRORS, NatsConnection
from servicekit.outbox import publish, publish_encoded


class LiveHints:
    """Tells whoever is looking at a customer right now that there is something new. Lost when nobody listens."""

    def __init__(self, nats: NatsConnection, *, clock: Clock) -> None:
        self._nats = nats
        self._clock = clock

    @property
    def are_sent(self) -> bool:
        """Whether anybody could hear them now."""
        return self._nats.is_ready

    def send(self, session: AsyncSession, anchors: Mapping[UUID, UUID]) -> None:
        """Once this transaction is committed, name its customers (each with one anchor)."""
        if not anchors:
            return

        async def publish_hints() -> None:
            if not self._nats.is_ready:
                return
            try:
                for body in hint_bodies(anchors, now=self._clock.now()):
                    await self._nats.client.publish(HINT_SUBJECT, body, headers={"ce-type": HINT_SUBJECT})
            except PUBLISH_ERRORS:
                return  # a hint is worth no retry: the next event brings another

        after_commit(session, publish_hints)


class Concluder:
    """Evaluates definitions for customers that this transaction has locked, and publishes what changed."""

    def __init__(
        self, conclusions: Conclusions, *, hints: LiveHints, clock: Clock, partitions: int, zone: ZoneInfo
    ) -> None:
        self._conclusions = conclusions
        self._hints = hints
        self._clock = clock
        self._partitions = partitions
        self._zone = zone

    async def definitions(self, session: AsyncSession) -> Definitions:
        """What is published now. Ask only after the customers are locked."""
        return await self._conclusions.definitions(session)

    async def conclude(
        self,
        session: AsyncSession,
        customer_ids: Sequence[UUID],
        definitions: Definitions,
        *,
        reason: MembershipReason,
        hint: bool = True,
        partings: Sequence[tuple[UUID, UUID]] = (),
    ) -> None:
        """Evaluate, keep the answers, publish what changed of segments, ranks and signs in this transaction.

        `partings` (customer, segment) are said to have left as well, unless they are members now.
        """
        now = self._clock.now()
        definitions = self._conclusions.with_signs_asked_for(definitions)
        changes, ranks, signs = await self._conclusions.evaluate(session, customer_ids, definitions, now=now)
        published = {segment.segment_id for segment in definitions.segments}
        departed = await non_members(session, [pair for pair in partings if pair[1] in published])
        await self._note_sizes(session, changes, reason=reason, now=now)
        await self._publish_segments(session, [*changes, *departed], definitions.segments, reason=reason, now=now)
        await publish(session, rank_facts(ranks, now=now), partitions=self._partitions)
        await publish(session, lifecycle_facts(ranks, now=now), partitions=self._partitions)
        await note_detections(session, signs, definitions.signs, reason=reason, now=now)
        await self._publish_signs(session, signs, definitions.signs, reason=reason, now=now)
        if hint:
            anchors = {change.customer_id: change.anchor_id for change in (*changes, *departed)}
            anchors |= {change.customer_id: change.anchor_id for change in ranks}
            anchors |= {change.customer_id: change.anchor_id for change in signs}
            self._hints.send(session, anchors)

    async def announce(
        self,
        session: AsyncSession,
        changes: Sequence[SegmentChange],
        segment: SegmentAtVersion,
        *,
        reason: MembershipReason,
    ) -> None:
        """Note and publish changes of one segment's memberships that this transaction has kept."""
        now = self._clock.now()
        await self._note_sizes(session, changes, reason=reason, now=now)
        await self._publish_segments(session, changes, [segment], reason=reason, now=now)
        self._hints.send(session, {change.customer_id: change.anchor_id for change in changes})

    def entry_facts(self, segment: SegmentAtVersion, *, reason: MembershipReason, now: datetime) -> EntryFacts:
        """How the database writes that customers entered a segment."""
        ending = ending_of_segment_fact(segment, reason=reason, now=now)
        return EntryFacts(SegmentEntered.fact_type, ending, self._partitions, are_named=self._hints.are_sent)

    async def note_entries(
        self,
        session: AsyncSession,
        chunk: KeptChunk,
        segment_id: UUID,
        *,
        reason: MembershipReason,
        now: datetime,
    ) -> None:
        """Note in the sizes, and hint at, who entered a segment and was told of."""
        await sizes.note_entries(session, segment_id, chunk.entered, reason=reason, day=self._day(now))
        self._hints.send(session, chunk.anchors)

    async def announce_signs(
        self,
        session: AsyncSession,
        changes: Sequence[SignChange],
        sign: SignAtVersion,
        *,
        reason: MembershipReason,
    ) -> None:
        """Publish changes of one sign that this transaction has kept."""
        await self._publish_signs(session, changes, [sign], reason=reason, now=self._clock.now())
        self._hints.send(session, {change.customer_id: change.anchor_id for change in changes})

    async def _publish_signs(
        self,
        session: AsyncSession,
        changes: Sequence[SignChange],
        signs: Sequence[SignAtVersion],
        *,
        reason: MembershipReason,
        now: datetime,
    ) -> None:
        known = {sign.sign_id: sign for sign in signs}
        facts = sign_facts(changes, known, reason=reason, now=now)
        await publish(session, facts, partitions=self._partitions)

    async def note_departures(self, session: AsyncSession, customer_ids: Sequence[UUID], *, reason: str) -> None:
        """Note in the sizes that these customers are no more, before their memberships go without a fact."""
        await sizes.note_departures(session, customer_ids, reason=reason, day=self._day(self._clock.now()))

    async def _note_sizes(
        self, session: AsyncSession, changes: Sequence[SegmentChange], *, reason: str, now: datetime
    ) -> None:
        pairs = [(change.segment_id, change.is_member) for change in changes]
        await sizes.note_changes(session, pairs, reason=reason, day=self._day(now))

    def _day(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    async def _publish_segments(
        self,
        session: AsyncSession,
        changes: Sequence[SegmentChange],
        segments: Sequence[SegmentAtVersion],
        *,
        reason: MembershipReason,
        now: datetime,
    ) -> None:
        known = {segment.segment_id: segment for segment in segments}
        for kind, is_member in ((SegmentEntered, True), (SegmentExited, False)):
            by_segment: dict[UUID, list[SegmentChange]] = {}
            for change in changes:
                if change.is_member == is_member:
                    by_segment.setdefault(change.segment_id, []).append(change)
            facts = [
                fact
                for segment_id, group in by_segment.items()
                for fact in encoded_segment_facts(group, known[segment_id], reason=reason, now=now)
            ]
            await publish_encoded(session, kind.fact_type, facts, occurred_at=now, partitions=self._partitions)
