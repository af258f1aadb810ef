"""What probabilistic linking is asked and what it answers. Imports nothing heavy."""

from dataclasses import dataclass, field
from typing import Any, Literal

PERSON_FIELDS = (
    "surname",
    "given_name",
    "surname_kana",
    "given_name_kana",
    "full_name",
    "birth_date",
    "gender",
    "email",
    "phone",
    "postal_code",
    "prefecture",
    "city",
    "town",
    "street",
    "building",
)
"""The columns of `records` beside record_id, customer_id and source_id: normalised strings, null when absent."""

Outcome = Literal["link", "review"]


@dataclass(frozen=True)
class LinkingSettings:
    """How to link. Scores are probabilities between 0 and 1; `lower` must not be above `upper`."""

    upper: float = 0.95
    """From this score on a pair is linked, unless its cluster would contradict itself."""
    lower: float = 0.50
    """From this score on a pair is put to review."""
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_master: str | None = None
    """Where Spark runs (`spark://host:7077`, `local[*]`), when `engine` is "spark"."""
    seed: int = 1
    """Of the samples that training draws: the same records and seed give the same result."""
    number_fields: tuple[str, ...] = ()
    """Further columns of `records` that hold a number which is one person's own (a social security number)."""


@dataclass(frozen=True)
class FieldAgreement:
    """How one field of two customers compares, for the review screen."""

    field: str
    value: str | None
    other_value: str | None
    agreement: str
    """The level they reached, in words: "same", "one typing error", "different", "missing"."""
    weight: float
    """Evidence in bits: log2 of how much likelier this agreement is for one person than for two. Negative speaks
    against."""


@dataclass(frozen=True)
class ScoredPair:
    """Two customers that may be one person; customer_id < other_customer_id."""

    customer_id: str
    other_customer_id: str
    score: float
    outcome: Outcome
    contradiction: str | None
    """Why a pair above `upper` goes to review all the same, in words; None otherwise."""
    fields: tuple[FieldAgreement, ...]


@dataclass(frozen=True)
class LinkingFigures:
    """What a run did, and how good it thinks it was."""

    records: int
    customers: int
    pairs_compared: int
    linked: int
    to_review: int
    precision_estimate: float | None
    """Of the linked pairs, the share that is right; None when nothing was linked."""
    recall_estimate: float | None
    """Of the pairs that are one person, the share that was linked; None when there seem to be none."""
    estimated_by: str
    """How the two estimates came about, in one or two sentences."""


@dataclass(frozen=True)
class LinkingResult:
    """The pairs to link and to review, best first, and the trained model (JSON) for the next incremental run."""

    pairs: tuple[ScoredPair, ...]
    figures: LinkingFigures
    model: dict[str, Any] = field(repr=False)  # the model's own JSON, opaque to whoever stores it


class LinkingEngineMissing(RuntimeError):
    """The chosen engine cannot run here; the message says what to install or set, in one sentence."""


class UnusableRecords(ValueError):
    """The table of records lacks a column or names a record twice; the message says which."""
