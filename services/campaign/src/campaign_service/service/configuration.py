"""Creatives, campaigns and journeys: written, published, paused."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.models import Campaign, Creative, Journey, JourneyVersion, MemberEntry
from campaign_service.repository import assignments, runs
from campaign_service.repository import configuration as repository
from campaign_service.rules.definition import Definition, EventTrigger, SegmentTrigger, Trigger, problems
from campaign_service.schemas import CampaignBody, CreativeBody
from servicekit.errors import Conflict, Invalid, NotFound
from servicekit.http import check_version


async def put_creative(
    session: AsyncSession, key: str, body: CreativeBody, *, expected: int | None, now: datetime
) -> tuple[Creative, bool]:
    """Store a creative; return it and whether it is new. Writing what is there already changes nothing."""
    await repository.lock_key(session, "creative", key)
    creative = await repository.find_creative(session, key)
    check_version(creative.version if creative else None, expected)
    values = body.model_dump()
    if creative is None:
        creative = Creative(key=key, version=1, created_at=now, updated_at=now, **values)
        await repository.add(session, creative)
        return creative, True
    if any(getattr(creative, name) != value for name, value in values.items()):
        creative.sqlmodel_update(values | {"version": creative.version + 1, "updated_at": now})
        await repository.save(session)
    return creative, False


async def put_campaign(
    session: AsyncSession, key: str, body: CampaignBody, *, expected: int | None, now: datetime
) -> tuple[Campaign, bool]:
    """Store a campaign; return it and whether it is new. Another goal has everybody's purchases read again."""
    await repository.lock_key(session, "campaign", key)
    campaign = await repository.find_campaign(session, key)
    check_version(campaign.version if campaign else None, expected)
    await _check_creatives(session, body.creative_keys)
    goal: dict[str, Any] = {  # columns of several types
        "goal_event": body.goal.event,
        "goal_sum_property": body.goal.sum_property,
        "goal_window_days": body.goal.window_days,
    }
    values = {"name": body.name, "creative_keys": list(body.creative_keys)} | goal
    if campaign is None:
        campaign = Campaign(key=key, version=1, created_at=now, updated_at=now, **values)
        await repository.add(session, campaign)
        return campaign, True
    if any(getattr(campaign, name) != value for name, value in goal.items()):
        await assignments.make_due(session, key, now=now)
    if any(getattr(campaign, name) != value for name, value in values.items()):
        campaign.sqlmodel_update(values | {"version": campaign.version + 1, "updated_at": now})
        await repository.save(session)
    return campaign, False


async def _check_creatives(session: AsyncSession, keys: Sequence[str]) -> None:
    missing = await repository.missing_creatives(session, keys)
    errors = [
        (f"creative_keys.{index}", f"There is no creative called {key}.")
        for index, key in enumerate(keys)
        if key in missing
    ]
    if errors:
        raise Invalid("The campaign names creatives that do not exist.", errors=errors)


async def put_journey(
    session: AsyncSession, key: str, definition: Definition, *, expected: int | None, now: datetime
) -> tuple[Journey, bool]:
    """Store a journey's draft; return it and whether it is new. What is published stays until the next publish.

    Raises:
        Invalid: the graph cannot be followed, or its campaign does not exist; every path that is wrong is named.
    """
    await repository.lock_key(session, "journey", key)
    journey = await repository.find_journey(session, key, lock=True)
    check_version(journey.version if journey else None, expected)
    errors = problems(definition)
    if await repository.find_campaign(session, definition.campaign_key) is None:
        errors.append(("campaign_key", f"There is no campaign called {definition.campaign_key}."))
    if errors:
        raise Invalid("The journey cannot be followed; see errors.", errors=errors)
    draft = definition.model_dump(mode="json")
    if journey is None:
        journey = Journey(
            key=key,
            campaign_key=definition.campaign_key,
            status="draft",
            version=1,
            definition=draft,
            created_at=now,
            updated_at=now,
        )
        await repository.add(session, journey)
        return journey, True
    if definition.campaign_key != journey.campaign_key and journey.published_version is not None:
        raise Conflict("A published journey stays with its campaign. Make another journey.", field="campaign_key")
    if Definition.model_validate(journey.definition).model_dump(mode="json") != draft:
        journey.campaign_key = definition.campaign_key
        journey.definition = draft
        journey.version += 1
        journey.updated_at = now
        await repository.save(session)
    return journey, False


async def publish_journey(session: AsyncSession, key: str, *, expected: int | None = None, now: datetime) -> Journey:
    """Let customers enter the draft's version from now on; also ends a pause. Runs on the way keep their version.

    Raises:
        NotFound: there is no such journey. PreconditionFailed: its draft is of another version than expected.
    """
    journey = await _journey(session, key)
    check_version(journey.version, expected)
    trigger = Definition.model_validate(journey.definition).trigger
    if journey.published_version != journey.version:
        await _publish_version(session, journey, trigger, now=now)
    if journey.status != "published":
        journey.status = "published"
        journey.active_since = now
        journey.updated_at = now
        await repository.save(session)
    return journey


async def _publish_version(session: AsyncSession, journey: Journey, trigger: Trigger, *, now: datetime) -> None:
    segment_key = trigger.segment_key if isinstance(trigger, SegmentTrigger) else None
    event = trigger.event if isinstance(trigger, EventTrigger) else None
    if (segment_key, event) != (journey.segment_key, journey.event):
        journey.active_since = now
    journey.segment_key, journey.event = segment_key, event
    journey.published_version, journey.published_at, journey.updated_at = journey.version, now, now
    version = JourneyVersion(
        journey_key=journey.key, version=journey.version, definition=journey.definition, published_at=now
    )
    await repository.add(session, version)
    if isinstance(trigger, SegmentTrigger) and trigger.include_current_members:
        entry = MemberEntry(
            journey_key=journey.key,
            journey_version=journey.version,
            segment_key=trigger.segment_key,
            due_at=now,
            entered=0,
            requested_at=now,
        )
        await repository.add(session, entry)


async def pause_journey(session: AsyncSession, key: str, *, now: datetime) -> Journey:
    """Stop a published journey: nobody enters, runs rest. Once this is answered, nothing more is sent."""
    journey = await _journey(session, key)
    if journey.status == "draft":
        raise Conflict("The journey is not published.")
    if journey.status == "published":
        await runs.await_batches(session)
        journey.status = "paused"
        journey.updated_at = now
        await repository.save(session)
    return journey


async def _journey(session: AsyncSession, key: str) -> Journey:
    journey = await repository.find_journey(session, key, lock=True)
    if journey is None:
        raise NotFound(f"There is no journey called {key}.")
    return journey
