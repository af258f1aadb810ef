"""Views of customers: HTTP only."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request

from profile_service.repository import views
from profile_service.repository.views import ConversionWindow
from profile_service.routes.dependencies import SettingsDependency, reads
from profile_service.rules import recency_days
from profile_service.schemas import customers as schemas
from profile_service.schemas.signs import SignOfCustomerAnswer
from profile_service.service import reading
from profile_service.service.policy import sight_of
from profile_service.service.reading import CustomerView, TimelinePage
from profile_service.service.value_reading import ValueReader, plain
from profile_service.settings import Settings
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.http import BatchGet, ClockDependency, Key, Session, TransactionalRoute, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["profile"])


@router.post("/customers:batchGet", dependencies=reads)
async def get_customers(
    body: BatchGet, request: Request, session: Session, clock: ClockDependency, settings: SettingsDependency
) -> schemas.CustomersAnswer:
    """Traits, purchases in sum, rank, segments and computed values of many customers."""
    now = clock.now()
    values: ValueReader = resource(request, "value_reader")
    customers = await reading.get_customers(session, body.customer_ids, values=values, now=now)
    return schemas.CustomersAnswer(
        customers=[_customer(each, now=now, settings=settings) for each in customers],
        withheld=not sight_of(session).is_whole,
    )


def _customer(view: CustomerView, *, now: datetime, settings: Settings) -> schemas.CustomerAnswer:
    rfm = None
    if view.purchases is not None:
        zone = ZoneInfo(settings.time_zone)
        rfm = schemas.RfmAnswer(
            recency_days=recency_days(last_purchase_at=view.purchases.last_purchase_at, now=now, zone=zone),
            frequency=view.purchases.frequency,
            monetary=view.purchases.monetary,
            currency=settings.base_currency,
        )
    return schemas.CustomerAnswer(
        customer_id=view.customer_id,
        traits=[schemas.TraitAnswer.model_validate(trait) for trait in view.traits],
        rfm=rfm,
        rank=None if view.rank is None else schemas.RankOfCustomerAnswer.model_validate(view.rank),
        segments=[schemas.SegmentOfCustomerAnswer.model_validate(segment) for segment in view.segments],
        signs=[SignOfCustomerAnswer.model_validate(sign) for sign in view.signs],
        computed={key: plain(value) for key, value in view.computed.computed.items()},
        lifecycle=view.computed.lifecycle,
        points=view.computed.points,
        next_rank=None
        if view.computed.next_rank is None
        else schemas.NextRankAnswer.model_validate(view.computed.next_rank),
        rfm_scores=schemas.RfmScoresAnswer(**view.computed.scores) if view.computed.scores else None,
    )


@router.get("/customers", dependencies=reads)
async def list_customers(
    session: Session,
    segment: Annotated[Key | None, Query()] = None,
    first: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> schemas.CustomerListAnswer:
    """Customers in a stable order, of one segment if asked."""
    last_seen = decode_cursor(after, UUID)[0] if after is not None else None
    rows, has_more, total = await reading.list_customers(session, segment_key=segment, after=last_seen, first=first)
    return schemas.CustomerListAnswer(
        items=[
            schemas.ListedCustomerAnswer(customer_id=customer_id, anchor_id=anchor_id, since=since)
            for customer_id, anchor_id, since in rows
        ],
        next=encode_cursor(rows[-1][0]) if has_more else None,
        total_count=total,
    )


@router.post("/timelines:batchGet", dependencies=reads)
async def get_timelines(body: schemas.TimelinesQuery, session: Session) -> schemas.TimelinesAnswer:
    """The newest events of many customers; a cursor continues after its event."""
    before = None
    if body.after is not None:
        occurred_at, event_id = decode_cursor(body.after, datetime, UUID)
        before = (occurred_at, event_id)
    pages = await reading.get_timelines(session, body.customer_ids, first=body.first, before=before)
    return schemas.TimelinesAnswer(
        customers=[_timeline(page) for page in pages], withheld=sight_of(session).restricts("event")
    )


def _timeline(page: TimelinePage) -> schemas.TimelineAnswer:
    return schemas.TimelineAnswer(
        customer_id=page.customer_id,
        events=[
            schemas.EventAnswer(
                event_id=event.event_id,
                name=event.name,
                kind=event.kind,
                source_id=event.source_id,
                department=event.department,
                brand=event.brand,
                legal_entity=event.legal_entity,
                occurred_at=event.occurred_at,
                properties=event.properties,
                cursor=encode_cursor(event.occurred_at, event.event_id),
            )
            for event in page.events
        ],
        has_more=page.has_more,
        total_count=page.total_count,
    )


@router.post("/traits:batchGet", dependencies=reads)
async def get_traits(
    body: schemas.TraitsQuery, request: Request, session: Session, clock: ClockDependency
) -> schemas.TraitsAnswer:
    """Trait values of many customers, by name, with where they come from.

    A name that is no trait of the customer's but the key of a computed one gives what that comes to.
    """
    values: ValueReader = resource(request, "value_reader")
    computed = await reading.get_computed(session, body.customer_ids, names=body.names, values=values, now=clock.now())
    traits = await reading.get_traits(session, body.customer_ids, names=body.names)
    return schemas.TraitsAnswer(
        withheld=not sight_of(session).is_whole,
        customers=[
            schemas.TraitValuesAnswer(
                customer_id=customer_id,
                traits={key: plain(value) for key, value in computed.get(customer_id, {}).items()}
                | {trait.name: trait.value for trait in traits.get(customer_id, [])},
                provenance={
                    trait.name: schemas.TraitProvenance.model_validate(trait) for trait in traits.get(customer_id, [])
                },
            )
            for customer_id in body.customer_ids
        ],
    )


@router.post("/conversions:batchGet", dependencies=reads)
async def get_conversions(
    body: schemas.ConversionsQuery, request: Request, session: Session
) -> schemas.ConversionsAnswer:
    """Count and sum of an event in many customers' windows."""
    windows = [ConversionWindow(each.key, each.customer_id, each.starts_at, each.ends_at) for each in body.windows]
    results = await reading.get_conversions(
        session,
        windows,
        event=body.event,
        sum_property=body.sum_property,
        where=body.where,
        compiler=resource(request, "compiler"),
    )
    return schemas.ConversionsAnswer(
        conversions=[
            schemas.ConversionAnswer(key=window.key, count=count, sum=total)
            for window, (count, total) in zip(windows, results, strict=True)
        ]
    )


@router.get("/totals", dependencies=reads)
async def get_totals(session: Session, settings: SettingsDependency) -> schemas.TotalsAnswer:
    """Sums over everybody."""
    totals = await views.totals(session)
    is_shown = sight_of(session).sees_purchases()
    return schemas.TotalsAnswer(
        customers=totals.customers,
        events=totals.events,
        purchases=totals.purchases if is_shown else None,
        revenue=totals.revenue if is_shown else None,
        purchases_simulated=totals.purchases_simulated if is_shown else None,
        revenue_simulated=totals.revenue_simulated if is_shown else None,
        withheld=not is_shown,
        currency=settings.base_currency,
    )
