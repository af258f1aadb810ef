"""A running survey service, a questionnaire, and invitations as campaign asks for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.campaign import AnswerRequested
from contracts.survey import InvitationIssued
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running
from survey_service.app import build
from survey_service.settings import Settings

Invite = Callable[..., Awaitable[list[InvitationIssued]]]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 11, 2, 3, 0, tzinfo=UTC))


@pytest.fixture
async def survey(environment: Environment, clock: FrozenClock) -> AsyncIterator[RunningService]:
    async with running(build, Settings, environment, clock=clock) as service:
        yield service


@pytest.fixture
def questionnaire() -> dict[str, Any]:
    """An NPS question, what follows from its answer, and promises."""
    return {
        "title": "Your last purchase",
        "language": "en",
        "introduction": "Two minutes of your time.",
        "questions": [
            {"key": "recommend", "kind": "nps", "text": "How likely are you to recommend us?", "required": True},
            {
                "key": "reasons",
                "kind": "multiple_choice",
                "text": "What matters to you?",
                "options": [{"key": "price", "text": "Price"}, {"key": "range", "text": "Range"}],
            },
            {
                "key": "offer",
                "kind": "commitment",
                "text": "What shall we do for you?",
                "options": [
                    {
                        "key": "new_arrivals",
                        "text": "Tell me first when new arrivals come",
                        "kind": "tell_me_first",
                        "subject": "new_arrivals",
                        "owner_department": "crm",
                        "due_days": 30,
                    },
                    {
                        "key": "price",
                        "text": "Keep the price of my plan",
                        "kind": "keep_price",
                        "subject": "annual_plan",
                        "owner_department": "sales",
                    },
                ],
            },
            {
                "key": "improve",
                "kind": "text",
                "text": "What should we do better?",
                "required": True,
                "shown_when": {"question_key": "recommend", "at_most": 6},
            },
            {
                "key": "praise",
                "kind": "text",
                "text": "What do you like most?",
                "shown_when": {"question_key": "recommend", "at_least": 9},
            },
        ],
        "thanks": "We will think about every word.",
        "valid_days": 365,
    }


def requested(
    clock: FrozenClock, *, customer_id: UUID | None = None, questionnaire_key: str = "after_purchase", days: int = 14
) -> AnswerRequested:
    """Ask a (new) customer, as campaign does."""
    return AnswerRequested(
        event_id=uuid4(),
        customer_id=customer_id or uuid4(),
        anchor_id=uuid4(),
        occurred_at=clock.now(),
        run_id=uuid4(),
        journey_key="after_purchase",
        campaign_key="autumn",
        invitation_id=uuid4(),
        questionnaire_key=questionnaire_key,
        channel="email",
        template_key="survey",
        topic="survey",
        expires_at=clock.now() + timedelta(days=days),
    )


@pytest.fixture
def ask(clock: FrozenClock) -> Callable[..., AnswerRequested]:
    """Return a maker of campaign's requests."""
    return lambda **fields: requested(clock, **fields)


@pytest.fixture
def invite(survey: RunningService, questionnaire: dict[str, Any], clock: FrozenClock) -> Invite:
    """Return a function that stores the questionnaire, asks so many customers, and gives their invitations."""

    async def invite_customers(count: int = 1, **fields: Any) -> list[InvitationIssued]:  # fields of the request
        saved = await survey.client.put(
            "/v1/questionnaires/after_purchase", json=questionnaire, headers=survey.headers()
        )
        assert saved.status_code in {200, 201}, saved.text
        requests = [requested(clock, **fields) for _ in range(count)]
        await survey.publish(requests)
        await survey.drain()
        wanted = {request.invitation_id for request in requests}
        return [fact for fact in await survey.published(InvitationIssued) if fact.invitation_id in wanted]

    return invite_customers
