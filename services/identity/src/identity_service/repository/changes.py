"""SQL of what a batch changed in the link graph: a handful of set-wise writes, on the versions that were read.

They lock in one order everywhere: customers by id, new identifiers by name, then the rest by key, the totals last.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from identity_service.rules.changes import Anchor, Changes, Evidence, Merge, Move, customers_of, in_layers
from identity_service.rules.identifiers import Identifier

DECIDED_BY = "identity"
"""Who decides when a rule does."""

_LOCK_CUSTOMERS = """
SELECT customer_id, version FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE
"""

_SET_VERSIONS = """
UPDATE customers SET version = changed.version
FROM unnest($1::uuid[], $2::bigint[]) AS changed (customer_id, version)
WHERE customers.customer_id = changed.customer_id
"""

_SET_CURRENT = """
UPDATE identifiers SET is_current = $3, not_before = greatest(identifiers.not_before, passed_on.not_before)
FROM unnest($1::uuid[], $2::timestamptz[]) AS passed_on (anchor_id, not_before)
WHERE identifiers.anchor_id = passed_on.anchor_id
"""

_SUPERSEDE = """
UPDATE identifiers SET rule = 'alias' WHERE anchor_id = ANY($1::uuid[])
"""

_ADD_SOURCES = """
UPDATE identifiers
SET sources = CASE WHEN sources = '{}' THEN ARRAY[source_id] ELSE sources END
    || ARRAY(SELECT name FROM unnest(added.names) AS name WHERE name <> ALL(sources) ORDER BY name)
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


class ChangedMeanwhile(Exception):
    """A customer that this batch changes is no longer as it was read: the batch is done again from there."""


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
        await _pass_on(connection, changes.passed_on, not_before)
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
    versions = _next_versions(changes)
    await connection.execute(_SET_VERSIONS, list(versions), list(versions.values()))


def _next_versions(changes: Changes) -> dict[UUID, int]:
    """Above what was read, of whoever stays above those that joined it: an id that comes back has one it never had."""
    versions = {customer_id: customer.version + 1 for customer_id, customer in changes.touched.items()}
    for merge in changes.merges:
        former = versions.pop(merge.former_customer_id, 0)
        if merge.customer_id in versions:
            versions[merge.customer_id] = max(versions[merge.customer_id], former)
    return versions


async def _pass_on(
    connection: asyncpg.Connection, anchors: Mapping[UUID, Anchor], not_before: Mapping[Identifier, datetime]
) -> None:
    """First those that give an identifier up: it has one current anchor at every moment.

    Whoever gets it drops what occurred before it was erased, as who had it did.
    """
    for is_current in (False, True):
        passed_on = sorted(
            (anchor_id, not_before.get(anchor.identifier))
            for anchor_id, anchor in anchors.items()
            if anchor.is_current is is_current
        )
        await connection.execute(
            _SET_CURRENT, [one for one, _ in passed_on], [since for _, since in passed_on], is_current
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
            "legal_entity",
            "purposes",
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
                one.evidence.legal_entity,
                one.evidence.purposes,
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
