"""The report on what circulates between departments."""

from datetime import date
from decimal import Decimal

from servicekit.http import Answer


class GivenAnswer(Answer):
    """What a department's sources gave in the day or month that begins so; null: Kizuna's own, or not known."""

    begins_on: date
    department: str | None
    kind: str
    """`event`, `trait` (what was said of one) or `identifier`."""
    count: int


class UsedAnswer(Answer):
    """How much of what a department gave was read, by whom: a department, `service:<name>`, or `-`."""

    reader: str
    giver: str | None
    kind: str
    """`event`, `trait`, or `segment` (members listed)."""
    count: int


class SegmentUseAnswer(Answer):
    """A published segment of a department, and the others whose events and traits it is drawn from."""

    key: str
    name: str
    department: str | None
    """Of whoever published it."""
    drawn_from: list[str]
    entered: int
    """How many times a customer entered it in these days."""


class ResultAnswer(Answer):
    """How many, of how many customers, and their revenue in the base currency."""

    events: int
    customers: int
    revenue: Decimal


class SegmentResultsAnswer(Answer):
    """What a segment's present members did after they entered it, in these days. Not what the segment caused.

    Null throughout: more than 100,000 members, or (one of them) not for this reader.
    """

    key: str
    members: int
    is_too_large: bool
    messages_sent: ResultAnswer | None
    links_clicked: ResultAnswer | None
    purchases: ResultAnswer | None


class CirculationAnswer(Answer):
    """What circulated, from the first day to the last."""

    first_day: date
    last_day: date
    given: list[GivenAnswer]
    used: list[UsedAnswer]
    segments: list[SegmentUseAnswer]
    results: SegmentResultsAnswer | None
