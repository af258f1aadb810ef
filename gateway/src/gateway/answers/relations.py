"""What profile answers on the dates of related persons."""

from __future__ import annotations

from msgspec import Struct, field


class RelationRow(Struct):
    """A date that the customer gave for a purpose."""

    id: str = field(name="relation_id")
    customer_id: str
    relation: str
    occasion: str
    date: str
    purpose: str
    source: str = field(name="source_id")
    given_at: str
    ends_at: str | None = None


class RelationsOfCustomer(Struct):
    """What one customer gave for the purpose."""

    customer_id: str
    relations: list[RelationRow] = []


class RelationsAnswer(Struct):
    """POST /v1/relations:batchGet"""

    customers: list[RelationsOfCustomer]
