"""A customer is erased: runs, arms, outcomes and coupons go; nothing further is asked of delivery."""

from uuid import uuid4

from services.campaign.tests.integration.campaign_world import (
    SEND,
    START,
    Marketer,
    Settle,
    StandInProfile,
    entered,
    event,
    later,
)

from campaign_service.models import Base
from contracts.campaign import CampaignCustomerErased, MessageRequested
from contracts.delivery import MessageSent
from contracts.identity import CustomerErased
from servicekit.clock import FrozenClock
from servicekit.tables import rows_follow
from servicekit.testing import RunningService, tables_that_mention

STEPS = [
    {"key": "control", "kind": "holdout", "percent": 0, "next": "offer"},
    {"key": "offer", **SEND, "coupon": {"prefix": "BACK", "kind": "single_use"}, "next": "rest"},
    {"key": "rest", "kind": "wait", "days": 1, "next": "again"},
    {"key": "again", **SEND},
]

OF_ONE_WHO_NEVER_MOVED = rows_follow(Base).keys() - {"early_entries"}  # those: test_overtaking.py


async def mentioned_in(service: RunningService, *words: str) -> set[str]:
    connection = await service.database.connect()
    try:
        return set(await tables_that_mention(connection, words))
    finally:
        await connection.close()


async def test_a_customers_way_through_campaigns_is_forgotten(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=STEPS)
    customer, other = entered(), entered()
    await service.publish([customer, other])
    await settle()
    requests = {request.customer_id: request for request in await service.published(MessageRequested)}
    sent = requests[customer.customer_id]
    outcome = MessageSent(
        **sent.model_dump(include={"customer_id", "anchor_id", "message_id", "run_id", "campaign_key", "channel"}),
        event_id=uuid4(), occurred_at=START, template_key="t",
    )  # fmt: skip
    await service.publish([outcome])
    await settle()
    assert await mentioned_in(service, str(customer.customer_id)) >= OF_ONE_WHO_NEVER_MOVED

    fact = CustomerErased(
        event_id=uuid4(), customer_id=customer.customer_id, anchor_id=customer.anchor_id, occurred_at=START,
        erasure_id=uuid4(),
    )  # fmt: skip
    await service.publish([fact])
    await settle()
    (receipt,) = await service.published(CampaignCustomerErased)
    assert receipt.rows.keys() >= OF_ONE_WHO_NEVER_MOVED
    profile.members["going_dormant"] = [(customer.customer_id, customer.anchor_id)]
    await service.publish([outcome.model_copy(update={"event_id": uuid4()}), entered(customer.customer_id)])
    await service.publish([event("Order Completed", coupon=sent.variables["coupon"])])
    clock.advance(later(days=2))
    await settle()

    assert await mentioned_in(service, str(customer.customer_id)) == {"erased_customers", "erasure_work"}
    sends = [request.customer_id for request in await service.published(MessageRequested)]
    assert sorted(sends) == sorted([customer.customer_id, other.customer_id, other.customer_id])
