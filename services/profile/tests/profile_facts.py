"""Facts as other services publish them, short to write in tests."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from contracts.identity import AnchorMoved, ResolvedEvent, SourceChanged


def event(
    customer_id: UUID,
    name: str,
    occurred_at: datetime,
    *,
    anchor_id: UUID | None = None,
    event_id: UUID | None = None,
    source_id: str = "shop",
    **properties: Any,
) -> ResolvedEvent:
    """A tracked event."""
    return ResolvedEvent(
        event_id=event_id or uuid4(),
        customer_id=customer_id,
        anchor_id=anchor_id or customer_id,
        occurred_at=occurred_at,
        source_id=source_id,
        message_id=str(uuid4()),
        kind="track",
        name=name,
        received_at=occurred_at,
        properties=properties,
    )


def purchase(customer_id: UUID, occurred_at: datetime, revenue: Any, **more: Any) -> ResolvedEvent:
    """A purchase."""
    return event(customer_id, "Order Completed", occurred_at, revenue=revenue, **more)


def identify(
    customer_id: UUID,
    occurred_at: datetime,
    *,
    anchor_id: UUID | None = None,
    event_id: UUID | None = None,
    source_id: str = "crm",
    received_at: datetime | None = None,
    **traits: Any,
) -> ResolvedEvent:
    """What a source says of a customer."""
    return ResolvedEvent(
        event_id=event_id or uuid4(),
        customer_id=customer_id,
        anchor_id=anchor_id or customer_id,
        occurred_at=occurred_at,
        source_id=source_id,
        message_id=str(uuid4()),
        kind="identify",
        name="Identified",
        received_at=received_at or occurred_at,
        traits=traits,
    )


def moved(
    anchor_id: UUID,
    *,
    former: UUID,
    to: UUID,
    occurred_at: datetime,
    version: int = 1,
    reason: Literal["merge", "split", "undo"] = "merge",
) -> AnchorMoved:
    """An anchor's move."""
    return AnchorMoved(
        event_id=uuid4(),
        customer_id=to,
        anchor_id=anchor_id,
        occurred_at=occurred_at,
        former_customer_id=former,
        version=version,
        reason=reason,
    )


def source_changed(
    source_id: str, department: str, occurred_at: datetime, *, version: int = 1, brand: str = "kizuna"
) -> SourceChanged:
    """What a source is from now on."""
    return SourceChanged(
        event_id=uuid4(),
        occurred_at=occurred_at,
        source_id=source_id,
        version=version,
        name=source_id,
        department=department,
        brand=brand,
        legal_entity=f"{department} K.K.",
    )
