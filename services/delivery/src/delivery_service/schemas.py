"""What delivery's REST interface takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from delivery_service.rules import Category, PermissionStatus, deliverable_mailbox, has_control_characters, web_address
from servicekit.http import Answer, BatchGet, Body, CustomerIds, Key

Channel = Literal["email"]


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _one_line(text: str) -> str:
    if has_control_characters(text):
        raise ValueError("must be one line without control characters")
    return text


def _mailbox(text: str) -> str:
    mailbox = deliverable_mailbox(text.strip())
    if mailbox is None:
        raise ValueError("must be a mail address like shop@example.com")
    return mailbox


def _address(text: str) -> str:
    return _one_line(_without_nul(text))


Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_one_line)]
Address = Annotated[str, StringConstraints(min_length=3, max_length=320), AfterValidator(_address)]
Basis = Annotated[Line, Field(min_length=1, max_length=100)]


class LinkBody(Body):
    """A tracked link: `{{ links.<label> }}` in the template; a click leads to `url` and nowhere else."""

    label: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    url: Annotated[str, AfterValidator(web_address)]


class TemplateBody(Body):
    """A mail template in Liquid. Advertising that does not show sender, postal address and opt-out link is refused."""

    channel: Channel = "email"
    subject: Annotated[Line, Field(min_length=1, max_length=300)]
    text: Annotated[str, Field(min_length=1, max_length=100_000), AfterValidator(_without_nul)]
    html: Annotated[str, Field(min_length=1, max_length=200_000), AfterValidator(_without_nul)]
    sender_name: Annotated[Line, Field(min_length=1, max_length=100)]
    sender_address: Annotated[str, Field(max_length=254), AfterValidator(_mailbox)]
    postal_address: Annotated[Line, Field(max_length=300)] = ""
    links: Annotated[list[LinkBody], Field(max_length=50, default_factory=list)]
    category: Category
    utm: bool = False
    """Clicks lead on with utm_source, utm_medium, utm_campaign and utm_content."""

    @field_validator("links")
    @classmethod
    def _labels_are_unique(cls, links: list[LinkBody]) -> list[LinkBody]:
        if len({link.label for link in links}) != len(links):
            raise ValueError("every label may stand only once")
        return links


class TemplateAnswer(Answer):
    """A template as it is now."""

    key: str
    version: int
    channel: Channel
    subject: str
    text: str
    html: str
    sender_name: str
    sender_address: str
    postal_address: str
    links: list[LinkBody]
    category: Category
    utm: bool
    updated_at: datetime


class TemplateList(Answer):
    """All templates."""

    items: list[TemplateAnswer]


class CapBody(Body):
    """At most `messages` in any `days` days, per customer."""

    messages: Annotated[int, Field(ge=1, le=1000)]
    days: Annotated[int, Field(ge=1, le=366)]


class TopicBody(Body):
    """What a permission is asked for: by whom, and for what."""

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    cap: CapBody | None = None
    legal_entity: Annotated[
        Annotated[Line, Field(min_length=1, max_length=200)] | None,
        Field(description="Who sends, named as sources are. None: contact points of every legal entity are used."),
    ] = None
    purpose: Annotated[
        Key | None,
        Field(description="For what it sends. None: `marketing` for advertising, `service` for transactional mail."),
    ] = None

    @field_validator("purpose")
    @classmethod
    def _is_somebodys(cls, purpose: str | None, info: ValidationInfo) -> str | None:
        if purpose is not None and info.data.get("legal_entity", "") is None:
            raise ValueError("say with legal_entity whose purpose it is")
        return purpose


class TopicAnswer(Answer):
    """A topic as it is now."""

    key: str
    version: int
    name: str
    cap: CapBody | None
    legal_entity: str | None
    purpose: str | None
    updated_at: datetime


class TopicList(Answer):
    """All topics."""

    items: list[TopicAnswer]


class PermissionBody(Body):
    """One statement: by address (`value`) or, where it is known, by the contact point's `anchor_id`."""

    channel: Channel = "email"
    value: Address | None = None
    anchor_id: UUID | None = None
    topic: Key
    status: PermissionStatus
    basis: Basis
    legal_entity: Annotated[Line, Field(max_length=200)] = ""
    recorded_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _names_one_address(self) -> "PermissionBody":
        if (self.value is None) == (self.anchor_id is None):
            raise ValueError("name the contact point by value or by anchor_id, not by both")
        return self


class RecordPermissionsBody(Body):
    """Statements to record; what was recorded before stays unchanged."""

    permissions: Annotated[list[PermissionBody], Field(min_length=1, max_length=1000)]


class RecordedAnswer(Answer):
    """How many statements were new, and how many were known already."""

    recorded: int
    unchanged: int


class WithdrawBody(Body):
    """Withdraw a topic's permission of every contact point of a customer."""

    customer_id: UUID
    channel: Channel = "email"
    topic: Key
    basis: Basis


class WithdrawnAnswer(Answer):
    """How many contact points the withdrawal was recorded for."""

    withdrawn: int


class PermissionItem(Answer):
    """What holds now for one contact point and topic."""

    anchor_id: UUID
    channel: str
    topic: str
    status: PermissionStatus
    basis: str
    legal_entity: str
    recorded_at: datetime


class CustomerPermissions(Answer):
    """A customer's permissions."""

    customer_id: UUID
    permissions: list[PermissionItem]


class PermissionsAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[CustomerPermissions]


class SuppressionBody(Body):
    """An address nothing shall be sent to (or, to remove, may be sent to again)."""

    channel: Channel = "email"
    value: Address
    reason: Literal["complaint", "manual"] = "manual"


class SuppressionsBody(Body):
    """Addresses to suppress, or to release."""

    suppressions: Annotated[list[SuppressionBody], Field(min_length=1, max_length=1000)]


class ChangedAnswer(Answer):
    """How many entries changed."""

    changed: int


class MessagesBatchGet(BatchGet):
    """Whose messages, and how many of each customer (the newest)."""

    customer_ids: CustomerIds
    first: Annotated[int, Field(ge=1, le=100)] = 20


class MessageItem(Answer):
    """A message and what became of it. `subject` is given where the template's subject holds no customer's data."""

    message_id: UUID
    run_id: UUID | None
    campaign_key: str | None
    template_key: str
    channel: str
    topic: str
    subject: str | None
    state: str
    requested_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    failure_reason: str | None


class CustomerMessages(Answer):
    """A customer's newest messages, newest first."""

    customer_id: UUID
    messages: list[MessageItem]


class MessagesAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[CustomerMessages]


class TotalsAnswer(Answer):
    """Counts over everything: messages by state, what was opened and clicked, contact points, permissions."""

    messages: dict[str, int]
    opened: int
    clicked: int
    contact_points: int
    permissions: dict[str, int]
    suppressions: int


def template_definition(body: TemplateBody) -> dict[str, Any]:  # JSON of the body
    """Return a template as it is stored."""
    return body.model_dump(mode="json")
