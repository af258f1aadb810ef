"""What profile consumes: translate a fact into an event of the timeline, then record it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import RunEnded
from contracts.delivery import (
    MessageBounced,
    MessageClicked,
    MessageDelivered,
    MessageFact,
    MessageFailed,
    MessageOpened,
    MessageSent,
    PermissionChanged,
)
from contracts.fact import Fact
from contracts.identity import ResolvedEvent
from contracts.survey import CommitmentChanged, CommitmentFact, CommitmentMade, InvitationIssued, ResponseReceived
from profile_service.rules import TimelineEvent
from profile_service.service.recording import Recorder
from servicekit.consumers import Handler

Translation = Callable[[Any], TimelineEvent]
"""Takes a fact of the type it is registered for."""

_ABOUT_OTHERS = frozenset({"group", "alias"})
"""Segment's calls whose traits speak of a company or of nobody."""


def from_resolved_event(fact: ResolvedEvent) -> TimelineEvent:
    """A source's event. An identify's own content is its traits, so the timeline shows those."""
    return TimelineEvent(
        event_id=fact.event_id,
        customer_id=fact.customer_id,
        anchor_id=fact.anchor_id,
        occurred_at=fact.occurred_at,
        kind=fact.kind,
        name=fact.name,
        source_id=fact.source_id,
        properties={**fact.traits, **fact.properties} if fact.kind in {"identify", "group"} else fact.properties,
        traits={} if fact.kind in _ABOUT_OTHERS else fact.traits,
        received_at=fact.received_at,
    )


def _from_service(fact: Fact, name: str, properties: dict[str, Any]) -> TimelineEvent:
    return TimelineEvent(
        event_id=fact.event_id,
        customer_id=fact.customer_id,
        anchor_id=fact.anchor_id,
        occurred_at=fact.occurred_at,
        kind="track",
        name=name,
        source_id=f"kizuna-{fact.fact_type.split('.', 1)[0]}",
        properties={key: value for key, value in properties.items() if value is not None},
    )


def _message(name: str) -> Translation:
    def translate(fact: MessageFact) -> TimelineEvent:
        properties: dict[str, Any] = {
            "message_id": fact.message_id,
            "run_id": fact.run_id,
            "campaign_key": fact.campaign_key,
            "channel": fact.channel,
            "template_key": fact.template_key,
        }
        if isinstance(fact, MessageClicked):
            properties |= {"link_id": fact.link, "link_url": fact.url}  # Segment's names for them
        if isinstance(fact, MessageBounced):
            properties |= {"bounce": fact.kind}
        if isinstance(fact, MessageFailed):
            properties |= {"reason": fact.reason}
        return _from_service(fact, name, properties)

    return translate


def from_permission(fact: PermissionChanged) -> TimelineEvent:
    """`Permission Granted` or `Permission Withdrawn`."""
    properties = {"channel": fact.channel, "topic": fact.topic, "basis": fact.basis}
    return _from_service(fact, f"Permission {fact.status.capitalize()}", properties)


def from_invitation(fact: InvitationIssued) -> TimelineEvent:
    """The invitation without its link: whoever holds that may answer."""
    properties = {
        "invitation_id": fact.invitation_id,
        "questionnaire_key": fact.questionnaire_key,
        "run_id": fact.run_id,
        "campaign_key": fact.campaign_key,
        "channel": fact.channel,
        "expires_at": fact.expires_at,
    }
    return _from_service(fact, "Survey Invited", properties)


def from_response(fact: ResponseReceived) -> TimelineEvent:
    """The answers by question."""
    properties = {
        "response_id": fact.response_id,
        "invitation_id": fact.invitation_id,
        "questionnaire_key": fact.questionnaire_key,
        "run_id": fact.run_id,
        "campaign_key": fact.campaign_key,
        "revision": fact.revision,
        "nps_score": fact.nps_score,
        "answers": {answer.question_key: answer.value for answer in fact.answers},
    }
    return _from_service(fact, "Survey Answered", properties)


def _commitment(name: str) -> Translation:
    def translate(fact: CommitmentFact) -> TimelineEvent:
        properties = {
            "commitment_id": fact.commitment_id,
            "commitment_kind": fact.kind,
            "subject": fact.subject,
            "status": fact.status,
            "owner_department": fact.owner_department,
            "due_on": fact.due_on,
        }
        return _from_service(fact, name, properties)

    return translate


def from_run_ended(fact: RunEnded) -> TimelineEvent:
    """How a journey ended for the customer."""
    properties = {
        "run_id": fact.run_id,
        "journey_key": fact.journey_key,
        "campaign_key": fact.campaign_key,
        "arm": fact.arm,
        "outcome": fact.outcome,
    }
    return _from_service(fact, "Journey Ended", properties)


TRANSLATIONS: Mapping[str, Mapping[type[Fact], Translation]] = {
    "identity": {ResolvedEvent: from_resolved_event},
    "campaign": {RunEnded: from_run_ended},
    "delivery": {
        MessageSent: _message("Message Sent"),
        MessageDelivered: _message("Email Delivered"),
        MessageOpened: _message("Email Opened"),
        MessageClicked: _message("Email Link Clicked"),
        MessageBounced: _message("Email Bounced"),
        MessageFailed: _message("Message Failed"),
        PermissionChanged: from_permission,
    },
    "survey": {
        InvitationIssued: from_invitation,
        ResponseReceived: from_response,
        CommitmentMade: _commitment("Commitment Made"),
        CommitmentChanged: _commitment("Commitment Changed"),
    },
}
"""Per stream, how its facts appear on the timeline. Names of mail events are those of Segment's email specification."""


def recording(translation: Translation, recorder: Recorder) -> Handler:
    """The handler of a fact type: one call for the whole batch."""

    async def handle(session: AsyncSession, facts: list[Any]) -> None:
        await recorder.record(session, [translation(fact) for fact in facts])

    return handle
