"""Facts published by campaign: what shall be done for a customer, and how a run ended."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.fact import Fact

Channel = Literal["email"]
Arm = Literal["treatment", "holdout"]


class RunFact(Fact):
    """Something a journey's run did."""

    run_id: UUID
    journey_key: str
    campaign_key: str


class MessageRequested(RunFact):
    """Send this once. `message_id` is the idempotency key: derived from (run, step, visit)."""

    fact_type: ClassVar[str] = "campaign.message.requested.v1"

    message_id: UUID
    channel: Channel
    template_key: str
    topic: str
    """What the customer's permission is asked for, e.g. `marketing`."""
    variables: dict[str, Any] = Field(default_factory=dict)
    """JSON values a template may use, e.g. {"coupon": "SPRING-1F3K"}."""


class AnswerRequested(RunFact):
    """Invite the customer to answer a questionnaire. `invitation_id` is derived from (run, step, visit)."""

    fact_type: ClassVar[str] = "campaign.answer.requested.v1"

    invitation_id: UUID
    questionnaire_key: str
    channel: Channel
    template_key: str
    topic: str
    expires_at: AwareDatetime


class RunEnded(RunFact):
    """The run is over and will do nothing more, unless customers who were taken for one are parted again.

    It may go on then, and end again, if it `merged` into an older one, or `exited` because the other was held out.
    """

    fact_type: ClassVar[str] = "campaign.run.ended.v1"

    arm: Arm
    outcome: Literal["completed", "exited", "merged"]


class CampaignCustomerErased(Fact):
    """The receipt: what campaign held on the customer is erased."""

    fact_type: ClassVar[str] = "campaign.customer.erased.v1"

    erasure_id: UUID
    rows: dict[str, int]
    """Rows erased, by table."""
