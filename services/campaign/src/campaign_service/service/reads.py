"""Reads of what is configured, and of customers' runs."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.repository import configuration as repository
from campaign_service.repository import runs
from campaign_service.schemas import (
    CampaignAnswer,
    CampaignBatch,
    CampaignEntry,
    CampaignList,
    CreativeAnswer,
    CreativeList,
    CustomerJourneys,
    JourneyAnswer,
    JourneyList,
    JourneysBatch,
    RunAnswer,
)
from servicekit.errors import NotFound


async def get_creative(session: AsyncSession, key: str) -> CreativeAnswer:
    """Read a creative. NotFound when there is none."""
    creative = await repository.find_creative(session, key)
    if creative is None:
        raise NotFound(f"There is no creative called {key}.")
    return CreativeAnswer.model_validate(creative)


async def list_creatives(session: AsyncSession) -> CreativeList:
    """List every creative."""
    return CreativeList(
        items=[CreativeAnswer.model_validate(each) for each in await repository.list_creatives(session)]
    )


async def get_campaign(session: AsyncSession, key: str) -> CampaignAnswer:
    """Read a campaign. NotFound when there is none."""
    campaign = await repository.find_campaign(session, key)
    if campaign is None:
        raise NotFound(f"There is no campaign called {key}.")
    return CampaignAnswer.of(campaign)


async def list_campaigns(session: AsyncSession) -> CampaignList:
    """List every campaign."""
    return CampaignList(items=[CampaignAnswer.of(each) for each in await repository.list_campaigns(session)])


async def batch_get_campaigns(session: AsyncSession, keys: Sequence[str]) -> CampaignBatch:
    """Read campaigns by key, one entry per key."""
    found = {
        key: CampaignAnswer.of(campaign) for key, campaign in (await repository.find_campaigns(session, keys)).items()
    }
    return CampaignBatch(campaigns=[CampaignEntry(key=key, campaign=found.get(key)) for key in keys])


async def get_journey(session: AsyncSession, key: str) -> JourneyAnswer:
    """Read a journey. NotFound when there is none."""
    journey = await repository.find_journey(session, key)
    if journey is None:
        raise NotFound(f"There is no journey called {key}.")
    return JourneyAnswer.of(journey)


async def list_journeys(session: AsyncSession) -> JourneyList:
    """List every journey."""
    return JourneyList(items=[JourneyAnswer.of(each) for each in await repository.list_journeys(session)])


async def batch_get_journeys(session: AsyncSession, customer_ids: Sequence[UUID]) -> JourneysBatch:
    """Read customers' runs, one entry per customer."""
    found: dict[UUID, list[RunAnswer]] = defaultdict(list)
    for row in await runs.list_runs(session, customer_ids):
        found[row["customer_id"]].append(RunAnswer.model_validate(dict(row)))
    return JourneysBatch(
        customers=[CustomerJourneys(customer_id=each, journeys=found.get(each, [])) for each in customer_ids]
    )
