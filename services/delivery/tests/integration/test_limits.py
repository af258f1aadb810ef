"""Frequency caps, quiet hours, waiting for a contact point."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from contracts.delivery import MessageFailed


async def test_cap_counts_per_customer_and_topic_over_the_days(delivery: Any) -> None:
    await delivery.configure(cap={"messages": 2, "days": 7})
    one, other = await delivery.reachable("one@example.com", "other@example.com")
    await delivery.send(*(delivery.requested(one) for _ in range(5)), delivery.requested(other))
    assert (len(delivery.mailbox.to("one@example.com")), len(delivery.mailbox.to("other@example.com"))) == (2, 1)
    assert [fact.reason for fact in await delivery.running.published(MessageFailed)] == ["frequency_capped"] * 3
    delivery.later(days=6, hours=23)
    await delivery.send(delivery.requested(one))
    assert len(delivery.mailbox.to("one@example.com")) == 2
    delivery.later(hours=2)
    await delivery.send(delivery.requested(one))
    assert len(delivery.mailbox.to("one@example.com")) == 3


async def test_cap_holds_over_many_small_batches_at_once(start_delivery: Any) -> None:
    delivery = await start_delivery(batch_size=3, lanes=4)
    await delivery.configure(cap={"messages": 3, "days": 1})
    contacts = await delivery.reachable(*(f"c{number}@example.com" for number in range(4)))
    await delivery.send(*(delivery.requested(contact) for _ in range(8) for contact in contacts))
    assert sorted(len(delivery.mailbox.to(contact.value)) for contact in contacts) == [3, 3, 3, 3]


async def test_a_bounce_does_not_use_up_the_cap(delivery: Any) -> None:
    await delivery.configure(cap={"messages": 1, "days": 7})
    (contact,) = await delivery.reachable("content-a@example.com")
    request = delivery.requested(contact)
    await delivery.send(request)
    assert (await delivery.message(request))["counted_at"] is None


async def test_quiet_hours_defer_advertising_to_their_end(start_delivery: Any) -> None:
    delivery = await start_delivery(quiet_hours="21:00-08:00")
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    delivery.clock.set(datetime(2026, 11, 21, 13, 30, tzinfo=UTC))  # 22:30 in Tokyo
    request = delivery.requested(contact)
    await delivery.send(request)
    row = await delivery.message(request)
    assert (row["state"], row["due_at"], row["counted_at"]) == (
        "requested",
        datetime(2026, 11, 21, 23, 0, tzinfo=UTC),
        None,
    )
    delivery.clock.set(datetime(2026, 11, 21, 23, 0, tzinfo=UTC))
    await delivery.settle()
    assert (await delivery.message(request))["state"] == "sent"


async def test_request_waits_a_moment_for_a_contact_point_on_its_way(start_delivery: Any) -> None:
    delivery = await start_delivery(contact_grace_seconds=10)
    await delivery.configure({"category": "transactional"})
    contact = delivery.linked("hanako@example.com")
    early = delivery.requested(contact)
    never = delivery.requested(delivery.linked("never@example.com"))
    await delivery.send(early, never)
    assert (await delivery.message(early))["state"] == "requested"
    await delivery.running.publish([contact])
    await delivery.running.drain()
    delivery.later(seconds=10)
    await delivery.settle()
    assert (await delivery.message(early))["state"] == "sent"
    assert [fact.reason for fact in await delivery.running.published(MessageFailed)] == ["no_contact_point"]


async def test_silent_batches_end_as_unknown_or_are_due_again(delivery: Any) -> None:
    await delivery.configure()
    contacts = await delivery.reachable("reserved@example.com", "sending@example.com")
    ids = [uuid4(), uuid4()]
    connection = await delivery.running.database.connect()
    for message_id, contact, state in zip(ids, contacts, ("reserved", "sending"), strict=True):
        await connection.execute(
            "INSERT INTO messages (message_id, anchor_id, customer_id, channel, template_key, topic, variables, state, "
            "requested_at, due_at, lease_id, lease_until, counted_at) "
            "VALUES ($1, $2, $3, 'email', 'spring', 'marketing', '{}', $4, $5, $5, $6, $7, $5)",
            message_id, contact.anchor_id, contact.customer_id, state, delivery.clock.now(), uuid4(),
            delivery.clock.now() + timedelta(minutes=2),
        )  # fmt: skip
    await connection.close()
    delivery.later(minutes=3)
    await delivery.settle()
    states = {row["message_id"]: row["state"] for row in await delivery.fetch("SELECT message_id, state FROM messages")}
    assert states == {ids[0]: "sent", ids[1]: "unknown"}
    assert [to for to, _ in delivery.mailbox.mails] == ["reserved@example.com"]
    assert [(f.message_id, f.reason) for f in await delivery.running.published(MessageFailed)] == [(ids[1], "unknown")]
