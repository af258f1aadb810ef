"""RFM and cut points as they are written and read."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import StringConstraints

from profile_service.rules.rfm import Rfm
from servicekit.http import Answer

Subject = Annotated[
    str, StringConstraints(pattern=r"^(recency|frequency|monetary|computed:[a-z][a-z0-9_-]{0,62})$", max_length=80)
]
"""`recency`, `frequency`, `monetary` or `computed:KEY`."""


class RfmDefinitionAnswer(Answer):
    """What recency, frequency and monetary are measured by; version 0: the default. `version` is the ETag."""

    definition: Rfm | None
    """Null where it is withheld."""
    version: int


class ScheduleAnswer(Answer):
    """When cut points of a subject are taken, in the setting TIME_ZONE. `revision` is the ETag.

    `version` counts takings; 0 before the first.
    """

    subject: str
    every: str
    day: int | None
    at: str
    next_at: datetime
    version: int
    taken_at: datetime | None
    revision: int


class ScheduleListAnswer(Answer):
    """By subject."""

    items: list[ScheduleAnswer]


class CutsAnswer(Answer):
    """Cut points as taken: numbers or moments as text.

    `at_least`: percent -> the least value that so many percent of the customers lie below; who reaches the one of 80
    is among the top 20. `at_most`: percent -> the greatest value among the lowest so many percent.
    """

    version: int
    taken_at: datetime
    until: datetime
    kind: str
    customers: int
    value: dict[str, Any]
    at_least: dict[str, str]
    at_most: dict[str, str]


class CutHistoryAnswer(Answer):
    """Newest first; `next` is the cursor to pass as `after`."""

    items: list[CutsAnswer]
    next: str | None
