"""SQL of the resolver: a few reads and a handful of set-wise writes a batch, whatever its size.

Nothing is locked until the writes. They lock in one order everywhere: customers by id, new identifiers by name, then
the rest by key, the totals last.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.repository.agreements import load_agreements
from identity_service.rules.admission import EventSource, Permissions, owners_by_name
from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import (
    NOBODY,
    UNCOUNTED_RULES,
    Anchor,
    Changes,
    Customer,
    Evidence,
    Merge,
    Move,
    customers_of,
    in_layers,
)

DECIDED_BY = "identity"
"""Who decides when a rule does."""

_FORMS_LOCK = 0x6964656E74697479

_CIRCUMSTANCES = """
SELECT
    (SELECT coalesce(max(version), 0) FROM rules_versions) AS rules_version,
    EXISTS (SELECT FROM separations WHERE is_active) AS has_separations,
    EXISTS (SELECT FROM tombstones) AS has_tombstones,
    EXISTS (
        SELECT FROM namespaces
        JOIN identifiers ON identifiers.namespace = namespaces.name || '_sha256' AND is_current
    ) AS has_hashed,
    EXISTS (SELECT FROM identifiers WHERE NOT is_current) AS has_former_anchors
"""

_NAMESPACES = """
SELECT name, value_limit, priority, is_unique, limit_window, normaliser, verified_only, is_shared, is_restricted,
    blocked_values
FROM namespaces
"""

_SOURCES = """
SELECT source_id, legal_entity, purposes, trusted_namespaces FROM sources WHERE source_id = ANY($1::text[])
"""

_KNOWN_MESSAGES = """
SELECT event_id, request_id, position, anchor_id, customer_id FROM message_ids WHERE event_id = ANY($1::uuid[])
"""

_NAMED_ANCHORS = """
SELECT asked.place, anchor_id, customer_id, customers.version, identifiers.rule = ANY($4::text[]) AS is_uncounted,
    CASE
        WHEN asked.source_id = identifiers.source_id OR asked.source_id = ANY(identifiers.sources) THEN asked.source_id
    END AS brought_by,
    not_before
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (namespace, value, source_id, place)
JOIN identifiers USING (namespace, value)
JOIN customers USING (customer_id)
WHERE is_current
"""

_COUNTS = """
SELECT customer_id, namespace, count(*)
FROM identifiers
WHERE customer_id = ANY($1::uuid[]) AND is_current AND rule <> ALL($2::text[])
GROUP BY customer_id, namespace
"""

_COUNTS_WITHIN_WINDOWS = """
SELECT customer_id, namespace, count(*)
FROM identifiers
LEFT JOIN unnest($3::text[], $4::timestamptz[]) AS limited (namespace, since) USING (namespace)
WHERE customer_id = ANY($1::uuid[]) AND is_current AND rule <> ALL($2::text[])
    AND (limited.since IS NULL OR linked_at > limited.since)
GROUP BY customer_id, namespace
"""

_SIDES = """
SELECT DISTINCT customer_id, decision_id, side
FROM identifiers JOIN separations USING (anchor_id)
WHERE customer_id = ANY($1::uuid[]) AND is_active
"""

_FORMER_ANCHORS = """
SELECT identifiers.customer_id, namespace, value, anchor_id, rule = ANY($4::text[])
FROM identifiers
WHERE NOT is_current AND identifiers.customer_id = ANY($3::uuid[])
    AND (namespace, value) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY anchor_id DESC
"""

_PLAIN_FORMS = """
SELECT namespace, value, digest FROM identifiers WHERE digest = ANY($1::bytea[]) AND is_current
"""

_IS_ANY_KNOWN = """
SELECT EXISTS (
    SELECT FROM unnest($1::text[], $2::text[]) AS asked (namespace, value)
    JOIN identifiers USING (namespace, value) WHERE is_current
)
"""

_OWNERS = """
SELECT DISTINCT anchor_id, bringing.legal_entity
FROM identifiers
JOIN sources AS bringing ON bringing.source_id = ANY(identifiers.source_id || identifiers.sources)
WHERE anchor_id = ANY($1::uuid[])
"""

_TOMBSTONES = """
SELECT digest, erased_at FROM tombstones WHERE digest = ANY($1::bytea[])
"""

_LOCK_CUSTOMERS = """
SELECT customer_id, version FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE
"""

_BUMP_CUSTOMERS = """
UPDATE customers SET version = version + 1 WHERE customer_id = ANY($1::uuid[])
"""

_SET_CURRENT = """
UPDATE identifiers SET is_current = $2 WHERE anchor_id = ANY($1::uuid[])
"""

_SUPERSEDE = """
UPDATE identifiers SET rule = 'alias' WHERE anchor_id = ANY($1::uuid[])
"""

_ADD_SOURCES = """
UPDATE identifiers
SET sources = CASE WHEN sources = '{}' THEN ARRAY[source_id] ELSE sources END || added.names
FROM (
    SELECT anchor_id, array_agg(name) AS names FROM unnest($1::uuid[], $2::text[]) AS new (anchor_id, name) GROUP BY 1
) AS added
WHERE identifiers.anchor_id = added.anchor_id AND NOT added.names <@ sources
"""

_INSERT_LINKS = """
INSERT INTO links (anchor_id, other_anchor_id, source_id, event_id, rule, legal_entity, purposes, linked_at)
SELECT anchor_id, other_anchor_id, source_id, event_id, rule, legal_entity, string_to_array(purposes, E'\\n'), $8
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[])
    AS new (anchor_id, other_anchor_id, source_id, event_id, rule, legal_entity, purposes)
ON CONFLICT DO NOTHING
"""

_INSERT_HELD = """
INSERT INTO held_apart (anchor_id, namespace, value, reason, source_id, event_id, held_at)
SELECT *, $7 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[])
ON CONFLICT DO NOTHING
"""

_MOVE_ANCHORS = """
WITH moved AS (
    UPDATE identifiers SET customer_id = merged.customer_id, version = identifiers.version + 1
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[])
        AS merged (former_customer_id, customer_id, decision_id, source_id, event_id)
    WHERE identifiers.customer_id = merged.former_customer_id
    RETURNING anchor_id, identifiers.version, merged.*
), recorded AS (
    INSERT INTO moves (
        anchor_id, version, former_customer_id, customer_id, reason, source_id, event_id, moved_at, decision_id
    )
    SELECT anchor_id, version, former_customer_id, customer_id, 'merge', source_id, event_id, $6, decision_id
    FROM moved
)
SELECT anchor_id, former_customer_id, customer_id, version, decision_id FROM moved
"""

_FOLLOW_MERGE = """
UPDATE former_customers SET current_customer_id = merged.customer_id
FROM unnest($1::uuid[], $2::uuid[]) AS merged (former_customer_id, customer_id)
WHERE current_customer_id = merged.former_customer_id
"""

_INSERT_REJECTIONS = """
INSERT INTO rejections (rejection_id, source_id, request_id, position, field, detail, payload, received_at)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[]
)
ON CONFLICT DO NOTHING
"""

_INSERT_DUPLICATES = """
INSERT INTO duplicates (request_id, position, received_at)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[])
ON CONFLICT DO NOTHING
"""

_COUNT = """
UPDATE ingest_totals
SET accepted = accepted + $1, rejected = rejected + $2, duplicates = duplicates + $3, erased = erased + $4
"""


class ChangedMeanwhile(Exception):
    """A customer that this batch changes is no longer as it was read: the batch is done again from there."""


class Rules(NamedTuple):
    """What holds for a batch."""

    namespaces: Namespaces
    sources: Mapping[str, EventSource]


class Circumstances(NamedTuple):
    """What there is at all: most of it is rare, and asked after only where it exists."""

    rules_version: int
    """0: as shipped."""
    has_separations: bool
    has_tombstones: bool
    has_hashed: bool
    has_former_anchors: bool


class KnownMessage(NamedTuple):
    """A message taken in before, and where it belongs."""

    event_id: UUID
    request_id: UUID
    position: int
    anchor_id: UUID
    customer_id: UUID


class NewMessage(NamedTuple):
    """A message taken in now; the columns of `message_ids`."""

    event_id: UUID
    request_id: UUID
    position: int
    anchor_id: UUID
    customer_id: UUID
    received_at: datetime


class NewRejection(NamedTuple):
    """An event that could not be taken; the columns of `rejections`."""

    rejection_id: UUID
    source_id: str
    request_id: UUID
    position: int
    field: str
    detail: str
    payload: bytes
    received_at: datetime


class NewDuplicate(NamedTuple):
    """A message that is dropped; the columns of `duplicates`."""

    request_id: UUID
    position: int
    received_at: datetime


class NamedAnchors(NamedTuple):
    """The current anchors of the identifiers a batch names."""

    anchors: list[Anchor]
    not_before: dict[Identifier, datetime]
    """Identifiers that were erased at some time before they came again."""


async def load_rules(connection: asyncpg.Connection, source_ids: Sequence[str]) -> Rules:
    """Return the rules of all configured namespaces and what is to be known of the batch's sources."""
    sources = [
        EventSource(row["source_id"], row["legal_entity"], tuple(row["purposes"]), frozenset(row["trusted_namespaces"]))
        for row in await connection.fetch(_SOURCES, source_ids)
    ]
    return Rules(
        await load_namespaces(connection),
        {source.source_id: source for source in sources},
    )


async def load_circumstances(connection: asyncpg.Connection) -> Circumstances:
    """Return what there is at all; asked after the identifiers, so that what was erased before them is not missed."""
    return Circumstances(*await connection.fetchrow(_CIRCUMSTANCES))


async def load_namespaces(connection: asyncpg.Connection) -> Namespaces:
    """Return the rules of all configured namespaces."""
    return Namespaces(
        [
            Namespace(
                name=row["name"],
                limit=row["value_limit"],
                priority=row["priority"],
                is_unique=row["is_unique"],
                limit_window=row["limit_window"],
                normaliser=row["normaliser"],
                verified_only=row["verified_only"],
                is_shared=row["is_shared"],
                is_restricted=row["is_restricted"],
                blocked_values=tuple(row["blocked_values"]),
            )
            for row in await connection.fetch(_NAMESPACES)
        ]
    )


async def find_messages(connection: asyncpg.Connection, event_ids: Sequence[UUID]) -> dict[UUID, KnownMessage]:
    """Return those of the messages that were taken in before."""
    rows = await connection.fetch(_KNOWN_MESSAGES, event_ids)
    return {row["event_id"]: KnownMessage(*row) for row in rows}


async def find_named_anchors(
    connection: asyncpg.Connection, named: Collection[tuple[Identifier, str]], customers: dict[UUID, Customer]
) -> NamedAnchors:
    """Return the current anchors of identifiers, each asked for with the source that names it.

    Their customers are added to `customers`, with the versions they had at that moment.

    Raises:
        ChangedMeanwhile: one that is in `customers` already has another version by now.
    """
    asked = list(named)
    rows = await connection.fetch(
        _NAMED_ANCHORS,
        [identifier.namespace for identifier, _ in asked],
        [identifier.value for identifier, _ in asked],
        [source_id for _, source_id in asked],
        UNCOUNTED_RULES,
    )
    anchors: dict[Identifier, Anchor] = {}
    just = {source_id: frozenset((source_id,)) for source_id in {source_id for _, source_id in asked}}
    not_before: dict[Identifier, datetime] = {}
    for place, anchor_id, customer_id, version, is_uncounted, brought_by, since in rows:
        identifier = asked[place - 1][0]
        anchor = anchors.get(identifier)
        if anchor is None:
            customer = customers.get(customer_id)
            if customer is None:
                customer = customers[customer_id] = Customer(customer_id, version=version)
            elif customer.version != version:
                raise ChangedMeanwhile
            sources = NOBODY if brought_by is None else just[brought_by]
            anchors[identifier] = Anchor(anchor_id, identifier, customer, sources=sources, is_counted=not is_uncounted)
            if since is not None:
                not_before[identifier] = since
        elif brought_by is not None:
            anchor.sources |= just[brought_by]
    return NamedAnchors(list(anchors.values()), not_before)


async def load_customers(
    connection: asyncpg.Connection,
    customers: Mapping[UUID, Customer],
    *,
    namespaces: Namespaces,
    circumstances: Circumstances,
    shared: Sequence[Identifier],
    at: datetime,
) -> None:
    """Fill in what the rules ask of customers that a batch may change: counts, separations, former shared anchors."""
    customer_ids = list(customers)
    windows = namespaces.windows
    if windows:
        since = [at - span for span in windows.values()]
        rows = await connection.fetch(_COUNTS_WITHIN_WINDOWS, customer_ids, UNCOUNTED_RULES, list(windows), since)
    else:
        rows = await connection.fetch(_COUNTS, customer_ids, UNCOUNTED_RULES)
    for customer_id, namespace, count in rows:
        customers[customer_id].counts[namespace] = count
    if circumstances.has_separations and len(customers) > 1:
        for customer_id, decision_id, side in await connection.fetch(_SIDES, customer_ids):
            customers[customer_id].sides |= {(decision_id, side)}
    if circumstances.has_former_anchors and shared and len(customers) > 1:
        await _load_former_anchors(connection, customers, shared)


async def _load_former_anchors(
    connection: asyncpg.Connection, customers: Mapping[UUID, Customer], shared: Sequence[Identifier]
) -> None:
    rows = await connection.fetch(
        _FORMER_ANCHORS,
        [name.namespace for name in shared],
        [name.value for name in shared],
        list(customers),
        UNCOUNTED_RULES,
    )
    for customer_id, namespace, value, anchor_id, is_uncounted in rows:
        customer, name = customers[customer_id], Identifier(namespace, value)
        customer.former_anchors[name] = Anchor(anchor_id, name, customer, is_current=False, is_counted=not is_uncounted)


async def find_plain_forms(connection: asyncpg.Connection, digests: Collection[bytes]) -> dict[tuple[str, bytes], str]:
    """Return the values that have these digests, by namespace and digest."""
    rows = await connection.fetch(_PLAIN_FORMS, list(digests))
    return {(namespace, digest): value for namespace, value, digest in rows}


async def lock_forms(connection: asyncpg.Connection, *, exclusive: bool) -> None:
    """Let nobody add a hashed form (`exclusive`: nor a value in plain) until this transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1)" if exclusive else "SELECT pg_advisory_xact_lock_shared($1)", _FORMS_LOCK
    )


async def is_any_known(connection: asyncpg.Connection, names: Collection[Identifier]) -> bool:
    """Tell whether any of these identifiers is known."""
    known: bool = await connection.fetchval(
        _IS_ANY_KNOWN, [name.namespace for name in names], [name.value for name in names]
    )
    return known


async def find_permissions(
    connection: asyncpg.Connection, anchors: Sequence[Anchor], *, namespaces: Namespaces, at: datetime
) -> Permissions:
    """Return who brought the anchors of restricted namespaces, and the agreements in force."""
    names = {
        anchor.anchor_id: anchor.identifier
        for anchor in anchors
        if namespaces[anchor.identifier.namespace].is_restricted
    }
    rows = await connection.fetch(_OWNERS, list(names)) if names else []
    owners = owners_by_name(((row["anchor_id"], row["legal_entity"]) for row in rows), names)
    return Permissions(owners, await load_agreements(connection, at=at))


async def find_tombstones(connection: asyncpg.Connection, digests: Collection[bytes]) -> dict[bytes, datetime]:
    """Return when identifiers with these digests were erased."""
    return dict(await connection.fetch(_TOMBSTONES, list(digests)))


async def save_changes(
    connection: asyncpg.Connection,
    changes: Changes,
    *,
    digests: Mapping[Identifier, bytes],
    not_before: Mapping[Identifier, datetime],
    rules_version: int,
    at: datetime,
) -> list[Move]:
    """Write what a batch changed in the link graph; return the moves.

    Raises:
        ChangedMeanwhile: a customer it changes is not as it was read.
    """
    if changes.touched:
        await _lock_customers(connection, changes)
    if changes.passed_on:
        await _pass_on(connection, changes.passed_on)
    if changes.customers:
        merged = {merge.former_customer_id for merge in changes.merges}
        fresh = [(one.customer_id, at) for one in changes.customers if one.customer_id not in merged]
        await connection.copy_records_to_table("customers", records=fresh, columns=("customer_id", "created_at"))
    if changes.identifiers:
        await _insert_identifiers(connection, changes, digests=digests, not_before=not_before, at=at)
    moves = await _merge_customers(connection, changes.merges, rules_version, at) if changes.merges else []
    if changes.superseded:
        await connection.execute(_SUPERSEDE, list(changes.superseded))
    if changes.sources:
        added = sorted(changes.sources, key=lambda one: (one[0].bytes, one[1]))
        await connection.execute(_ADD_SOURCES, [anchor_id for anchor_id, _ in added], [name for _, name in added])
    if changes.links:
        await _insert_links(connection, changes, at)
    if changes.held:
        await _insert_held(connection, changes, at)
    return moves


async def _lock_customers(connection: asyncpg.Connection, changes: Changes) -> None:
    touched = changes.touched
    rows = await connection.fetch(_LOCK_CUSTOMERS, list(touched))
    if len(rows) < len(touched) or any(touched[customer_id].version != version for customer_id, version in rows):
        raise ChangedMeanwhile
    merged = {merge.former_customer_id for merge in changes.merges}
    await connection.execute(_BUMP_CUSTOMERS, [customer_id for customer_id in touched if customer_id not in merged])


async def _pass_on(connection: asyncpg.Connection, anchors: Mapping[UUID, Anchor]) -> None:
    """First those that give an identifier up: it has one current anchor at every moment."""
    for is_current in (False, True):
        await connection.execute(
            _SET_CURRENT, sorted(one for one, anchor in anchors.items() if anchor.is_current is is_current), is_current
        )


async def _insert_identifiers(
    connection: asyncpg.Connection,
    changes: Changes,
    *,
    digests: Mapping[Identifier, bytes],
    not_before: Mapping[Identifier, datetime],
    at: datetime,
) -> None:
    await connection.copy_records_to_table(
        "identifiers",
        columns=(
            "namespace",
            "value",
            "anchor_id",
            "customer_id",
            "version",
            "is_current",
            "source_id",
            "event_id",
            "sources",
            "rule",
            "linked_at",
            "digest",
            "not_before",
        ),
        records=sorted(
            (
                *one.anchor.identifier,
                one.anchor.anchor_id,
                one.customer_id,
                1,
                one.anchor.is_current,
                one.evidence.source_id,
                one.evidence.event_id,
                sorted(one.anchor.sources),
                one.rule,
                at,
                digests.get(one.anchor.identifier),
                not_before.get(one.anchor.identifier),
            )
            for one in changes.identifiers
        ),
    )


async def _insert_links(connection: asyncpg.Connection, changes: Changes, at: datetime) -> None:
    links = sorted(changes.links.items(), key=_link_order)
    await connection.execute(
        _INSERT_LINKS,
        [key[0] for key, _ in links],
        [key[1] for key, _ in links],
        [key[2] for key, _ in links],
        [evidence.event_id for _, evidence in links],
        [evidence.rule for _, evidence in links],
        [evidence.legal_entity for _, evidence in links],
        ["\n".join(evidence.purposes) for _, evidence in links],
        at,
    )


def _link_order(link: tuple[tuple[UUID, UUID, str], Evidence]) -> tuple[bytes, bytes, str]:
    anchor_id, other_anchor_id, source_id = link[0]
    return anchor_id.bytes, other_anchor_id.bytes, source_id  # ids of the driver compare slowly


async def _insert_held(connection: asyncpg.Connection, changes: Changes, at: datetime) -> None:
    rows = sorted(
        (anchor_id, *name, held.reason, held.evidence.source_id, held.evidence.event_id)
        for (anchor_id, name), held in changes.held.items()
    )
    await connection.execute(_INSERT_HELD, *(list(column) for column in zip(*rows, strict=True)), at)


async def _merge_customers(
    connection: asyncpg.Connection, merges: Sequence[Merge], rules_version: int, at: datetime
) -> list[Move]:
    moves: list[Move] = []
    for layer in in_layers(merges):
        rows = await connection.fetch(
            _MOVE_ANCHORS,
            [merge.former_customer_id for merge in layer],
            [merge.customer_id for merge in layer],
            [merge.decision_id for merge in layer],
            [merge.evidence.source_id for merge in layer],
            [merge.evidence.event_id for merge in layer],
            at,
        )
        moves.extend(Move(*row) for row in rows)
    await _insert_decisions(connection, merges, rules_version, at)
    await _end_customers(connection, merges, moves, at)
    return moves


async def _insert_decisions(
    connection: asyncpg.Connection, merges: Sequence[Merge], rules_version: int, at: datetime
) -> None:
    await connection.copy_records_to_table(
        "decisions",
        columns=(
            "decision_id",
            "kind",
            "customer_id",
            "rule",
            "decided_by",
            "why",
            "source_id",
            "event_id",
            "rules_version",
            "decided_at",
        ),
        records=[
            (
                merge.decision_id,
                "merge",
                merge.customer_id,
                merge.evidence.rule,
                DECIDED_BY,
                "One event named identifiers of both.",
                merge.evidence.source_id,
                merge.evidence.event_id,
                rules_version,
                at,
            )
            for merge in merges
        ],
    )


async def _end_customers(
    connection: asyncpg.Connection, merges: Sequence[Merge], moves: Sequence[Move], at: datetime
) -> None:
    current = customers_of(merges)
    oldest: dict[UUID, UUID] = {}
    for move in moves:
        known = oldest.get(move.former_customer_id)
        oldest[move.former_customer_id] = move.anchor_id if known is None else min(known, move.anchor_id)
    former, customers = list(current), list(current.values())
    await connection.execute("DELETE FROM customers WHERE customer_id = ANY($1::uuid[])", former)
    await connection.execute(_FOLLOW_MERGE, former, customers)
    await connection.copy_records_to_table(
        "former_customers",
        columns=("customer_id", "anchor_id", "current_customer_id", "source_id", "event_id", "merged_at"),
        records=[
            (
                merge.former_customer_id,
                oldest.get(merge.former_customer_id),
                current[merge.former_customer_id],
                merge.evidence.source_id,
                merge.evidence.event_id,
                at,
            )
            for merge in merges
        ],
    )


async def save_messages(
    connection: asyncpg.Connection,
    *,
    messages: Sequence[NewMessage],
    rejections: Sequence[NewRejection],
    duplicates: Sequence[NewDuplicate],
    erased: Sequence[NewDuplicate],
) -> None:
    """Remember what was taken in, rejected and dropped, and count each once however often it is delivered."""
    if messages:
        ordered = sorted(messages, key=lambda one: one.event_id.bytes)
        await connection.copy_records_to_table("message_ids", records=ordered, columns=NewMessage._fields)
    rejected = await _insert_new(connection, _INSERT_REJECTIONS, rejections)
    dropped = await _insert_new(connection, _INSERT_DUPLICATES, duplicates)
    of_erased = await _insert_new(connection, _INSERT_DUPLICATES, erased)
    if messages or rejected or dropped or of_erased:
        await connection.execute(_COUNT, len(messages), rejected, dropped, of_erased)


async def _insert_new(connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    if not rows:
        return 0
    columns = zip(*sorted(rows), strict=True)
    status: str = await connection.execute(statement, *(list(column) for column in columns))
    return int(status.rsplit(" ", 1)[-1])


async def forget_messages(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget message ids and repetitions received before a moment."""
    await connection.execute("DELETE FROM message_ids WHERE received_at < $1", before)
    await connection.execute("DELETE FROM duplicates WHERE received_at < $1", before)


async def forget_rejections(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget rejected events received before a moment."""
    await connection.execute("DELETE FROM rejections WHERE received_at < $1", before)
