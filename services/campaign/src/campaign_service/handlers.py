"""What campaign consumes: translated, then handed to a use case."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.repository import configuration
from campaign_service.repository import results as stored_results
from campaign_service.service import entries, results
from campaign_service.service.entries import Beginning, NamedCustomers
from campaign_service.service.results import MessageFact, Moment
from contracts.delivery import MessageBounced, MessageClicked, MessageFailed, MessageOpened, MessageSent
from contracts.identity import ResolvedEvent
from contracts.profile import SegmentEntered, SegmentExited, SignDetected
from servicekit.clock import Clock
from servicekit.consumers import AwaitedNames, Handler
from servicekit.database import Database, wake_after_commit
from servicekit.erasure import of_living_customers
from servicekit.moves import Group, Recompute

Wake = Callable[[], None]


class NamingHandler:
    """A handler of facts that let customers in or out: it learns whom they name beside whose their anchors are now."""

    takes_erased = True  # as they were published; facts of erased customers are dropped here

    def __init__(
        self, handle: Callable[[AsyncSession, list[Any], NamedCustomers], Awaitable[None]]
    ) -> None:  # the facts' type is the handler's own
        self._handle = handle

    async def __call__(self, session: AsyncSession, facts: list[Any]) -> None:  # as above
        """Take new facts of one type."""
        living = await of_living_customers(session, facts)
        if living:
            await self._handle(session, living, {fact.event_id: fact.customer_id for fact in facts})


async def _enter(
    session: AsyncSession,
    beginnings: Sequence[Beginning],
    named: NamedCustomers,
    *,
    clock: Clock,
    first_reading: timedelta,
    wake: Wake,
) -> None:
    if await entries.enter_begun(session, beginnings, named, now=clock.now(), first_reading=first_reading):
        wake_after_commit(session, wake)


def segment_handlers(*, clock: Clock, first_reading: timedelta, wake: Wake) -> dict[type[Any], Handler]:
    """Handlers of profile's facts."""

    async def on_entered(session: AsyncSession, facts: list[SegmentEntered], named: NamedCustomers) -> None:
        begun = await entries.begun_by_segments(session, facts)
        await _enter(session, begun, named, clock=clock, first_reading=first_reading, wake=wake)

    async def on_exited(session: AsyncSession, facts: list[SegmentExited], named: NamedCustomers) -> None:
        await entries.leave_by_segments(session, facts, named, now=clock.now())

    async def on_detected(session: AsyncSession, facts: list[SignDetected], named: NamedCustomers) -> None:
        begun = await entries.begun_by_signs(session, facts)
        await _enter(session, begun, named, clock=clock, first_reading=first_reading, wake=wake)

    return {
        SegmentEntered: NamingHandler(on_entered),
        SegmentExited: NamingHandler(on_exited),
        SignDetected: NamingHandler(on_detected),
    }


def event_handler(*, clock: Clock, first_reading: timedelta, wake: Wake) -> Handler:
    """Handler of identity's events."""

    async def on_events(session: AsyncSession, events: list[ResolvedEvent], named: NamedCustomers) -> None:
        await results.redeem_coupons(session, events)
        begun = await entries.begun_by_events(session, events)
        await _enter(session, begun, named, clock=clock, first_reading=first_reading, wake=wake)

    return NamingHandler(on_events)


def awaited_events(database: Database) -> AwaitedNames:
    """The events that matter now: those that start runs, and purchases while coupons are out."""

    async def names() -> frozenset[str]:
        async with database.transaction() as session:
            awaited = await configuration.awaited_event_names(session)
            coupons = await stored_results.coupons_are_out(session)
        return awaited | {results.PURCHASE} if coupons else awaited

    return names


def message_handlers() -> dict[type[Any], Handler]:
    """Handlers of delivery's facts."""
    moments: dict[type[MessageFact], Moment] = {
        MessageSent: "sent_at",
        MessageOpened: "opened_at",
        MessageClicked: "clicked_at",
        MessageBounced: "failed_at",
        MessageFailed: "failed_at",
    }
    return {kind: _outcome_handler(moment) for kind, moment in moments.items()}


def _outcome_handler(moment: Moment) -> Handler:
    async def on_messages(session: AsyncSession, facts: list[MessageFact]) -> None:
        await results.record_outcomes(session, facts, moment=moment)

    return on_messages


def unite_after_moves(*, clock: Clock, first_reading: timedelta, wake: Wake) -> Recompute:
    """What to conclude anew when anchors moved."""

    async def unite(session: AsyncSession, groups: Sequence[Group]) -> None:
        customer_ids, now = sorted(set().union(*groups)), clock.now()
        await entries.unite(session, customer_ids, now=now)
        if await entries.enter_arrived(session, customer_ids, now=now, first_reading=first_reading):
            wake_after_commit(session, wake)

    return unite
