"""What profile answers on segments."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from gateway.answers.identity import ListedCustomer


class SegmentRow(Struct):
    """A segment's definition and size."""

    key: str
    name: str
    status: str
    kind: str = "dynamic"
    version: int = 0
    revision: int = 1
    size: int | None = None
    evaluated: int = 0
    is_edited: bool = False
    withheld: bool = False
    description: str | None = None
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    published_at: str | None = None
    archived_at: str | None = None


class SegmentListAnswer(Struct):
    """GET /v1/segments"""

    items: list[SegmentRow]
    withheld: bool = False


class SegmentVersionRow(Struct):
    """What a segment meant from a publication on."""

    version: int
    published_at: str
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    withheld: bool = False
    published_by: str | None = None
    why: str | None = None


class SegmentVersionPageAnswer(Struct):
    """GET /v1/segments/{key}/versions"""

    items: list[SegmentVersionRow]
    next: str | None = None


class ReasonCountRow(Struct):
    """How many, for this reason."""

    reason: str
    customers: int


class SegmentDayRow(Struct):
    """A day: the size at its end, who entered and exited."""

    day: str
    size: int
    entered_by_reason: dict[str, int] = field(name="entered", default={})
    exited_by_reason: dict[str, int] = field(name="exited", default={})

    @property
    def entered(self) -> list[ReasonCountRow]:
        """By reason."""
        return [ReasonCountRow(reason=reason, customers=number) for reason, number in self.entered_by_reason.items()]

    @property
    def exited(self) -> list[ReasonCountRow]:
        """By reason."""
        return [ReasonCountRow(reason=reason, customers=number) for reason, number in self.exited_by_reason.items()]


class SegmentDaysAnswer(Struct):
    """GET /v1/segments/{key}/days"""

    days: list[SegmentDayRow]


class MemberRow(ListedCustomer):
    """Somebody in a segment, and when they entered; in profile's list of everybody it may be null."""

    since: str | None


class MemberListAnswer(Struct):
    """GET /v1/customers?segment="""

    items: list[MemberRow]
    next: str | None = None
    total_count: int = 0


class PreviewAnswer(Struct):
    """POST /v1/segments:preview"""

    count: int
    low: int
    high: int
    total: int
    share: float
    is_estimate: bool
    sample: list[str] = []


class OverlapRow(Struct):
    """Two segments' members."""

    a: str
    b: str
    a_size: int
    b_size: int
    both: int
    only_a: int
    only_b: int


class OverlapsAnswer(Struct):
    """GET /v1/segments:overlaps"""

    pairs: list[OverlapRow]


class ListOutcomeRow(Struct):
    """What became of one customer."""

    customer_id: str
    outcome: str


class ListMembersAnswer(Struct):
    """POST /v1/segments/{key}:addMembers and :removeMembers"""

    results: list[ListOutcomeRow]
