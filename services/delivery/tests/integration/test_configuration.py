"""Templates and topics: versions, refusals that name the field, the schema and the committed document."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery_service.app import build
from delivery_service.models import Base
from delivery_service.settings import Settings
from servicekit.command import openapi_text
from servicekit.migrations import differences
from servicekit.tables import rows_follow
from servicekit.testing import Environment, create_database

FOOTER = "{{ sender.name }} {{ sender.postal_address }} {{ unsubscribe_url }}"
GOOD: dict[str, Any] = {
    "subject": "Sale", "text": FOOTER, "html": FOOTER, "sender_name": "Kizuna", "sender_address": "shop@kizuna.example",
    "postal_address": "Tokyo 1-1-1", "category": "advertising", "links": [{"label": "shop", "url": "https://shop.example/"}],
}  # fmt: skip


async def test_put_is_idempotent_and_versioned(delivery: Any) -> None:
    client, headers = delivery.running.client, delivery.running.headers()
    first = await client.put("/v1/templates/a", json=GOOD, headers=headers)
    again = await client.put("/v1/templates/a", json=GOOD, headers=headers)
    changed = await client.put("/v1/templates/a", json=GOOD | {"subject": "New"}, headers=headers | {"If-Match": '"1"'})
    stale = await client.put("/v1/templates/a", json=GOOD, headers=headers | {"If-Match": '"1"'})
    assert [answer.status_code for answer in (first, again, changed, stale)] == [201, 200, 200, 412]
    assert [answer.headers["etag"] for answer in (first, again, changed)] == ['"1"', '"1"', '"2"']
    assert (await delivery.call("GET", "/v1/templates/a"))["subject"] == "New"
    assert [item["key"] for item in (await delivery.call("GET", "/v1/templates"))["items"]] == ["a"]
    await delivery.call("GET", "/v1/templates/none", expect=404)
    topic = {"name": "News", "cap": {"messages": 2, "days": 7}}
    assert (await delivery.call("PUT", "/v1/topics/news", topic, expect=201))["version"] == 1
    assert (await delivery.call("PUT", "/v1/topics/news", topic))["version"] == 1
    assert (await delivery.call("PUT", "/v1/topics/news", {"name": "News"}))["version"] == 2
    assert (await delivery.call("GET", "/v1/topics/news"))["cap"] is None
    assert len((await delivery.call("GET", "/v1/topics"))["items"]) == 1
    sent_by = {"name": "News", "legal_entity": "Kizuna Inc.", "purpose": "marketing"}
    assert (await delivery.call("PUT", "/v1/topics/news", sent_by))["version"] == 3
    assert (await delivery.call("PUT", "/v1/topics/news", sent_by))["version"] == 3
    held = await delivery.call("GET", "/v1/topics/news")
    assert (held["legal_entity"], held["purpose"]) == ("Kizuna Inc.", "marketing")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"legal_entity": " "}, "legal_entity"),
        ({"legal_entity": "a\nb"}, "legal_entity"),
        ({"legal_entity": "Kizuna Inc.", "purpose": "All Of It"}, "purpose"),
        ({"purpose": "marketing"}, "purpose"),
    ],
)
async def test_a_bad_topic_is_refused(delivery: Any, change: dict[str, Any], field: str) -> None:
    problem = await delivery.call("PUT", "/v1/topics/news", {"name": "News"} | change, expect=422)
    assert [error["field"] for error in problem["errors"]] == [field]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"text": "buy {{ sender.name }} {{ sender.postal_address }}"}, "text"),
    ({"html": "<p>buy {{ unsubscribe_url }}</p>"}, "html"),
    ({"html": "{% if traits.vip %}" + FOOTER + "{% endif %}"}, "html"),
    ({"postal_address": ""}, "postal_address"),
    ({"postal_address": "  "}, "postal_address"),
    ({"sender_name": " "}, "sender_name"),
    ({"sender_name": "a\r\nBcc: x@example.com"}, "sender_name"),
    ({"sender_address": "not an address"}, "sender_address"),
    ({"subject": "a\nb"}, "subject"),
    ({"text": "{% if %}"}, "text"),
    ({"text": "{{ customer.name }}" + FOOTER}, "text"),
    ({"text": "{{ links.none }}" + FOOTER}, "text"),
    ({"text": "{% include 'x' %}" + FOOTER}, "text"),
    ({"html": "{{ traits.a | safe }}" + FOOTER}, "html"),
    ({"html": "{% for i in (1..100000) %}x{% endfor %}" + FOOTER}, "html"),
    ({"text": "nul \u0000" + FOOTER}, "text"),
    ({"links": [{"label": "shop", "url": "javascript:alert(1)"}]}, "links.0.url"),
    ({"links": [{"label": "shop", "url": "https://user:pass@shop.example"}]}, "links.0.url"),
    ({"links": [{"label": "Shop!", "url": "https://shop.example"}]}, "links.0.label"),
    ({"links": [{"label": "shop", "url": f"https://shop.example/{n}"} for n in range(2)]}, "links"),
    ({"category": "spam"}, "category"),
    ({"unknown": 1}, "unknown"),
]


async def test_templates_that_must_not_be_sent_are_refused(delivery: Any) -> None:
    for change, field in REFUSED:
        problem = await delivery.call("PUT", "/v1/templates/a", GOOD | change, expect=422)
        assert problem["errors"][0]["field"] == field, change
    await delivery.call("GET", "/v1/templates/a", expect=404)


async def test_transactional_templates_need_no_opt_out(delivery: Any) -> None:
    body = GOOD | {"text": "Your order", "html": "<p>Your order</p>", "category": "transactional", "postal_address": ""}
    await delivery.call("PUT", "/v1/templates/order", body, expect=201)


async def test_advertising_hidden_by_a_trait_is_not_sent(delivery: Any) -> None:
    hidden = "{% unless traits.first_name %}" + FOOTER + "{% endunless %}"
    await delivery.configure({"text": hidden})
    (contact,) = await delivery.reachable("hanako@example.com")
    request = delivery.requested(contact)
    await delivery.send(request)
    assert (await delivery.message(request))["failure_reason"] == "template"
    assert delivery.mailbox.mails == []


async def test_every_endpoint_wants_a_credential(delivery: Any) -> None:
    document = json.loads(openapi_text(Settings, build))
    client = delivery.running.client
    for path, operations in document["paths"].items():
        if path in {"/livez", "/readyz", "/o/{token}.gif", "/c/{token}", "/u/{token}"}:
            continue
        for method in operations:
            where = path.replace("{key}", "a")
            assert (await client.request(method, where, json={})).status_code == 401, path
            wrong = delivery.running.headers("profile:read", "profile:write")
            assert (await client.request(method, where, json={}, headers=wrong)).status_code in {403, 422}, path
            assert (await client.request(method, where, json=GOOD, headers=wrong)).status_code in {403, 422}, path


async def test_totals_count_everything(delivery: Any) -> None:
    await delivery.configure()
    one, _ = await delivery.reachable("one@example.com", "two@example.com")
    await delivery.send(delivery.requested(one), delivery.requested(one, template_key="none"))
    assert await delivery.call("GET", "/v1/totals") == {
        "messages": {"sent": 1, "failed": 1}, "opened": 0, "clicked": 0, "contact_points": 2,
        "permissions": {"granted": 2}, "suppressions": 0,
    }  # fmt: skip


async def test_migrations_make_what_the_models_say(environment: Environment) -> None:
    import asyncio

    url = await create_database(environment.postgres, build)
    assert await asyncio.to_thread(differences, url, Base.metadata) == []
    assert rows_follow(Base) == {"contact_point_grants": "move", "contact_points": "move", "messages": "move"}


def test_committed_openapi_is_current() -> None:
    committed = Path(__file__).parents[2] / "openapi.json"
    assert committed.read_text() == openapi_text(Settings, build), (
        "run `python -m delivery_service openapi > openapi.json`"
    )
