"""Windows of time, told apart by what they say, and durations."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, Tag, model_validator

from contracts.conditions.fields import Days, Moment, Node, WhichEvent, told_apart


class Window(Node):
    """The last `days` days: `now - days < occurred_at <= now`."""

    days: Days


class LastHours(Node):
    """The last `hours` hours: `now - hours < occurred_at <= now`."""

    hours: Annotated[int, Field(ge=1, le=87_840)]


class Between(Node):
    """`start <= occurred_at < end`; one of the two may be left out."""

    start: Moment | None = None
    end: Moment | None = None

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.start is None and self.end is None:
            raise ValueError("`start` or `end` must be said")
        return self


class CalendarWindow(Node):
    """A day, week (from Monday), month, quarter or year of the calendar: the current one (0), the one before (-1).

    In the customer's zone, or in `zone` (an IANA name).
    """

    calendar: Literal["day", "week", "month", "quarter", "year"]
    offset: Annotated[int, Field(ge=-1000, le=0)] = 0
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class SinceEvent(Node):
    """After the first or last event named, which is itself not in it. Without such an event nothing is in it."""

    since: WhichEvent


AnyWindow = Annotated[
    Annotated[Window, Tag("last_days")]
    | Annotated[LastHours, Tag("last_hours")]
    | Annotated[Between, Tag("between")]
    | Annotated[CalendarWindow, Tag("calendar_period")]
    | Annotated[SinceEvent, Tag("since_event")],
    told_apart(
        days="last_days",
        hours="last_hours",
        start="between",
        end="between",
        calendar="calendar_period",
        since="since_event",
    ),
]


RecentWindow = Annotated[
    Annotated[Window, Tag("last_days")] | Annotated[LastHours, Tag("last_hours")],
    told_apart(days="last_days", hours="last_hours"),
]
"""Counted back from the moment of evaluation."""


class Duration(Node):
    """Days of 24 hours, and hours; at least one hour together."""

    days: Annotated[int, Field(ge=0, le=3660)] = 0
    hours: Annotated[int, Field(ge=0, le=87_840)] = 0

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.days == self.hours == 0:
            raise ValueError("a duration lasts at least one hour")
        return self
