"""SQL of erasure and disclosure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from servicekit.database import json_text

_ERASING_LOCK = 0x65726173696E67
"""Advisory lock: shared by whoever resolves, exclusive while a customer is erased: what was read before of the
customer is not written after."""

FORMER_IDS = """
SELECT oldest.customer_id AS current_customer_id, former.customer_id
FROM identifiers AS oldest JOIN former_customers AS former USING (anchor_id)
WHERE oldest.customer_id = ANY($1::uuid[])
UNION ALL
SELECT former.current_customer_id, former.customer_id
FROM former_customers AS former LEFT JOIN identifiers AS oldest USING (anchor_id)
WHERE former.current_customer_id = ANY($1::uuid[]) AND oldest.anchor_id IS NULL
ORDER BY 2
"""

_HELD = """
SELECT anchor_id, namespace, value, digest, EXISTS (
    SELECT FROM identifiers AS other WHERE other.namespace = mine.namespace AND other.value = mine.value
        AND other.is_current AND other.customer_id <> mine.customer_id
) AS is_others_now
FROM identifiers AS mine WHERE customer_id = $1 ORDER BY anchor_id
"""

_BURY = """
INSERT INTO tombstones (digest, erased_at, erasure_id)
SELECT DISTINCT digest, $2::timestamptz, $3::uuid FROM unnest($1::bytea[]) AS t (digest) ORDER BY digest
ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at, erasure_id = excluded.erasure_id
WHERE tombstones.erased_at < excluded.erased_at
"""

_NOBODY = UUID(int=0)

_FORGET_WHOSE_MESSAGES = """
UPDATE message_ids SET anchor_id = $1, customer_id = $1
WHERE anchor_id <> $1 AND NOT EXISTS (SELECT FROM identifiers WHERE identifiers.anchor_id = message_ids.anchor_id)
"""

DELETIONS: Mapping[str, str] = {
    "links": "DELETE FROM links WHERE anchor_id = ANY($1::uuid[]) OR other_anchor_id = ANY($1::uuid[])",
    "held_apart": """
        DELETE FROM held_apart USING (SELECT * FROM unnest($3::text[], $4::text[]) AS t (namespace, value)) AS named
        WHERE (held_apart.namespace, held_apart.value) = (named.namespace, named.value)
    """,
    "held_apart (own)": "DELETE FROM held_apart WHERE anchor_id = ANY($1::uuid[])",
    "person_records": "DELETE FROM person_records WHERE anchor_id = ANY($1::uuid[])",
    "groups": """
        DELETE FROM groups WHERE group_id IN (SELECT group_id FROM group_members WHERE anchor_id = ANY($1::uuid[]))
            AND NOT EXISTS (SELECT FROM group_members AS others
                            WHERE others.group_id = groups.group_id AND others.anchor_id <> ALL($1::uuid[]))
    """,
    "group_members": "DELETE FROM group_members WHERE anchor_id = ANY($1::uuid[])",
    "identifier_grants": "DELETE FROM identifier_grants WHERE anchor_id = ANY($1::uuid[])",
    "separations": "DELETE FROM separations WHERE anchor_id = ANY($1::uuid[])",
    "candidate_decisions": """
        DELETE FROM candidate_decisions USING link_candidates WHERE candidate_decisions.candidate_id =
            link_candidates.candidate_id AND (link_candidates.anchor_id = ANY($1::uuid[])
            OR link_candidates.other_anchor_id = ANY($1::uuid[]) OR record_anchor_id = ANY($1::uuid[])
            OR other_record_anchor_id = ANY($1::uuid[]))
    """,
    "link_candidates": """
        DELETE FROM link_candidates WHERE anchor_id = ANY($1::uuid[]) OR other_anchor_id = ANY($1::uuid[])
            OR record_anchor_id = ANY($1::uuid[]) OR other_record_anchor_id = ANY($1::uuid[])
    """,
    "linking_results": """
        DELETE FROM linking_results WHERE anchor_id = ANY($1::uuid[]) OR other_anchor_id = ANY($1::uuid[])
            OR record_anchor_id = ANY($1::uuid[]) OR other_record_anchor_id = ANY($1::uuid[])
    """,
    # decisions that moved nothing but these anchors go; of others stays that anchors moved, without the reasons given
    "decisions": """
        DELETE FROM decisions WHERE (customer_id = ANY($2::uuid[])
            OR decision_id IN (SELECT decision_id FROM moves WHERE anchor_id = ANY($1::uuid[])))
            AND NOT EXISTS (SELECT FROM moves WHERE moves.decision_id = decisions.decision_id
                            AND moves.anchor_id <> ALL($1::uuid[]))
    """,
    "decisions (reasons)": """
        UPDATE decisions SET why = 'erased' WHERE customer_id = ANY($2::uuid[])
            OR decision_id IN (SELECT decision_id FROM moves WHERE anchor_id = ANY($1::uuid[]))
    """,
    "moves": "DELETE FROM moves WHERE anchor_id = ANY($1::uuid[])",
    "identifiers": "DELETE FROM identifiers WHERE anchor_id = ANY($1::uuid[])",
    "former_customers": "DELETE FROM former_customers WHERE customer_id = ANY($2::uuid[])",
    "customers": "DELETE FROM customers WHERE customer_id = ANY($2::uuid[])",
}
"""In this order. $1 the customer's anchors, $2 its ids, $3 and $4 its identifiers."""

ERASED_LATER = frozenset({"message_ids", "rejections"})
"""Tables that are large and not found by index: a worker sees to them."""

KEPT: Mapping[str, str] = {
    "sources": "configuration",
    "namespaces": "configuration",
    "rules_versions": "configuration",
    "agreements": "configuration",
    "linking_settings": "configuration",
    "linking_runs": "counts, and weights learnt from everybody",
    "imports": "counts; how a file was read",
    "import_chunks": "gone when the import has ended, within a day; what it brings of an erased customer is dropped",
    "import_batches": "numbers of lines, and digests of the records' own ids",
    "import_lines": "which line was refused and why, never what it says",
    "jobs": "parameters, counts, ids that lead nowhere; gone after a time",
    "coverage_days": "counts",
    "coverage_state": "counts",
    "ingest_totals": "counts",
    "duplicates": "numbers of requests",
    "record_ids": "digests of records' own ids, which lead to nobody",
    "retellings": "an id of an anchor, which leads to nobody once its identifier is gone",
    "erasures": "the audit: who asked, why, when",
    "erasure_receipts": "the audit: counts",
    "tombstones": "keyed hashes",
    "disclosures": "the audit: who asked, why, when",
}
"""Tables of which an erasure leaves the rows, and why it may. Every table is here, in DELETIONS or in ERASED_LATER."""

_OF_ANCHORS = """
SELECT to_jsonb(t) AS held FROM {} t JOIN identifiers i USING (anchor_id) WHERE i.customer_id = ANY($1::uuid[])
"""
_OF_CUSTOMERS = "SELECT to_jsonb(t) AS held FROM {} t WHERE t.customer_id = ANY($1::uuid[])"
_OF_PAIRS = """
SELECT to_jsonb(t) AS held FROM {0} t JOIN identifiers i USING (anchor_id) WHERE i.customer_id = ANY($1::uuid[])
UNION
SELECT to_jsonb(t) FROM {0} t JOIN identifiers i ON i.anchor_id = t.other_anchor_id
WHERE i.customer_id = ANY($1::uuid[])
"""

EXPORTED: Mapping[str, str] = {
    **{table: _OF_CUSTOMERS.format(table) for table in ("customers", "former_customers")},
    "identifiers": "SELECT to_jsonb(t) - 'digest' AS held FROM identifiers t WHERE customer_id = ANY($1::uuid[])",
    **{
        table: _OF_ANCHORS.format(table)
        for table in (
            "identifier_grants",
            "held_apart",
            "person_records",
            "group_members",
            "separations",
            "moves",
            "message_ids",
        )
    },
    "groups": """
        SELECT to_jsonb(t) AS held FROM groups t WHERE group_id IN (
            SELECT group_id FROM group_members JOIN identifiers i USING (anchor_id)
            WHERE i.customer_id = ANY($1::uuid[]))
    """,
    **{table: _OF_PAIRS.format(table) for table in ("links", "link_candidates")},
    "decisions": """
        SELECT to_jsonb(t) AS held FROM decisions t WHERE customer_id = ANY($1::uuid[]) OR decision_id IN (
            SELECT decision_id FROM moves JOIN identifiers i USING (anchor_id) WHERE i.customer_id = ANY($1::uuid[]))
    """,
    "disclosures": _OF_CUSTOMERS.format("disclosures"),
}
"""What is disclosed: queries with the customer's ids as $1. Derived numbers and rejected events, which name nobody for
sure, are left out."""


class HeldIdentifier(NamedTuple):
    """An identifier of a customer. `is_others_now`: shared, and later events with it are another customer's."""

    anchor_id: UUID
    namespace: str
    value: str
    digest: bytes | None
    is_others_now: bool


async def hold_erasures(connection: asyncpg.Connection) -> None:
    """Let no customer be erased before this transaction ends: for whoever writes what he reads in it."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", _ERASING_LOCK)


async def keep_resolvers_out(connection: asyncpg.Connection) -> None:
    """Wait for resolvers that are writing, and let none begin before this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _ERASING_LOCK)


async def find_former_ids(connection: asyncpg.Connection, customer_id: UUID) -> list[UUID]:
    """Return the former ids that lead to a customer."""
    return (await find_former_ids_of(connection, [customer_id]))[customer_id]


async def find_former_ids_of(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return for each customer the former ids that lead to it."""
    found: dict[UUID, list[UUID]] = {customer_id: [] for customer_id in customer_ids}
    for row in await connection.fetch(FORMER_IDS, list(customer_ids)):
        found[row["current_customer_id"]].append(row["customer_id"])
    return found


async def find_held_identifiers(connection: asyncpg.Connection, customer_id: UUID) -> list[HeldIdentifier]:
    """Return a customer's identifiers, the oldest first."""
    return [HeldIdentifier(*row) for row in await connection.fetch(_HELD, customer_id)]


async def bury(
    connection: asyncpg.Connection, digests: Collection[bytes], *, erased_at: datetime, erasure_id: UUID
) -> None:
    """Write tombstones; one that is there already gets the later time."""
    await connection.execute(_BURY, list(digests), erased_at, erasure_id)


async def find_tombstones(connection: asyncpg.Connection, digests: Collection[bytes]) -> dict[bytes, datetime]:
    """Return when identifiers with these digests were erased, if they were."""
    rows = await connection.fetch(
        "SELECT digest, erased_at FROM tombstones WHERE digest = ANY($1::bytea[])", list(digests)
    )
    return {row["digest"]: row["erased_at"] for row in rows}


async def delete_customer(
    connection: asyncpg.Connection, held: Sequence[HeldIdentifier], customer_ids: Sequence[UUID]
) -> dict[str, int]:
    """Delete a customer from the link graph; return how many rows by table."""
    values = (
        [one.anchor_id for one in held],
        list(customer_ids),
        [one.namespace for one in held if not one.is_others_now],
        [one.value for one in held if not one.is_others_now],
    )
    deleted: Counter[str] = Counter()
    for name, statement in DELETIONS.items():
        # named once for all, so that each statement takes the same parameters, whichever it uses
        given = "WITH given AS (SELECT $1::uuid[], $2::uuid[], $3::text[], $4::text[])"
        status = await connection.execute(f"{given} {statement}", *values)
        deleted[name.split(" ", 1)[0]] += _count(status)
    return dict(+deleted)


async def note_deleted(connection: asyncpg.Connection, erasure_id: UUID, rows: Mapping[str, int]) -> None:
    """Let the worker that goes on with an erasure count from here."""
    await connection.execute("UPDATE erasure_work SET rows = $2 WHERE erasure_id = $1", erasure_id, json_text(rows))


async def forget_whose_messages(connection: asyncpg.Connection) -> int:
    """Forget whose the messages were whose anchor is erased: one pass over the table, which holds some days.

    That they were taken in stays known: one that named only a shared device would otherwise, sent again, be told of
    whoever has the device now. The anchor tells whose they were, not the customer: that one is as it was when the
    message came, and a split may have followed.
    """
    return _count(await connection.execute(_FORGET_WHOSE_MESSAGES, _NOBODY))


async def page_of_rejections(connection: asyncpg.Connection, *, after: UUID | None, limit: int) -> list[asyncpg.Record]:
    """Return (rejection_id, payload) of rejected events, in the order of their ids."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT rejection_id, payload FROM rejections WHERE $1::uuid IS NULL OR rejection_id > $1 "
        "ORDER BY rejection_id LIMIT $2",
        after,
        limit,
    )
    return rows


async def delete_rejections(connection: asyncpg.Connection, rejection_ids: Sequence[UUID]) -> int:
    """Delete rejected events; return how many."""
    return _count(
        await connection.execute("DELETE FROM rejections WHERE rejection_id = ANY($1::uuid[])", list(rejection_ids))
    )


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
