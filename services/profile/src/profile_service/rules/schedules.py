"""When what is taken by schedule is taken next."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator


class Timing(BaseModel):
    """Daily, weekly (on `day` 1 Monday to 7) or monthly (on `day` 1 to 28), at a time of the day in the zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Literal["day", "week", "month"] = "week"
    day: Annotated[int, Field(ge=1, le=28)] | None = None
    at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "03:00"

    @field_validator("day")
    @classmethod
    def _day_fits(cls, day: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("every") == "day" and day is not None:
            raise ValueError("what is taken every day has no `day`")
        if info.data.get("every") == "week" and (day or 1) > 7:
            raise ValueError("a week has the days 1 to 7")
        return day


def next_time(timing: Timing, *, after: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after `after` that fits, in UTC.

    A time that the zone skips is taken as if it were not skipped; one that it has twice, the first time.
    """
    today, at = after.astimezone(zone).date(), time.fromisoformat(timing.at)
    for ahead in range(64):
        day = today + timedelta(days=ahead)
        moment = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
        if moment > after and _fits(timing, day):
            return moment
    raise AssertionError("every 64 days have a first to 28th of a month")


def _fits(timing: Timing, day: date) -> bool:
    if timing.every == "day":
        return True
    return (day.isoweekday() if timing.every == "week" else day.day) == (timing.day or 1)
