"""Customers' graphs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.http import Answer


class NodeAnswer(Answer):
    """An identifier of the customer (an anchor), with what brought it."""

    anchor_id: UUID
    namespace: str
    value: str
    is_current: bool
    """False: an identifier of a shared device whose later events go to another customer."""
    sources: list[str]
    source_id: str
    event_id: UUID
    rule: str
    score: float | None
    """Of the decision that brought it to this customer; null: certain."""
    decision_id: UUID | None
    """That decision; null: it has always been this customer's."""
    linked_at: datetime
    legal_entity: str | None
    purposes: list[str]


class EdgeAnswer(Answer):
    """Evidence that two identifiers belong together: the first event of a source that carried both, or a decision."""

    anchor_id: UUID
    other_anchor_id: UUID
    rule: str
    score: float | None
    source_id: str
    event_id: UUID
    linked_at: datetime
    legal_entity: str | None
    purposes: list[str]


class HeldApartAnswer(Answer):
    """An identifier that came with one of the customer's, and that a rule kept away."""

    anchor_id: UUID
    namespace: str
    value: str
    reason: str
    source_id: str
    event_id: UUID
    held_at: datetime


class GroupAnswer(Answer):
    """A company account, household or club the customer belongs to."""

    group_id: str
    traits: dict[str, Any]
    joined_at: datetime


class GraphAnswer(Answer):
    """What is linked to a customer, by what evidence; a former id gives the customer it became."""

    customer_id: UUID
    current_customer_id: UUID | None
    former_customer_ids: list[UUID]
    nodes: list[NodeAnswer]
    """The first 1,000, the oldest first; `nodes_total` says how many there are."""
    edges: list[EdgeAnswer]
    held_apart: list[HeldApartAnswer]
    groups: list[GroupAnswer]
    nodes_total: int


class GraphsAnswer(Answer):
    """One entry per requested id, in order."""

    customers: list[GraphAnswer]
