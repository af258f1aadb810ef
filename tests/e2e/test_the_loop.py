"""The loop, once round, on the whole platform: events in, linked, on profiles, into a segment, through a journey with a
holdout, out as mail, back as clicks, a purchase and answers, and all of it in ONE customer view."""

import re
from typing import Any

from tests.e2e.world import (
    CLOCK,
    ORDER,
    answer_survey,
    create_campaign,
    create_journey,
    create_rank,
    create_segment,
    create_sources,
    create_survey,
    create_template,
    customer_id,
    customer_view,
    days_ago,
    identify,
    mail_step,
    mails,
    open_and_click,
    order,
    ordered,
    post,
    record_opt_ins,
    survey_step,
    tell,
    totals,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "loop"
CUSTOMERS = 60
COUPON, QUESTION = "お久しぶりです", "教えてください"
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


def address(number: int) -> str:
    return f"{STORY}-{number}@example.jp"


def user_id(number: int) -> str:
    return f"{STORY}-{number}"


def view_of(platform: RunningPlatform, number: int) -> dict[str, Any]:
    """The customer view by the shop's number."""
    return customer_view(platform, VIEW, str(customer_id(platform, user_id(number))))


def test_the_story_of_the_loop(platform: RunningPlatform) -> None:
    keys = create_sources(platform, STORY, "shop", "crm", "web")
    told = totals(platform)["events"]
    configure(platform)
    tell_the_past(platform, keys)
    wait_for("every event is on a timeline", lambda: totals(platform)["events"] >= told + CUSTOMERS * 3, seconds=60)

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
    create_rank(platform)
    create_segment(
        platform, STORY, name="休眠", condition=ordered(STORY, kind="event_last", position="before", days=90)
    )
    create_template(platform, f"{STORY}-coupon", subject=COUPON)
    create_survey(platform, f"{STORY}-survey", subject=QUESTION)
    create_campaign(platform, STORY, name="お帰りなさい")


def tell_the_past(platform: RunningPlatform, keys: dict[str, str]) -> None:
    """A purchase 200 days ago each, a name and an address from the CRM, anonymous browsing that became known."""
    past = days_ago(200)
    everybody = range(CUSTOMERS)
    at = {"timestamp": past}
    orders = [
        order(STORY, user_id(each), str(each), revenue=10 + each, messageId=f"order-{each}", **at) for each in everybody
    ]
    people = [
        identify(
            user_id(each), traits={"name": f"山田 {each}郎", "email": address(each)}, messageId=f"crm-{each}", **at
        )
        for each in everybody
    ]
    visits = [
        {"type": "page", "name": "Home", "anonymousId": f"{STORY}-a{each}", "messageId": f"page-{each}", **at}
        for each in everybody
    ]
    logins = [
        {"type": "identify", "userId": user_id(each), "anonymousId": f"{STORY}-a{each}", "messageId": f"login-{each}"}
        | at
        for each in range(0, CUSTOMERS, 2)
    ]
    for source, events in (("shop", orders), ("crm", people), ("web", visits + logins)):
        tell(platform, keys[source], events)
    record_opt_ins(platform, [address(each) for each in everybody], recorded_at=past)


def publish_journey(platform: RunningPlatform) -> None:
    create_journey(
        platform, STORY, name="お帰りなさい", segment_key=STORY,
        steps=[
            {"key": "keep", "kind": "holdout", "percent": 30, "next": "mail"},
            mail_step("mail", f"{STORY}-coupon", coupon={"prefix": "BACK"}, next="breathe"),
            {"key": "breathe", "kind": "wait", "duration_seconds": 1, "next": "question"},
            survey_step(f"{STORY}-survey", next_step="over"),
            {"key": "over", "kind": "end"},
        ],
    )  # fmt: skip


def wait_for_mails(platform: RunningPlatform) -> dict[str, str]:
    seen = -1

    def all_arrived() -> bool:
        nonlocal seen
        before, seen = seen, len(mails(platform, QUESTION))
        return seen > 0 and seen == before == len(mails(platform, COUPON))

    wait_for("the coupon and then the question have arrived", all_arrived, seconds=90)
    return mails(platform, COUPON)


def react(platform: RunningPlatform, keys: dict[str, str], number: int, coupon_mail: str) -> None:
    """Open, click, answer with a commitment, buy with the coupon."""
    open_and_click(coupon_mail)
    coupon = re.search(r"BACK-[A-Z0-9]+", coupon_mail)
    assert coupon is not None
    answer_survey(mails(platform, QUESTION)[address(number)], score=9)
    again = order(
        STORY, user_id(number), "again", revenue=100, properties={"coupon": coupon.group(0)},
        messageId="order-again", timestamp=CLOCK.now().isoformat(),
    )  # fmt: skip
    for _ in range(2):  # a retry of the shop's must not count twice
        tell(platform, keys["shop"], [again])


def has_answered(platform: RunningPlatform, number: int) -> bool:
    view = view_of(platform, number)
    messages = [message for message in view["messages"] if message["clickedAt"]]
    return bool(view["responses"] and view["commitments"] and messages and view["rfm"]["frequency"] == 2)


def check_view(platform: RunningPlatform, number: int) -> None:
    view = view_of(platform, number)
    identifiers = {(each["namespace"], each["value"]) for each in view["identifiers"]}
    assert {("user_id", user_id(number)), ("email", address(number))} <= identifiers
    assert ("anonymous_id", f"{STORY}-a{number}") in identifiers or number % 2
    traits = {each["name"]: each for each in view["traits"]}
    assert traits["name"]["value"] == f"山田 {number}郎"
    assert traits["name"]["source"] == f"{STORY}-crm"
    assert view["rfm"]["recencyDays"] == 0
    assert float(view["rfm"]["monetary"]) == 110 + number
    assert view["rank"]["name"] == "会員"
    wait_for("it left the dormant", lambda: view_of(platform, number)["segments"] == [], seconds=20)
    names = [edge["node"]["name"] for edge in view["timeline"]["edges"]]
    assert names.count(ORDER) == 2
    assert {f"{STORY}-coupon", f"{STORY}-survey"} <= set(template_keys(platform, number))
    assert {(each["channel"], each["topic"], each["status"]) for each in view["permissions"]} == {
        ("email", "marketing", "granted")
    }
    assert [(each["questionnaireKey"], each["npsScore"]) for each in view["responses"]] == [(f"{STORY}-survey", 9)]
    assert [(each["kind"], each["status"]) for each in view["commitments"]] == [("tell_me_first", "open")]
    assert [(each["journeyKey"], each["arm"]) for each in view["journeys"]] == [(STORY, "treatment")]


def template_keys(platform: RunningPlatform, number: int) -> list[str]:
    with platform.client("delivery") as client:
        body = {"customer_ids": [customer_id(platform, user_id(number))], "first": 10}
        answer = client.post("/v1/messages:batchGet", json=body).json()
        return [message["template_key"] for message in answer["customers"][0]["messages"]]


def check_held_out(platform: RunningPlatform, number: int) -> None:
    view = view_of(platform, number)
    assert view["messages"] == []
    assert [(each["journeyKey"], each["arm"]) for each in view["journeys"]] == [(STORY, "holdout")]
    assert [each["name"] for each in view["segments"]] == ["休眠"]


def check_results(platform: RunningPlatform, *, treated: int) -> None:
    post(platform, "campaign", f"/v1/campaigns/{STORY}/results:refresh")

    def results() -> dict[str, Any]:
        with platform.client("campaign") as client:
            content: dict[str, Any] = client.get(f"/v1/campaigns/{STORY}/results").json()
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
