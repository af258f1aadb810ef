"""The loop, once round, on the whole platform: events in, linked, on profiles, into a segment, through a journey with a
holdout, out as mail, back as clicks, a purchase and answers, and all of it in ONE customer view."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from servicekit.clock import SystemClock
from tests.e2e.world import (
    LANDING_PAGE,
    create_campaign,
    create_journey,
    create_segment,
    create_template,
    mails,
    post,
    put,
    record_opt_ins,
    totals,
)
from tests.running_platform import RunningPlatform, create_source, running_platform, send_batch, wait_for

CLOCK = SystemClock()  # the platform runs by this machine's
CUSTOMERS = 60
VIEW = """
query View($id: ID!) {
  customer(id: $id) {
    id
    identifiers { namespace value }
    traits { name value source observedAt }
    rfm { recencyDays frequency monetary }
    rank { name }
    segments { name since }
    timeline(first: 50) { totalCount edges { node { name occurredAt properties } } }
    messages { state campaignKey openedAt clickedAt }
    permissions { channel topic status }
    responses { questionnaireKey npsScore }
    commitments { kind status }
    journeys { journeyKey arm status }
  }
}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """An empty platform."""
    home: Path = tmp_path_factory.mktemp("loop") / "home"
    with running_platform(home) as started:
        yield started


@pytest.fixture(scope="module")
def keys(platform: RunningPlatform) -> dict[str, str]:
    """The write keys of the shop, the CRM and the web site."""
    return {source: create_source(platform, source) for source in ("shop", "crm", "web")}


def address(number: int) -> str:
    return f"customer{number}@example.jp"


def view_of(platform: RunningPlatform, number: int) -> dict[str, Any]:
    """The customer view by the shop's number."""
    found = platform.ask(
        'query($value: String!) { customerByIdentifier(namespace: "user_id", value: $value) { id } }',
        value=f"u{number}",
    )
    answer = platform.ask(VIEW, id=found["data"]["customerByIdentifier"]["id"])
    assert "errors" not in answer, answer
    customer: dict[str, Any] = answer["data"]["customer"]
    return customer


def test_the_story_of_the_loop(platform: RunningPlatform, keys: dict[str, str]) -> None:
    configure(platform)
    tell_the_past(platform, keys)
    wait_for("every event is on a timeline", lambda: totals(platform)["events"] >= CUSTOMERS * 3, seconds=60)

    publish_journey(platform)
    treated = wait_for_mails(platform)
    assert 0 < len(treated) < CUSTOMERS, "some are held out, some are not"
    number = next(number for number in range(CUSTOMERS) if address(number) in treated)
    react(platform, keys, number, treated[address(number)])

    wait_for("the answer and the purchase are in the view", lambda: has_answered(platform, number), seconds=60)
    check_view(platform, number)
    check_held_out(platform, next(each for each in range(CUSTOMERS) if address(each) not in treated))
    check_results(platform, treated=len(treated))


def configure(platform: RunningPlatform) -> None:
    put(
        platform,
        "profile",
        "/v1/ranks/default",
        {
            "ranks": [
                {
                    "key": "member",
                    "name": "会員",
                    "condition": {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1},
                }
            ]
        },
    )
    create_segment(
        platform,
        "dormant",
        name="休眠",
        condition={"kind": "event_last", "event": "Order Completed", "position": "before", "days": 90},
    )
    create_template(platform, "coupon", subject="お久しぶりです")
    create_template(platform, "survey", subject="教えてください", link="{{ survey_url }}")
    put(
        platform, "survey", "/v1/questionnaires/nps",
        {
            "title": "ご意見", "language": "ja", "introduction": "1分で終わります", "thanks": "ありがとうございました",
            "questions": [
                {"key": "score", "kind": "nps", "text": "おすすめ度は?", "required": True},
                {"key": "promise", "kind": "commitment", "text": "お約束", "required": False, "options": [
                    {"key": "first", "text": "新商品を先に知らせる", "kind": "tell_me_first", "subject": "new_arrivals",
                     "owner_department": "crm"}]},
            ],
        },
    )  # fmt: skip
    create_campaign(platform, "winback", name="お帰りなさい")


def tell_the_past(platform: RunningPlatform, keys: dict[str, str]) -> None:
    """A purchase 200 days ago each, a name and an address from the CRM, anonymous browsing that became known."""
    past = (CLOCK.now() - timedelta(days=200)).isoformat()
    batches: dict[str, list[dict[str, Any]]] = {
        "shop": [
            {
                "type": "track",
                "event": "Order Completed",
                "userId": f"u{number}",
                "messageId": f"order-{number}",
                "timestamp": past,
                "properties": {"order_id": f"{number}", "revenue": 10 + number, "currency": "USD"},
            }
            for number in range(CUSTOMERS)
        ],
        "crm": [
            {
                "type": "identify",
                "userId": f"u{number}",
                "messageId": f"crm-{number}",
                "timestamp": past,
                "traits": {"name": f"山田 {number}郎", "email": address(number)},
            }
            for number in range(CUSTOMERS)
        ],
        "web": [
            {
                "type": "page",
                "name": "Home",
                "anonymousId": f"a{number}",
                "messageId": f"page-{number}",
                "timestamp": past,
            }
            for number in range(CUSTOMERS)
        ]
        + [
            {
                "type": "identify",
                "userId": f"u{number}",
                "anonymousId": f"a{number}",
                "messageId": f"login-{number}",
                "timestamp": past,
            }
            for number in range(0, CUSTOMERS, 2)
        ],
    }
    for source, events in batches.items():
        answer = send_batch(platform, keys[source], events)
        assert answer.status_code == 200, answer.text
    record_opt_ins(platform, [address(number) for number in range(CUSTOMERS)], recorded_at=past)


def publish_journey(platform: RunningPlatform) -> None:
    create_journey(
        platform, "winback", name="お帰りなさい", campaign_key="winback", segment_key="dormant",
        steps=[
            {"key": "keep", "kind": "holdout", "percent": 30, "next": "mail"},
            {"key": "mail", "kind": "send", "channel": "email", "template_key": "coupon", "topic": "marketing",
             "coupon": {"prefix": "BACK"}, "next": "breathe"},
            {"key": "breathe", "kind": "wait", "duration_seconds": 1, "next": "question"},
            {"key": "question", "kind": "ask", "questionnaire_key": "nps", "template_key": "survey",
             "channel": "email", "topic": "marketing", "expires_days": 14, "next": "over"},
            {"key": "over", "kind": "end"},
        ],
    )  # fmt: skip


def wait_for_mails(platform: RunningPlatform) -> dict[str, str]:
    seen = -1

    def all_arrived() -> bool:
        nonlocal seen
        before, seen = seen, len(mails(platform, "教えてください"))
        return seen > 0 and seen == before == len(mails(platform, "お久しぶりです"))

    wait_for("the coupon and then the question have arrived", all_arrived, seconds=90)
    return mails(platform, "お久しぶりです")


def react(platform: RunningPlatform, keys: dict[str, str], number: int, coupon_mail: str) -> None:
    """Open, click, answer with a commitment, buy with the coupon."""
    links = [unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', coupon_mail)]
    pixel = next(link for link in links if "/o/" in link)
    click = next(link for link in links if "/c/" in link)
    assert httpx.get(pixel).headers["content-type"] == "image/gif"
    followed = httpx.get(click)
    assert followed.status_code in {302, 303}
    assert followed.headers["location"].startswith(LANDING_PAGE)
    coupon = re.search(r"BACK-[A-Z0-9]+", coupon_mail)
    assert coupon is not None
    form = next(
        unescape(link)
        for link in re.findall(r'href="([^"]+)"', mails(platform, "教えてください")[address(number)])
        if "/f/" in link
    )
    answered = httpx.post(form, json={"answers": {"score": 9, "promise": ["first"]}})
    assert answered.status_code in {200, 201}, answered.text
    now = CLOCK.now().isoformat()
    order = {
        "type": "track",
        "event": "Order Completed",
        "userId": f"u{number}",
        "messageId": "order-again",
        "timestamp": now,
        "properties": {"order_id": "again", "revenue": 100, "currency": "USD", "coupon": coupon.group(0)},
    }
    for _ in range(2):  # a retry of the shop's must not count twice
        assert send_batch(platform, keys["shop"], [order]).status_code == 200


def has_answered(platform: RunningPlatform, number: int) -> bool:
    view = view_of(platform, number)
    messages = [message for message in view["messages"] if message["clickedAt"]]
    return bool(view["responses"] and view["commitments"] and messages and view["rfm"]["frequency"] == 2)


def check_view(platform: RunningPlatform, number: int) -> None:
    view = view_of(platform, number)
    identifiers = {(each["namespace"], each["value"]) for each in view["identifiers"]}
    assert {("user_id", f"u{number}"), ("email", address(number))} <= identifiers
    assert ("anonymous_id", f"a{number}") in identifiers or number % 2
    traits = {each["name"]: each for each in view["traits"]}
    assert traits["name"]["value"] == f"山田 {number}郎"
    assert traits["name"]["source"] == "crm"
    assert view["rfm"]["recencyDays"] == 0
    assert float(view["rfm"]["monetary"]) == 110 + number
    assert view["rank"]["name"] == "会員"
    wait_for("it left the dormant", lambda: view_of(platform, number)["segments"] == [], seconds=20)
    names = [edge["node"]["name"] for edge in view["timeline"]["edges"]]
    assert names.count("Order Completed") == 2
    assert {"coupon", "survey"} <= set(template_keys(platform, number))
    assert {(each["channel"], each["topic"], each["status"]) for each in view["permissions"]} == {
        ("email", "marketing", "granted")
    }
    assert [(each["questionnaireKey"], each["npsScore"]) for each in view["responses"]] == [("nps", 9)]
    assert [(each["kind"], each["status"]) for each in view["commitments"]] == [("tell_me_first", "open")]
    assert [(each["journeyKey"], each["arm"]) for each in view["journeys"]] == [("winback", "treatment")]


def template_keys(platform: RunningPlatform, number: int) -> list[str]:
    with platform.client("delivery") as client:
        customer_id = view_of(platform, number)["id"]
        answer = client.post("/v1/messages:batchGet", json={"customer_ids": [customer_id], "first": 10}).json()
        return [message["template_key"] for message in answer["customers"][0]["messages"]]


def check_held_out(platform: RunningPlatform, number: int) -> None:
    view = view_of(platform, number)
    assert view["messages"] == []
    assert [(each["journeyKey"], each["arm"]) for each in view["journeys"]] == [("winback", "holdout")]
    assert [each["name"] for each in view["segments"]] == ["休眠"]


def check_results(platform: RunningPlatform, *, treated: int) -> None:
    post(platform, "campaign", "/v1/campaigns/winback/results:refresh")

    def results() -> dict[str, Any]:
        with platform.client("campaign") as client:
            content: dict[str, Any] = client.get("/v1/campaigns/winback/results").json()
            return content

    wait_for("the purchase is attributed", lambda: results()["treatment"]["purchases"] == 1, seconds=60)
    found = results()
    assert found["treatment"]["customers"] == treated
    assert found["treatment"]["customers"] + found["holdout"]["customers"] == CUSTOMERS
    assert found["treatment"]["opened"] == 1
    assert found["treatment"]["clicked"] == 1
    assert float(found["treatment"]["revenue"]) == 100
    assert found["holdout"]["purchases"] == 0
    assert found["lift"]["low"] <= found["lift"]["difference"] <= found["lift"]["high"]
