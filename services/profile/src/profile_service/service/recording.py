"""Recording what happened: timelines, traits, purchases, and at once what follows from them."""

from collections.abc import Sequence, Set
from operator import attrgetter
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import relations, timeline, traits
from profile_service.repository.conclusions import Definition, Definitions
from profile_service.repository.detecting import SignDefinition
from profile_service.rules import TimelineEvent
from profile_service.rules.relations import Statement, take_statements
from profile_service.service.concluding import Concluder, LiveHints
from profile_service.service.remarks import RemarkReader
from profile_service.settings import Settings
from servicekit.moves import customers_in_motion


class Recorder:
    """Takes batches of events whose customers are known."""

    def __init__(self, settings: Settings, *, concluder: Concluder, hints: LiveHints) -> None:
        self._settings = settings
        self._concluder = concluder
        self._hints = hints
        self._remarks = RemarkReader()

    async def record(
        self, session: AsyncSession, events: Sequence[TimelineEvent], *, statements: Sequence[Statement] = ()
    ) -> None:
        """Put events on their timelines once, fold their traits, evaluate what they can have changed, hint. Remarks are
        read for their topics.

        What events say of related persons' dates is kept apart from the timeline; `statements` are such of events that
        do not say it themselves. Set-wise: the number of SQL statements does not depend on the number of events.
        """
        if not statements:
            events, statements = take_statements(events)
        events = await self._remarks.read(session, events)
        await timeline.copy_incoming(session, events)
        recorded = await timeline.record_events(
            session,
            revenue_property=self._settings.revenue_property,
            base_currency=self._settings.base_currency,
            purchase_event=self._settings.purchase_event,
            time_zone=self._settings.time_zone,
        )
        if any(event.traits for event in events):
            await traits.record_traits(session, time_zone=self._settings.time_zone)
        if statements:
            zone = ZoneInfo(self._settings.time_zone)
            await relations.record_statements(session, statements, zone=zone)
        related = {statement.customer_id for statement in statements}
        await self._conclude(session, events, recorded, related=related)
        self._hints.send(session, {event.customer_id: event.anchor_id for event in events})

    async def _conclude(
        self,
        session: AsyncSession,
        events: Sequence[TimelineEvent],
        recorded: dict[UUID, bool],
        *,
        related: set[UUID],
    ) -> None:
        definitions = await self._concluder.definitions(session)
        touched = touched_by(events, recorded, definitions, related=related)
        affected = Definitions(
            segments=tuple(each for each in definitions.segments if each in touched),
            ranks=definitions.ranks if any(each in touched for each in definitions.ranks) else (),
            signs=tuple(each for each in definitions.signs if each in touched),
            lifecycle=definitions.lifecycle if any(each in touched for each in definitions.lifecycle) else (),
        )
        customer_ids = set().union(*(touched[each] for each in touched))
        if customer_ids:  # those in motion are concluded about when all their facts have arrived
            customer_ids -= await customers_in_motion(session, customer_ids)
        await self._concluder.conclude(
            session, sorted(customer_ids, key=attrgetter("int")), affected, reason="event", hint=False
        )


def touched_by(
    events: Sequence[TimelineEvent],
    recorded: dict[UUID, bool],
    definitions: Definitions,
    *,
    related: Set[UUID] = frozenset(),
) -> dict[Definition | SignDefinition, set[UUID]]:
    """Which recorded customers (value: is new) may have another answer to which definition.

    A definition is touched by the names it asks for, by those `related` of whom a related person's date was said if it
    asks for such, and by a new customer if it holds for a stranger or asks for what may have been known before.
    """
    by_event: dict[str, set[UUID]] = {}
    by_trait: dict[str, set[UUID]] = {}
    for event in events:
        if event.customer_id not in recorded:
            continue
        by_event.setdefault(event.name, set()).add(event.customer_id)
        for name in event.traits:
            by_trait.setdefault(name, set()).add(event.customer_id)
    new = {customer_id for customer_id, is_new in recorded.items() if is_new}
    touched: dict[Definition | SignDefinition, set[UUID]] = {}
    for definition in definitions.all:
        customers = set().union(
            *(by_event.get(name, set()) for name in definition.dependencies.events),
            *(by_trait.get(name, set()) for name in definition.dependencies.traits),
            related & recorded.keys() if definition.dependencies.purposes else set(),
            new if definition.for_stranger or definition.dependencies.asks_beside_events else set(),
        )
        if customers:
            touched[definition] = customers
    return touched
