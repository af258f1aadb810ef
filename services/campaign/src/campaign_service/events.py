"""What campaign publishes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.rules.definition import AskStep, SendStep
from campaign_service.rules.names import fact_id
from contracts.campaign import AnswerRequested, Arm, MessageRequested, RunEnded
from servicekit.outbox import publish


class AnyRun(Protocol):
    """What facts say of a run."""

    @property
    def run_id(self) -> UUID: ...
    @property
    def customer_id(self) -> UUID: ...
    @property
    def anchor_id(self) -> UUID: ...
    @property
    def journey_key(self) -> str: ...
    @property
    def campaign_key(self) -> str: ...


class OverRun(AnyRun, Protocol):
    """A run that is over."""

    @property
    def arm(self) -> Arm | None: ...
    @property
    def outcome(self) -> str | None: ...


def _of_run(run: AnyRun, event_id: UUID, now: datetime) -> dict[str, Any]:  # the fact checks their types
    return {
        "event_id": event_id,
        "customer_id": run.customer_id,
        "anchor_id": run.anchor_id,
        "occurred_at": now,
        "run_id": run.run_id,
        "journey_key": run.journey_key,
        "campaign_key": run.campaign_key,
    }


def message_requested(
    run: AnyRun, step: SendStep, *, message_id: UUID, coupon: str | None, now: datetime
) -> MessageRequested:
    """Ask for one message, with the coupon's code among the variables."""
    return MessageRequested(
        **_of_run(run, fact_id(message_id, MessageRequested.fact_type), now),
        message_id=message_id,
        channel=step.channel,
        template_key=step.template_key,
        topic=step.topic,
        variables=dict(step.variables) | ({"coupon": coupon} if coupon is not None else {}),
    )


def answer_requested(run: AnyRun, step: AskStep, *, invitation_id: UUID, now: datetime) -> AnswerRequested:
    """Ask for one invitation."""
    return AnswerRequested(
        **_of_run(run, fact_id(invitation_id, AnswerRequested.fact_type), now),
        invitation_id=invitation_id,
        questionnaire_key=step.questionnaire_key,
        channel=step.channel,
        template_key=step.template_key,
        topic=step.topic,
        expires_at=now + timedelta(days=step.expires_days),
    )


def run_ended(run: OverRun, *, now: datetime, may_go_on: bool = False) -> RunEnded:
    """Say that a run is over. One that ended before its arm was drawn counts as treatment: nobody held it out.

    A run that was set aside `may_go_on` and end again, so each of its ends has its own name.
    """
    name = f"{RunEnded.fact_type}/{now.isoformat()}" if may_go_on else RunEnded.fact_type
    return RunEnded(**_of_run(run, fact_id(run.run_id, name), now), arm=run.arm or "treatment", outcome=run.outcome)


async def publish_ended(
    session: AsyncSession, ended: Sequence[OverRun], *, now: datetime, may_go_on: bool = False
) -> None:
    """Publish the end of runs that were ended from outside."""
    await publish(session, [run_ended(run, now=now, may_go_on=may_go_on) for run in ended])
