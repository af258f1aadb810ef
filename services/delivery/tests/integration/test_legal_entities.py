"""What was linked for one legal entity is not used by another without permission."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.delivery.tests.legal_entity_cases import CASES, DEALER, MAKER

from contracts.delivery import DeliveryCustomerErased, MessageFailed
from contracts.identity import AgreementChanged, AnchorMoved, CustomerErased, IdentifierLinked
from servicekit.database import load_sql, raw


def agreed(delivery: Any, version: int = 1, **changes: Any) -> AgreementChanged:
    """The maker may use what the dealer linked, for marketing, until it is ended."""
    fields: dict[str, Any] = {
        "event_id": uuid4(), "occurred_at": delivery.clock.now(), "agreement_id": "dealers", "version": version,
        "from_entity": DEALER, "to_entity": MAKER, "purposes": ["marketing"], "valid_from": delivery.clock.now(),
    }  # fmt: skip
    return AgreementChanged(**(fields | changes))


async def configure(delivery: Any, **topic: Any) -> None:
    """The maker sends; its permission is never in question."""
    await delivery.configure({"category": "transactional"})
    await configure_topic(delivery, **topic)


async def configure_topic(delivery: Any, **topic: Any) -> None:
    body = {"name": "お得な情報", "legal_entity": MAKER, "purpose": "marketing"} | topic
    await delivery.call("PUT", "/v1/topics/marketing", body)


async def known(delivery: Any, value: str, owner: str | None, *purposes: str, of: UUID | None = None) -> Any:
    """A contact point that a legal entity's source brought."""
    contact = delivery.linked(value, customer_id=of, legal_entity=owner, purposes=list(purposes))
    await delivery.running.publish([contact])
    await delivery.running.drain()
    return contact


async def outcome(delivery: Any, contact: IdentifierLinked, **changes: Any) -> str:
    """Send to a customer; return the address it went to, or why it did not."""
    before = len(delivery.mailbox.mails)
    request = delivery.requested(contact, **changes)
    await delivery.send(request)
    row = await delivery.message(request)
    sent = delivery.mailbox.mails[before:]
    assert len(sent) == (row["state"] == "sent")
    return str(sent[0][0] if sent else row["failure_reason"] or row["state"])


async def test_the_statement_that_chooses_and_the_rule_agree_on_every_case_in_one_batch(delivery: Any) -> None:
    await delivery.configure({"category": "transactional"})
    now, contacts, notices, requests = delivery.clock.now(), list[Any](), list[Any](), list[Any]()
    for number, case in enumerate(CASES):
        topic = {"name": case.why}
        if case.user is not None:
            topic |= {"legal_entity": f"{case.user} {number}", "purpose": case.purpose}
        await delivery.call("PUT", f"/v1/topics/t{number}", topic, expect=201)
        contact = delivery.linked(
            f"case{number}@example.com",
            legal_entity=None if case.owner is None else f"{case.owner} {number}",
            purposes=list(case.collected_for),
        )
        more = [delivery.sourced(contact, f"{owner} {number}", *purposes) for owner, purposes in case.more]
        contacts += [*more, contact] if number % 2 else [contact, *more]
        contacts.append(delivery.linked(f"other{number}@example.com", customer_id=contact.customer_id))
        notices += [
            agreed(
                delivery, agreement_id=f"a{number}-{index}", from_entity=f"{one.from_entity} {number}",
                to_entity=f"{one.to_entity} {number}", purposes=list(one.purposes), valid_from=now + one.valid_from,
                valid_until=None if one.valid_until is None else now + one.valid_until, removed=one.removed,
            )
            for index, one in enumerate(case.agreements)
        ]  # fmt: skip
        requests.append(delivery.requested(contact, topic=f"t{number}"))
    await delivery.running.publish([*contacts, *notices])
    await delivery.running.drain()
    await delivery.send(*requests)
    expected = {f"case{n}@example.com" if case.is_allowed else f"other{n}@example.com" for n, case in enumerate(CASES)}
    assert {address for address, _ in delivery.mailbox.mails} == expected
    assert len(delivery.mailbox.mails) == len(CASES)


async def test_a_message_that_may_use_no_contact_point_ends_and_says_why(delivery: Any) -> None:
    await configure(delivery)
    contact = await known(delivery, "dealer@example.com", DEALER)
    request = delivery.requested(contact)
    await delivery.send(request)
    assert delivery.mailbox.mails == []
    (failed,) = await delivery.running.published(MessageFailed)
    assert (failed.message_id, failed.reason) == (request.message_id, "legal_entity")
    body = {"customer_ids": [str(contact.customer_id)]}
    (customer,) = (await delivery.call("POST", "/v1/messages:batchGet", body))["customers"]
    assert [(one["state"], one["failure_reason"]) for one in customer["messages"]] == [("failed", "legal_entity")]


async def test_an_agreement_holds_from_its_first_moment_to_its_end(delivery: Any) -> None:
    await configure(delivery)
    contact = await known(delivery, "dealer@example.com", DEALER)
    tomorrow = delivery.clock.now() + timedelta(days=1)
    await delivery.send(agreed(delivery, valid_from=tomorrow, valid_until=tomorrow + timedelta(days=30)))
    assert await outcome(delivery, contact) == "legal_entity"
    delivery.later(days=1)
    assert await outcome(delivery, contact) == "dealer@example.com"
    delivery.later(days=30)
    assert await outcome(delivery, contact) == "legal_entity"


async def test_the_highest_version_wins_in_whatever_order_it_comes(delivery: Any) -> None:
    await configure(delivery)
    contact = await known(delivery, "dealer@example.com", DEALER)
    await delivery.send(agreed(delivery, version=2, removed=True))
    await delivery.send(agreed(delivery, version=1))
    assert await outcome(delivery, contact) == "legal_entity"
    await delivery.send(agreed(delivery, version=4), agreed(delivery, version=3, purposes=["service"]))
    assert await outcome(delivery, contact) == "dealer@example.com"


async def test_a_topic_without_a_purpose_sends_for_that_of_its_category(delivery: Any) -> None:
    await configure(delivery, purpose=None)
    order = await template(delivery)
    await delivery.call("PUT", "/v1/templates/order", order, expect=201)
    await delivery.call("PUT", "/v1/templates/spring", order | {"category": "advertising"})
    for marketing_only in (True, False):
        name = f"{marketing_only}@example.com".lower()
        contact = await known(delivery, name, MAKER, "marketing" if marketing_only else "service")
        await delivery.permit(name)
        assert await outcome(delivery, contact) == (name if marketing_only else "legal_entity")
        expected = "legal_entity" if marketing_only else name
        assert await outcome(delivery, contact, template_key="order") == expected


async def template(delivery: Any) -> dict[str, Any]:
    """What a template says, without what the service adds."""
    held = await delivery.call("GET", "/v1/templates/spring")
    return {name: value for name, value in held.items() if name not in {"key", "version", "updated_at"}}


async def test_an_agreement_on_its_way_is_awaited_as_a_contact_point_is(start_delivery: Any) -> None:
    delivery = await start_delivery(contact_grace_seconds=10)
    await configure(delivery)
    contact = await known(delivery, "dealer@example.com", DEALER)
    request = delivery.requested(contact)
    await delivery.send(request)
    assert (await delivery.message(request))["state"] == "requested"
    await delivery.send(agreed(delivery))
    delivery.later(seconds=10)
    await delivery.settle()
    assert (await delivery.message(request))["state"] == "sent"


async def test_permission_cannot_be_given_by_an_address_that_may_not_be_used(delivery: Any) -> None:
    await delivery.configure()
    await delivery.call("PUT", "/v1/topics/marketing", {"name": "お得な情報", "legal_entity": MAKER})
    dealers = await known(delivery, "dealer@example.com", DEALER)
    await known(delivery, "maker@example.com", MAKER, of=dealers.customer_id)
    await delivery.permit("dealer@example.com")
    assert await outcome(delivery, dealers) == "no_permission"  # of the one that may be used
    await delivery.permit("maker@example.com")
    assert await outcome(delivery, dealers) == "maker@example.com"


@pytest.mark.parametrize("is_linked_first", [True, False])
async def test_whoever_collects_an_address_later_may_use_it_in_whatever_order_that_is_told(
    delivery: Any, is_linked_first: bool
) -> None:
    await configure(delivery)
    contact = delivery.linked("both@example.com", legal_entity=DEALER)
    sourced = delivery.sourced(contact, MAKER, "marketing")
    for fact in (contact, sourced) if is_linked_first else (sourced, contact):
        assert await outcome(delivery, contact) in {"legal_entity", "no_contact_point"}
        await delivery.send(fact, fact.model_copy(update={"event_id": uuid4()}))
    assert await outcome(delivery, contact) == "both@example.com"
    await configure_topic(delivery, purpose="service")
    assert await outcome(delivery, contact) == "legal_entity"


async def test_it_follows_its_anchor_and_is_erased_with_its_customer(delivery: Any) -> None:
    await configure(delivery)
    contact, other = await known(delivery, "both@example.com", DEALER), uuid4()
    await delivery.send(delivery.sourced(contact, MAKER))
    move = AnchorMoved(
        event_id=uuid4(), customer_id=other, anchor_id=contact.anchor_id, occurred_at=delivery.clock.now(),
        former_customer_id=contact.customer_id, version=2, reason="merge",
    )  # fmt: skip
    await delivery.send(move, delivery.sourced(contact, "Agency K.K."))  # the second is late: it follows, too
    rows = await delivery.fetch("SELECT DISTINCT customer_id FROM contact_point_grants")
    assert [row["customer_id"] for row in rows] == [other]
    assert await outcome(delivery, contact, customer_id=other) == "both@example.com"
    erased = CustomerErased(
        event_id=uuid4(), customer_id=other, anchor_id=contact.anchor_id, occurred_at=delivery.clock.now(),
        erasure_id=uuid4(), former_customer_ids=[contact.customer_id],
    )  # fmt: skip
    await delivery.send(erased)
    await delivery.send(delivery.sourced(contact, MAKER, "service"))
    assert await delivery.fetch("SELECT FROM contact_point_grants") == []
    (receipt,) = await delivery.running.published(DeliveryCustomerErased)
    assert receipt.rows["contact_point_grants"] == 2


async def test_what_reaches_nobody_is_not_kept(delivery: Any) -> None:
    contact = delivery.linked("cookie-1", namespace="anonymous_id", legal_entity=DEALER)
    await delivery.send(delivery.sourced(contact, MAKER), contact)
    assert await delivery.fetch("SELECT FROM contact_point_grants") == []


async def test_the_claim_finds_agreements_and_grants_by_index(delivery: Any) -> None:
    fill = """
        INSERT INTO agreements (agreement_id, version, from_entity, to_entity, valid_from, removed)
        SELECT 'a' || n, 1, 'from ' || n, 'to ' || n, $1, false FROM generate_series(1, 5000) AS n
    """
    grant = """
        INSERT INTO contact_point_grants (anchor_id, legal_entity, purposes, customer_id, source_id, granted_at)
        SELECT gen_random_uuid(), 'of ' || n % 3, '{}', gen_random_uuid(), 'crm', $1 FROM generate_series(1, 5000) AS n
    """
    async with delivery.running.database.transaction() as session:
        connection = await raw(session)
        await connection.execute(fill, delivery.clock.now())
        await connection.execute(grant, delivery.clock.now())
        await connection.execute("ANALYZE agreements, contact_point_grants")
        claim = load_sql("delivery_service", "claim_messages")
        rows = await connection.fetch(f"EXPLAIN {claim}", delivery.clock.now(), 200, "marketing", "service")
        plan = "\n".join(row[0] for row in rows)
    assert "agreements_entities" in plan
    assert "contact_point_grants_pkey" in plan and "Seq Scan on contact_point_grants" not in plan
