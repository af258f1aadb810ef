"""Concluding: evaluate segments, ranks and signs for locked customers and keep what changed, in one statement.

Everybody who concludes about customers (a live batch, the expiry, a backfill, a move) first locks their rows in
`customers`, in the order of customer_id, and only then reads definitions, events and earlier answers: each statement of
a READ COMMITTED transaction sees what was committed before it, so whoever comes second sees the first one's work, and
a transition is found once. Nobody locks customers in another order, so nobody waits in a circle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import (
    LIFECYCLE,
    Compiler,
    Dependencies,
    Library,
    Predicate,
    Reference,
    dependencies_of,
    expand,
    holds_for_stranger,
)
from profile_service.repository.detecting import SIGN_RESULT, ExpandedSigns, SignChange, SignDefinition, sign_parts
from profile_service.repository.library import CONDITION, Published, read_published
from servicekit.database import load_sql, raw
from servicekit.errors import Invalid

log = structlog.get_logger(__name__)
__all__ = ["CONDITION", "Conclusions", "Definition", "Definitions", "RankChange", "SegmentChange", "SignChange"]
_CLAIM_DUE = load_sql("profile_service", "claim_due")
_REMEMBERED_STATEMENTS = 256
_AT_A_TIME = 250


@dataclass(frozen=True, eq=False)
class Definition:
    """A published segment or a rank, with what it depends on."""

    segment_id: UUID | None
    """None: a rank."""
    key: str
    version: int
    condition: Predicate
    """In leaves: what it refers to stands in it."""
    dependencies: Dependencies
    for_stranger: bool


@dataclass(frozen=True)
class Definitions:
    """What is evaluated: segments, the whole table of ranks (lowest first) or none of it, signs; so the lifecycle.

    The lifecycle is evaluated like a table of ranks: its states in turn, the one that wins over all others last.
    """

    segments: tuple[Definition, ...]
    ranks: tuple[Definition, ...]
    signs: tuple[SignDefinition, ...] = ()
    lifecycle: tuple[Definition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.segments or self.ranks or self.signs or self.lifecycle)

    @property
    def all(self) -> tuple[Definition | SignDefinition, ...]:
        return self.segments + self.ranks + self.signs + self.lifecycle


@dataclass(frozen=True)
class SegmentChange:
    """A customer became a member, or ceased to be one."""

    customer_id: UUID
    anchor_id: UUID
    segment_id: UUID
    is_member: bool


@dataclass(frozen=True)
class RankChange:
    """A customer's rank, or state in the lifecycle, changed; None is no rank."""

    customer_id: UUID
    anchor_id: UUID
    rank_key: str | None
    former_rank_key: str | None
    is_lifecycle: bool = False


class Conclusions:
    """Reads definitions and evaluates them, remembering expanded conditions and compiled statements."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._published = Published()
        self._signs = ExpandedSigns()
        self._definitions: dict[tuple[UUID | str, int], Definition] = {}
        self._all = Definitions((), ())
        self._statements: dict[tuple[Definition | SignDefinition, ...], tuple[str, tuple[object, ...]]] = {}

    async def definitions(self, session: AsyncSession) -> Definitions:
        """All published segments, ranks and signs. Read after the customers are locked: see this module's text."""
        published = await read_published(session, known=self._published)
        if published is not self._published:
            self._definitions = dict(self._expanded(published))
            self._published = published
            self._all = Definitions(
                segments=tuple(each for each in self._definitions.values() if each.segment_id is not None),
                ranks=tuple(each for each in self._definitions.values() if each.segment_id is None),
                signs=self._signs.of(published.library),
                lifecycle=self._lifecycle(published),
            )
        return self._all

    def _lifecycle(self, published: Published) -> tuple[Definition, ...]:
        """The states, the first that is looked for last; none as long as nobody put a lifecycle."""
        if not published.lifecycle_version:
            return ()
        known = {(each.key, each.version): each for each in self._all.lifecycle}
        found = []
        for state, tree in reversed(published.library.lifecycle):
            condition = expand(tree, published.library, own=LIFECYCLE)
            former = known.get((state, published.lifecycle_version))
            found.append(former or _defined(None, state, published.lifecycle_version, condition))
        return tuple(found)

    def with_signs_asked_for(self, definitions: Definitions) -> Definitions:
        """These, and the signs they ask for: so whoever is in a segment by a sign shows that sign."""
        asked = frozenset().union(*(each.dependencies.signs for each in definitions.all))
        if asked <= {sign.sign_id for sign in definitions.signs}:
            return definitions
        signs = tuple(each for each in self._all.signs if each in definitions.signs or each.sign_id in asked)
        return replace(definitions, signs=signs)

    async def library(self, session: AsyncSession) -> Library:
        """What a condition may refer to now."""
        await self.definitions(session)
        return self._published.library

    def _expanded(self, published: Published) -> Iterator[tuple[tuple[UUID | str, int], Definition]]:
        """Each definition in leaves; the one known before where it means the same, as statements are kept by it.

        What leads nowhere any more is left out: its answers stay as they are until it is published anew.
        """
        for each in published.definitions:
            place = (each.segment_id or each.key, each.version)
            own: Reference = ("segment", each.key) if each.segment_id else ("ranks", "default")
            try:
                condition = expand(each.condition, published.library, own=own)
            except Invalid as refusal:
                log.error("definition_leads_nowhere", key=each.key, version=each.version, why=refusal.detail)
                continue
            known = self._definitions.get(place)
            if known is None or known.condition != condition:
                known = _defined(each.segment_id, each.key, each.version, condition)
            yield place, known

    async def evaluate(
        self, session: AsyncSession, customer_ids: Sequence[UUID], definitions: Definitions, *, now: datetime
    ) -> tuple[list[SegmentChange], list[RankChange], list[SignChange]]:
        """Evaluate the definitions for locked customers at `now`, keep the answers, return what changed."""
        if not definitions or not customer_ids:
            return [], [], []
        connection, rows = await raw(session), []
        for part in _parts(definitions):
            sql, parameters = self._statement(part)
            rows += await connection.fetch(sql, now, list(customer_ids), *parameters)
        segments = [
            SegmentChange(row["customer_id"], row["anchor_id"], row["segment_id"], row["is_member"])
            for row in rows
            if row["segment_id"] is not None
        ]
        ranks = [
            RankChange(
                row["customer_id"],
                row["anchor_id"],
                row["rank_key"],
                row["former_rank_key"],
                is_lifecycle=row["table_name"] == "customer_lifecycle",
            )
            for row in rows
            if row["table_name"] is not None
        ]
        return segments, ranks, [_sign_change(row) for row in rows if row["sign_id"] is not None]

    def _statement(self, definitions: Definitions) -> tuple[str, tuple[object, ...]]:
        if definitions.all not in self._statements:
            if len(self._statements) >= _REMEMBERED_STATEMENTS:
                self._statements.clear()
            self._statements[definitions.all] = self._write_statement(definitions)
        return self._statements[definitions.all]

    def _write_statement(self, definitions: Definitions) -> tuple[str, tuple[object, ...]]:
        compiled = self._compiler.live([each.condition for each in definitions.all])
        values: list[object] = list(compiled.parameters)
        parts, results = [f"evaluated AS MATERIALIZED (\n{compiled.sql}\n)"], []
        if definitions.segments:
            parts.append(_segment_parts(definitions, values, first=3))
            results.append(_SEGMENT_RESULT)
        if definitions.ranks:
            place = len(definitions.segments)
            parts.append(_rank_parts(definitions.ranks, values, place=place, first=3, table="customer_ranks"))
            results.append(_rank_result("customer_ranks"))
        if definitions.signs:
            place = len(definitions.segments) + len(definitions.ranks)
            parts.append(sign_parts(definitions.signs, values, place=place, first=3, kept_if=_MUST_BE_KEPT))
            results.append(SIGN_RESULT)
        if definitions.lifecycle:
            place = len(definitions.segments) + len(definitions.ranks) + len(definitions.signs)
            parts.append(_rank_parts(definitions.lifecycle, values, place=place, first=3, table="customer_lifecycle"))
            results.append(_rank_result("customer_lifecycle"))
        return f"WITH {', '.join(parts)}\n{' UNION ALL '.join(results)}", tuple(values)


def _defined(segment_id: UUID | None, key: str, version: int, condition: Predicate) -> Definition:
    return Definition(
        segment_id=segment_id,
        key=key,
        version=version,
        condition=condition,
        dependencies=dependencies_of(condition),
        for_stranger=holds_for_stranger(condition),
    )


def _sign_change(row: Any) -> SignChange:  # an asyncpg record
    return SignChange(
        row["customer_id"],
        row["anchor_id"],
        row["sign_id"],
        is_active=row["is_active"],
        was_active=row["was_active"],
        became_true=row["became_true"],
    )


def _parts(definitions: Definitions) -> Iterator[Definitions]:
    """As many at a time as one statement takes: a SELECT has at most 1,664 columns."""
    segments, ranks, signs = definitions.segments, definitions.ranks, definitions.signs
    for start in range(0, max(len(segments), len(signs), 1), _AT_A_TIME):
        at_a_time = slice(start, start + _AT_A_TIME)
        lifecycle = () if start else definitions.lifecycle
        yield Definitions(segments[at_a_time], () if start else ranks, signs[at_a_time], lifecycle)


_SEGMENT_RESULT = """
SELECT a.customer_id, c.latest_anchor_id AS anchor_id, a.segment_id, a.is_member,
       NULL AS rank_key, NULL AS former_rank_key, NULL AS table_name,
       NULL::uuid AS sign_id, NULL::boolean AS is_active, NULL::boolean AS was_active, NULL::boolean AS became_true
FROM changed_answers a JOIN customers c USING (customer_id) WHERE a.is_member <> a.was_member
"""


def _rank_result(table: str) -> str:
    return f"""
SELECT r.customer_id, c.latest_anchor_id AS anchor_id, NULL::uuid AS segment_id, NULL::boolean AS is_member,
       r.rank_key, r.former_rank_key, '{table}' AS table_name,
       NULL::uuid AS sign_id, NULL::boolean AS is_active, NULL::boolean AS was_active, NULL::boolean AS became_true
FROM changed_{table} r JOIN customers c USING (customer_id) WHERE r.rank_key IS DISTINCT FROM r.former_rank_key
"""  # noqa: S608  # one of two tables


# An answer is written when it changed, when its time has come, or when it must be asked again earlier than noted. When
# it could be asked again later than noted, the note stays: asking once too often costs less than writing each time.
_MUST_BE_KEPT = """
COALESCE(a.valid_until, 'infinity') < COALESCE(k.valid_until, 'infinity') OR k.valid_until <= $1::timestamptz
"""


def _segment_parts(definitions: Definitions, values: list[object], *, first: int) -> str:
    rows = []
    for position, segment in enumerate(definitions.segments):
        rows.append(f"(${first + len(values)}::uuid, e.m{position}, e.v{position})")
        values.append(segment.segment_id)
    # The inner query finds a customer's earlier answers by ONE search of the index, whatever the planner guesses.
    return f"""
changed_answers AS MATERIALIZED (
    SELECT e.customer_id, a.segment_id, a.is_member, a.valid_until, a.was_member
    FROM evaluated e CROSS JOIN LATERAL (
        SELECT a.segment_id, a.is_member, NULLIF(a.valid_until, 'infinity') AS valid_until,
               COALESCE(k.is_member, false) AS was_member
        FROM (VALUES {", ".join(rows)}) AS a (segment_id, is_member, valid_until)
        LEFT JOIN (
            SELECT * FROM segment_memberships m WHERE m.customer_id = e.customer_id OFFSET 0
        ) AS k USING (segment_id)
        WHERE a.is_member <> COALESCE(k.is_member, false) OR {_MUST_BE_KEPT}
    ) AS a
), kept_answers AS (
    INSERT INTO segment_memberships AS k (customer_id, segment_id, is_member, since, valid_until)
    SELECT customer_id, segment_id, is_member, $1::timestamptz, valid_until FROM changed_answers
    ON CONFLICT (customer_id, segment_id) DO UPDATE SET
        is_member = excluded.is_member,
        since = CASE WHEN k.is_member = excluded.is_member THEN k.since ELSE excluded.since END,
        valid_until = excluded.valid_until
)"""  # noqa: S608  # made of numbers and parameters


def _rank_parts(ranks: Sequence[Definition], values: list[object], *, place: int, first: int, table: str) -> str:
    """The highest fulfilled rank wins: it stays until it fails or one above it is fulfilled.

    `place`: of the first one among the conditions; answers are kept in `table`.
    """
    matches, moments, above = [], [], []
    for position in reversed(range(len(ranks))):
        number = place + position
        above.append(f"e.v{number}")
        matches.append(f"WHEN e.m{number} THEN ${first + len(values)}::text")
        moments.append(f"WHEN e.m{number} THEN LEAST({', '.join(above)})")
        values.append(ranks[position].key)
    return f"""
found_{table} AS (
    SELECT e.customer_id,
           CASE {" ".join(matches)} END AS rank_key,
           NULLIF(CASE {" ".join(moments)} ELSE LEAST({", ".join(above)}) END, 'infinity') AS valid_until
    FROM evaluated e
), changed_{table} AS MATERIALIZED (
    SELECT a.customer_id, a.rank_key, a.valid_until, k.rank_key AS former_rank_key
    FROM found_{table} a LEFT JOIN {table} k ON k.customer_id = a.customer_id
    WHERE a.rank_key IS DISTINCT FROM k.rank_key OR {_MUST_BE_KEPT}
), kept_{table} AS (
    INSERT INTO {table} AS k (customer_id, rank_key, since, valid_until)
    SELECT customer_id, rank_key, $1::timestamptz, valid_until FROM changed_{table}
    ON CONFLICT (customer_id) DO UPDATE SET
        rank_key = excluded.rank_key,
        since = CASE WHEN k.rank_key IS NOT DISTINCT FROM excluded.rank_key THEN k.since ELSE excluded.since END,
        valid_until = excluded.valid_until
)"""  # noqa: S608  # made of numbers and parameters


async def claim_due(session: AsyncSession, *, now: datetime, limit: int) -> list[UUID]:
    """Lock up to `limit` (per kind) customers with an answer whose time has come and that nobody else holds."""
    return [row["customer_id"] for row in await (await raw(session)).fetch(_CLAIM_DUE, now, limit)]


async def due_segments(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> set[UUID]:
    """The segments whose answer is due for any of these customers."""
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT segment_id FROM segment_memberships WHERE customer_id = ANY($1::uuid[]) AND valid_until <= $2",
        list(customer_ids),
        now,
    )
    return {row["segment_id"] for row in rows}


async def stop_asking(
    session: AsyncSession, customer_ids: Sequence[UUID], segments: Sequence[UUID], *, now: datetime
) -> None:
    """Ask these customers no more about due segments other than those published: their members have yet to leave."""
    await (await raw(session)).execute(
        "UPDATE segment_memberships SET valid_until = NULL "
        "WHERE customer_id = ANY($1::uuid[]) AND valid_until <= $3 AND segment_id <> ALL($2::uuid[])",
        list(customer_ids),
        list(segments),
        now,
    )


async def members_among(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The members among these customers, by segment."""
    rows = await (await raw(session)).fetch(
        "SELECT segment_id, array_agg(customer_id) AS members FROM segment_memberships "
        "WHERE customer_id = ANY($1::uuid[]) AND is_member GROUP BY segment_id",
        list(customer_ids),
    )
    return {row["segment_id"]: frozenset(row["members"]) for row in rows}


async def non_members(session: AsyncSession, pairs: Sequence[tuple[UUID, UUID]]) -> list[SegmentChange]:
    """Those of the (customer, segment) pairs that are not members, each as a departure."""
    rows = await (await raw(session)).fetch(
        """
        SELECT c.customer_id, c.latest_anchor_id, t.segment_id
        FROM unnest($1::uuid[], $2::uuid[]) AS t (customer_id, segment_id) JOIN customers c USING (customer_id)
        WHERE NOT EXISTS (SELECT FROM segment_memberships m WHERE m.customer_id = t.customer_id
                          AND m.segment_id = t.segment_id AND m.is_member)
        """,
        [customer_id for customer_id, _ in pairs],
        [segment_id for _, segment_id in pairs],
    )
    return [
        SegmentChange(row["customer_id"], row["latest_anchor_id"], row["segment_id"], is_member=False) for row in rows
    ]
