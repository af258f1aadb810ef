"""What profile says happened: members entering and leaving, ranks changing; and the live hint, which nobody stores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from contracts.profile import (
    CustomersChanged,
    LifecycleChanged,
    MembershipReason,
    RankChanged,
    SignDetected,
    SignExpired,
    SignFact,
    SignStrength,
)
from profile_service.repository.conclusions import RankChange, SegmentChange, SignChange

HINT_SUBJECT = CustomersChanged.fact_type
HINT_CUSTOMERS = 2000
"""At most so many customers in one hint: it must fit in a message."""


class SegmentAtVersion(Protocol):
    """What a fact says of its segment."""

    @property
    def segment_id(self) -> UUID | None: ...
    @property
    def key(self) -> str: ...
    @property
    def version(self) -> int: ...


class SignAtVersion(Protocol):
    """What a fact says of its sign."""

    @property
    def sign_id(self) -> UUID: ...
    @property
    def key(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def strength(self) -> SignStrength: ...


def encoded_segment_facts(
    changes: Iterable[SegmentChange], segment: SegmentAtVersion, *, reason: MembershipReason, now: datetime
) -> Iterator[tuple[UUID, str]]:
    """(customer, fact) for each change of membership of one segment and one direction.

    Written by hand: a backfill has hundreds of thousands of them, all alike.
    """
    ending = ending_of_segment_fact(segment, reason=reason, now=now)
    for change in changes:
        yield (
            change.customer_id,
            f'{{"event_id":"{uuid4()}","customer_id":"{change.customer_id}","anchor_id":"{change.anchor_id}{ending}',
        )


def ending_of_segment_fact(segment: SegmentAtVersion, *, reason: MembershipReason, now: datetime) -> str:
    """What all these facts have in common: the rest of their JSON from the end of `anchor_id`'s value on."""
    return (
        f'","occurred_at":"{now.isoformat()}","segment_id":"{segment.segment_id}","segment_key":"{segment.key}",'
        f'"segment_version":{segment.version},"reason":"{reason}"}}'
    )


def sign_facts(
    changes: Iterable[SignChange], signs: Mapping[UUID, SignAtVersion], *, reason: MembershipReason, now: datetime
) -> list[SignFact]:
    """One fact per sign that is shown now and was not, or the other way round; a renewal is none."""
    return [
        (SignDetected if change.is_active else SignExpired)(
            event_id=uuid4(),
            customer_id=change.customer_id,
            anchor_id=change.anchor_id,
            occurred_at=now,
            sign_id=change.sign_id,
            sign_key=signs[change.sign_id].key,
            sign_version=signs[change.sign_id].version,
            strength=signs[change.sign_id].strength,
            reason=reason,
        )
        for change in changes
        if change.is_active != change.was_active
    ]


def lifecycle_facts(changes: Sequence[RankChange], *, now: datetime) -> list[LifecycleChanged]:
    """One fact per change of state; a first state is one."""
    return [
        LifecycleChanged(
            event_id=uuid4(),
            customer_id=change.customer_id,
            anchor_id=change.anchor_id,
            occurred_at=now,
            state=change.rank_key,
            former_state=change.former_rank_key,
        )
        for change in changes
        if change.is_lifecycle and change.rank_key is not None
    ]


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
        if not change.is_lifecycle
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
