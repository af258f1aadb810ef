"""Somebody praises a competitor on a social network: the sign is detected, and an offer is on its way at once."""

import json

from standardwebhooks import Webhook

from tests.e2e.world import (
    CLOCK,
    create_campaign,
    create_sources,
    create_template,
    days_ago,
    identify,
    known,
    mail_step,
    mails,
    post,
    put,
    record_opt_ins,
    tell,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "remarks"
PARTNER, RIVAL, HANDLES = f"{STORY}-partner", f"{STORY}-rival", f"{STORY}.handle"
ADDRESS = f"{STORY}-hanako@example.jp"
SUBJECT = "乗り換えをお考えの方へ"


def test_a_remark_on_a_competitor_becomes_an_offer(platform: RunningPlatform) -> None:
    configure(platform)
    secret = post(platform, "identity", f"/v1/sources/{PARTNER}:rotateSigningSecret")["signing_secret"]
    shop = create_sources(platform, STORY, "shop")["shop"]
    handle = {"type": HANDLES, "id": "@Hanako_K", "collection": "users"}
    traits = {"name": "花子", "email": ADDRESS}
    tell(platform, shop, [identify(f"{STORY}-hanako", traits=traits, context={"externalIds": [handle]})])
    (hanako,) = known(platform, f"{STORY}-hanako")
    record_opt_ins(platform, [ADDRESS], recorded_at=days_ago(30))

    send_remarks(
        platform,
        secret,
        {"author": {"namespace": HANDLES, "value": "hanako_k"}, "text": "ﾗｲﾊﾞﾙ洗の新しいの、気になる", "language": "ja"},
        {"author": {"namespace": HANDLES, "value": "somebody"}, "text": "Just a diary", "language": "en"},
    )
    wait_for("she gets the offer", lambda: set(mails(platform, SUBJECT)) == {ADDRESS}, seconds=60)

    asked = {"customer_ids": [hanako]}
    [view] = post(platform, "profile", "/v1/customers:batchGet", asked)["customers"]
    assert [(sign["key"], sign["strength"]) for sign in view["signs"]] == [(RIVAL, "strong")]
    [said] = post(platform, "profile", "/v1/remarks:batchGet", asked | {"kinds": ["competitor"]})["customers"]
    assert [topic["key"] for remark in said["remarks"] for topic in remark["topics"]] == [RIVAL]


def configure(platform: RunningPlatform) -> None:
    """A partner who watches, the competitor's name, the sign, and what is done about it."""
    source = {"name": "Watcher", "department": "pr", "brand": "kizuna", "legal_entity": "Watcher K.K."}
    put(platform, "identity", f"/v1/sources/{PARTNER}", source)
    rules = {"priority": 20, "normaliser": "handle", "outside": True}
    put(platform, "identity", f"/v1/namespaces/{HANDLES}", rules)
    topic = {"name": "ライバル洗", "kind": "competitor", "keywords": {"ja": ["ライバル洗"], "en": ["rival wash"]}}
    put(platform, "profile", f"/v1/remark-topics/{RIVAL}", topic)
    about = [{"property": "topics", "comparison": "contains", "value": RIVAL}]
    condition = {"kind": "event_count", "event": "Remark Made", "comparison": "ge", "value": 1, "where": about}
    sign = {
        "name": "競合に興味", "meaning": "Speaks of a competitor's product.", "condition": condition,
        "strength": "strong", "lifetime_days": 30, "outcome": {"event": "Order Completed", "within_days": 30},
    }  # fmt: skip
    put(platform, "profile", f"/v1/signs/{RIVAL}", sign)
    post(platform, "profile", f"/v1/signs/{RIVAL}:publish")
    create_template(platform, RIVAL, subject=SUBJECT)
    create_campaign(platform, RIVAL, name=STORY)
    journey = {
        "name": STORY, "campaign_key": RIVAL, "reentry": {"once": True}, "trigger": {"kind": "sign", "sign_key": RIVAL},
        "steps": [mail_step("mail", RIVAL)],
    }  # fmt: skip
    put(platform, "campaign", f"/v1/journeys/{RIVAL}", journey)
    post(platform, "campaign", f"/v1/journeys/{RIVAL}:publish")


def send_remarks(platform: RunningPlatform, secret: str, *remarks: object) -> None:
    """The partner tells what it read."""
    text, now = json.dumps({"remarks": remarks}), CLOCK.now()
    signed = {
        "webhook-id": f"{STORY}-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(f"{STORY}-1", now, text),
    }
    with platform.client("identity") as client:
        answer = client.post(f"/v1/partners/{PARTNER}/remarks", content=text.encode(), headers=signed)
    assert answer.json() == {"accepted": 2, "rejected": []}, answer.text
