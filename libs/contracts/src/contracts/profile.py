"""Facts published by profile: what is concluded about a customer."""

from typing import ClassVar, Literal
from uuid import UUID

from contracts.fact import Fact

MembershipReason = Literal["event", "time", "backfill", "move", "definition"]


class SegmentFact(Fact):
    """`anchor_id` is the anchor of the customer's latest event."""

    segment_id: UUID
    segment_key: str
    segment_version: int
    reason: MembershipReason


class SegmentEntered(SegmentFact):
    """The customer fulfils the segment's condition from `occurred_at` on."""

    fact_type: ClassVar[str] = "profile.segment.entered.v1"


class SegmentExited(SegmentFact):
    """The customer no longer fulfils the segment's condition."""

    fact_type: ClassVar[str] = "profile.segment.exited.v1"


SignStrength = Literal["weak", "medium", "strong"]


class SignFact(Fact):
    """`anchor_id` is the anchor of the customer's latest event."""

    sign_id: UUID
    sign_key: str
    sign_version: int
    strength: SignStrength
    reason: MembershipReason


class SignDetected(SignFact):
    """The customer shows a sign of a situation from `occurred_at` on, for at least the sign's lifetime."""

    fact_type: ClassVar[str] = "profile.sign.detected.v1"


class SignExpired(SignFact):
    """The sign's lifetime has passed and its condition holds no more."""

    fact_type: ClassVar[str] = "profile.sign.expired.v1"


class RankChanged(Fact):
    """The customer's rank by the current rank table. `None` is no rank."""

    fact_type: ClassVar[str] = "profile.rank.changed.v1"

    rank_key: str | None
    former_rank_key: str | None


class LifecycleChanged(Fact):
    """The customer's state in the lifecycle, from `occurred_at` on; `None`: it is the first one noted."""

    fact_type: ClassVar[str] = "profile.lifecycle.changed.v1"

    state: str
    former_state: str | None


class CustomersChanged(Fact):
    """Live hint, not stored in any stream: the timeline or traits of this customer changed."""

    fact_type: ClassVar[str] = "live.profile.customers.changed.v1"


class ProfileCustomerErased(Fact):
    """The receipt: what profile held on the customer is erased."""

    fact_type: ClassVar[str] = "profile.customer.erased.v1"

    erasure_id: UUID
    rows: dict[str, int]
    """Rows erased, by table."""
