"""What campaign reads from profile in the background: purchases, and members who were there before the journey.

No transaction is open while profile is asked. What was claimed is leased: killed in between, it becomes due again.
"""

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.clients import Member, ProfileReader
from campaign_service.repository import assignments, configuration, runs
from campaign_service.repository import entries as repository
from campaign_service.repository.assignments import Conversion
from campaign_service.repository.entries import OpenEntry
from campaign_service.rules.windows import next_reading
from campaign_service.service.entries import Cause, enter
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.erasure import erased_among
from servicekit.errors import Unavailable
from servicekit.moves import hold_moves

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)


async def read_purchases(database: Database, profile: ProfileReader, *, clock: Clock, interval: timedelta) -> bool:
    """Read the purchases of up to 1000 customers that are due; True while more may be."""
    now = clock.now()
    async with database.transaction() as session:
        unread = await assignments.claim_unread(session, now=now, leased_until=now + LEASE, limit=ProfileReader.PAGE)
    if not unread:
        return False
    try:
        purchases = await profile.read_purchases(unread)
    except Unavailable as error:
        log.warning("purchases_not_read", reason=error.detail, retry_in_seconds=LEASE.total_seconds())
        return False
    conversions = [
        Conversion(
            each.anchor_id,
            bought.count,
            bought.total,
            next_reading(each.assigned_at, window_days=each.goal_window_days, read_at=now, interval=interval),
        )
        for each, bought in zip(unread, purchases, strict=True)
    ]
    async with database.transaction() as session:
        await assignments.save_conversions(
            session, unread[0].campaign_key, conversions, read_at=now, leased_until=now + LEASE
        )
    return True


async def enter_members(
    database: Database, profile: ProfileReader, *, clock: Clock, first_reading: timedelta
) -> int | None:
    """Let one page of a segment's present members enter its journey.

    Returns how many runs began; None when no page waits (or profile does not answer now).
    """
    now = clock.now()
    async with database.transaction() as session:
        entry = await repository.claim_open_entry(session, now=now, leased_until=now + LEASE)
    if entry is None:
        return None
    try:
        page = await profile.read_members(entry.segment_key, after=entry.after)
    except Unavailable as error:
        log.warning("members_not_read", reason=error.detail, retry_in_seconds=LEASE.total_seconds())
        return None
    async with database.transaction() as session:
        await hold_moves(session)
        started = await _enter_page(session, entry, page.members, clock=clock, first_reading=first_reading)
        if not await repository.turn_page(session, entry, after=page.next, entered=started, now=clock.now()):
            log.info("page_entered_elsewhere", journey=entry.journey_key)
    return started


async def _enter_page(
    session: AsyncSession, entry: OpenEntry, members: list[Member], *, clock: Clock, first_reading: timedelta
) -> int:
    journeys = await configuration.published_for_segments(session, [entry.segment_key])
    journey = next((each for each, _ in journeys if each.key == entry.journey_key), None)
    if journey is None or journey.version != entry.journey_version:
        return 0
    moved = await runs.current_customers(session, [member.anchor_id for member in members])
    causes = [
        Cause(
            moved.get(member.anchor_id, member.customer_id),
            member.anchor_id,
            entry.requested_at,
            f"members/{entry.journey_version}",
            member.customer_id,
        )
        for member in members
    ]
    erased = await erased_among(session, {cause.customer_id for cause in causes})
    causes = [cause for cause in causes if cause.customer_id not in erased]
    return await enter(session, journey, causes, now=clock.now(), first_reading=first_reading)
