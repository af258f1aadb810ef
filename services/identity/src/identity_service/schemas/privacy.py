"""Erasure and disclosure."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from servicekit.http import Answer, Body

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]+$"),
    Field(description="Kept as the audit: name the request, not the person"),
]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,30}$")]


class ErasureBody(Body):
    """Why a customer is erased."""

    why: Reason


class ReceiptAnswer(Answer):
    """A service has erased the customer: when, and how many rows of which table."""

    service: str
    erased_at: datetime
    rows: dict[str, int]


class ErasureAnswer(Answer):
    """An erasure: complete once there is a receipt of every service."""

    erasure_id: UUID
    customer_id: UUID
    state: Literal["running", "complete"]
    requested_by: str
    why: str
    requested_at: datetime
    completed_at: datetime | None
    streams_expire_at: datetime
    """From then on no event stream holds anything of the customer."""
    receipts: list[ReceiptAnswer]
    awaiting: list[str]
    """Services whose receipt is not there yet."""


class ErasurePage(Answer):
    """Erasures, the newest first; `next` is the cursor of the following page."""

    items: list[ErasureAnswer]
    next: str | None


class DisclosureBody(Body):
    """Whose data is disclosed, and why."""

    customer_id: UUID
    why: Reason


class DisclosureCompletedBody(Body):
    """Who gave what they hold, and who did not answer."""

    services: list[ServiceName] = Field(max_length=100)
    missing: list[ServiceName] = Field(default_factory=list, max_length=100)


class DisclosureAnswer(Answer):
    """Somebody asked for everything that is held on a customer."""

    disclosure_id: UUID
    customer_id: UUID
    former_customer_ids: list[UUID]
    """Ids that lead to the same customer: services may hold facts under them."""
    requested_by: str
    why: str
    requested_at: datetime
    services: list[str]
    missing: list[str]
    completed_at: datetime | None


class DisclosurePage(Answer):
    """Disclosures, the newest first; `next` is the cursor of the following page."""

    items: list[DisclosureAnswer]
    next: str | None
