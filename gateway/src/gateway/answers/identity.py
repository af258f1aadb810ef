"""What identity answers."""

from __future__ import annotations

from msgspec import Struct, field


class IdentifierRow(Struct):
    """An identifier of the customer."""

    anchor_id: str
    namespace: str
    value: str
    linked_at: str
    source: str | None = field(name="source_id", default=None)


class IdentityOfCustomer(Struct):
    """Who this is now. `current_customer_id` is None when nobody is known under the requested id."""

    customer_id: str
    current_customer_id: str | None = None
    created_at: str | None = None
    identifiers: list[IdentifierRow] = []


class IdentityAnswer(Struct):
    """POST /v1/customers:batchGet"""

    customers: list[IdentityOfCustomer]


class LookedUpIdentifier(Struct):
    """Whose this identifier is, None when nobody's."""

    namespace: str
    value: str
    customer_id: str | None = None


class LookupAnswer(Struct):
    """POST /v1/identifiers:batchLookup"""

    identifiers: list[LookedUpIdentifier]


class ListedCustomer(Struct):
    """One row of a listing of customers."""

    customer_id: str


class CustomerListAnswer(Struct):
    """GET /v1/customers of identity (everybody) and of profile (a segment's members)."""

    items: list[ListedCustomer]
    next: str | None = None
    total_count: int = 0


class LinkCoverageAnswer(Struct):
    """GET /v1/coverage of identity."""

    customers: int = 0
    known: int = 0
    linked: int = 0
    identifiers: int = 0
    accepted_events: int = 0
    rejected_events: int = 0
    duplicate_events: int = 0
