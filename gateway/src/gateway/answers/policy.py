"""What profile answers on who may read what, and on what circulated between departments."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from gateway.answers.money import Money


class PolicyRow(Struct):
    """The policy as it held from a moment on."""

    version: int
    default: str
    rules: Raw
    changed_at: str | None = None
    changed_by: str | None = None
    why: str | None = None


class PolicyPageAnswer(Struct):
    """GET /v1/policy/versions"""

    items: list[PolicyRow]
    next: str | None = None


class PolicyDecisionRow(Struct):
    """Whether something may be read, and what decides."""

    effect: str
    because: str
    position: int | None = None
    rule: Raw = field(default_factory=lambda: Raw(b"null"))
    version: int | None = None


class GivenRow(Struct):
    """What a department's sources gave."""

    begins_on: str
    kind: str
    count: int
    department: str | None = None


class UsedRow(Struct):
    """How much of what a department gave was read, by whom."""

    reader: str
    kind: str
    count: int
    giver: str | None = None


class SegmentUseRow(Struct):
    """A segment and the departments it is drawn from."""

    key: str
    name: str
    drawn_from: list[str]
    entered: int
    department: str | None = None


class UseResultRow(Struct):
    """How many, of how many customers, and their revenue."""

    events: int
    customers: int
    revenue: Money


class SegmentResultsRow(Struct):
    """What a segment's members did after they entered it."""

    key: str
    members: int
    is_too_large: bool
    messages_sent: UseResultRow | None = None
    links_clicked: UseResultRow | None = None
    purchases: UseResultRow | None = None


class CirculationAnswer(Struct):
    """GET /v1/circulation"""

    first_day: str
    last_day: str
    given: list[GivenRow]
    used: list[UsedRow]
    segments: list[SegmentUseRow]
    results: SegmentResultsRow | None = None
