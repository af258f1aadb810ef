"""A batch is resolved: read without locks, decided, and written on what was read, or done again."""

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.events import ResolvedEvent, facts_of, identifier_sourced
from identity_service.repository import messages
from identity_service.repository import resolution as repository
from identity_service.repository.changes import ChangedMeanwhile, save_changes
from identity_service.repository.grants import Brought, save_grants
from identity_service.repository.messages import NewMessage
from identity_service.repository.privacy import hold_erasures
from identity_service.repository.resolution import Rules
from identity_service.rules.admission import Admission, EventSource, Refused
from identity_service.rules.changes import SAME_EVENT, Anchor, Changes, Evidence
from identity_service.rules.resolution import ALIAS, Graph
from identity_service.rules.tracking import (
    EVENT_NAMES,
    ID_SYNC,
    IMPORT,
    properties_of,
    purposes_of,
    traits_of,
)
from identity_service.service.privacy import without_erased
from identity_service.service.resolution.arrivals import Arrivals, ArrivedEvent, SortedOut, drop_erased, sort_out
from identity_service.service.resolution.lookup import Look, Run, look_up, prepare, refuse_unseen_forms
from identity_service.service.statements import PlacedEvent, read_statements, save_statements
from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.outbox import publish

Traced = tuple[ResolvedEvent, str | None]
"""A resolved event and the trace of the request that brought it."""

_ATTEMPTS = 20
_ATTEMPTS_AS_A_WHOLE = 3
_NARROWING = frozenset({ID_SYNC, IMPORT})
"""Kinds of requests whose events may name fewer purposes than their source has."""
_NONE_REFUSED: list[Refused] = []
_NO_RECORDS: frozenset[UUID] = frozenset()
_DONE_AGAIN = (
    ChangedMeanwhile,
    asyncpg.UniqueViolationError,  # another resolver was first with an identifier or a message
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


async def resolve_batch(
    database: Database,
    arrivals: Arrivals,
    *,
    clock: Clock,
    new_id: Callable[[], UUID],
    partitions: int,
    secret: bytes,
) -> list[Traced]:
    """Resolve a batch and commit; return its resolved events, ready to publish.

    Events of an earlier delivery of the same request are returned again with the ids they had then; repetitions in
    other requests are dropped. Nothing is remembered between batches: whoever resolves next finds it in the database.

    Raises:
        ChangedMeanwhile, or an error of the database: others changed what this batch changes, time and again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with database.transaction() as session:
                run = Run(await raw(session), clock.now(), new_id, secret)
                return await _resolve_once(session, run, arrivals, partitions=partitions)
        except _DONE_AGAIN:
            if attempt == _ATTEMPTS:
                raise
            if attempt == _ATTEMPTS_AS_A_WHOLE and len(arrivals.events) > 1:
                break
    middle = len(arrivals.events) // 2
    resolved: list[Traced] = []
    for half in (
        Arrivals(arrivals.events[:middle], arrivals.rejections),
        Arrivals(arrivals.events[middle:], []),
    ):  # fewer customers for a shorter time: less to be changed meanwhile
        resolved += await resolve_batch(
            database, half, clock=clock, new_id=new_id, partitions=partitions, secret=secret
        )
    return resolved


async def _resolve_once(session: AsyncSession, run: Run, arrivals: Arrivals, *, partitions: int) -> list[Traced]:
    await hold_erasures(run.connection)
    source_ids = {arrived.request.source_id for arrived in arrivals.events}
    rules = await repository.load_rules(run.connection, list(source_ids))
    known = await messages.find_messages(run.connection, [arrived.event_id for arrived in arrivals.events])
    records = [arrived.event_id for arrived in arrivals.events if arrived.is_record]
    old_records = await messages.find_records(run.connection, records) if records else _NO_RECORDS
    sorted_out = sort_out(arrivals, known, old_records, namespaces=rules.namespaces, secret=run.secret)
    look = await look_up(run, rules, sorted_out)
    drop_erased(sorted_out, look.erased)
    if sorted_out.rejections and look.circumstances.has_tombstones:
        sorted_out.rejections[:] = await without_erased(
            run.connection, sorted_out.rejections, namespaces=rules.namespaces, secret=run.secret
        )
    graph = Graph(look.anchors, namespaces=rules.namespaces, new_id=run.new_id)
    admission = await prepare(run, rules, look, graph, sorted_out.fresh)
    placed = list(_place(graph, rules, admission, sorted_out))
    await _save(session, run, rules, look, graph, sorted_out, placed, partitions=partitions)
    return [
        (_resolved(arrived, *where), arrived.request.traceparent) for arrived, where in sorted_out.delivered_before
    ] + [
        (_resolved(arrived, anchor.anchor_id, anchor.customer.now().customer_id), arrived.request.traceparent)
        for arrived, anchor in placed
    ]


def _place(
    graph: Graph, rules: Rules, admission: Admission, sorted_out: SortedOut
) -> Iterator[tuple[ArrivedEvent, Anchor]]:
    is_admission_needed = admission.is_needed
    for arrived, names, previous in sorted_out.fresh:
        source = rules.sources.get(arrived.request.source_id) or EventSource(arrived.request.source_id)
        superseded, refused = None, _NONE_REFUSED
        if previous is not None:
            names, superseded, refused = admission.alias(names, previous, source)
        if is_admission_needed:
            names, more = admission.admit(names, source)
            refused = [*refused, *more]
        if not names:
            sorted_out.reject(arrived, "No usable identifier: this source may not use those that it names.")
            continue
        evidence = _evidence(arrived, source)
        anchor, kept = graph.resolve(names, evidence, superseded=superseded if superseded in names else None)
        if evidence.purposes != source.purposes:
            graph.grant(kept, evidence)
        for name, reason in refused:
            graph.hold(anchor, name, reason, evidence)
        yield arrived, anchor


def _evidence(arrived: ArrivedEvent, source: EventSource) -> Evidence:
    request_kind, purposes, rule = arrived.request.kind, source.purposes, SAME_EVENT
    if arrived.kind == "alias":
        rule = ALIAS
    elif request_kind == ID_SYNC:
        rule = ID_SYNC
    if request_kind in _NARROWING:
        context = arrived.request.body.context
        purposes = purposes_of(arrived.event, request_kind=request_kind, context=context) or purposes
    return Evidence(source.source_id, arrived.event_id, rule, source.legal_entity, purposes)


async def _save(
    session: AsyncSession,
    run: Run,
    rules: Rules,
    look: Look,
    graph: Graph,
    sorted_out: SortedOut,
    placed: Sequence[tuple[ArrivedEvent, Anchor]],
    *,
    partitions: int,
) -> None:
    changes, connection = graph.changes, run.connection
    if look.digests or sorted_out.digests:
        await refuse_unseen_forms(run, look, sorted_out, {one.anchor.identifier for one in changes.identifiers})
    moves = await save_changes(
        connection,
        changes,
        digests=look.digests,
        not_before=look.erased,
        rules_version=look.circumstances.rules_version,
        at=run.at,
    )
    stating = (
        PlacedEvent(one.kind, one.event, one.event_id, one.request.source_id, anchor.anchor_id, one.occurred_at)
        for one, anchor in placed
        if one.kind in {"identify", "group"}
    )
    await save_statements(connection, read_statements(stating), at=run.at)
    more = await save_grants(connection, _brought(changes), at=run.at) if changes.grants else []
    facts = facts_of(changes, moves, at=run.at) + [identifier_sourced(one, at=run.at) for one in more]
    await publish(session, facts, partitions=partitions)
    await messages.save_messages(
        connection,
        messages=[_new_message(arrived, anchor) for arrived, anchor in placed],
        rejections=sorted_out.rejections,
        duplicates=sorted_out.duplicates,
        erased=sorted_out.erased,
    )


def _brought(changes: Changes) -> list[Brought]:
    return [
        Brought(
            grant,
            anchor.identifier.namespace,
            anchor.customer.now().customer_id,
            evidence.source_id,
            evidence.event_id,
        )
        for grant, (anchor, evidence) in changes.grants.items()
    ]


def _new_message(arrived: ArrivedEvent, anchor: Anchor) -> NewMessage:
    request = arrived.request
    return NewMessage(
        arrived.event_id,
        request.request_id,
        arrived.position,
        anchor.anchor_id,
        anchor.customer.now().customer_id,
        request.received_at,
        arrived.is_record,
    )


def _resolved(arrived: ArrivedEvent, anchor_id: UUID, customer_id: UUID) -> ResolvedEvent:
    request, event, kind = arrived.request, arrived.event, arrived.kind
    return ResolvedEvent(
        event_id=arrived.event_id,
        customer_id=customer_id,
        anchor_id=anchor_id,
        occurred_at=arrived.occurred_at,
        source_id=request.source_id,
        message_id=arrived.message_id,
        kind=kind,
        name=EVENT_NAMES[kind] or (event.event or ""),
        received_at=request.received_at,
        properties=properties_of(event, kind=kind),
        traits=traits_of(event, kind=kind),
    )
