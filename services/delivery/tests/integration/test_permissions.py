"""Opt-ins per contact point and topic: before and after the address is known, withdrawn, moved."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.delivery import MessageFailed, MessageSent, PermissionChanged
from contracts.identity import AnchorMoved
from delivery_service.repository.permissions import addresses_of_customer
from servicekit.database import raw


async def permissions_of(delivery: Any, customer_id: UUID) -> list[dict[str, Any]]:
    answer = await delivery.call("POST", "/v1/permissions:batchGet", {"customer_ids": [str(customer_id)]})
    return list(answer["customers"][0]["permissions"])


async def test_permission_recorded_before_the_contact_point_is_announced_when_it_is_known(delivery: Any) -> None:
    recorded_at = delivery.clock.now() - timedelta(days=400)
    await delivery.permit("Hanako@Example.com ", recorded_at=recorded_at.isoformat())
    assert await delivery.running.published(PermissionChanged) == []
    contact = delivery.linked("hanako@example.com")
    await delivery.running.publish([contact])
    (fact,) = await delivery.running.published(PermissionChanged)
    assert (fact.anchor_id, fact.customer_id, fact.occurred_at) == (contact.anchor_id, contact.customer_id, recorded_at)
    assert (fact.topic, fact.status, fact.basis) == ("marketing", "granted", "opt_in_form")
    (item,) = await permissions_of(delivery, contact.customer_id)
    assert item["anchor_id"] == str(contact.anchor_id)


async def test_every_change_is_history_and_only_changes_are_announced(delivery: Any) -> None:
    (contact,) = await delivery.reachable("hanako@example.com")
    again = await delivery.permit("hanako@example.com", recorded_at=delivery.clock.now().isoformat())
    assert again == {"recorded": 0, "unchanged": 1}
    delivery.later(minutes=1)
    assert await delivery.permit("hanako@example.com", basis="double_opt_in") == {"recorded": 1, "unchanged": 0}
    delivery.later(minutes=1)
    body = {"customer_id": str(contact.customer_id), "topic": "marketing", "basis": "customer_service"}
    assert await delivery.call("POST", "/v1/permissions:withdraw", body) == {"withdrawn": 1}
    assert await delivery.call("POST", "/v1/permissions:withdraw", body) == {"withdrawn": 1}  # changes nothing
    facts = await delivery.running.published(PermissionChanged)
    assert [(fact.status, fact.basis) for fact in facts] == [
        ("granted", "opt_in_form"),
        ("withdrawn", "customer_service"),
    ]
    history = await delivery.fetch("SELECT status, basis FROM permission_records ORDER BY recorded_at")
    assert [tuple(row) for row in history] == [
        ("granted", "opt_in_form"), ("granted", "double_opt_in"), ("withdrawn", "customer_service")
    ]  # fmt: skip


async def test_late_older_statement_is_history_but_changes_nothing(delivery: Any) -> None:
    (contact,) = await delivery.reachable("hanako@example.com")
    older = (delivery.clock.now() - timedelta(days=1)).isoformat()
    await delivery.permit("hanako@example.com", status="withdrawn", basis="import", recorded_at=older)
    (item,) = await permissions_of(delivery, contact.customer_id)
    assert item["status"] == "granted"
    assert len(await delivery.fetch("SELECT FROM permission_records")) == 2
    await delivery.permit("hanako@example.com", status="withdrawn", recorded_at=delivery.clock.now().isoformat())
    (item,) = await permissions_of(delivery, contact.customer_id)
    assert item["status"] == "withdrawn"  # at the same instant the withdrawal prevails


async def test_bad_permissions_name_the_field_and_change_nothing(delivery: Any) -> None:
    good = {"channel": "email", "value": "a@example.com", "topic": "marketing", "status": "granted", "basis": "form"}
    tomorrow = (delivery.clock.now() + timedelta(days=1)).isoformat()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"value": "nobody"}, "permissions.1.value"),
        ({"value": "a\u0000@example.com"}, "permissions.1.value"),
        ({"value": None, "anchor_id": str(uuid4())}, "permissions.1.anchor_id"),
        ({"recorded_at": tomorrow}, "permissions.1.recorded_at"),
        ({"status": "maybe"}, "permissions.1.status"),
        ({"channel": "fax"}, "permissions.1.channel"),
        ({"topic": "Not A Key"}, "permissions.1.topic"),
        ({"other": 1}, "permissions.1.other"),
    ]
    for wrong, field in cases:
        problem = await delivery.call(
            "POST", "/v1/permissions:record", {"permissions": [good, good | wrong]}, expect=422
        )
        assert problem["errors"][0]["field"] == field
        assert "a@example.com" not in str(problem)
    assert await delivery.fetch("SELECT FROM permission_records") == []


async def test_contact_point_with_permission_is_chosen(delivery: Any) -> None:
    await delivery.configure()
    customer = uuid4()
    first, second = (delivery.linked(f"{name}@example.com", customer_id=customer) for name in ("first", "second"))
    await delivery.running.publish([first, second])
    await delivery.running.drain()
    await delivery.permit("second@example.com")
    await delivery.send(delivery.requested(first))
    assert [to for to, _ in delivery.mailbox.mails] == ["second@example.com"]


async def test_transactional_mail_needs_no_opt_in_but_respects_a_no(delivery: Any) -> None:
    await delivery.configure({"category": "transactional"})
    contacts = [delivery.linked(f"{name}@example.com") for name in ("silent", "refusing")]
    await delivery.running.publish(contacts)
    await delivery.running.drain()
    await delivery.permit("refusing@example.com", status="withdrawn")
    await delivery.send(*(delivery.requested(contact) for contact in contacts))
    (mail,) = delivery.mailbox.read()
    assert mail["To"] == "silent@example.com"
    assert mail["List-Unsubscribe"] is None


async def test_moved_anchor_takes_contact_point_permission_and_messages_along(delivery: Any) -> None:
    await delivery.configure(cap={"messages": 1, "days": 7})
    (contact,) = await delivery.reachable("hanako@example.com")
    await delivery.send(delivery.requested(contact))
    merged = uuid4()
    move = AnchorMoved(
        event_id=uuid4(), customer_id=merged, anchor_id=contact.anchor_id, occurred_at=delivery.clock.now(),
        former_customer_id=contact.customer_id, version=1, reason="merge",
    )  # fmt: skip
    await delivery.running.publish([move])
    await delivery.running.drain()
    assert await permissions_of(delivery, contact.customer_id) == []
    (item,) = await permissions_of(delivery, merged)
    assert item["anchor_id"] == str(contact.anchor_id)
    answer = await delivery.call(
        "POST", "/v1/messages:batchGet", {"customer_ids": [str(merged), str(contact.customer_id)]}
    )
    assert [len(entry["messages"]) for entry in answer["customers"]] == [1, 0]

    late = delivery.requested(contact)  # says the former customer; the anchor says who it is now
    await delivery.send(late)
    assert (await delivery.message(late))["customer_id"] == merged
    assert [fact.reason for fact in await delivery.running.published(MessageFailed)] == ["frequency_capped"]

    back = move.model_copy(
        update={"event_id": uuid4(), "customer_id": contact.customer_id, "former_customer_id": merged, "version": 2}
    )
    await delivery.running.publish([back])
    await delivery.running.drain()
    assert await permissions_of(delivery, merged) == []
    assert len(await permissions_of(delivery, contact.customer_id)) == 1
    assert len(await delivery.running.published(MessageSent)) == 1


async def test_what_was_sent_stays_with_the_contact_point_it_went_to(delivery: Any) -> None:
    await delivery.configure()
    (mine,) = await delivery.reachable("mine@example.com")
    other = delivery.linked("other@example.com", customer_id=mine.customer_id)  # wrongly taken for the same person
    await delivery.running.publish([other])
    await delivery.running.drain()
    request = delivery.requested(other)
    await delivery.send(request)
    assert [to for to, _ in delivery.mailbox.mails] == ["mine@example.com"]
    (sent,) = await delivery.running.published(MessageSent)
    assert (sent.customer_id, sent.anchor_id) == (mine.customer_id, mine.anchor_id)
    parted = uuid4()
    move = AnchorMoved(
        event_id=uuid4(), customer_id=parted, anchor_id=other.anchor_id, occurred_at=delivery.clock.now(),
        former_customer_id=mine.customer_id, version=1, reason="split",
    )  # fmt: skip
    await delivery.running.publish([move])
    await delivery.running.drain()
    assert (await delivery.message(request))["customer_id"] == mine.customer_id
    # nobody's mail goes to the other's address: the other has no permission of their own
    await delivery.send(delivery.requested(other))
    assert [fact.customer_id for fact in await delivery.running.published(MessageFailed)] == [parted]


async def test_a_withdrawal_reaches_contact_points_that_are_moving_to_the_customer_and_no_others(delivery: Any) -> None:
    mine, other = await delivery.reachable("mine@example.com", "other@example.com")
    async with delivery.running.database.transaction() as session:
        connection = await raw(session)
        await connection.execute(  # remembered, not re-keyed yet
            "INSERT INTO anchors VALUES ($1, $2, $3, 1, 1)", other.anchor_id, mine.customer_id, other.customer_id
        )
        both = ["mine@example.com", "other@example.com"]
        assert await addresses_of_customer(session, mine.customer_id, "email") == both
        assert await addresses_of_customer(session, other.customer_id, "email") == []
        await session.rollback()


async def test_a_contact_point_says_for_whom_it_was_brought(delivery: Any) -> None:
    brought = delivery.linked("hanako@example.jp").model_copy(
        update={"legal_entity": "Kizuna Inc.", "purposes": ["crm", "ads"]}
    )
    before = delivery.linked("taro@example.jp")
    await delivery.running.publish([brought, before])
    await delivery.running.drain()
    kept = {}
    for fact in (brought, before):
        answer = await delivery.running.client.get(
            f"/v1/customers/{fact.customer_id}/export", headers=delivery.running.headers("privacy:read")
        )
        kept[fact.value] = answer.json()["tables"]["contact_points"][0]
    assert kept["hanako@example.jp"]["legal_entity"] == "Kizuna Inc."
    assert kept["hanako@example.jp"]["purposes"] == ["crm", "ads"]
    assert (kept["taro@example.jp"]["legal_entity"], kept["taro@example.jp"]["purposes"]) == (None, [])
