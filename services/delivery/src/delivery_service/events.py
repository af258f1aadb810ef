"""What delivery publishes. Every fact's id is derived, so that saying it twice is saying it once."""

from datetime import datetime
from typing import Any, Literal, cast
from uuid import uuid5

from contracts.delivery import (
    FailureReason,
    MessageBounced,
    MessageClicked,
    MessageFailed,
    MessageOpened,
    MessageSent,
    PermissionChanged,
)
from delivery_service.repository.messages import MessageKey
from delivery_service.repository.permissions import OwnedPermission


def _message(
    message: MessageKey, what: str, moment: datetime
) -> dict[str, Any]:  # the fields of contracts' MessageFact
    return {
        "event_id": uuid5(message.message_id, what),
        "customer_id": message.customer_id,
        "anchor_id": message.anchor_id,
        "occurred_at": moment,
        "message_id": message.message_id,
        "run_id": message.run_id,
        "campaign_key": message.campaign_key,
        "channel": message.channel,
        "template_key": message.template_key,
    }


def message_sent(message: MessageKey, moment: datetime) -> MessageSent:
    """The relay took it."""
    return MessageSent(**_message(message, "sent", moment))


def message_bounced(message: MessageKey, kind: Literal["hard", "soft"], moment: datetime) -> MessageBounced:
    """The address refused it."""
    return MessageBounced(**_message(message, "bounced", moment), kind=kind)


def message_failed(message: MessageKey, reason: str, moment: datetime) -> MessageFailed:
    """It will not be sent (again)."""
    return MessageFailed(**_message(message, "failed", moment), reason=cast(FailureReason, reason))


def message_opened(message: MessageKey, moment: datetime) -> MessageOpened:
    """Its pixel was loaded for the first time."""
    return MessageOpened(**_message(message, "opened", moment))


def message_clicked(message: MessageKey, label: str, url: str, moment: datetime) -> MessageClicked:
    """One of its links was followed for the first time."""
    return MessageClicked(**_message(message, f"clicked/{label}", moment), link=label, url=url)


def permission_changed(permission: OwnedPermission) -> PermissionChanged:
    """A known contact point's permission is another now."""
    return PermissionChanged(
        event_id=uuid5(permission.record_id, str(permission.anchor_id)),
        customer_id=permission.customer_id,
        anchor_id=permission.anchor_id,
        occurred_at=permission.recorded_at,
        channel=cast(Literal["email"], permission.channel),
        topic=permission.topic,
        status=permission.status,
        basis=permission.basis,
    )
