"""What profile says happened: members entering and leaving, ranks changing; and the live hint, which nobody stores."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from contracts.profile import CustomersChanged, MembershipReason, RankChanged, SegmentEntered, SegmentExited
from profile_service.repository.conclusions import Definition, RankChange, SegmentChange

HINT_SUBJECT = CustomersChanged.fact_type
HINT_CUSTOMERS = 2000
"""At most so many customers in one hint: it must fit in a message."""


def segment_facts(
    changes: Sequence[SegmentChange], segments: Sequence[Definition], *, reason: MembershipReason, now: datetime
) -> list[SegmentEntered | SegmentExited]:
    """One fact per change of membership."""
    published = {segment.segment_id: segment for segment in segments}
    facts: list[SegmentEntered | SegmentExited] = []
    for change in changes:
        kind = SegmentEntered if change.is_member else SegmentExited
        segment = published[change.segment_id]
        facts.append(
            kind(
                event_id=uuid4(),
                customer_id=change.customer_id,
                anchor_id=change.anchor_id,
                occurred_at=now,
                segment_id=change.segment_id,
                segment_key=segment.key,
                segment_version=segment.version,
                reason=reason,
            )
        )
    return facts


def rank_facts(changes: Sequence[RankChange], *, now: datetime) -> list[RankChanged]:
    """One fact per change of rank."""
    return [
        RankChanged(
            event_id=uuid4(),
            customer_id=change.customer_id,
            anchor_id=change.anchor_id,
            occurred_at=now,
            rank_key=change.rank_key,
            former_rank_key=change.former_rank_key,
        )
        for change in changes
    ]


def hint_bodies(anchors: Mapping[UUID, UUID], *, now: datetime) -> list[bytes]:
    """`{"facts": [CustomersChanged...]}` for customers and an anchor of each, in as many messages as needed.

    Written by hand: a batch has hundreds of them, all alike.
    """
    moment, items = now.isoformat(), list(anchors.items())
    bodies = []
    for start in range(0, len(items), HINT_CUSTOMERS):
        facts = ",".join(
            f'{{"event_id":"{uuid4()}","customer_id":"{customer_id}","anchor_id":"{anchor_id}","occurred_at":"{moment}"}}'
            for customer_id, anchor_id in items[start : start + HINT_CUSTOMERS]
        )
        bodies.append(f'{{"facts":[{facts}]}}'.encode())
    return bodies
