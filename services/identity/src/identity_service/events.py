"""What identity publishes.

IdentifierLinked, IdentifierSourced, AnchorMoved, SourceChanged and AgreementChanged go through the outbox. Resolved
events are many and are published directly, encoded by msgspec with their free JSON byte by byte as it came; a test
holds the bytes to what `contracts.identity.ResolvedEvent` reads.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Raw, Struct

from contracts.fact import Fact
from contracts.identity import AgreementChanged, AnchorMoved, IdentifierLinked, IdentifierSourced, SourceChanged
from contracts.identity import ResolvedEvent as ResolvedEventContract
from identity_service.ids import derived_id
from identity_service.models import Agreement, Source
from identity_service.repository.grants import Brought
from identity_service.rules.changes import Changes, Move
from servicekit.nats import MAX_PAYLOAD_BYTES, Envelope
from servicekit.outbox import partition_of

_SOURCE = "/kizuna/identity"
_BODY_START, _BODY_END = b'{"facts":[', b"]}"
_encode = msgspec.json.Encoder().encode


class ResolvedEvent(Struct, gc=False):
    """`contracts.identity.ResolvedEvent`, for encoding only."""

    event_id: UUID
    customer_id: UUID
    anchor_id: UUID
    occurred_at: datetime
    source_id: str
    message_id: str
    kind: str
    name: str
    received_at: datetime
    properties: Raw
    traits: Raw


def encode_event(event: ResolvedEvent) -> bytes:
    """Return the event as the contract's JSON."""
    return _encode(event)


def facts_of(changes: Changes, moves: Iterable[Move], *, at: datetime) -> list[Fact]:
    """Return what a batch changed in the link graph as facts, in the order it happened."""
    linked: list[Any] = [
        IdentifierLinked(
            event_id=uuid4(),
            customer_id=one.customer_id,
            anchor_id=one.anchor.anchor_id,
            occurred_at=at,
            namespace=one.anchor.identifier.namespace,
            value=one.anchor.identifier.value,
            source_id=one.evidence.source_id,
            rule=one.rule,
            legal_entity=one.evidence.legal_entity,
            purposes=list(one.evidence.purposes),
        )
        for one in changes.identifiers
    ]
    moved: list[Any] = [
        AnchorMoved(
            event_id=uuid4(),
            customer_id=move.customer_id,
            anchor_id=move.anchor_id,
            occurred_at=at,
            former_customer_id=move.former_customer_id,
            version=move.version,
            reason="merge",
            decision_id=move.decision_id,
        )
        for move in moves
    ]
    return linked + moved


def identifier_linked(row: Mapping[str, Any]) -> IdentifierLinked:
    """An identifier as `identifiers` holds it, told once more; said again, it is the same fact."""
    return IdentifierLinked(
        event_id=derived_id(IdentifierLinked.fact_type, str(row["anchor_id"])),
        customer_id=row["customer_id"],
        anchor_id=row["anchor_id"],
        occurred_at=row["linked_at"],
        namespace=row["namespace"],
        value=row["value"],
        source_id=row["source_id"],
        rule=row["rule"],
        legal_entity=row["legal_entity"],
        purposes=row["purposes"],
    )


def identifier_sourced(brought: Brought, *, at: datetime) -> IdentifierSourced:
    """A grant that was not known of an anchor; said again, it is the same fact."""
    anchor_id, legal_entity, purposes = brought.grant
    return IdentifierSourced(
        event_id=derived_id(IdentifierSourced.fact_type, str(anchor_id), legal_entity, *purposes),
        customer_id=brought.customer_id,
        anchor_id=anchor_id,
        occurred_at=at,
        namespace=brought.namespace,
        source_id=brought.source_id,
        legal_entity=legal_entity,
        purposes=list(purposes),
    )


def source_changed(source: Source) -> SourceChanged:
    """A source's present version; said again, it is the same notice."""
    return SourceChanged(
        event_id=derived_id(SourceChanged.fact_type, source.source_id, str(source.version)),
        occurred_at=source.updated_at,
        source_id=source.source_id,
        version=source.version,
        name=source.name,
        department=source.department,
        brand=source.brand,
        legal_entity=source.legal_entity,
        purposes=source.purposes,
    )


def agreement_changed(agreement: Agreement) -> AgreementChanged:
    """An agreement's present version; said again, it is the same notice."""
    return AgreementChanged(
        event_id=derived_id(AgreementChanged.fact_type, agreement.agreement_id, str(agreement.version)),
        occurred_at=agreement.removed_at or agreement.updated_at,
        agreement_id=agreement.agreement_id,
        version=agreement.version,
        from_entity=agreement.from_entity,
        to_entity=agreement.to_entity,
        purposes=agreement.purposes,
        valid_from=agreement.valid_from,
        valid_until=agreement.valid_until,
        removed=agreement.removed_at is not None,
    )


def resolved_envelopes(
    events: Iterable[tuple[ResolvedEvent, str | None]], *, partitions: int, at: datetime
) -> list[Envelope]:
    """Group resolved events (each with its request's trace) by partition into messages of at most 256 KB.

    A message's id follows from its events' ids, so that publishing the same again is recognised.
    """
    groups: defaultdict[int, list[tuple[ResolvedEvent, str | None]]] = defaultdict(list)
    for event, traceparent in events:
        groups[partition_of(event.customer_id, partitions)].append((event, traceparent))
    return [
        _envelope(part, partition=partition, at=at) for partition, group in groups.items() for part in _parts(group)
    ]


Encoded = tuple[bytes, UUID, str | None]


def _parts(group: Sequence[tuple[ResolvedEvent, str | None]]) -> Iterator[list[Encoded]]:
    part: list[Encoded] = []
    size = len(_BODY_START) + len(_BODY_END)
    for event, traceparent in group:
        body = _encode(event)
        if part and size + len(body) + 1 > MAX_PAYLOAD_BYTES:
            yield part
            part, size = [], len(_BODY_START) + len(_BODY_END)
        part.append((body, event.event_id, traceparent))
        size += len(body) + 1
    if part:
        yield part


def _envelope(part: Sequence[Encoded], *, partition: int, at: datetime) -> Envelope:
    digest = blake2b(b"".join(event_id.bytes for _, event_id, _ in part), digest_size=16)
    return Envelope(
        subject=f"{ResolvedEventContract.fact_type}.{partition}",
        body=_BODY_START + b",".join(body for body, _, _ in part) + _BODY_END,
        id=str(UUID(bytes=digest.digest())),
        source=_SOURCE,
        type=ResolvedEventContract.fact_type,
        time=at,
        traceparent=next((traceparent for _, _, traceparent in part if traceparent), None),
    )
