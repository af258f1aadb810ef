"""What identity answers on erasures and disclosures, and every service on what it holds."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class ReceiptRow(Struct):
    """A service has erased the customer."""

    service: str
    erased_at: str
    rows: Raw


class ErasureRow(Struct):
    """An erasure and how far it is."""

    id: str = field(name="erasure_id")
    customer_id: str
    state: str
    requested_by: str
    why: str
    requested_at: str
    streams_expire_at: str
    receipts: list[ReceiptRow]
    awaiting: list[str]
    completed_at: str | None = None


class ErasurePageAnswer(Struct):
    """GET /v1/erasures"""

    items: list[ErasureRow]
    next: str | None = None


class DisclosureRow(Struct):
    """Somebody asked for everything that is held on a customer."""

    id: str = field(name="disclosure_id")
    customer_id: str
    former_customer_ids: list[str]
    requested_by: str
    why: str
    requested_at: str
    services: list[str]
    missing: list[str]
    completed_at: str | None = None


class DisclosurePageAnswer(Struct):
    """GET /v1/disclosures"""

    items: list[DisclosureRow]
    next: str | None = None


class ExportAnswer(Struct):
    """GET /v1/customers/{customer_id}/export of every service: rows by table, as they come."""

    service: str
    customer_id: str
    tables: dict[str, list[Raw]]


class HeldRow(Struct):
    """What one service holds: rows by table."""

    tables: dict[str, list[Raw]]


class DisclosedDocument(Struct):
    """Everything that is held on a customer, by service."""

    disclosure_id: str
    customer_id: str
    former_customer_ids: list[str]
    requested_at: str
    services: dict[str, HeldRow]
    missing: list[str]


class MissingServiceRow(Struct):
    """A service that did not give what it holds, and why."""

    service: str
    code: str
    message: str
