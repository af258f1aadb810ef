"""What identity answers on merges, splits and undos."""

from __future__ import annotations

from msgspec import Struct, field


class DecisionRow(Struct):
    """What was decided, by whom or by which rule, and what it moved."""

    id: str = field(name="decision_id")
    kind: str
    customer_id: str
    other_customer_ids: list[str]
    rule: str
    decided_by: str
    why: str
    rules_version: int
    decided_at: str
    score: float | None = None
    source: str | None = field(name="source_id", default=None)
    event_id: str | None = None
    undoes: str | None = None
    undone_by: str | None = None
    anchor_ids: list[str] = []
    anchors: int = 0
    anchors_left: int = 0


class DecisionsOfCustomer(Struct):
    """A page of the decisions that concern a customer; an empty one where nothing was decided."""

    customer_id: str
    items: list[DecisionRow] = []
    next: str | None = None


class DecisionsAnswer(Struct):
    """POST /v1/decisions:batchGet"""

    customers: list[DecisionsOfCustomer]


class DecisionPageAnswer(Struct):
    """GET /v1/decisions"""

    items: list[DecisionRow]
    next: str | None = None
