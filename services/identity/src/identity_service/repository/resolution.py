"""SQL of what the resolver reads: a few statements a batch, whatever its size. Nothing is locked."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from identity_service.repository.agreements import load_agreements
from identity_service.repository.changes import ChangedMeanwhile
from identity_service.repository.grants import COVERED_BY_ANOTHER, COVERED_BY_THE_FIRST
from identity_service.rules.admission import EventSource, Permissions, owners_by_name
from identity_service.rules.changes import NOBODY, Anchor, Customer
from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import UNCOUNTED_RULES

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

# A source that speaks for more than the anchor is known for has not brought it yet: what it says now is noted.
_NAMED_ANCHORS = f"""
SELECT asked.place, anchor_id, customer_id, customers.version, identifiers.rule = ANY($4::text[]) AS is_uncounted,
    CASE
        WHEN (asked.source_id = identifiers.source_id OR asked.source_id = ANY(identifiers.sources))
            AND (identifiers.legal_entity IS NULL OR bringing.legal_entity IS NULL
                 OR {COVERED_BY_THE_FIRST} OR {COVERED_BY_ANOTHER})
        THEN asked.source_id
    END AS brought_by,
    not_before
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (namespace, value, source_id, place)
JOIN identifiers USING (namespace, value)
JOIN customers USING (customer_id)
LEFT JOIN sources AS bringing ON bringing.source_id = asked.source_id
WHERE is_current
"""  # noqa: S608 - made of constants

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
    return namespaces_of(await connection.fetch(_NAMESPACES))


def namespaces_of(rows: Iterable[Mapping[str, Any]]) -> Namespaces:
    """Return the rules that rows with the columns of `namespaces` say."""
    return Namespaces(
        [
            Namespace(
                name=row["name"],
                limit=row["value_limit"],
                limit_window=row["limit_window"],
                priority=row["priority"],
                is_unique=row["is_unique"],
                normaliser=row["normaliser"],
                verified_only=row["verified_only"],
                is_shared=row["is_shared"],
                is_restricted=row["is_restricted"],
                blocked_values=tuple(row["blocked_values"]),
            )
            for row in rows
        ]
    )


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
