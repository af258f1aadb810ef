"""Creatives, campaigns and journeys as they are configured."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from campaign_service.models import Campaign, Creative, Journey, JourneyVersion, MemberEntry
from campaign_service.rules.definition import Definition, EventTrigger, SegmentTrigger, SignTrigger
from servicekit.database import raw


async def lock_key(session: AsyncSession, kind: str, key: str) -> None:
    """Let nobody else write the thing of that key until this transaction ends, also while it does not exist."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{kind}/{key}"))))


async def find_creative(session: AsyncSession, key: str) -> Creative | None:
    """Return the creative of that key."""
    return await session.get(Creative, key)


async def list_creatives(session: AsyncSession) -> Sequence[Creative]:
    """Return every creative, by key."""
    return (await session.scalars(select(Creative).order_by(Creative.key))).all()


async def missing_creatives(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that name no creative."""
    found = await session.scalars(select(Creative.key).where(col(Creative.key).in_(keys)))
    return set(keys) - set(found)


async def find_campaign(session: AsyncSession, key: str) -> Campaign | None:
    """Return the campaign of that key."""
    return await session.get(Campaign, key)


async def find_campaigns(session: AsyncSession, keys: Sequence[str]) -> dict[str, Campaign]:
    """Return the campaigns that exist among the keys."""
    found = await session.scalars(select(Campaign).where(col(Campaign.key).in_(keys)))
    return {campaign.key: campaign for campaign in found}


async def list_campaigns(session: AsyncSession) -> Sequence[Campaign]:
    """Return every campaign, by key."""
    return (await session.scalars(select(Campaign).order_by(Campaign.key))).all()


async def find_journey(session: AsyncSession, key: str, *, lock: bool = False) -> Journey | None:
    """Return the journey of that key; locked, nobody else edits it meanwhile."""
    return await session.get(Journey, key, with_for_update=lock or None, populate_existing=lock)


async def list_journeys(session: AsyncSession) -> Sequence[Journey]:
    """Return every journey, by key."""
    return (await session.scalars(select(Journey).order_by(Journey.key))).all()


async def add(session: AsyncSession, thing: Creative | Campaign | Journey | JourneyVersion | MemberEntry) -> None:
    """Store something new."""
    session.add(thing)
    await session.flush()


async def save(session: AsyncSession) -> None:
    """Write what was changed on things read from this session."""
    await session.flush()


class Published:
    """A published journey: what its trigger and runs need."""

    def __init__(self, *, key: str, version: int, definition: Definition, active_since: datetime) -> None:
        self.key = key
        self.version = version
        self.definition = definition
        self.active_since = active_since


_PUBLISHED = """
SELECT j.key, j.published_version, j.active_since, v.definition::text AS definition FROM journeys j
JOIN journey_versions v ON v.journey_key = j.key AND v.version = j.published_version
WHERE j.status = 'published' AND {condition} ORDER BY j.key
"""


async def published_for_segments(
    session: AsyncSession, segment_keys: Sequence[str]
) -> list[tuple[Published, SegmentTrigger]]:
    """Return the published journeys that customers enter with one of these segments."""
    journeys = await _published(session, "j.segment_key = ANY ($1::text[])", list(segment_keys))
    return [
        (journey, trigger) for journey in journeys if isinstance(trigger := journey.definition.trigger, SegmentTrigger)
    ]


async def published_for_events(session: AsyncSession, names: Sequence[str]) -> list[tuple[Published, EventTrigger]]:
    """Return the published journeys that customers enter with one of these events."""
    journeys = await _published(session, "j.event = ANY ($1::text[])", list(names))
    return [
        (journey, trigger) for journey in journeys if isinstance(trigger := journey.definition.trigger, EventTrigger)
    ]


async def published_for_signs(session: AsyncSession, sign_keys: Sequence[str]) -> list[tuple[Published, SignTrigger]]:
    """Return the published journeys that customers enter with one of these signs."""
    condition = "v.definition #>> '{trigger,sign_key}' = ANY ($1::text[])"
    journeys = await _published(session, condition, list(sign_keys))
    return [
        (journey, trigger) for journey in journeys if isinstance(trigger := journey.definition.trigger, SignTrigger)
    ]


async def published_journeys(session: AsyncSession, keys: Sequence[str]) -> list[Published]:
    """Return those of the journeys that are published."""
    return await _published(session, "j.key = ANY ($1::text[])", list(keys))


async def _published(session: AsyncSession, condition: str, keys: list[str]) -> list[Published]:
    rows = await (await raw(session)).fetch(_PUBLISHED.format(condition=condition), keys)
    return [
        Published(
            key=row["key"],
            version=row["published_version"],
            definition=Definition.model_validate_json(row["definition"]),
            active_since=row["active_since"],
        )
        for row in rows
    ]


async def definitions(session: AsyncSession, versions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Definition]:
    """Return the definitions of (journey key, version) pairs."""
    rows = await (await raw(session)).fetch(
        "SELECT v.journey_key, v.version, v.definition::text AS definition FROM journey_versions v "
        "JOIN unnest($1::text[], $2::int[]) AS t (journey_key, version) USING (journey_key, version)",
        [key for key, _ in versions],
        [version for _, version in versions],
    )
    return {(row["journey_key"], row["version"]): Definition.model_validate_json(row["definition"]) for row in rows}


async def awaited_event_names(session: AsyncSession) -> frozenset[str]:
    """Return the names of events that start a run of a published journey."""
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT event FROM journeys WHERE status = 'published' AND event IS NOT NULL"
    )
    return frozenset(row["event"] for row in rows)
