"""What arrives: events out of the log are read, told apart from repetitions, and asked whom they name."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from identity_service.ids import derived_id
from identity_service.repository.messages import KnownMessage, NewDuplicate, NewRejection
from identity_service.rules.admission import aliased_names
from identity_service.rules.hashing import hashed_namespace, identifier_digest
from identity_service.rules.identifiers import Identifier, Namespaces
from identity_service.rules.tracking import (
    BATCHES,
    IMPORT,
    RECORD,
    StoredEvent,
    hashed_identifiers_of,
    identifiers_of,
    occurred_at,
    previous_id_of,
    read_event,
)
from identity_service.service.tracking import TrackingRequest


class ArrivedEvent(NamedTuple):
    """An event out of the log: good in itself, its customer not yet known."""

    request: TrackingRequest
    position: int
    event_id: UUID
    message_id: str
    kind: str
    event: StoredEvent

    @property
    def occurred_at(self) -> datetime:
        """When it happened, as far as clocks can be trusted."""
        request = self.request
        return occurred_at(self.event, received_at=request.received_at, sent_at=request.body.sent_at)

    @property
    def is_record(self) -> bool:
        """A department's record that has an id of its own: it counts once, however much later it is said again."""
        return self.request.kind == IMPORT and self.message_id.startswith(RECORD)


class FreshEvent(NamedTuple):
    """An event that was not taken in before, and whom it names."""

    arrived: ArrivedEvent
    names: list[Identifier]
    """The usable ones, the strongest first. Empty when an alias names nobody but the previous id."""
    previous: str | None
    """Of an alias event: the id that the others replace."""

    @property
    def all_names(self) -> Iterable[Identifier]:
        """Every identifier that may become this event's."""
        return self.names if self.previous is None else (*self.names, *aliased_names(self.previous))


class Arrivals(NamedTuple):
    """What a stretch of the event log holds."""

    events: list[ArrivedEvent]
    rejections: list[NewRejection]


def read_arrivals(requests: Sequence[TrackingRequest]) -> Arrivals:
    """Read the events of requests; what the front door rejected, or cannot be read after all, is kept for review."""
    arrivals = Arrivals([], [])
    for request in requests:
        bad = {rejected.index: (rejected.field, rejected.detail) for rejected in request.rejected}
        for position in range(len(request.body.events)):
            problem = bad.get(position)
            if problem is None:
                try:
                    arrivals.events.append(_read_arrival(request, position))
                    continue
                except (ValueError, msgspec.MsgspecError) as error:
                    problem = ("", f"Cannot be read ({type(error).__name__}).")
            arrivals.rejections.append(rejection(request, position, field=problem[0], detail=problem[1]))
    return arrivals


def _read_arrival(request: TrackingRequest, position: int) -> ArrivedEvent:
    event = read_event(request.body.events[position])
    kind = (event.type or "") if request.kind in BATCHES else request.kind
    message_id = event.message_id or f"{request.request_id}-{position}"
    return ArrivedEvent(
        request,
        position,
        derived_id(request.source_id, message_id),
        message_id,
        kind,
        event,
    )


def rejection(request: TrackingRequest, position: int, *, field: str, detail: str) -> NewRejection:
    """Return the record of an event that is not taken; the same event always has the same record."""
    return NewRejection(
        derived_id("rejection", str(request.request_id), str(position)),
        request.source_id,
        request.request_id,
        position,
        field,
        detail,
        bytes(request.body.events[position]),
        request.received_at,
    )


class SortedOut(NamedTuple):
    """Arrivals, told apart by what becomes of them."""

    fresh: list[FreshEvent]
    delivered_before: list[tuple[ArrivedEvent, tuple[UUID, UUID]]]
    """With (anchor, customer) as they were recorded."""
    duplicates: list[NewDuplicate]
    erased: list[NewDuplicate]
    rejections: list[NewRejection]
    digests: dict[Identifier, tuple[str, bytes]]
    """Hashed form of an identifier that came hashed -> (its namespace in plain, digest)."""

    def reject(self, arrived: ArrivedEvent, detail: str, *, field: str = "userId") -> None:
        """Keep an event for review instead of taking it."""
        self.rejections.append(rejection(arrived.request, arrived.position, field=field, detail=detail))


def sort_out(
    arrivals: Arrivals,
    known: Mapping[UUID, KnownMessage],
    old_records: Set[UUID],
    *,
    namespaces: Namespaces,
    secret: bytes,
) -> SortedOut:
    """Tell what is new from what was taken in before, and read whom it names.

    `old_records`: of what was taken in before, records that are remembered without their requests. `secret`: the key of
    the digests.
    """
    result = SortedOut([], [], [], [], list(arrivals.rejections), {})
    taken: set[UUID] = set()
    for arrived in arrivals.events:
        request, before = arrived.request, known.get(arrived.event_id)
        if before is not None and (before.request_id, before.position) == (request.request_id, arrived.position):
            if not before.is_erased:
                result.delivered_before.append((arrived, (before.anchor_id, before.customer_id)))
        elif before is not None or arrived.event_id in taken or arrived.event_id in old_records:
            result.duplicates.append(NewDuplicate(request.request_id, arrived.position, request.received_at))
        else:
            taken.add(arrived.event_id)
            _read_names(arrived, result, namespaces=namespaces, secret=secret)
    return result


def _read_names(arrived: ArrivedEvent, result: SortedOut, *, namespaces: Namespaces, secret: bytes) -> None:
    kind, event, context = arrived.kind, arrived.event, arrived.request.body.context
    try:
        found = identifiers_of(event, kind=kind, context=context, normalisers=namespaces.normalisers)
    except (ValueError, msgspec.MsgspecError) as error:
        result.reject(arrived, f"Cannot be read ({type(error).__name__}).", field="")
        return
    if event.context is not None or context is not None:
        for namespace, digits in hashed_identifiers_of(event, context=context):
            if namespaces.is_hashable(namespace):
                digest = identifier_digest(bytes.fromhex(digits), secret=secret)
                hashed = Identifier(hashed_namespace(namespace), digest.hex())
                result.digests[hashed] = namespace, digest
                found.append(hashed)
    usable = namespaces.usable(found)
    previous = previous_id_of(event, kind=kind)
    if usable or previous is not None:
        result.fresh.append(FreshEvent(arrived, usable, previous))
    else:
        result.reject(arrived, "No usable identifier: every one is blocked, empty or malformed.")


def drop_erased(sorted_out: SortedOut, erased: Mapping[Identifier, datetime]) -> None:
    """What occurred before an identifier of it was erased is dropped: nothing late resurrects anybody."""
    if not erased:
        return
    staying: list[FreshEvent] = []
    for one in sorted_out.fresh:
        moments = [erased[name] for name in one.all_names if name in erased]
        if moments and one.arrived.occurred_at < max(moments):
            request = one.arrived.request
            sorted_out.erased.append(NewDuplicate(request.request_id, one.arrived.position, request.received_at))
        else:
            staying.append(one)
    sorted_out.fresh[:] = staying
