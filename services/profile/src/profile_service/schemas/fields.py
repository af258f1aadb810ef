"""Kinds of text that several bodies take."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Description = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("This moment lies outside of the years 1 to 9999 in UTC.") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that can be kept, in UTC."""

Withheld = Annotated[
    bool, Field(description="The policy hides some things of this kind from the caller, whomever is asked about.")
]
