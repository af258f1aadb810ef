"""Noting which kinds of identifiers customers have, and at once what follows from them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import IdentifierLinked
from profile_service.repository import identifiers
from profile_service.repository.conclusions import Definitions
from profile_service.repository.identifiers import Linked
from profile_service.rules import storable_text
from profile_service.service.concluding import Concluder
from servicekit.moves import customers_in_motion


class IdentifierKeeper:
    """The handler of linked identifiers: one call for the whole batch."""

    def __init__(self, *, concluder: Concluder, time_zone: str) -> None:
        self._concluder = concluder
        self._zone = time_zone

    async def __call__(self, session: AsyncSession, facts: list[Any]) -> None:  # consumers' handlers take any facts
        """Note the namespaces and evaluate what asks for them; those in motion are concluded about on arrival."""
        linked: Sequence[IdentifierLinked] = facts
        await identifiers.record_identifiers(session, [_linked(fact) for fact in linked], time_zone=self._zone)
        known = await identifiers.lock_known(session, sorted({fact.customer_id for fact in linked}))
        if known:
            known -= await customers_in_motion(session, known)
        if not known:
            return
        published = await self._concluder.definitions(session)
        namespaces = {fact.namespace for fact in linked if fact.customer_id in known}
        asking = Definitions(
            segments=tuple(each for each in published.segments if each.dependencies.namespaces & namespaces),
            ranks=published.ranks if any(each.dependencies.namespaces & namespaces for each in published.ranks) else (),
            signs=tuple(each for each in published.signs if each.dependencies.namespaces & namespaces),
        )
        await self._concluder.conclude(session, sorted(known), asking, reason="event")


def _linked(fact: IdentifierLinked) -> Linked:
    return Linked(
        customer_id=fact.customer_id,
        namespace=storable_text(fact.namespace),
        anchor_id=fact.anchor_id,
        source_id=storable_text(fact.source_id),
        occurred_at=fact.occurred_at,
    )
