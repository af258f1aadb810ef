"""What identity answers on probabilistic linking: candidates, runs, settings."""

from __future__ import annotations

from msgspec import Struct, field


class ComparedFieldRow(Struct):
    """A field of two customers side by side."""

    field: str
    agreement: str
    weight: float
    value: str | None = None
    other_value: str | None = None
    written: str | None = None
    other_written: str | None = None


class CandidateDecisionRow(Struct):
    """What was decided on a candidate."""

    action: str
    decided_by: str
    why: str
    decided_at: str
    decision_id: str | None = None


class CandidateRow(Struct):
    """Two customers that are probably one person; `history` comes with a single one only."""

    id: str = field(name="candidate_id")
    customer_id: str
    other_customer_id: str
    score: float
    state: str
    run_id: str
    created_at: str
    scored_at: str
    fields: list[ComparedFieldRow] = []
    contradiction: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    why: str | None = None
    decision_id: str | None = None


class CandidateWithHistory(CandidateRow):
    """GET /v1/linking/candidates/{candidate_id}, and what deciding on it answers."""

    history: list[CandidateDecisionRow] = []


class CandidatePageAnswer(Struct):
    """GET /v1/linking/candidates"""

    items: list[CandidateRow]
    next: str | None = None


class LinkingRunRow(Struct):
    """How a run was set and what came of it."""

    id: str = field(name="run_id")
    job_id: str
    kind: str
    state: str
    created_by: str
    created_at: str
    upper: float
    lower: float
    engine: str
    across_entities: bool = False
    started_at: str | None = None
    finished_at: str | None = None
    records: int | None = None
    customers: int | None = None
    customers_scored: int | None = None
    pairs_compared: int | None = None
    linked: int | None = None
    to_review: int | None = None
    precision_estimate: float | None = None
    recall_estimate: float | None = None
    estimated_by: str | None = None
    problem: str | None = None


class LinkingRunPageAnswer(Struct):
    """GET /v1/linking/runs"""

    items: list[LinkingRunRow]
    next: str | None = None


class RunAcceptedAnswer(Struct):
    """POST /v1/linking/runs"""

    job_id: str
    run_id: str


class LinkingSettingsRow(Struct):
    """How customers are linked by probability."""

    upper: float
    lower: float
    engine: str
    across_entities: bool
    version: int
    spark_master: str | None = None
    changed_by: str | None = None
    changed_at: str | None = None
