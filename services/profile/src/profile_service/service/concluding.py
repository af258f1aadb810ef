"""Concluding about customers and saying what changed."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.profile import MembershipReason
from profile_service.events import HINT_SUBJECT, hint_bodies, rank_facts, segment_facts
from profile_service.repository.conclusions import Conclusions, Definitions, non_members
from servicekit.clock import Clock
from servicekit.database import after_commit
from servicekit.nats import PUBLISH_ERRORS, NatsConnection
from servicekit.outbox import publish


class LiveHints:
    """Tells whoever is looking at a customer right now that there is something new. Lost when nobody listens."""

    def __init__(self, nats: NatsConnection, *, clock: Clock) -> None:
        self._nats = nats
        self._clock = clock

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

    def __init__(self, conclusions: Conclusions, *, hints: LiveHints, clock: Clock, partitions: int) -> None:
        self._conclusions = conclusions
        self._hints = hints
        self._clock = clock
        self._partitions = partitions

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
        """Evaluate, keep the answers, publish entered, exited and rank changed in this transaction.

        `partings` (customer, segment) are said to have left as well, unless they are members now.
        """
        now = self._clock.now()
        segments, ranks = await self._conclusions.evaluate(session, customer_ids, definitions, now=now)
        published = {segment.segment_id for segment in definitions.segments}
        segments += await non_members(session, [pair for pair in partings if pair[1] in published])
        facts = [*segment_facts(segments, definitions.segments, reason=reason, now=now), *rank_facts(ranks, now=now)]
        await publish(session, facts, partitions=self._partitions)
        if hint:
            self._hints.send(session, {fact.customer_id: fact.anchor_id for fact in facts})
