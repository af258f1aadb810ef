"""Facts published by delivery: what became of a message, and what a customer permits."""

from typing import ClassVar, Literal
from uuid import UUID

from contracts.campaign import Channel
from contracts.fact import Fact

FailureReason = Literal[
    "no_permission",
    "no_contact_point",
    "suppressed",
    "frequency_capped",
    "quiet_hours",
    "rejected",
    "template",
    "unknown",
    "legal_entity",
]
"""`legal_entity`: the topic's legal entity may use none of the customer's contact points for the topic's purpose."""


class MessageFact(Fact):
    """What all message facts carry.

    `anchor_id` is the contact point's the message went to, that of the request when it went nowhere.
    """

    message_id: UUID
    run_id: UUID | None
    campaign_key: str | None
    channel: Channel
    template_key: str


class MessageSent(MessageFact):
    """The channel's provider accepted the message (SMTP 250)."""

    fact_type: ClassVar[str] = "delivery.message.sent.v1"


class MessageDelivered(MessageFact):
    """The provider reported arrival."""

    fact_type: ClassVar[str] = "delivery.message.delivered.v1"


class MessageOpened(MessageFact):
    """The open pixel was loaded; published for the first load only."""

    fact_type: ClassVar[str] = "delivery.message.opened.v1"


class MessageClicked(MessageFact):
    """A tracked link was followed; published for the first click of each link."""

    fact_type: ClassVar[str] = "delivery.message.clicked.v1"

    link: str
    """The link's label in the template, e.g. `shop`."""
    url: str


class MessageBounced(MessageFact):
    """The address refused the message for good (`hard`) or for now (`soft`)."""

    fact_type: ClassVar[str] = "delivery.message.bounced.v1"

    kind: Literal["hard", "soft"]


class MessageFailed(MessageFact):
    """The message will not be sent (again). `unknown`: the outcome at the provider is uncertain, it is not resent."""

    fact_type: ClassVar[str] = "delivery.message.failed.v1"

    reason: FailureReason


class PermissionChanged(Fact):
    """A contact point's permission for a topic changed. `anchor_id` is the contact point's identifier."""

    fact_type: ClassVar[str] = "delivery.permission.changed.v1"

    channel: Channel
    topic: str
    status: Literal["granted", "withdrawn"]
    basis: str
    """How it came about, e.g. `opt_in_form`, `one_click_unsubscribe`, `customer_service`."""


class DeliveryCustomerErased(Fact):
    """The receipt: what delivery held on the customer is erased."""

    fact_type: ClassVar[str] = "delivery.customer.erased.v1"

    erasure_id: UUID
    rows: dict[str, int]
    """Rows erased, by table."""
