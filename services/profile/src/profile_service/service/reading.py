"""What is asked of profile: views of customers, timelines, conversions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import PropertyFilter
from profile_service.conditions import CompiledPredicate, Compiler
from profile_service.conditions.checking import check_filters
from profile_service.repository import views
from profile_service.repository.circulation import publisher_of
from profile_service.repository.signs import SignView, signs_of
from profile_service.repository.views import (
    ConversionWindow,
    EventView,
    PurchasesView,
    RankView,
    SegmentView,
    TraitView,
)
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import OF_RANKS
from profile_service.service.segments import get_segment
from profile_service.service.value_reading import ComputedView, ValueReader
from servicekit.errors import Forbidden


@dataclass(frozen=True)
class CustomerView:
    """What is known and concluded of one customer; nothing for one that profile does not know."""

    customer_id: UUID
    traits: list[TraitView]
    purchases: PurchasesView | None
    rank: RankView | None
    segments: list[SegmentView]
    signs: list[SignView]
    computed: ComputedView


@dataclass(frozen=True)
class TimelinePage:
    """A part of a customer's timeline, newest first."""

    customer_id: UUID
    events: list[EventView]
    has_more: bool
    total_count: int


async def get_customers(
    session: AsyncSession, customer_ids: Sequence[UUID], *, values: ValueReader, now: datetime
) -> list[CustomerView]:
    """One view per requested customer, in order, of what the asker may see."""
    sight = sight_of(session)
    traits = await get_traits(session, customer_ids)
    purchases = await views.purchases_of(session, customer_ids) if sight.sees_purchases() else {}
    ranks = await views.ranks_of(session, customer_ids) if sight.sees_definition(OF_RANKS) else {}
    segments = await views.segments_of(session, customer_ids)
    signs = await signs_of(session, customer_ids)
    computed = await values.read(session, customer_ids, sight=sight, now=now)
    return [
        CustomerView(
            customer_id=customer_id,
            traits=traits.get(customer_id, []),
            purchases=purchases.get(customer_id),
            rank=ranks.get(customer_id),
            segments=[each for each in segments.get(customer_id, []) if sight.sees_segment(each.key)],
            signs=[each for each in signs.get(customer_id, []) if sight.sees_sign(each.key)],
            computed=computed[customer_id],
        )
        for customer_id in customer_ids
    ]


async def get_traits(
    session: AsyncSession, customer_ids: Sequence[UUID], *, names: Sequence[str] | None = None
) -> dict[UUID, list[TraitView]]:
    """Folded traits by customer, in order of name, of those that the asker may see."""
    sight = sight_of(session)
    found = await views.traits_of(session, customer_ids, names=names)
    if sight.restricts("trait"):
        found = {
            customer_id: [trait for trait in traits if sight.sees_trait(trait.name)]
            for customer_id, traits in found.items()
        }
    sight.note_read("trait", (trait.department for traits in found.values() for trait in traits))
    return found


async def get_computed(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    *,
    names: Sequence[str] | None,
    values: ValueReader,
    now: datetime,
) -> dict[UUID, dict[str, Any]]:
    """Computed traits by customer and key, of those named that the asker may see; none where none is named."""
    if not names:
        return {}
    views = await values.read(session, customer_ids, sight=sight_of(session), now=now, names=names)
    return {customer_id: view.computed for customer_id, view in views.items()}


async def get_timelines(
    session: AsyncSession, customer_ids: Sequence[UUID], *, first: int, before: tuple[datetime, UUID] | None
) -> list[TimelinePage]:
    """The newest `first` events of each requested customer that the asker may see, before the last one seen."""
    sight = sight_of(session)
    visible = sight.event_filter(alias="e", first_parameter=views.VISIBLE_IN_TIMELINES)
    timelines = await views.timelines_of(session, customer_ids, limit=first + 1, before=before, visible=visible)
    sight.note_read("event", (event.department for timeline in timelines for event in timeline.events[:first]))
    return [
        TimelinePage(
            customer_id,
            [
                replace(event, properties=sight.visible_properties(event.properties))
                for event in timeline.events[:first]
            ],
            len(timeline.events) > first,
            timeline.event_count,
        )
        for customer_id, timeline in zip(customer_ids, timelines, strict=True)
    ]


async def list_customers(
    session: AsyncSession, *, segment_key: str | None, after: UUID | None, first: int
) -> tuple[list[tuple[UUID, UUID, datetime | None]], bool, int]:
    """Customers (of a segment) with their latest anchor and since when; whether there are more; how many in all.

    Since when they are known, which is when their first event was, is not told to whoever may not see all events.

    Raises:
        NotFound: there is no such segment.
    """
    if segment_key is None:
        rows, total = await views.list_customers(session, after=after, limit=first + 1)
    else:
        segment = await get_segment(session, segment_key)
        rows, total = await views.list_members(session, segment.segment_id, after=after, limit=first + 1), segment.size
    if segment_key is not None:
        publisher = await publisher_of(session, segment_key)
        sight_of(session).note_read("segment", repeat(publisher, min(len(rows), first)))
    is_told = segment_key is not None or not sight_of(session).restricts("event")
    found = [(customer_id, anchor_id, since if is_told else None) for customer_id, anchor_id, since in rows[:first]]
    return found, len(rows) > first, total


async def get_conversions(
    session: AsyncSession,
    windows: Sequence[ConversionWindow],
    *,
    event: str,
    sum_property: str | None,
    where: list[PropertyFilter],
    compiler: Compiler,
) -> list[tuple[int, Decimal]]:
    """Per window, in order: how many such events that the asker may see, and the sum of a property over them.

    Raises:
        Invalid: a filter. Forbidden: the asker may see no such event.
    """
    check_filters(where)
    sight = sight_of(session)
    if not sight.sees_some_event(event):
        raise Forbidden(REFUSED, field="event")
    if sum_property is not None:
        sight.check_name("trait", sum_property, field="sum_property")
    for place, each in enumerate(where):
        sight.check_name("trait", each.property, field=f"where.{place}.property")
    predicate = compiler.predicate(where, first_parameter=5)
    visible = sight.event_filter(alias="e", first_parameter=5 + len(predicate.parameters))
    if visible is not None:
        predicate = CompiledPredicate(
            f"({predicate.sql}) AND ({visible.sql})", (*predicate.parameters, *visible.parameters)
        )
    summand = None
    if sum_property is not None:
        summand = compiler.summand(sum_property, first_parameter=5 + len(predicate.parameters))
    return await views.conversions(session, windows, event=event, where=predicate, summand=summand)
