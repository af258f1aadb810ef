"""SQL of the resolver: two reads and a handful of set-wise writes a batch, whatever its size."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import SAME_EVENT, Anchor, Changes, LinkedIdentifier, Merge, Move

_BATCH_LOCK = 0x6964656E74697479
"""Held for a batch's transaction: a resolver that lost its lease without noticing cannot overlap with the next one."""

_KNOWN_MESSAGES = """
SELECT event_id, request_id, position, anchor_id, customer_id FROM message_ids WHERE event_id = ANY($1::uuid[])
"""

_TOUCHED_ANCHORS = """
WITH touched AS (
    SELECT DISTINCT identifiers.customer_id
    FROM unnest($1::text[], $2::text[]) AS asked (namespace, value)
    JOIN identifiers USING (namespace, value)
)
SELECT anchor_id, namespace, value, customer_id, version FROM identifiers JOIN touched USING (customer_id)
"""

_INSERT_LINKS = """
INSERT INTO links (anchor_id, other_anchor_id, source_id, event_id, rule, linked_at)
SELECT anchor_id, other_anchor_id, source_id, event_id, $6, $5
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS new (anchor_id, other_anchor_id, source_id, event_id)
ON CONFLICT DO NOTHING
"""

_MOVE_IDENTIFIERS = """
UPDATE identifiers SET customer_id = moved.customer_id, version = moved.version
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS moved (anchor_id, customer_id, version)
WHERE identifiers.anchor_id = moved.anchor_id
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
UPDATE ingest_totals SET accepted = accepted + $1, rejected = rejected + $2, duplicates = duplicates + $3
"""


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
    """A repetition; the columns of `duplicates`."""

    request_id: UUID
    position: int
    received_at: datetime


async def lock_batch(connection: asyncpg.Connection) -> None:
    """Wait until no other batch is being resolved; held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _BATCH_LOCK)


async def load_namespaces(connection: asyncpg.Connection) -> Namespaces:
    """Return the rules of all configured namespaces."""
    rows = await connection.fetch("SELECT name, value_limit, priority, is_unique, blocked_values FROM namespaces")
    return Namespaces(
        [
            Namespace(
                name=row["name"],
                limit=row["value_limit"],
                priority=row["priority"],
                is_unique=row["is_unique"],
                blocked_values=tuple(row["blocked_values"]),
            )
            for row in rows
        ]
    )


async def find_messages(connection: asyncpg.Connection, event_ids: Sequence[UUID]) -> dict[UUID, KnownMessage]:
    """Return those of the messages that were taken in before."""
    rows = await connection.fetch(_KNOWN_MESSAGES, event_ids)
    return {row["event_id"]: KnownMessage(*row) for row in rows}


async def find_touched_anchors(connection: asyncpg.Connection, identifiers: Sequence[Identifier]) -> list[Anchor]:
    """Return every anchor of every customer that has any of the identifiers."""
    rows = await connection.fetch(
        _TOUCHED_ANCHORS,
        [identifier.namespace for identifier in identifiers],
        [identifier.value for identifier in identifiers],
    )
    return [
        Anchor(anchor_id, Identifier(namespace, value), customer_id, version)
        for anchor_id, namespace, value, customer_id, version in rows
    ]


async def save_changes(connection: asyncpg.Connection, changes: Changes, *, at: datetime) -> None:
    """Write what a batch changed in the link graph."""
    if changes.identifiers:
        await _insert_identifiers(connection, changes.identifiers, at)
    if changes.customers:
        merged = {merge.former_customer_id for merge in changes.merges}
        fresh = [(customer_id, at) for customer_id in changes.customers if customer_id not in merged]
        await connection.copy_records_to_table("customers", records=fresh, columns=("customer_id", "created_at"))
    if changes.links:
        await _insert_links(connection, changes, at)
    if changes.moves:
        await _insert_moves(connection, changes.moves, at)
        await _merge_customers(connection, changes.merges, at)


async def _insert_identifiers(connection: asyncpg.Connection, new: Sequence[LinkedIdentifier], at: datetime) -> None:
    await connection.copy_records_to_table(
        "identifiers",
        columns=(
            "anchor_id",
            "namespace",
            "value",
            "customer_id",
            "version",
            "source_id",
            "event_id",
            "rule",
            "linked_at",
        ),
        records=[
            (
                one.anchor.anchor_id,
                *one.anchor.identifier,
                one.anchor.customer_id,
                one.anchor.version,
                *one.evidence,
                one.rule,
                at,
            )
            for one in new
        ],
    )


async def _insert_links(connection: asyncpg.Connection, changes: Changes, at: datetime) -> None:
    await connection.execute(
        _INSERT_LINKS,
        [anchor_id for anchor_id, _ in changes.links],
        [other for _, other in changes.links],
        [evidence.source_id for evidence in changes.links.values()],
        [evidence.event_id for evidence in changes.links.values()],
        at,
        SAME_EVENT,
    )


async def _insert_moves(connection: asyncpg.Connection, moves: Sequence[Move], at: datetime) -> None:
    await connection.copy_records_to_table(
        "moves",
        columns=(
            "anchor_id",
            "version",
            "former_customer_id",
            "customer_id",
            "reason",
            "source_id",
            "event_id",
            "moved_at",
        ),
        records=[
            (move.anchor_id, move.version, move.former_customer_id, move.customer_id, "merge", *move.evidence, at)
            for move in moves
        ],
    )
    last = {move.anchor_id: move for move in moves}  # an anchor may move twice in one batch
    await connection.execute(
        _MOVE_IDENTIFIERS,
        list(last),
        [move.customer_id for move in last.values()],
        [move.version for move in last.values()],
    )


async def _merge_customers(connection: asyncpg.Connection, merges: Sequence[Merge], at: datetime) -> None:
    current = _current(merges)
    former, customers = list(current), list(current.values())
    await connection.execute("DELETE FROM customers WHERE customer_id = ANY($1::uuid[])", former)
    await connection.execute(_FOLLOW_MERGE, former, customers)
    await connection.copy_records_to_table(
        "former_customers",
        columns=("customer_id", "current_customer_id", "source_id", "event_id", "merged_at"),
        records=[
            (merge.former_customer_id, current[merge.former_customer_id], *merge.evidence, at) for merge in merges
        ],
    )


def _current(merges: Sequence[Merge]) -> dict[UUID, UUID]:
    """Follow chains within the batch: former customer -> the one it is at the batch's end."""
    current: dict[UUID, UUID] = {}
    for merge in reversed(merges):
        current[merge.former_customer_id] = current.get(merge.customer_id, merge.customer_id)
    return current


async def save_messages(
    connection: asyncpg.Connection,
    *,
    messages: Sequence[NewMessage],
    rejections: Sequence[NewRejection],
    duplicates: Sequence[NewDuplicate],
) -> None:
    """Remember what was taken in, rejected and dropped, and count each once however often it is delivered."""
    if messages:
        await connection.copy_records_to_table("message_ids", records=messages, columns=NewMessage._fields)
    rejected = await _insert_new(connection, _INSERT_REJECTIONS, rejections)
    dropped = await _insert_new(connection, _INSERT_DUPLICATES, duplicates)
    if messages or rejected or dropped:
        await connection.execute(_COUNT, len(messages), rejected, dropped)


async def _insert_new(connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    if not rows:
        return 0
    status: str = await connection.execute(statement, *(list(column) for column in zip(*rows, strict=True)))
    return int(status.rsplit(" ", 1)[-1])


async def forget_messages(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget message ids and repetitions received before a moment."""
    await connection.execute("DELETE FROM message_ids WHERE received_at < $1", before)
    await connection.execute("DELETE FROM duplicates WHERE received_at < $1", before)


async def forget_rejections(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget rejected events received before a moment."""
    await connection.execute("DELETE FROM rejections WHERE received_at < $1", before)
