"""Anonymised exports: what may be asked for, and how coarse each column becomes.

Every column is a quasi-identifier: there is no column that escapes the grouping, and so no line of which fewer than `k`
customers share every value (Sweeney, k-anonymity, 2002). Nothing is passed on as it is but a rank or a yes and no.
"""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, field_validator, model_validator

from profile_service.rules.identifying import is_identifying_name, is_identifying_value

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f=+\-@\t][^\x00-\x1f]*$")]
"""What a value becomes; never read as a formula by a spreadsheet."""
Value = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Number = Annotated[Decimal, Field(max_digits=15, decimal_places=6), PlainSerializer(float, when_used="json")]

COUNT = "count"
OTHER = "other"
_BIRTHDAYS = frozenset({"birthday", "birthdate", "birth_date", "dateofbirth", "date_of_birth", "dob"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TraitSource(_Part):
    """A folded trait; a value of another type than the generalisation takes counts as unknown."""

    kind: Literal["trait"]
    trait: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class PurchaseSource(_Part):
    """Purchases in sum, without the simulated ones."""

    kind: Literal["purchases"]
    of: Literal["frequency", "monetary"]


class MomentSource(_Part):
    """The day of the customer's first event, or last purchase, in the customers' zone."""

    kind: Literal["moment"]
    of: Literal["first_event", "last_purchase"]


class RankSource(_Part):
    """The customer's rank."""

    kind: Literal["rank"]


Source = Annotated[TraitSource | PurchaseSource | MomentSource | RankSource, Field(discriminator="kind")]


class Bins(_Part):
    """Numbers by given edges: below the first, from one to below the next, from the last on."""

    kind: Literal["bins"]
    edges: Annotated[list[Number], Field(min_length=1, max_length=50)]

    @field_validator("edges")
    @classmethod
    def _rise(cls, edges: list[Decimal]) -> list[Decimal]:
        if any(first >= second for first, second in pairwise(edges)):
            raise ValueError("edges must rise")
        return edges


class Steps(_Part):
    """Numbers in steps of one width; outliers are cut: what lies beyond a percentile joins the step it lies in.

    The outermost step is never only an outlier's own: at least `k` customers lie at the cut or beyond it.
    """

    kind: Literal["steps"]
    width: Annotated[Number, Field(gt=0)]
    bottom_percentile: Annotated[float, Field(ge=0.1, le=25)] = 1
    top_percentile: Annotated[float, Field(ge=75, le=99.9)] = 99


class Calendar(_Part):
    """Dates (`2019-03-14...`) by month, quarter or year; never by day."""

    kind: Literal["calendar"]
    unit: Literal["month", "quarter", "year"]


class Digits(_Part):
    """Postal codes by their first digits; what has not five to nine digits is unknown."""

    kind: Literal["digits"]
    length: Annotated[int, Field(ge=1, le=3)]


class Categories(_Part):
    """Given values become given labels; all others become one."""

    kind: Literal["categories"]
    values: Annotated[dict[Value, Label], Field(min_length=1, max_length=500)]
    other: Label = OTHER

    @model_validator(mode="after")
    def _lead_to_nobody(self) -> Self:
        if any(is_identifying_value(label) for label in (*self.values.values(), self.other)):
            raise ValueError("a label looks like an identifier")
        return self


class AsIs(_Part):
    """A rank, or a yes and no, as it is."""

    kind: Literal["as_is"]


Generalisation = Annotated[Bins | Steps | Calendar | Digits | Categories | AsIs, Field(discriminator="kind")]

_FITTING: dict[str, frozenset[str]] = {
    "trait": frozenset({"bins", "steps", "calendar", "digits", "categories", "as_is"}),
    "purchases": frozenset({"bins", "steps"}),
    "moment": frozenset({"calendar"}),
    "rank": frozenset({"categories", "as_is"}),
}


class Column(_Part):
    """A column: what the public is told it contains (the item category), where it is from, how coarse it becomes."""

    name: Key
    category: Sentence = Field(examples=["年代"])
    source: Source
    generalisation: Generalisation

    @field_validator("name")
    @classmethod
    def _names_nobody(cls, name: str) -> str:
        if name == COUNT or is_identifying_name(name):
            raise ValueError("a column of this name is not exported")
        return name

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.generalisation.kind not in _FITTING[self.source.kind]:
            raise ValueError(f"{self.source.kind} is not generalised by {self.generalisation.kind}")
        if isinstance(self.source, TraitSource) and not self._may_be_asked(self.source.trait):
            raise ValueError("a trait that identifies people is not exported, however coarse")
        return self

    def _may_be_asked(self, trait: str) -> bool:
        if trait.casefold() in _BIRTHDAYS:
            return isinstance(self.generalisation, Calendar) and self.generalisation.unit == "year"
        return not is_identifying_name(trait)


class ExportDefinition(_Part):
    """An anonymised export: of whom, what, for whom, why and by which way."""

    segment: Key | None = Field(default=None, description="Left out: of everybody.")
    shape: Literal["counts", "rows"] = Field(
        default="counts", description="`counts`: a line for each combination. `rows`: a line for each customer counted."
    )
    columns: Annotated[list[Column], Field(min_length=1, max_length=12)]
    k: Annotated[int, Field(ge=2, le=10**6)] | None = Field(
        default=None,
        description="Fewer customers are never published as one line; by default, and never below, the setting.",
    )
    rounding: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=5,
        description="Numbers of customers are given as k, k + rounding, k + 2 rounding and so on, rounded down.",
    )
    purpose: Sentence
    recipient: Sentence
    provision: Sentence = Field(description="How it is handed over; published beforehand.", examples=["SFTP"])
    keep_days: Annotated[int, Field(ge=1, le=90)] = Field(default=30, description="Then the content is deleted.")

    @field_validator("columns")
    @classmethod
    def _differ(cls, columns: list[Column]) -> list[Column]:
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("a name is there twice")
        return columns


def rounded(count: int, *, k: int, rounding: int) -> int:
    """The published number of a cell of at least `k` customers: rounded down, and never below `k`."""
    return k + (count - k) // rounding * rounding
