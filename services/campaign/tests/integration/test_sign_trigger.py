"""Journeys that begin when a sign is detected."""

from typing import Any
from uuid import UUID, uuid4

from services.campaign.tests.integration.campaign_world import SEND, START, Marketer, Settle

from contracts.campaign import MessageRequested
from contracts.profile import SignDetected, SignExpired
from servicekit.testing import RunningService

MOVING: dict[str, Any] = {"kind": "sign", "sign_key": "moving-house"}


def detected(customer: UUID, key: str = "moving-house", reason: Any = "event", kind: Any = SignDetected) -> Any:
    return kind(
        event_id=uuid4(),
        customer_id=customer,
        anchor_id=customer,
        occurred_at=START,
        sign_id=UUID(int=1),
        sign_key=key,
        sign_version=1,
        strength="strong",
        reason=reason,
    )


async def test_a_detected_sign_starts_the_journeys_that_wait_for_it(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    offer = [{"key": "offer", **SEND}]
    await marketer.set_up("movers", steps=offer, trigger=MOVING)
    await marketer.set_up("all-movers", steps=offer, trigger={**MOVING, "include_current": True})
    seen, known, other = uuid4(), uuid4(), uuid4()
    await service.publish([detected(seen), detected(known, reason="backfill"), detected(other, "job-change")])
    await service.publish([detected(other, kind=SignExpired)])
    await settle()
    assert sorted(run["journey_key"] for run in await marketer.runs(seen)) == ["all-movers", "movers"]
    assert [run["journey_key"] for run in await marketer.runs(known)] == ["all-movers"]
    assert await marketer.runs(other) == []
    assert {fact.customer_id for fact in await service.published(MessageRequested)} == {seen, known}
