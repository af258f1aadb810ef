"""A customer is erased: addresses, permissions, messages and clicks go; of an address a keyed hash stays."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.delivery.tests.integration.test_tracking import sent_mail

from contracts.delivery import DeliveryCustomerErased, MessageClicked, PermissionChanged
from contracts.identity import CustomerErased
from servicekit.testing import tables_that_mention

ADDRESS = "hanako@example.com"


def erased(delivery: Any, customer_id: UUID) -> CustomerErased:
    return CustomerErased(
        event_id=uuid4(),
        customer_id=customer_id,
        anchor_id=uuid4(),
        occurred_at=delivery.clock.now(),
        erasure_id=uuid4(),
    )


async def mentioned_in(delivery: Any, *words: str) -> set[str]:
    connection = await delivery.running.database.connect()
    try:
        return set(await tables_that_mention(connection, words))
    finally:
        await connection.close()


async def test_addresses_messages_and_clicks_go_and_old_links_lead_nowhere(delivery: Any) -> None:
    request, _, paths = await sent_mail(delivery)
    client = delivery.running.client
    await client.get(paths["c"][0])
    assert await mentioned_in(delivery, ADDRESS) == {"contact_points", "permission_records", "permissions"}
    await delivery.send(erased(delivery, request.customer_id))
    (receipt,) = await delivery.running.published(DeliveryCustomerErased)
    assert receipt.rows == {
        "contact_points": 1, "message_clicks": 1, "messages": 1, "permission_records": 1, "permissions": 1,
    }  # fmt: skip

    statuses = [(await client.get(paths[kind][0])).status_code for kind in ("c", "u")]
    assert [*statuses, (await client.post(paths["u"][0])).status_code] == [404, 404, 404]
    await client.get(paths["o"][0])
    before = len(await delivery.running.published(PermissionChanged))
    await delivery.send(
        delivery.linked(ADDRESS, customer_id=request.customer_id),
        request.model_copy(update={"event_id": uuid4(), "message_id": uuid4()}),
    )
    assert await mentioned_in(delivery, ADDRESS, str(request.message_id)) == set()
    assert await mentioned_in(delivery, str(request.customer_id)) == {"erased_customers", "erasure_work"}
    assert len(await delivery.running.published(PermissionChanged)) == before
    assert len(await delivery.running.published(MessageClicked)) == 1
    assert len(delivery.mailbox.mails) == 1


async def test_a_permission_told_late_stays_erased_and_a_new_one_is_taken(delivery: Any) -> None:
    (contact,) = await delivery.reachable(ADDRESS)
    before = (delivery.clock.now() - timedelta(days=1)).isoformat()
    await delivery.send(erased(delivery, contact.customer_id))
    assert (await delivery.permit(ADDRESS, recorded_at=before)) == {"recorded": 0, "unchanged": 1}
    assert await mentioned_in(delivery, ADDRESS) == set()
    delivery.later(hours=1)
    assert (await delivery.permit(ADDRESS)) == {"recorded": 1, "unchanged": 0}


@pytest.mark.parametrize("reason", ["complaint", "manual"])
async def test_a_suppression_holds_when_the_address_becomes_known_again(delivery: Any, reason: str) -> None:
    (contact,) = await delivery.reachable(ADDRESS)
    body = {"suppressions": [{"channel": "email", "value": ADDRESS, "reason": reason}]}
    await delivery.call("POST", "/v1/suppressions:record", body)
    await delivery.send(erased(delivery, contact.customer_id))
    assert await mentioned_in(delivery, ADDRESS) == set()
    await delivery.send(delivery.linked(ADDRESS))
    (row,) = await delivery.fetch("SELECT address, reason FROM suppressions")
    assert tuple(row) == (ADDRESS, reason)


async def test_an_address_that_reaches_somebody_else_too_stays_theirs(delivery: Any) -> None:
    mine, theirs = delivery.linked(ADDRESS), delivery.linked(ADDRESS)
    await delivery.send(mine, theirs)
    await delivery.permit(ADDRESS)
    await delivery.send(erased(delivery, mine.customer_id))
    rows = await delivery.fetch("SELECT customer_id FROM contact_points JOIN permissions USING (channel, address)")
    assert [row["customer_id"] for row in rows] == [theirs.customer_id]
    assert await delivery.fetch("SELECT FROM erased_addresses") == []


async def test_a_message_under_way_is_not_sent(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable(ADDRESS)
    delivery.profile.down = True  # the sender holds the message and waits for the traits
    request = delivery.requested(contact)
    await delivery.running.publish([request])
    await delivery.running.drain()
    await delivery.running.publish([erased(delivery, contact.customer_id)])
    await delivery.running.drain()
    delivery.profile.down = False
    delivery.later(minutes=5)
    await delivery.settle()
    assert delivery.mailbox.mails == []
    assert await delivery.fetch("SELECT FROM messages") == []


async def test_everything_held_is_shown(delivery: Any) -> None:
    request, _, paths = await sent_mail(delivery)
    await delivery.running.client.get(paths["c"][0])
    answer = await delivery.running.client.get(
        f"/v1/customers/{request.customer_id}/export", headers=delivery.running.headers("privacy:read")
    )
    rows = {table: len(found) for table, found in answer.json()["tables"].items()}
    assert rows == {
        "contact_points": 1, "contact_point_grants": 0, "messages": 1, "message_clicks": 1, "permission_records": 1,
        "permissions": 1, "suppressions": 0,
    }  # fmt: skip
