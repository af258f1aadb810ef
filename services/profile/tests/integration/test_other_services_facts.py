"""What campaign, delivery and survey publish stands on the timeline under readable names."""

import json
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event

from contracts.campaign import RunEnded
from contracts.delivery import (
    MessageBounced,
    MessageClicked,
    MessageFailed,
    MessageOpened,
    MessageSent,
    PermissionChanged,
)
from contracts.profile import CustomersChanged
from contracts.survey import Answer, CommitmentChanged, CommitmentMade, InvitationIssued, ResponseReceived
from servicekit.testing import RunningService

CUSTOMER = UUID(int=7)


def _facts(profile: RunningService) -> list[Any]:
    def base(minutes: int) -> dict[str, Any]:
        moment = profile.clock.now() - timedelta(minutes=minutes)
        return {"event_id": uuid4(), "customer_id": CUSTOMER, "anchor_id": CUSTOMER, "occurred_at": moment}

    message = {
        "message_id": UUID(int=1), "run_id": None, "campaign_key": "spring", "channel": "email",
        "template_key": "coupon",
    }  # fmt: skip
    commitment = {
        "commitment_id": UUID(int=2), "kind": "tell_me_first", "subject": "new_arrivals", "owner_department": "crm",
        "due_on": date(2026, 12, 24), "response_id": None,
    }  # fmt: skip
    return [
        MessageSent(**base(20), **message),
        MessageOpened(**base(19), **message),
        MessageClicked(**base(18), **message, link="shop", url="https://shop.example/"),
        MessageBounced(**base(17), **message, kind="hard"),
        MessageFailed(**base(16), **message, reason="no_permission"),
        PermissionChanged(**base(15), channel="email", topic="marketing", status="withdrawn", basis="form"),
        InvitationIssued(
            **base(14), **{**message, "message_id": UUID(int=3)}, invitation_id=UUID(int=4), questionnaire_key="nps",
            topic="survey", url="https://survey.example/f/secret-token", expires_at=profile.clock.now(),
        ),
        ResponseReceived(
            **base(13), response_id=UUID(int=5), invitation_id=UUID(int=4), questionnaire_key="nps", run_id=None,
            campaign_key=None, revision=1, nps_score=9, answers=[Answer(question_key="why", value="品揃え")],
        ),
        CommitmentMade(**base(12), **commitment, status="open"),
        CommitmentChanged(**base(11), **commitment, status="kept"),
        RunEnded(
            **base(10), run_id=UUID(int=6), journey_key="dormant", campaign_key="spring", arm="treatment",
            outcome="completed",
        ),
    ]  # fmt: skip


async def test_they_stand_on_the_timeline_once(profile: RunningService) -> None:
    facts = _facts(profile)
    await profile.publish(facts)
    await profile.publish(facts)
    await profile.drain()
    body = {"customer_ids": [str(CUSTOMER)], "first": 50}
    answer = await profile.client.post("/v1/timelines:batchGet", json=body, headers=profile.headers())
    [timeline] = answer.json()["customers"]
    assert [(each["name"], each["source_id"]) for each in reversed(timeline["events"])] == [
        ("Message Sent", "kizuna-delivery"),
        ("Email Opened", "kizuna-delivery"),
        ("Email Link Clicked", "kizuna-delivery"),
        ("Email Bounced", "kizuna-delivery"),
        ("Message Failed", "kizuna-delivery"),
        ("Permission Withdrawn", "kizuna-delivery"),
        ("Survey Invited", "kizuna-survey"),
        ("Survey Answered", "kizuna-survey"),
        ("Commitment Made", "kizuna-survey"),
        ("Commitment Changed", "kizuna-survey"),
        ("Journey Ended", "kizuna-campaign"),
    ]
    assert {each["kind"] for each in timeline["events"]} == {"track"}
    assert "secret-token" not in answer.text
    answered = next(each for each in timeline["events"] if each["name"] == "Survey Answered")
    assert answered["properties"]["nps_score"] == 9 and answered["properties"]["answers"] == {"why": "品揃え"}


async def test_a_customer_who_opened_enters_a_segment_about_opening(profile: RunningService) -> None:
    condition = {
        "kind": "event_count", "event": "Email Opened", "comparison": "ge", "value": 1,
        "where": [{"property": "campaign_key", "comparison": "eq", "value": "spring"}],
    }  # fmt: skip
    headers = profile.headers()
    await profile.client.put("/v1/segments/openers", json={"name": "Openers", "condition": condition}, headers=headers)
    await profile.client.post("/v1/segments/openers:publish", headers=headers)
    await profile.publish(_facts(profile))
    await profile.drain()
    page = (await profile.client.get("/v1/customers?segment=openers", headers=headers)).json()
    assert [item["customer_id"] for item in page["items"]] == [str(CUSTOMER)] and page["total_count"] == 1


async def test_whoever_looks_is_told_after_the_commit(profile: RunningService) -> None:
    subscription = await profile.nats.client.subscribe(CustomersChanged.fact_type)
    await profile.nats.client.flush()
    people = [UUID(int=number) for number in range(1, 4)]
    facts = [event(person, "Page Viewed", profile.clock.now()) for person in people]
    await profile.publish(facts)
    told: set[UUID] = set()
    while told != set(people):
        message = await subscription.next_msg(timeout=5)
        told |= {CustomersChanged.model_validate(item).customer_id for item in json.loads(message.data)["facts"]}
