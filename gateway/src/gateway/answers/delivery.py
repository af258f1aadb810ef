"""What delivery answers."""

from __future__ import annotations

from msgspec import Struct, field


class MessageRow(Struct):
    """A message and what became of it."""

    id: str = field(name="message_id")
    channel: str
    state: str
    requested_at: str
    template_key: str | None = None
    topic: str | None = None
    campaign_key: str | None = None
    subject: str | None = None
    sent_at: str | None = None
    opened_at: str | None = None
    clicked_at: str | None = None
    failure_reason: str | None = None


class MessagesOfCustomer(Struct):
    """Messages, newest first."""

    customer_id: str
    messages: list[MessageRow] = []


class MessagesAnswer(Struct):
    """POST /v1/messages:batchGet"""

    customers: list[MessagesOfCustomer]


class PermissionRow(Struct):
    """What a contact point permits."""

    anchor_id: str
    channel: str
    topic: str
    status: str
    basis: str | None = None
    legal_entity: str | None = None
    recorded_at: str | None = None


class PermissionsOfCustomer(Struct):
    """Permissions of all contact points."""

    customer_id: str
    permissions: list[PermissionRow] = []


class PermissionsAnswer(Struct):
    """POST /v1/permissions:batchGet"""

    customers: list[PermissionsOfCustomer]
