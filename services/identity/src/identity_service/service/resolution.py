"""The resolver's use case: a batch of events, in stream order, becomes links, moves and resolved events, at once."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identity_service.events import ResolvedEvent, facts_of
from identity_service.ids import derived_id
from identity_service.repository import resolution as repository
from identity_service.repository.resolution import KnownMessage, NewDuplicate, NewMessage, NewRejection
from identity_service.rules.identifiers import Identifier, Namespaces
from identity_service.rules.resolution import Anchor, Evidence, Graph, Resolution
from identity_service.rules.tracking import (
    BATCHES,
    EVENT_NAMES,
    StoredEvent,
    identifiers_of,
    occurred_at,
    properties_of,
    read_event,
    traits_of,
)
from identity_service.service.tracking import TrackingRequest
from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.outbox import publish

Traced = tuple[ResolvedEvent, str | None]
"""A resolved event and the trace of the request that brought it."""


class ArrivedEvent(NamedTuple):
    """An event out of the log: good in itself, its customer not yet known."""

    request: TrackingRequest
    position: int
    event_id: UUID
    message_id: str
    kind: str
    event: StoredEvent
    identifiers: list[Identifier]


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
                except ValueError as error:
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
        identifiers_of(event, kind=kind, context=request.body.context),
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


async def resolve_batch(
    database: Database, arrivals: Arrivals, *, clock: Clock, new_id: Callable[[], UUID], partitions: int
) -> list[Traced]:
    """Resolve a batch and commit; return its resolved events, ready to publish.

    Events of an earlier delivery of the same request are returned again with the ids they had then; repetitions in
    other requests are dropped. Nothing is remembered between batches: whoever resolves next finds it in the database.
    """
    now = clock.now()
    async with database.transaction() as session:
        connection = await raw(session)
        await repository.lock_batch(connection)
        namespaces = await repository.load_namespaces(connection)
        known = await repository.find_messages(connection, [arrived.event_id for arrived in arrivals.events])
        sorted_out = _sort_out(arrivals, known, namespaces)
        anchors = await repository.find_touched_anchors(
            connection, list({name for _, names in sorted_out.fresh for name in names})
        )
        graph = Graph(anchors, namespaces=namespaces, new_id=new_id)
        placed = list(_place(graph, sorted_out.fresh))
        await repository.save_changes(connection, graph.changes, at=now)
        await repository.save_messages(
            connection,
            messages=[_new_message(arrived, resolution.anchor) for arrived, resolution in placed],
            rejections=sorted_out.rejections,
            duplicates=sorted_out.duplicates,
        )
        await publish(session, facts_of(graph.changes, at=now), partitions=partitions)
    fresh = [
        (_resolved(arrived, resolution.anchor.anchor_id, resolution.anchor.customer_id), arrived.request.traceparent)
        for arrived, resolution in placed
    ]
    return [
        (_resolved(arrived, *where), arrived.request.traceparent) for arrived, where in sorted_out.delivered_before
    ] + fresh


class _SortedOut(NamedTuple):
    fresh: list[tuple[ArrivedEvent, list[Identifier]]]
    delivered_before: list[tuple[ArrivedEvent, tuple[UUID, UUID]]]
    """With (anchor, customer) as they were recorded."""
    duplicates: list[NewDuplicate]
    rejections: list[NewRejection]


def _sort_out(arrivals: Arrivals, known: dict[UUID, KnownMessage], namespaces: Namespaces) -> _SortedOut:
    result = _SortedOut([], [], [], list(arrivals.rejections))
    taken: set[UUID] = set()
    for arrived in arrivals.events:
        request, before = arrived.request, known.get(arrived.event_id)
        if before is not None and (before.request_id, before.position) == (request.request_id, arrived.position):
            result.delivered_before.append((arrived, (before.anchor_id, before.customer_id)))
        elif before is not None or arrived.event_id in taken:
            result.duplicates.append(NewDuplicate(request.request_id, arrived.position, request.received_at))
        elif usable := namespaces.usable(arrived.identifiers):
            taken.add(arrived.event_id)
            result.fresh.append((arrived, usable))
        else:
            detail = "No usable identifier: every one is blocked, empty or malformed."
            result.rejections.append(rejection(request, arrived.position, field="userId", detail=detail))
    return result


def _place(
    graph: Graph, fresh: Sequence[tuple[ArrivedEvent, list[Identifier]]]
) -> Iterator[tuple[ArrivedEvent, Resolution]]:
    for arrived, usable in fresh:
        yield arrived, graph.resolve(usable, Evidence(arrived.request.source_id, arrived.event_id))


def _new_message(arrived: ArrivedEvent, anchor: Anchor) -> NewMessage:
    request = arrived.request
    return NewMessage(
        arrived.event_id,
        request.request_id,
        arrived.position,
        anchor.anchor_id,
        anchor.customer_id,
        request.received_at,
    )


def _resolved(arrived: ArrivedEvent, anchor_id: UUID, customer_id: UUID) -> ResolvedEvent:
    request, event, kind = arrived.request, arrived.event, arrived.kind
    return ResolvedEvent(
        event_id=arrived.event_id,
        customer_id=customer_id,
        anchor_id=anchor_id,
        occurred_at=_occurred_at(arrived),
        source_id=request.source_id,
        message_id=arrived.message_id,
        kind=kind,
        name=EVENT_NAMES[kind] or (event.event or ""),
        received_at=request.received_at,
        properties=properties_of(event, kind=kind),
        traits=traits_of(event, kind=kind),
    )


def _occurred_at(arrived: ArrivedEvent) -> datetime:
    request = arrived.request
    return occurred_at(arrived.event, received_at=request.received_at, sent_at=request.body.sent_at)
