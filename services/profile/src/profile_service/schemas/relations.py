"""Related persons' dates as they are written and read."""

from datetime import date as CalendarDay  # noqa: N812  # a field below is named date
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts.relations import MAX_LABEL_LENGTH
from servicekit.http import Answer, BatchGet, Body, Key

Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_LENGTH)]


class DayBody(Body):
    """A day; without a year where that is unknown."""

    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    year: int | None = None


class RelationBody(Body):
    """A date that the customer gave for a purpose: no name, no address, nothing to find the person by."""

    relation: Label = Field(examples=["wife"])
    occasion: Label = Field(examples=["birthday"])
    date: DayBody | Annotated[str, StringConstraints(pattern=r"^([0-9]{4}|-)-[0-9]{2}-[0-9]{2}$")] = Field(
        description="`2019-03-14`, `--03-14` where the year is unknown, or `{month, day, year}`."
    )
    purpose: Key = Field(description="The only use that may be made of it.", examples=["anniversary-reminder"])
    until: CalendarDay | None = Field(
        default=None, description="The last day of use; left out: until it is taken back."
    )


class RelationAnswer(Answer):
    """A date that holds, read for its purpose."""

    customer_id: UUID
    relation_id: UUID
    relation: str
    occasion: str
    date: str
    """`2019-03-14`, or `--03-14`: the year is unknown."""
    purpose: str
    source_id: str
    given_at: datetime
    ends_at: datetime | None
    """From this moment on it must not be used."""


class RelationsQuery(BatchGet):
    """Whose dates, for what."""

    purpose: Key


class RelationsOfCustomerAnswer(Answer):
    """What one customer gave for the purpose."""

    customer_id: UUID
    relations: list[RelationAnswer]


class RelationsAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[RelationsOfCustomerAnswer]
