"""Probabilistic linking: settings, runs, candidates."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from identity_service.schemas.decisions import Why
from identity_service.schemas.jobs import JobState
from servicekit.http import Answer, Body

CandidateState = Literal["review", "linked", "accepted", "rejected", "undone", "stale"]
Engine = Literal["duckdb", "spark"]
RunKind = Literal["full", "incremental"]

Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class LinkingSettingsBody(Body):
    """How customers are linked by probability."""

    upper: Annotated[Probability, Field(description="From this score on two customers are linked.")]
    lower: Annotated[Probability, Field(description="From this score on they are put to review. Below the upper one.")]
    engine: Annotated[Engine, Field(description="`spark` for a base beyond one machine.")] = "duckdb"
    spark_master: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$"),
        Field(description="`spark://host:7077` or `local[*]`; needed by the engine `spark`."),
    ] = None
    across_entities: Annotated[
        bool, Field(description="Compare the records of all legal entities, agreement or not.")
    ] = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError("lower must be below upper.")
        if self.engine == "spark" and self.spark_master is None:
            raise ValueError("spark_master says where Spark runs: the engine spark needs it.")
        return self


class LinkingSettingsAnswer(Answer):
    """How customers are linked by probability, and since when."""

    upper: float
    lower: float
    engine: Engine
    spark_master: str | None
    across_entities: bool
    version: int
    changed_by: str | None
    """Null: as shipped."""
    changed_at: datetime | None


class RunBody(Body):
    """What to score: the whole base, or what is new or changed against it."""

    kind: RunKind


class RunAccepted(Answer):
    """The run is queued: look at it under `/v1/linking/runs/{run_id}` and `/v1/jobs/{job_id}`."""

    job_id: UUID
    run_id: UUID


class RunAnswer(Answer):
    """A run: how it was set and what came of it. Figures are null until it is done."""

    run_id: UUID
    job_id: UUID
    kind: RunKind
    state: JobState
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    upper: float
    lower: float
    engine: Engine
    across_entities: bool
    records: int | None
    customers: int | None
    customers_scored: int | None
    """New or changed since the run before; all of them in a full run."""
    pairs_compared: int | None
    linked: int | None
    to_review: int | None
    precision_estimate: float | None
    """Of the linked pairs, the share that is right."""
    recall_estimate: float | None
    """Of the pairs that are one person, the share that was linked."""
    estimated_by: str | None
    problem: str | None


class RunPage(Answer):
    """Runs, the newest first; `next` is the cursor of the following page."""

    items: list[RunAnswer]
    next: str | None


class ComparedField(Answer):
    """A field of the two customers side by side: as compared, and as it was written."""

    field: str
    value: str | None
    other_value: str | None
    written: str | None
    other_written: str | None
    agreement: str
    """How well the values agree, in words."""
    weight: float
    """Evidence in bits: how much likelier this agreement is for one person than for two; negative speaks against."""


class CandidateAnswer(Answer):
    """Two customers that are probably one person, and what was decided on them.

    In review the ids are who they are now; later, who they were when it was decided.
    """

    candidate_id: UUID
    customer_id: UUID
    other_customer_id: UUID
    score: float
    state: CandidateState
    contradiction: str | None
    """Why a pair above the upper threshold waits for review all the same."""
    fields: list[ComparedField]
    run_id: UUID
    created_at: datetime
    scored_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    why: str | None
    decision_id: UUID | None
    """Of the merge, when it was linked or accepted."""


class CandidateDecisionAnswer(Answer):
    """What was decided on a candidate."""

    action: Literal["linked", "accepted", "rejected", "undone"]
    decided_by: str
    why: str
    decided_at: datetime
    decision_id: UUID | None


class CandidateWithHistory(CandidateAnswer):
    """A candidate with everything that was decided on it, in order."""

    history: list[CandidateDecisionAnswer]


class CandidatePage(Answer):
    """Candidates, the best score first; `next` is the cursor of the following page."""

    items: list[CandidateAnswer]
    next: str | None


class CandidateDecisionBody(Body):
    """Why a candidate is accepted, rejected or taken back."""

    why: Why
