"""Campaign asks, survey invites: once per invitation, whatever is delivered twice."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from contracts.campaign import AnswerRequested
from contracts.survey import InvitationIssued
from servicekit.clock import FrozenClock
from servicekit.consumers import Consumer
from servicekit.database import raw
from servicekit.testing import RunningService

Invite = Callable[..., Awaitable[list[InvitationIssued]]]


async def test_thousands_are_invited_once_each(
    survey: RunningService, invite: Invite, ask: Callable[..., AnswerRequested]
) -> None:
    await invite(0)
    requests = [ask() for _ in range(2000)]
    await survey.publish(requests)
    await survey.publish([request.model_copy(update={"event_id": uuid4()}) for request in requests[:500]])
    issued = await survey.published(InvitationIssued)
    assert sorted(fact.invitation_id for fact in issued) == sorted(request.invitation_id for request in requests)
    by_id = {request.invitation_id: request for request in requests}
    for fact in issued:
        request = by_id[fact.invitation_id]
        assert (fact.run_id, fact.customer_id, fact.anchor_id) == (
            request.run_id,
            request.customer_id,
            request.anchor_id,
        )
        assert (fact.template_key, fact.topic, fact.expires_at) == ("survey", "survey", request.expires_at)
    assert len({fact.message_id for fact in issued}) == len({fact.url for fact in issued}) == 2000


async def test_what_expired_while_waiting_is_not_sent(
    survey: RunningService, invite: Invite, clock: FrozenClock, ask: Callable[..., AnswerRequested]
) -> None:
    await invite(0)
    late, alive = ask(days=1), ask(days=3)
    clock.advance(timedelta(days=2))
    await survey.publish([late, alive])
    assert [fact.invitation_id for fact in await survey.published(InvitationIssued)] == [alive.invitation_id]


async def test_an_unknown_questionnaire_is_a_dead_letter_that_can_be_replayed(
    survey: RunningService, invite: Invite, ask: Callable[..., AnswerRequested], questionnaire: dict[str, Any]
) -> None:
    await invite(0)
    good, waiting = ask(), ask(questionnaire_key="later")
    await survey.publish([good, waiting])
    assert [fact.invitation_id for fact in await survey.published(InvitationIssued)] == [good.invitation_id]
    async with survey.database.transaction() as session:
        letters = await (await raw(session)).fetch("SELECT event_id FROM dead_letters")
    assert [letter["event_id"] for letter in letters] == [waiting.event_id]
    await survey.client.put("/v1/questionnaires/later", json=questionnaire, headers=survey.headers())
    consumers = [worker for worker in survey.service.workers if isinstance(worker, Consumer)]
    assert sum([await consumer.replay() for consumer in consumers]) == 1
    assert waiting.invitation_id in {fact.invitation_id for fact in await survey.published(InvitationIssued)}
