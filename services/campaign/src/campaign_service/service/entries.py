"""Customers enter journeys, and leave them early."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.events import publish_ended
from campaign_service.repository import assignments, configuration, runs
from campaign_service.repository import entries as repository
from campaign_service.repository.configuration import Published
from campaign_service.repository.entries import EarlyEntryRow
from campaign_service.repository.runs import Entrant, SegmentExit
from campaign_service.rules.definition import WaitStep
from campaign_service.rules.filters import matches
from campaign_service.rules.names import run_id
from contracts.identity import ResolvedEvent
from contracts.profile import SegmentEntered, SegmentExited, SignDetected
from servicekit.erasure import erased_among

PRESENT_MEMBERS = frozenset({"backfill", "definition"})
"""Reasons of memberships and signs that began because of a definition, not because the customer changed."""

EARLY = timedelta(days=8)
"""How long an entry waits for the move of its anchor: no stream keeps that longer than a week."""

NamedCustomers = Mapping[UUID, UUID]
"""Whom facts (by `event_id`) name: somebody else than their anchor's present customer, if a move lies between."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes a customer enter: an event, a segment, a sign, being a member already. `name` tells it from others.

    `named_customer_id` is whom the fact names. Another than who holds the anchor is of the time before a move, or of
    the time after one that has not come yet: facts and moves come by different ways.
    """

    customer_id: UUID
    anchor_id: UUID
    occurred_at: datetime
    name: str
    named_customer_id: UUID


class Beginning(NamedTuple):
    """A fact that makes its customer enter a journey."""

    journey: Published
    fact: SegmentEntered | SignDetected | ResolvedEvent


def _cause_of(fact: SegmentEntered | SignDetected | ResolvedEvent, named: NamedCustomers) -> Cause:
    whom = named.get(fact.event_id, fact.customer_id)
    return Cause(fact.customer_id, fact.anchor_id, fact.occurred_at, str(fact.event_id), whom)


async def begun_by_segments(session: AsyncSession, facts: Sequence[SegmentEntered]) -> list[Beginning]:
    """Return what customers' entering segments begins."""
    journeys = await configuration.published_for_segments(session, sorted({fact.segment_key for fact in facts}))
    return [
        Beginning(journey, fact)
        for journey, trigger in journeys
        for fact in facts
        if fact.segment_key == trigger.segment_key and _is_taken(fact, trigger.include_current_members)
    ]


async def begun_by_signs(session: AsyncSession, facts: Sequence[SignDetected]) -> list[Beginning]:
    """Return what signs begin that were detected in customers."""
    journeys = await configuration.published_for_signs(session, sorted({fact.sign_key for fact in facts}))
    return [
        Beginning(journey, fact)
        for journey, trigger in journeys
        for fact in facts
        if fact.sign_key == trigger.sign_key and _is_taken(fact, trigger.include_current)
    ]


def _is_taken(fact: SegmentEntered | SignDetected, include_present: bool) -> bool:
    return include_present or fact.reason not in PRESENT_MEMBERS


async def begun_by_events(session: AsyncSession, facts: Sequence[ResolvedEvent]) -> list[Beginning]:
    """Return what customers' events begin. Events before the journey begin nothing."""
    journeys = await configuration.published_for_events(session, sorted({fact.name for fact in facts}))
    return [
        Beginning(journey, fact)
        for journey, trigger in journeys
        for fact in facts
        if fact.name == trigger.event
        and fact.occurred_at >= journey.active_since
        and matches(trigger.where, fact.properties)
    ]


async def enter_begun(
    session: AsyncSession,
    beginnings: Iterable[Beginning],
    named: NamedCustomers,
    *,
    now: datetime,
    first_reading: timedelta,
) -> int:
    """Start the runs that were begun, journey by journey; return how many."""
    started = 0
    for journey, of_journey in groupby(beginnings, lambda each: each.journey):
        causes = [_cause_of(each.fact, named) for each in of_journey]
        started += await enter(session, journey, causes, now=now, first_reading=first_reading)
    return started


async def enter(
    session: AsyncSession, journey: Published, causes: Sequence[Cause], *, now: datetime, first_reading: timedelta
) -> int:
    """Start one run for each customer who may enter; return how many. Doing it again starts nothing.

    A cause that starts none, and names another customer than its anchor's, waits: it may be ahead of the anchor's move.
    """
    first_of: dict[UUID, Cause] = {}
    for cause in sorted(causes, key=lambda each: each.occurred_at):
        first_of.setdefault(cause.customer_id, cause)
    if not first_of:
        return 0
    entrants = [
        Entrant(
            run_id(journey.key, cause.customer_id, cause.name), cause.customer_id, cause.anchor_id, cause.occurred_at
        )
        for cause in first_of.values()
    ]
    definition = journey.definition
    first_step, pause = definition.steps[0], definition.reentry.pause
    await runs.lock_entry(session, journey.key)
    started = await runs.start_runs(
        session,
        entrants,
        journey_key=journey.key,
        journey_version=journey.version,
        campaign_key=definition.campaign_key,
        step=first_step.key,
        now=now,
        wake_at=now + (first_step.duration if isinstance(first_step, WaitStep) else timedelta()),
        reenter_before=None if pause is None else now - pause,
    )
    if started and not definition.has_holdout:
        # Nobody is held out, yet what these customers buy counts for the campaign from now on.
        draws = [
            assignments.Draw(entrant.customer_id, entrant.anchor_id, "treatment")
            for entrant in entrants
            if entrant.run_id in started
        ]
        await assignments.assign_arms(session, definition.campaign_key, draws, now=now, due_at=now + first_reading)
    await _hold_early(session, journey.key, causes, started, now=now)
    return len(started)


async def _hold_early(
    session: AsyncSession, journey_key: str, causes: Iterable[Cause], started: set[UUID], *, now: datetime
) -> None:
    rows = [
        EarlyEntryRow(
            journey_key=journey_key,
            cause=cause.name,
            anchor_id=cause.anchor_id,
            customer_id=cause.customer_id,
            named_customer_id=cause.named_customer_id,
            triggered_at=cause.occurred_at,
        )
        for cause in causes
        if cause.named_customer_id != cause.customer_id
        and run_id(journey_key, cause.customer_id, cause.name) not in started
    ]
    if rows:
        await repository.hold_early(session, rows, now=now)


async def enter_arrived(
    session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime, first_reading: timedelta
) -> int:
    """Let those in whom facts named before their anchors had come; return how many runs that starts."""
    rows = await repository.take_arrived(session, customer_ids, held_before=now - EARLY)
    erased = await erased_among(session, {row.customer_id for row in rows}) if rows else frozenset()
    causes: defaultdict[str, list[Cause]] = defaultdict(list)
    for row in rows:
        if row.customer_id not in erased:
            cause = Cause(row.customer_id, row.anchor_id, row.triggered_at, row.cause, row.named_customer_id)
            causes[row.journey_key].append(cause)
    started = 0
    for journey in await configuration.published_journeys(session, sorted(causes)) if causes else []:
        started += await enter(session, journey, causes[journey.key], now=now, first_reading=first_reading)
    return started


async def leave_by_segments(
    session: AsyncSession, facts: Sequence[SegmentExited], named: NamedCustomers, *, now: datetime
) -> None:
    """End runs of customers who left the segment, in journeys that ask for it.

    Where a move lies between whom a fact names and who has its anchor, the latter did not leave by it: only what hangs
    on the anchor ends. Profile concludes about both after the move, and says so.
    """
    exits = []
    for fact in facts:
        whom = named.get(fact.event_id, fact.customer_id)
        anchor_id = None if whom == fact.customer_id else fact.anchor_id
        exits.append(SegmentExit(whom, fact.segment_key, fact.occurred_at, anchor_id))
    await repository.forget_left(session, exits)
    await publish_ended(session, await runs.exit_runs(session, exits, now=now), now=now)


async def unite(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> None:
    """After customers became one, or two again.

    Of one customer's runs in a journey the oldest goes on, the others end as `merged`; who is held out gets no more.
    Runs and arms stay with the anchor of what began them: parted from each other, both go on where they stopped.
    """
    await assignments.keep_arms(session, customer_ids, now=now)
    await publish_ended(session, await runs.unite_runs(session, customer_ids, now=now), now=now, may_go_on=True)
