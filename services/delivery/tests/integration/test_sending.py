"""From the request to the mailbox, and what is said about it."""

from typing import Any
from uuid import uuid4

from contracts.delivery import MessageBounced, MessageFailed, MessageSent
from contracts.survey import InvitationIssued


async def test_requested_message_is_rendered_sent_and_said(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    request = delivery.requested(contact)
    await delivery.send(request)

    (mail,) = delivery.mailbox.read()
    assert mail["To"] == "hanako@example.com"
    assert mail["From"] == "絆書店 <shop@kizuna.example>"
    assert mail["Subject"] == "Hanakoさんへ"
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert "こんにちは Hanako: SPRING-1 http://delivery.test/c/" in text
    assert "<b>SPRING-1</b>" in html
    assert "http://delivery.test/o/" in html
    assert "https://shop.example" not in text + html
    assert mail["List-Unsubscribe"].startswith("<http://delivery.test/u/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    (sent,) = await delivery.running.published(MessageSent)
    assert (sent.message_id, sent.run_id, sent.campaign_key) == (request.message_id, request.run_id, "spring_sale")
    assert (sent.customer_id, sent.anchor_id) == (request.customer_id, request.anchor_id)
    assert await delivery.running.published(MessageFailed) == []


async def test_what_became_of_a_message_belongs_to_the_trace_of_its_request(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    stranger = delivery.linked("jiro@example.com")
    for number, person in enumerate((contact, stranger)):
        traceparent = f"00-{number + 1:032x}-b7ad6b7169203331-01"
        await delivery.running.publish([delivery.requested(person)], traceparent=traceparent)
        await delivery.settle()
    (sent,) = await delivery.running.traceparents(MessageSent)
    (failed,) = await delivery.running.traceparents(MessageFailed)
    assert (sent.split("-")[1], failed.split("-")[1]) == (f"{1:032x}", f"{2:032x}")


async def test_same_request_twice_is_one_mail(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    request = delivery.requested(contact)
    await delivery.send(request)
    await delivery.send(request)  # redelivered: the inbox knows it
    await delivery.send(request.model_copy(update={"event_id": uuid4()}))  # published anew: the message id knows it
    assert len(delivery.mailbox.mails) == 1
    assert len(await delivery.running.published(MessageSent)) == 1


async def test_survey_invitation_carries_its_personal_link(delivery: Any) -> None:
    await delivery.configure(
        {"text": "{{ survey_url }}", "html": "<a href='{{ survey_url }}'>回答</a>", "category": "transactional"}
    )
    (contact,) = await delivery.reachable("hanako@example.com")
    invitation = InvitationIssued(
        event_id=uuid4(),
        customer_id=contact.customer_id,
        anchor_id=contact.anchor_id,
        occurred_at=delivery.clock.now(),
        invitation_id=uuid4(),
        message_id=uuid4(),
        questionnaire_key="nps",
        run_id=None,
        campaign_key=None,
        channel="email",
        template_key="spring",
        topic="survey",
        url="https://survey.example/f/abc",
        expires_at=delivery.clock.now(),
    )
    await delivery.send(invitation)
    (mail,) = delivery.mailbox.read()
    assert mail.get_body(("plain",)).get_content().strip() == "https://survey.example/f/abc"
    (sent,) = await delivery.running.published(MessageSent)
    assert (sent.message_id, sent.run_id, sent.campaign_key) == (invitation.message_id, None, None)


async def test_what_was_never_permitted_is_refused_with_its_reason(delivery: Any) -> None:
    await delivery.configure()
    (withdrawn,) = await delivery.reachable("withdrawn@example.com")
    await delivery.permit("withdrawn@example.com", status="withdrawn", basis="customer_service")
    never = delivery.linked("never@example.com")
    suppressed = (await delivery.reachable("suppressed@example.com"))[0]
    await delivery.call(
        "POST",
        "/v1/suppressions:record",
        {"suppressions": [{"value": "suppressed@example.com", "reason": "complaint"}]},
    )
    nobody = delivery.linked("0000", namespace="user_id")
    await delivery.running.publish([never, nobody])
    await delivery.running.drain()
    unknown_template = delivery.requested(suppressed, template_key="none")
    requests = [delivery.requested(contact) for contact in (withdrawn, never, suppressed, nobody)]
    await delivery.send(*requests, unknown_template)

    assert delivery.mailbox.mails == []
    reasons = {fact.message_id: fact.reason for fact in await delivery.running.published(MessageFailed)}
    expected = ["no_permission", "no_permission", "suppressed", "no_contact_point", "template"]
    assert [reasons[request.message_id] for request in [*requests, unknown_template]] == expected


async def test_smtp_replies_decide(delivery: Any) -> None:
    await delivery.configure()
    names = ["gone-a", "policy-b", "content-c", "drop-d", "busy-e", "hangup-f", "good-g"]
    contacts = await delivery.reachable(*(f"{name}@example.com" for name in names))
    requests = dict(zip(names, [delivery.requested(contact) for contact in contacts], strict=True))
    await delivery.send(*requests.values())

    states = {name: (await delivery.message(request))["state"] for name, request in requests.items()}
    assert states == {
        "gone-a": "bounced", "policy-b": "failed", "content-c": "failed", "drop-d": "unknown", "busy-e": "requested",
        "hangup-f": "requested", "good-g": "sent",
    }  # fmt: skip
    assert [(b.message_id, b.kind) for b in await delivery.running.published(MessageBounced)] == [
        (requests["gone-a"].message_id, "hard")
    ]
    failed = {fact.message_id: fact.reason for fact in await delivery.running.published(MessageFailed)}
    assert failed == {
        requests["policy-b"].message_id: "rejected",
        requests["content-c"].message_id: "rejected",
        requests["drop-d"].message_id: "unknown",
    }
    suppressions = await delivery.fetch("SELECT address, reason FROM suppressions")
    assert [tuple(row) for row in suppressions] == [("gone-a@example.com", "hard_bounce")]

    delivery.later(minutes=2)  # the first back-off is a minute
    await delivery.settle()
    assert (await delivery.message(requests["busy-e"]))["state"] == "sent"
    assert len(delivery.mailbox.to("busy-e@example.com")) == 1
    assert len(delivery.mailbox.to("drop-d@example.com")) == 1  # unknown is never resent


async def test_refusals_without_end_are_given_up(start_delivery: Any) -> None:
    delivery = await start_delivery(max_attempts=3)
    delivery.mailbox.busy_times = 99
    await delivery.configure()
    contacts = await delivery.reachable("busy-a@example.com", "hangup-b@example.com")
    requests = [delivery.requested(contact) for contact in contacts]
    await delivery.send(*requests)
    for _ in range(3):
        delivery.later(hours=5)
        await delivery.settle()
    assert [(await delivery.message(request))["state"] for request in requests] == ["bounced", "failed"]
    assert [bounce.kind for bounce in await delivery.running.published(MessageBounced)] == ["soft"]
    assert [failure.reason for failure in await delivery.running.published(MessageFailed)] == ["rejected"]
    assert delivery.mailbox.attempts["busy-a@example.com"] == 3


async def test_relay_away_costs_no_attempt(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    await delivery.mailbox.stop()
    request = delivery.requested(contact)
    await delivery.send(request)
    row = await delivery.message(request)
    assert (row["state"], row["attempts"], row["counted_at"]) == ("requested", 0, None)
    await delivery.mailbox.start(delivery.mailbox.port)
    delivery.later(minutes=1)
    await delivery.settle()
    assert (await delivery.message(request))["state"] == "sent"


async def test_profile_down_queues_and_drains(delivery: Any) -> None:
    await delivery.configure()
    contacts = await delivery.reachable(*(f"c{number}@example.com" for number in range(30)))
    delivery.profile.down = True
    await delivery.send(*(delivery.requested(contact) for contact in contacts))
    assert delivery.mailbox.mails == []
    delivery.profile.down = False
    delivery.profile.requests.clear()
    delivery.later(minutes=1)
    await delivery.settle()
    assert len(delivery.mailbox.mails) == 30
    assert len(delivery.profile.requests) <= 2  # batches, not customers
    assert delivery.profile.requests[0]["names"] == ["first_name"]
    assert delivery.profile.authorizations[0].startswith("Bearer ")


async def test_without_pipelining_the_same_comes_out(delivery: Any) -> None:
    delivery.mailbox.pipelining = False
    await test_smtp_replies_decide(delivery)


async def test_connections_are_kept(start_delivery: Any) -> None:
    delivery = await start_delivery(smtp_connections=2)
    await delivery.configure()
    contacts = await delivery.reachable(*(f"c{number}@example.com" for number in range(40)))
    await delivery.send(*(delivery.requested(contact) for contact in contacts))
    await delivery.send(*(delivery.requested(contact) for contact in contacts))
    assert len(delivery.mailbox.mails) == 80
    assert delivery.mailbox.connections <= 2


async def test_traits_cannot_escape_the_template_or_the_headers(delivery: Any) -> None:
    await delivery.configure()
    (contact,) = await delivery.reachable("hanako@example.com")
    delivery.profile.traits[contact.customer_id] = {
        "first_name": "<script>x</script>\r\nBcc: all@example.com\r\n{{ sender }}"
    }
    await delivery.send(delivery.requested(contact))
    (mail,) = delivery.mailbox.read()
    assert mail["Bcc"] is None
    assert "<script>" not in mail.get_body(("html",)).get_content()
    assert "{{ sender }}" in mail.get_body(("plain",)).get_content()
