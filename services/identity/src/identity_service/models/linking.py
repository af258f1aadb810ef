"""Probabilistic linking: its settings, its runs, and the pairs of customers that are probably one person."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base
from servicekit.tables import RowsFollow


class LinkingSetting(Base, table=True):
    """One row: how customers are linked by probability."""

    __tablename__ = "linking_settings"

    singleton: int = Field(default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    upper: float = Field(sa_column=Column(Float, nullable=False))
    """From this score on two customers are linked."""
    lower: float = Field(sa_column=Column(Float, nullable=False))
    """From this score on they are put to review."""
    engine: str = Field(sa_column=Column(Text, nullable=False))
    """`duckdb` or `spark`."""
    spark_master: str | None = Field(sa_column=Column(Text))
    across_entities: bool = Field(sa_column=Column(Boolean, nullable=False))
    """Compare records of all legal entities, agreement or not."""
    version: int = Field(sa_column=Column(Integer, nullable=False))
    changed_by: str | None = Field(sa_column=Column(Text))
    """None: as shipped."""
    changed_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class LinkingRun(Base, table=True):
    """A run over the base: how it was set, what came of it, how good it thinks it was."""

    __tablename__ = "linking_runs"
    __table_args__ = (Index("linking_runs_created_at", "created_at", "run_id"),)

    run_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    job_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    """`full` or `incremental`."""
    created_by: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    started_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    finished_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """None: it goes on, or ended without a result; its job says which."""
    watermark: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """What changed from then on is for the next incremental run."""
    upper: float = Field(sa_column=Column(Float, nullable=False))
    lower: float = Field(sa_column=Column(Float, nullable=False))
    engine: str = Field(sa_column=Column(Text, nullable=False))
    spark_master: str | None = Field(sa_column=Column(Text))
    across_entities: bool = Field(sa_column=Column(Boolean, nullable=False))
    records: int | None = Field(sa_column=Column(BigInteger))
    customers: int | None = Field(sa_column=Column(BigInteger))
    customers_scored: int | None = Field(sa_column=Column(BigInteger))
    """New or changed since the run before; all of them in a full run."""
    pairs_compared: int | None = Field(sa_column=Column(BigInteger))
    linked: int | None = Field(sa_column=Column(BigInteger))
    to_review: int | None = Field(sa_column=Column(BigInteger))
    precision_estimate: float | None = Field(sa_column=Column(Float))
    recall_estimate: float | None = Field(sa_column=Column(Float))
    estimated_by: str | None = Field(sa_column=Column(Text))
    model: dict[str, Any] | None = Field(sa_column=Column(JSONB))  # the engine's own, for the next incremental run


class LinkingResult(Base, table=True):
    """A scored pair that a run has found and not yet dealt with; gone when the run ends."""

    __tablename__ = "linking_results"

    run_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    other_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    record_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    record_source_id: str = Field(sa_column=Column(Text, nullable=False))
    other_record_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    other_record_source_id: str = Field(sa_column=Column(Text, nullable=False))
    score: float = Field(sa_column=Column(Float, nullable=False))
    outcome: str = Field(sa_column=Column(Text, nullable=False))
    contradiction: str | None = Field(sa_column=Column(Text))
    fields: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class LinkCandidate(Base, table=True):
    """Two customers that are probably one, each named by its oldest anchor: so it follows merges and splits.

    Which values were compared is told by the person records that hold them: nothing personal is copied here.
    """

    __tablename__ = "link_candidates"
    __table_args__ = (
        Index("link_candidates_anchors", "anchor_id", "other_anchor_id", unique=True),
        Index("link_candidates_other_anchor", "other_anchor_id"),
        Index("link_candidates_queue", "state", text("score DESC"), "candidate_id"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    candidate_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    other_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    """As of the scoring, or of the decision."""
    other_customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    record_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    record_source_id: str = Field(sa_column=Column(Text, nullable=False))
    """With the record's anchor: the person record that was compared."""
    other_record_anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    other_record_source_id: str = Field(sa_column=Column(Text, nullable=False))
    score: float = Field(sa_column=Column(Float, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    """`review`, `linked`, `accepted`, `rejected`, `undone` or `stale`. What became of the customers since is seen when
    it is read: a pair in review that is one customer now is stale."""
    contradiction: str | None = Field(sa_column=Column(Text))
    """Why a pair above the upper threshold waits for review all the same."""
    fields: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    """[{field, parts, agreement, weight}]: `parts` are the fields of person records that are compared together."""
    run_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    """That scored it last."""
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    scored_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    decided_by: str | None = Field(sa_column=Column(Text))
    decided_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    why: str | None = Field(sa_column=Column(Text))
    decision_id: UUID | None = Field(sa_column=Column(Uuid))
    """Of the merge, when it was linked or accepted."""


class CandidateDecision(Base, table=True):
    """What was ever decided on a candidate."""

    __tablename__ = "candidate_decisions"

    candidate_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    action: str = Field(sa_column=Column(Text, nullable=False))
    """`linked`, `accepted`, `rejected` or `undone`."""
    decided_by: str = Field(sa_column=Column(Text, nullable=False))
    why: str = Field(sa_column=Column(Text, nullable=False))
    decided_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    decision_id: UUID | None = Field(sa_column=Column(Uuid))
