"""What the stories on the shared platform have in common: configuring it as a user would, telling it of people, and
reading what came of it. The names that a story gives - of sources, definitions, people - are used by no other one."""

import re
from collections.abc import Sequence
from datetime import timedelta
from html import unescape
from typing import Any

import httpx

from servicekit.clock import SystemClock
from tests.running_platform import RunningPlatform, create_source, send_batch, wait_for

CLOCK = SystemClock()  # the platform runs by this machine's
LANDING_PAGE = "https://shop.example.jp/welcome-back"
ORDER = "Order Completed"


def put(platform: RunningPlatform, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Configure something; any success will do."""
    with platform.client(service) as client:
        answer = client.put(path, json=body)
        assert answer.status_code in {200, 201}, f"{path}: {answer.text}"
        content: dict[str, Any] = answer.json()
        return content


def post(platform: RunningPlatform, service: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call an action; any success will do."""
    with platform.client(service) as client:
        answer = client.post(path, json=body or {})
        assert answer.status_code in {200, 201, 202}, f"{path}: {answer.text}"
        content: dict[str, Any] = answer.json()
        return content


# Definitions


def create_sources(platform: RunningPlatform, story: str, *names: str) -> dict[str, str]:
    """Create the sources `<story>-<name>`; return their write keys by name."""
    return {name: create_source(platform, f"{story}-{name}") for name in names}


def ordered(story: str, **condition: Any) -> dict[str, Any]:
    """A condition on the story's own orders; unless said otherwise: there is one at least."""
    counted = condition or {"kind": "event_count", "comparison": "ge", "value": 1}
    return counted | {"event": ORDER, "where": [{"property": "shop", "comparison": "eq", "value": story}]}


def create_rank(platform: RunningPlatform) -> None:
    """Whoever has ever ordered is a member: the same for all stories, as there is one ladder of ranks."""
    bought = {"kind": "event_count", "event": ORDER, "comparison": "ge", "value": 1}
    rank = {"key": "member", "name": "会員", "condition": bought}
    put(platform, "profile", "/v1/ranks/default", {"ranks": [rank]})


def create_segment(platform: RunningPlatform, key: str, *, name: str, condition: dict[str, Any]) -> None:
    """Define and publish a segment."""
    put(platform, "profile", f"/v1/segments/{key}", {"name": name, "condition": condition})
    post(platform, "profile", f"/v1/segments/{key}:publish")


def create_template(platform: RunningPlatform, key: str, *, subject: str, link: str = "{{ links.shop }}") -> None:
    """Define an advertising mail that greets by name and shows a link and a coupon."""
    foot = "{{ sender.name }} {{ sender.postal_address }}"
    put(
        platform, "delivery", f"/v1/templates/{key}",
        {
            "channel": "email", "subject": subject, "sender_name": "絆ストア", "sender_address": "shop@example.jp",
            "postal_address": "東京都千代田区1-1", "category": "advertising",
            "text": f"{{{{ traits.name }}}} 様 {link} {{{{ variables.coupon }}}} {foot} {{{{ unsubscribe_url }}}}",
            "html": f'<p>{{{{ traits.name }}}} 様 <a href="{link}">開く</a> {{{{ variables.coupon }}}}</p>'
            f'<p>{foot} <a href="{{{{ unsubscribe_url }}}}">配信停止</a></p>',
            "links": [{"label": "shop", "url": LANDING_PAGE}],
        },
    )  # fmt: skip


def create_survey(platform: RunningPlatform, key: str, *, subject: str) -> None:
    """Define a questionnaire - a score, words, a promise - and the mail of the same key that asks for it."""
    create_template(platform, key, subject=subject, link="{{ survey_url }}")
    put(
        platform, "survey", f"/v1/questionnaires/{key}",
        {
            "title": "ご意見", "language": "ja", "introduction": "1分で終わります", "thanks": "ありがとうございました",
            "questions": [
                {"key": "score", "kind": "nps", "text": "おすすめ度は?", "required": True},
                {"key": "words", "kind": "text", "text": "なぜですか?", "required": False},
                {"key": "promise", "kind": "commitment", "text": "お約束", "required": False, "options": [
                    {"key": "first", "text": "新商品を先に知らせる", "kind": "tell_me_first", "subject": "new_arrivals",
                     "owner_department": "crm"}]},
            ],
        },
    )  # fmt: skip


def create_campaign(platform: RunningPlatform, key: str, *, name: str) -> None:
    """Define a campaign that wants purchases within 30 days."""
    put(platform, "campaign", "/v1/creatives/coupon", {"name": "クーポン", "medium": "email"})
    goal = {"event": ORDER, "sum_property": "revenue", "window_days": 30}
    put(platform, "campaign", f"/v1/campaigns/{key}", {"name": name, "creative_keys": ["coupon"], "goal": goal})


def create_journey(
    platform: RunningPlatform, key: str, *, name: str, segment_key: str, steps: list[dict[str, Any]]
) -> None:
    """Define and publish a journey, of the campaign of the same key, of a segment's members, the present ones too."""
    trigger = {"kind": "segment_entered", "segment_key": segment_key, "include_current_members": True}
    body = {"name": name, "campaign_key": key, "reentry": {"once": True}, "trigger": trigger, "steps": steps}
    put(platform, "campaign", f"/v1/journeys/{key}", body)
    post(platform, "campaign", f"/v1/journeys/{key}:publish")


def mail_step(key: str, template_key: str, **more: Any) -> dict[str, Any]:
    """A journey's step that sends a mail."""
    return {"key": key, "kind": "send", "channel": "email", "template_key": template_key, "topic": "marketing"} | more


def survey_step(survey_key: str, *, next_step: str) -> dict[str, Any]:
    """A journey's step that asks a survey's questions."""
    return {
        "key": "question", "kind": "ask", "questionnaire_key": survey_key, "template_key": survey_key,
        "channel": "email", "topic": "marketing", "expires_days": 14, "next": next_step,
    }  # fmt: skip


def record_opt_ins(platform: RunningPlatform, addresses: Sequence[str], *, recorded_at: str) -> None:
    """Say that these addresses may be written to."""
    opt_ins = [
        {"channel": "email", "value": address, "topic": "marketing", "status": "granted",
         "basis": "opt_in_form", "recorded_at": recorded_at}
        for address in addresses
    ]  # fmt: skip
    post(platform, "delivery", "/v1/permissions:record", {"permissions": opt_ins})


# People and what is said of them


def days_ago(days: int) -> str:
    """That moment, as SDKs write it."""
    return (CLOCK.now() - timedelta(days=days)).isoformat()


def identify(user_id: str, *, traits: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The event that says something of a person."""
    return {"type": "identify", "userId": user_id, "traits": traits, **fields}


def order(story: str, user_id: str, order_id: str, *, revenue: int, properties: Any = None, **fields: Any) -> Any:
    """The event that says that a person has ordered something in the story's shop."""
    paid = {"order_id": order_id, "revenue": revenue, "currency": "USD", "shop": story} | (properties or {})
    return {"type": "track", "event": ORDER, "userId": user_id, "properties": paid, **fields}


def tell(platform: RunningPlatform, write_key: str, events: list[dict[str, Any]]) -> None:
    """A source sends a batch, and it is taken."""
    answer = send_batch(platform, write_key, events)
    assert answer.status_code == 200, answer.text


# What came of it


def mails(platform: RunningPlatform, template_subject: str) -> dict[str, str]:
    """The mailbox's messages with this subject: recipient -> text of the HTML part."""
    with platform.client("mailbox") as client:
        listed = client.get("/messages", params={"limit": 1000}).json()["messages"]
        return {
            each["recipients"][0]: client.get(f"/messages/{each['id']}").json()["html"]
            for each in listed
            if each["subject"] == template_subject
        }


def links(mail: str) -> list[str]:
    """Where a mail points to, pictures included."""
    return [unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', mail)]


def open_and_click(mail: str) -> None:
    """Load a mail's pixel and follow its link."""
    opened = httpx.get(_link(mail, "/o/"))
    assert (opened.status_code, opened.headers["content-type"]) == (200, "image/gif")
    followed = httpx.get(_link(mail, "/c/"))
    assert followed.status_code == 302
    assert followed.headers["location"].startswith(LANDING_PAGE)


def answer_survey(mail: str, **answers: Any) -> None:
    """Answer the survey that a mail asks for, and let oneself be told first of what is new."""
    answered = httpx.post(_link(mail, "/f/"), json={"answers": answers | {"promise": ["first"]}})
    assert answered.status_code in {200, 201}, answered.text


def _link(mail: str, part: str) -> str:
    return next(link for link in links(mail) if part in link)


def totals(platform: RunningPlatform) -> dict[str, Any]:
    """What profile counts of everybody."""
    with platform.client("profile") as client:
        content: dict[str, Any] = client.get("/v1/totals").json()
        return content


def customer_id(platform: RunningPlatform, user_id: str) -> str | None:
    """The customer of a user id, as the graph finds it; None while there is none."""
    query = 'query($value: String!) { customerByIdentifier(namespace: "user_id", value: $value) { id } }'
    answer = platform.ask(query, value=user_id)
    assert "errors" not in answer, answer
    found = answer["data"]["customerByIdentifier"]
    return found and str(found["id"])


def known(platform: RunningPlatform, *user_ids: str) -> list[str]:
    """The customers of these user ids, once they are resolved."""
    wait_for("they are known", lambda: all(customer_id(platform, each) for each in user_ids))
    return [str(customer_id(platform, each)) for each in user_ids]


def customer_view(platform: RunningPlatform, query: str, identifier: str) -> dict[str, Any]:
    """What the graph says of a customer, by a present or former id."""
    answer = platform.ask(query, id=identifier)
    assert "errors" not in answer, answer
    customer: dict[str, Any] = answer["data"]["customer"]
    return customer
