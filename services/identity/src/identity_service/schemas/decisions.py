"""Merges, splits, undos."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from servicekit.http import Answer, BatchGet, Body

DecisionKind = Literal["merge", "split", "undo"]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
"""The reason a person gives. It is kept as long as the decision: no personal data belongs into it."""


class MergeBody(Body):
    """Make these customers one. Former ids are followed."""

    customer_ids: Annotated[list[UUID], Field(min_length=2, max_length=50)]
    into: Annotated[UUID | None, Field(description="Which of them stays; null: the oldest.")] = None
    why: Why


class SplitBody(Body):
    """Give these identifiers (anchors) to a new customer."""

    anchor_ids: Annotated[list[UUID], Field(min_length=1, max_length=100_000)]
    why: Why


class UndoBody(Body):
    """Why a decision is undone."""

    why: Why


class DecisionAnswer(Answer):
    """What was decided, by whom or by which rule, and what it moved."""

    decision_id: UUID
    kind: DecisionKind
    customer_id: UUID
    """Who stayed (merge, undo of a split) or was divided (split, undo of a merge)."""
    other_customer_ids: list[UUID]
    rule: str
    """`manual`: a person's own decision; `review`: a person accepted a candidate; else the rule that decided."""
    decided_by: str
    why: str
    score: float | None
    source_id: str | None
    event_id: UUID | None
    rules_version: int
    decided_at: datetime
    undoes: UUID | None
    undone_by: UUID | None
    anchor_ids: list[UUID]
    """The first 1,000 of those that moved."""
    anchors: int
    """How many moved."""
    anchors_left: int = 0
    """In the answer to an undo: anchors of the decision it undoes that had moved on and stay where they are."""


class DecisionPage(Answer):
    """Decisions, the newest first; `next` is the cursor of the following page."""

    items: list[DecisionAnswer]
    next: str | None


class DecisionsQuestion(BatchGet):
    """The newest `first` decisions of each customer, after a cursor's decision."""

    first: Annotated[int, Field(ge=1, le=200)] = 20
    after: Annotated[str | None, Field(max_length=500)] = None


class DecisionsOfCustomer(DecisionPage):
    """A page of the decisions that concern a customer."""

    customer_id: UUID


class DecisionsAnswer(Answer):
    """One entry per requested customer, in order; empty where nothing was decided."""

    customers: list[DecisionsOfCustomer]
