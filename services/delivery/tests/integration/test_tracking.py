"""Opens, clicks and unsubscribes by signed token."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from contracts.delivery import MessageClicked, MessageOpened, PermissionChanged


async def sent_mail(delivery: Any, **template: Any) -> tuple[Any, str, dict[str, list[str]]]:
    await delivery.configure(template)
    (contact,) = await delivery.reachable("hanako@example.com")
    request = delivery.requested(contact)
    await delivery.send(request)
    (mail,) = delivery.mailbox.read()
    html = mail.get_body(("html",)).get_content()
    found: dict[str, list[str]] = {"o": [], "c": [], "u": []}
    for path in re.findall(r"http://delivery\.test(/[ocu]/[^\s'\"<>]+)", html):
        found[path[1]].append(path)
    return request, html, found


async def test_first_open_and_first_click_of_each_link_are_said_once(delivery: Any) -> None:
    request, _, paths = await sent_mail(delivery)
    client = delivery.running.client
    answers = await asyncio.gather(*(client.get(paths["o"][0]) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["content-type"] == "image/gif"
    assert answers[0].headers["cache-control"] == "no-store"
    answers = await asyncio.gather(*(client.get(paths["c"][0]) for _ in range(20)))
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {
        (302, "https://shop.example/sale?x=1")
    }
    (opened,) = await delivery.running.published(MessageOpened)
    (clicked,) = await delivery.running.published(MessageClicked)
    assert (opened.message_id, opened.anchor_id) == (request.message_id, request.anchor_id)
    assert (clicked.message_id, clicked.link, clicked.url) == (
        request.message_id,
        "shop",
        "https://shop.example/sale?x=1",
    )
    answer = await delivery.call("POST", "/v1/messages:batchGet", {"customer_ids": [str(request.customer_id)]})
    (item,) = answer["customers"][0]["messages"]
    assert item["state"] == "sent"
    assert item["subject"] is None  # it holds the customer's name
    assert item["opened_at"] and item["clicked_at"] and item["sent_at"]


async def test_links_lead_where_their_version_said_and_nowhere_else(delivery: Any) -> None:
    _, _, paths = await sent_mail(delivery)
    client = delivery.running.client
    other = {"links": [{"label": "shop", "url": "https://evil.example/"}], "subject": "new"}
    template = await delivery.call("GET", "/v1/templates/spring")
    body = {name: value for name, value in template.items() if name not in {"key", "version", "updated_at"}}
    await delivery.call("PUT", "/v1/templates/spring", body | other)
    for attempt in ("", "?url=https://evil.example", "?utm_source=x"):
        answer = await client.get(paths["c"][0] + attempt)
        assert answer.headers["location"] == "https://shop.example/sale?x=1"


async def test_clicks_carry_utm_when_the_template_says_so(delivery: Any) -> None:
    _, _, paths = await sent_mail(delivery, utm=True)
    location = (await delivery.running.client.get(paths["c"][0])).headers["location"]
    assert location == (
        "https://shop.example/sale?x=1&utm_source=kizuna&utm_medium=email&utm_campaign=spring_sale&utm_content=shop"
    )
    assert urlsplit(location).hostname == "shop.example"


async def test_forged_tokens_learn_nothing_and_change_nothing(delivery: Any) -> None:
    _, _, paths = await sent_mail(delivery)
    client = delivery.running.client
    pixel, click, unsubscribe = (paths[kind][0].split("/")[2].removesuffix(".gif") for kind in ("o", "c", "u"))
    flipped = ("B" if click[5] != "B" else "C").join((click[:5], click[6:]))
    forged = ["x", "", "a" * 46, "é" * 46, flipped, click + "A", click[:-2], "%00" * 46, pixel, unsubscribe]
    for token in forged:
        for path in (f"/o/{token}.gif", f"/c/{token}", f"/u/{token}"):
            if path in (paths["o"][0], paths["u"][0]):
                continue
            answer = await client.get(path)
            assert answer.status_code in {401, 404}, path
            assert "hanako" not in answer.text
            assert "location" not in answer.headers
    assert (await client.post(f"/u/{click}")).status_code == 404
    assert await delivery.running.published(MessageClicked) == []
    assert len(await delivery.running.published(PermissionChanged)) == 1  # the opt-in


async def test_get_shows_a_page_and_never_unsubscribes(delivery: Any) -> None:
    request, _, paths = await sent_mail(delivery)
    answer = await delivery.running.client.get(paths["u"][0])
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text and 'lang="ja"' in answer.text and "お得な情報" in answer.text
    assert "hanako" not in answer.text
    assert "script" not in answer.text
    (permission,) = await delivery.fetch("SELECT status FROM permissions")
    assert permission["status"] == "granted"
    assert request


async def test_one_click_unsubscribes_that_contact_point_and_topic(delivery: Any) -> None:
    request, _, paths = await sent_mail(delivery)
    await delivery.permit("hanako@example.com", topic="newsletter")
    client = delivery.running.client
    for _ in range(2):
        answer = await client.post(paths["u"][0], data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "location" not in answer.headers and "set-cookie" not in answer.headers
    fact = (await delivery.running.published(PermissionChanged))[-1]
    assert (fact.status, fact.basis, fact.topic) == ("withdrawn", "one_click_unsubscribe", "marketing")
    assert len(await delivery.running.published(PermissionChanged)) == 3
    rows = await delivery.fetch("SELECT topic, status FROM permissions ORDER BY topic")
    assert [tuple(row) for row in rows] == [("marketing", "withdrawn"), ("newsletter", "granted")]
    await delivery.send(delivery.requested(delivery.linked("x"), customer_id=request.customer_id))
    assert len(delivery.mailbox.mails) == 1


async def test_the_pages_button_unsubscribes_too(delivery: Any) -> None:
    _, _, paths = await sent_mail(delivery)
    answer = await delivery.running.client.post(paths["u"][0], data={"confirm": "yes"})
    assert "配信を停止しました" in answer.text
    assert (await delivery.running.published(PermissionChanged))[-1].basis == "unsubscribe_page"
