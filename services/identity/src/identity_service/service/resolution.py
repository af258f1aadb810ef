"""The resolver's use case: a batch of events becomes links, moves and resolved events, at once.

Several resolvers may be at work. A batch is read without locks and computed; what it changes is written on the versions
of the customers that were read, or the batch is done again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.events import ResolvedEvent, facts_of
from identity_service.ids import derived_id
from identity_service.repository import messages
from identity_service.repository import resolution as repository
from identity_service.repository.changes import ChangedMeanwhile, save_changes
from identity_service.repository.messages import KnownMessage, NewDuplicate, NewMessage, NewRejection
from identity_service.repository.privacy import hold_erasures
from identity_service.repository.resolution import Circumstances, Rules
from identity_service.rules.admission import Admission, EventSource, Permissions, Refused, aliased_names
from identity_service.rules.agreements import Agreements
from identity_service.rules.hashing import digest_of_value, hashed_namespace, identifier_digest, tombstone_digest
from identity_service.rules.identifiers import Identifier, Namespaces
from identity_service.rules.resolution import ALIAS, SAME_EVENT, Anchor, Customer, Evidence, Graph
from identity_service.rules.tracking import (
    BATCHES,
    EVENT_NAMES,
    ID_SYNC,
    IMPORT,
    StoredEvent,
    hashed_identifiers_of,
    identifiers_of,
    occurred_at,
    previous_id_of,
    properties_of,
    purposes_of,
    read_event,
    traits_of,
)
from identity_service.service.privacy import without_erased
from identity_service.service.statements import PlacedEvent, read_statements, save_statements
from identity_service.service.tracking import TrackingRequest
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
_DONE_AGAIN = (
    ChangedMeanwhile,
    asyncpg.UniqueViolationError,  # another resolver was first with an identifier or a message
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


class ArrivedEvent(NamedTuple):
    """An event out of the log: good in itself, its customer not yet known."""

    request: TrackingRequest
    position: int
    event_id: UUID
    message_id: str
    kind: str
    event: StoredEvent


class FreshEvent(NamedTuple):
    """An event that was not taken in before, and whom it names."""

    arrived: ArrivedEvent
    names: list[Identifier]
    """The usable ones, the strongest first. Empty when an alias names nobody but the previous id."""
    previous: str | None
    """Of an alias event: the id that the others replace."""


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


class _Run(NamedTuple):
    """One attempt at a batch."""

    connection: asyncpg.Connection
    at: datetime
    new_id: Callable[[], UUID]
    secret: bytes
    """The key of the digests of identifiers."""


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
                run = _Run(await raw(session), clock.now(), new_id, secret)
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


async def _resolve_once(session: AsyncSession, run: _Run, arrivals: Arrivals, *, partitions: int) -> list[Traced]:
    await hold_erasures(run.connection)
    source_ids = {arrived.request.source_id for arrived in arrivals.events}
    rules = await repository.load_rules(run.connection, list(source_ids))
    known = await messages.find_messages(run.connection, [arrived.event_id for arrived in arrivals.events])
    sorted_out = _sort_out(run, arrivals, known, rules.namespaces)
    look = await _look_up(run, rules, sorted_out)
    _drop_erased(sorted_out, look.erased)
    if sorted_out.rejections and look.circumstances.has_tombstones:
        sorted_out.rejections[:] = await without_erased(
            run.connection, sorted_out.rejections, namespaces=rules.namespaces, secret=run.secret
        )
    graph = Graph(look.anchors, namespaces=rules.namespaces, new_id=run.new_id)
    admission = await _prepare(run, rules, look, graph, sorted_out.fresh)
    placed = list(_place(graph, rules, admission, sorted_out))
    await _save(session, run, rules, look, graph, sorted_out, placed, partitions=partitions)
    return [
        (_resolved(arrived, *where), arrived.request.traceparent) for arrived, where in sorted_out.delivered_before
    ] + [
        (_resolved(arrived, anchor.anchor_id, anchor.customer.now().customer_id), arrived.request.traceparent)
        for arrived, anchor in placed
    ]


class _SortedOut(NamedTuple):
    fresh: list[FreshEvent]
    delivered_before: list[tuple[ArrivedEvent, tuple[UUID, UUID]]]
    """With (anchor, customer) as they were recorded."""
    duplicates: list[NewDuplicate]
    erased: list[NewDuplicate]
    rejections: list[NewRejection]
    digests: dict[Identifier, tuple[str, bytes]]
    """Hashed form of an identifier that came hashed -> (its namespace in plain, digest)."""

    def reject(self, arrived: ArrivedEvent, detail: str, *, field: str = "userId") -> None:
        self.rejections.append(rejection(arrived.request, arrived.position, field=field, detail=detail))


def _sort_out(run: _Run, arrivals: Arrivals, known: Mapping[UUID, KnownMessage], namespaces: Namespaces) -> _SortedOut:
    result = _SortedOut([], [], [], [], list(arrivals.rejections), {})
    taken: set[UUID] = set()
    for arrived in arrivals.events:
        request, before = arrived.request, known.get(arrived.event_id)
        if before is not None and (before.request_id, before.position) == (request.request_id, arrived.position):
            result.delivered_before.append((arrived, (before.anchor_id, before.customer_id)))
        elif before is not None or arrived.event_id in taken:
            result.duplicates.append(NewDuplicate(request.request_id, arrived.position, request.received_at))
        else:
            taken.add(arrived.event_id)
            _read_names(run, arrived, namespaces, result)
    return result


def _read_names(run: _Run, arrived: ArrivedEvent, namespaces: Namespaces, result: _SortedOut) -> None:
    kind, event, context = arrived.kind, arrived.event, arrived.request.body.context
    try:
        found = identifiers_of(event, kind=kind, context=context, normalisers=namespaces.normalisers)
    except (ValueError, msgspec.MsgspecError) as error:
        result.reject(arrived, f"Cannot be read ({type(error).__name__}).", field="")
        return
    if event.context is not None or context is not None:
        for namespace, digits in hashed_identifiers_of(event, context=context):
            if namespaces.is_hashable(namespace):
                digest = identifier_digest(bytes.fromhex(digits), secret=run.secret)
                hashed = Identifier(hashed_namespace(namespace), digest.hex())
                result.digests[hashed] = namespace, digest
                found.append(hashed)
    usable = namespaces.usable(found)
    previous = previous_id_of(event, kind=kind)
    if usable or previous is not None:
        result.fresh.append(FreshEvent(arrived, usable, previous))
    else:
        result.reject(arrived, "No usable identifier: every one is blocked, empty or malformed.")


class _Look(NamedTuple):
    """What was found of the identifiers that a batch names."""

    anchors: list[Anchor]
    circumstances: Circumstances
    erased: dict[Identifier, datetime]
    """When those were erased that ever were."""
    plain_forms: dict[Identifier, Identifier]
    """Hashed form -> the identifier in plain, which may be known or not."""
    digests: dict[Identifier, bytes]
    """Of identifiers in plain that are new."""


async def _look_up(run: _Run, rules: Rules, sorted_out: _SortedOut) -> _Look:
    named = {(name, one.arrived.request.source_id): None for one in sorted_out.fresh for name in _names_of(one)}
    plain_forms: dict[Identifier, Identifier] = {}
    if sorted_out.digests:
        plain_forms = await _plain_forms(run, sorted_out.digests)
        for name, source_id in list(named):
            if name in plain_forms:
                named[plain_forms[name], source_id] = None
    customers: dict[UUID, Customer] = {}
    found = await repository.find_named_anchors(run.connection, named, customers)
    circumstances = await repository.load_circumstances(run.connection)
    known = {anchor.identifier for anchor in found.anchors}
    unknown = {name for name, _ in named if name not in known}
    digests = {
        name: digest_of_value(name.value, secret=run.secret)
        for name in unknown
        if rules.namespaces.is_hashable(name.namespace)
    }
    hashed = {Identifier(hashed_namespace(name.namespace), digest.hex()): name for name, digest in digests.items()}
    anchors = found.anchors
    if hashed and (circumstances.has_hashed or sorted_out.digests):
        plain_forms |= hashed
        naming = dict(iter(named))
        twins = [(form, naming[name]) for form, name in hashed.items()]
        more = await repository.find_named_anchors(run.connection, twins, customers)
        anchors = anchors + [anchor for anchor in more.anchors if anchor.identifier not in known]
    erased = found.not_before
    if unknown and circumstances.has_tombstones:
        erased |= await _tombstones(run, unknown, hashed)
    return _Look(anchors, circumstances, erased, plain_forms, digests)


def _names_of(one: FreshEvent) -> Iterable[Identifier]:
    """Every identifier that may become this event's."""
    return one.names if one.previous is None else (*one.names, *aliased_names(one.previous))


async def _plain_forms(run: _Run, arrived: Mapping[Identifier, tuple[str, bytes]]) -> dict[Identifier, Identifier]:
    found = await repository.find_plain_forms(run.connection, [digest for _, digest in arrived.values()])
    return {
        hashed: Identifier(namespace, found[namespace, digest])
        for hashed, (namespace, digest) in arrived.items()
        if (namespace, digest) in found
    }


async def _tombstones(
    run: _Run, unknown: Iterable[Identifier], hashed: Mapping[Identifier, Identifier]
) -> dict[Identifier, datetime]:
    """When the unknown ones were erased, in plain or by their hashed form."""
    stones = {name: [tombstone_digest(*name, secret=run.secret)] for name in unknown}
    for form, name in hashed.items():
        stones[name].append(tombstone_digest(*form, secret=run.secret))
    erased_at = await repository.find_tombstones(
        run.connection, {one for digests in stones.values() for one in digests}
    )
    return {
        name: max(erased_at[one] for one in digests if one in erased_at)
        for name, digests in stones.items()
        if not erased_at.keys().isdisjoint(digests)
    }


def _drop_erased(sorted_out: _SortedOut, erased: Mapping[Identifier, datetime]) -> None:
    """What occurred before an identifier of it was erased is dropped: nothing late resurrects anybody."""
    if not erased:
        return
    staying: list[FreshEvent] = []
    for one in sorted_out.fresh:
        moments = [erased[name] for name in _names_of(one) if name in erased]
        if moments and _occurred_at(one.arrived) < max(moments):
            request = one.arrived.request
            sorted_out.erased.append(NewDuplicate(request.request_id, one.arrived.position, request.received_at))
        else:
            staying.append(one)
    sorted_out.fresh[:] = staying


async def _prepare(run: _Run, rules: Rules, look: _Look, graph: Graph, fresh: Sequence[FreshEvent]) -> Admission:
    """Load what the rules ask of the customers that may change: few, for most events change nothing."""
    customers: dict[UUID, Customer] = {}
    shared: dict[Identifier, None] = {}
    for one in fresh:
        has_other_forms = any(name in look.plain_forms or name in look.digests for name in one.names)
        is_plain = one.previous is None and not has_other_forms
        if is_plain and graph.is_settled(one.names, one.arrived.request.source_id):
            continue
        for name in _forms_of(_names_of(one), look):
            anchor = graph.anchor_of(name)
            if anchor is not None:
                customers[anchor.customer.customer_id] = anchor.customer
                if rules.namespaces[name.namespace].is_shared:
                    shared[name] = None
    if customers:
        await repository.load_customers(
            run.connection,
            customers,
            namespaces=rules.namespaces,
            circumstances=look.circumstances,
            shared=list(shared),
            at=run.at,
        )
    permissions = Permissions({}, Agreements())
    if rules.namespaces.has_conditions:
        permissions = await repository.find_permissions(
            run.connection, look.anchors, namespaces=rules.namespaces, at=run.at
        )
    return Admission(graph, namespaces=rules.namespaces, permissions=permissions, plain_forms=look.plain_forms)


def _forms_of(names: Iterable[Identifier], look: _Look) -> Iterator[Identifier]:
    """The names and, of those that came hashed, the plain ones; of those that are new in plain, the hashed ones."""
    for name in names:
        yield name
        if look.plain_forms:
            if name in look.plain_forms:
                yield look.plain_forms[name]
            if name in look.digests:
                yield Identifier(hashed_namespace(name.namespace), look.digests[name].hex())


def _place(
    graph: Graph, rules: Rules, admission: Admission, sorted_out: _SortedOut
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
        anchor = graph.resolve(names, evidence, superseded=superseded if superseded in names else None).anchor
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
    run: _Run,
    rules: Rules,
    look: _Look,
    graph: Graph,
    sorted_out: _SortedOut,
    placed: Sequence[tuple[ArrivedEvent, Anchor]],
    *,
    partitions: int,
) -> None:
    changes, connection = graph.changes, run.connection
    if look.digests or sorted_out.digests:
        await _refuse_unseen_forms(run, look, sorted_out, {one.anchor.identifier for one in changes.identifiers})
    moves = await save_changes(
        connection,
        changes,
        digests=look.digests,
        not_before=look.erased,
        rules_version=look.circumstances.rules_version,
        at=run.at,
    )
    stating = (
        PlacedEvent(one.kind, one.event, one.event_id, one.request.source_id, anchor.anchor_id, _occurred_at(one))
        for one, anchor in placed
        if one.kind in {"identify", "group"}
    )
    await save_statements(connection, read_statements(stating), at=run.at)
    await publish(session, facts_of(changes, moves, at=run.at), partitions=partitions)
    await messages.save_messages(
        connection,
        messages=[_new_message(arrived, anchor) for arrived, anchor in placed],
        rejections=sorted_out.rejections,
        duplicates=sorted_out.duplicates,
        erased=sorted_out.erased,
    )


async def _refuse_unseen_forms(run: _Run, look: _Look, sorted_out: _SortedOut, new: set[Identifier]) -> None:
    """One resolver may add a value in plain while another adds its hashed form: the later one looks again.

    Raises:
        ChangedMeanwhile: the other form is known by now.
    """
    plain = [name for name in look.digests if name in new]
    hashed = [name for name in sorted_out.digests if name in new]
    if not plain and not hashed:
        return
    unseen = {Identifier(hashed_namespace(name.namespace), look.digests[name].hex()) for name in plain}
    unseen -= {anchor.identifier for anchor in look.anchors}
    await repository.lock_forms(run.connection, exclusive=bool(hashed))
    if await repository.is_any_known(run.connection, unseen):
        raise ChangedMeanwhile
    if hashed:
        found = await _plain_forms(run, {name: sorted_out.digests[name] for name in hashed})
        if any(look.plain_forms.get(name) != plain_name for name, plain_name in found.items()):
            raise ChangedMeanwhile


def _new_message(arrived: ArrivedEvent, anchor: Anchor) -> NewMessage:
    request = arrived.request
    return NewMessage(
        arrived.event_id,
        request.request_id,
        arrived.position,
        anchor.anchor_id,
        anchor.customer.now().customer_id,
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
