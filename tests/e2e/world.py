"""What the stories on a whole platform share: configuring it as a user would, and reading what came of it."""

from typing import Any

from tests.running_platform import RunningPlatform

LANDING_PAGE = "https://shop.example.jp/welcome-back"


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


def create_campaign(platform: RunningPlatform, key: str, *, name: str) -> None:
    """Define a campaign that wants purchases within 30 days."""
    put(platform, "campaign", "/v1/creatives/coupon", {"name": "クーポン", "medium": "email"})
    goal = {"event": "Order Completed", "sum_property": "revenue", "window_days": 30}
    put(platform, "campaign", f"/v1/campaigns/{key}", {"name": name, "creative_keys": ["coupon"], "goal": goal})


def create_journey(
    platform: RunningPlatform, key: str, *, name: str, campaign_key: str, segment_key: str, steps: list[dict[str, Any]]
) -> None:
    """Define and publish a journey of a segment's members, the present ones included."""
    trigger = {"kind": "segment_entered", "segment_key": segment_key, "include_current_members": True}
    body = {"name": name, "campaign_key": campaign_key, "reentry": {"once": True}, "trigger": trigger, "steps": steps}
    put(platform, "campaign", f"/v1/journeys/{key}", body)
    post(platform, "campaign", f"/v1/journeys/{key}:publish")


def record_opt_ins(platform: RunningPlatform, addresses: list[str], *, recorded_at: str) -> None:
    """Say that these addresses may be written to."""
    opt_ins = [
        {"channel": "email", "value": address, "topic": "marketing", "status": "granted",
         "basis": "opt_in_form", "recorded_at": recorded_at}
        for address in addresses
    ]  # fmt: skip
    post(platform, "delivery", "/v1/permissions:record", {"permissions": opt_ins})


def mails(platform: RunningPlatform, template_subject: str) -> dict[str, str]:
    """The mailbox's messages with this subject: recipient -> text of the HTML part."""
    with platform.client("mailbox") as client:
        listed = client.get("/messages", params={"limit": 1000}).json()["messages"]
        return {
            each["recipients"][0]: client.get(f"/messages/{each['id']}").json()["html"]
            for each in listed
            if each["subject"] == template_subject
        }


def totals(platform: RunningPlatform) -> dict[str, Any]:
    """What profile counts of everybody."""
    with platform.client("profile") as client:
        content: dict[str, Any] = client.get("/v1/totals").json()
        return content
