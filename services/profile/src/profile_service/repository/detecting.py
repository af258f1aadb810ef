"""Signs as they are detected: what is published, and their part of the one statement that concludes.

A sign is shown while its condition holds, and until its lifetime since the condition last became true has passed. What
became true when is kept as a fact (`sign_detections`); the answer in `customer_signs` follows from that, from what the
condition says now and from the published lifetime, from nothing else. So it can be concluded anew after any move.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.profile import SignStrength
from profile_service.conditions import Dependencies, Library, Predicate, dependencies_of, expand, holds_for_stranger
from servicekit.database import load_sql, raw
from servicekit.errors import Invalid

log = structlog.get_logger(__name__)
_REFOLD = load_sql("profile_service", "refold_signs")


@dataclass(frozen=True, eq=False)
class SignDefinition:
    """A published sign, with what it depends on."""

    sign_id: UUID
    key: str
    version: int
    strength: SignStrength
    lifetime: timedelta
    condition: Predicate
    dependencies: Dependencies
    for_stranger: bool


@dataclass(frozen=True)
class SignChange:
    """A customer's sign became shown or ceased to be, or its condition became true again while it was (`renewed`)."""

    customer_id: UUID
    anchor_id: UUID
    sign_id: UUID
    is_active: bool
    was_active: bool
    became_true: bool


class ExpandedSigns:
    """What is published, in leaves, remembered as long as nothing changes."""

    def __init__(self) -> None:
        self._library: Library | None = None
        self._signs: tuple[SignDefinition, ...] = ()

    def of(self, library: Library) -> tuple[SignDefinition, ...]:
        """By key; what leads nowhere any more is left out: its answers stay until it is published anew."""
        if library is not self._library:
            self._signs = tuple(self._expanded(library))
            self._library = library
        return self._signs

    def _expanded(self, library: Library) -> Iterable[SignDefinition]:
        known = {(each.sign_id, each.version): each for each in self._signs}
        for key, sign in sorted(library.signs.items()):
            try:
                condition = expand(sign.condition, library, own=("sign", key))
            except Invalid as refusal:
                log.error("sign_leads_nowhere", key=key, version=sign.version, why=refusal.detail)
                continue
            former = known.get((sign.sign_id, sign.version))
            if former is not None and former.condition == condition:
                yield former  # the same object: statements are remembered by it
                continue
            yield SignDefinition(
                sign_id=sign.sign_id,
                key=key,
                version=sign.version,
                strength=sign.strength,
                lifetime=timedelta(days=sign.lifetime_days),
                condition=condition,
                dependencies=dependencies_of(condition),
                for_stranger=holds_for_stranger(condition),
            )


SIGN_RESULT = """
SELECT a.customer_id, c.latest_anchor_id AS anchor_id, NULL::uuid AS segment_id, NULL::boolean AS is_member,
       NULL AS rank_key, NULL AS former_rank_key, NULL AS table_name,
       a.sign_id, a.is_active, a.was_active, a.became_true
FROM changed_signs a JOIN customers c USING (customer_id) WHERE a.is_active <> a.was_active OR a.became_true
"""


def sign_parts(signs: Sequence[SignDefinition], values: list[object], *, place: int, first: int, kept_if: str) -> str:
    """The part of the concluding statement that answers for signs; `place`: of the first one among the conditions.

    $1 is now; parameters are appended to `values`, the first of which is parameter `first`. `kept_if` says of an answer
    `a` and the one kept, `k`, that it must be written although nothing changed.
    """
    rows = []
    for position, sign in enumerate(signs, start=place):
        number = first + len(values)
        rows.append(f"(${number}::uuid, ${number + 1}::interval, e.m{position}, e.v{position})")
        values += [sign.sign_id, sign.lifetime]
    return f"""
changed_signs AS MATERIALIZED (
    SELECT e.customer_id, a.*
    FROM evaluated e CROSS JOIN LATERAL (
        SELECT a.*, a.is_active AND NOT a.was_active AS is_new
        FROM (
            SELECT a.sign_id, a.holds, b.became_true, r.renewed_at, s.is_active,
                   COALESCE(k.is_active, false) AS was_active, k.detected_at AS former_detected_at,
                   COALESCE(k.holds, false) AS held, k.valid_until AS kept_until,
                   NULLIF(CASE WHEN a.holds OR NOT s.is_active THEN a.valid_until
                               ELSE LEAST(a.valid_until, r.renewed_at + a.lifetime) END, 'infinity') AS valid_until
            FROM (VALUES {", ".join(rows)}) AS a (sign_id, lifetime, holds, valid_until)
            LEFT JOIN (
                SELECT * FROM customer_signs g WHERE g.customer_id = e.customer_id OFFSET 0
            ) AS k USING (sign_id)
            CROSS JOIN LATERAL (SELECT a.holds AND (k.holds IS NOT TRUE OR k.renewed_at IS NULL) AS became_true) AS b
            CROSS JOIN LATERAL (
                SELECT CASE WHEN b.became_true THEN $1::timestamptz ELSE k.renewed_at END AS renewed_at
            ) AS r
            CROSS JOIN LATERAL (
                SELECT a.holds OR COALESCE(r.renewed_at + a.lifetime > $1::timestamptz, false) AS is_active
            ) AS s
        ) AS a CROSS JOIN LATERAL (SELECT a.kept_until AS valid_until) AS k
        WHERE a.holds <> a.held OR a.is_active <> a.was_active OR a.became_true OR {kept_if}
    ) AS a
), kept_signs AS (
    INSERT INTO customer_signs AS k (customer_id, sign_id, holds, is_active, detected_at, renewed_at, valid_until)
    SELECT customer_id, sign_id, holds, is_active,
           CASE WHEN NOT is_active THEN NULL
                WHEN became_true AND is_new THEN $1::timestamptz
                ELSE COALESCE(former_detected_at, $1::timestamptz) END,
           renewed_at, valid_until
    FROM changed_signs
    ON CONFLICT (customer_id, sign_id) DO UPDATE SET
        holds = excluded.holds, is_active = excluded.is_active, detected_at = excluded.detected_at,
        renewed_at = excluded.renewed_at, valid_until = excluded.valid_until
)"""  # noqa: S608  # made of numbers and parameters


async def note_detections(
    session: AsyncSession,
    changes: Sequence[SignChange],
    signs: Sequence[SignDefinition],
    *,
    reason: str,
    now: datetime,
) -> None:
    """Keep for good that conditions became true of locked customers."""
    versions = {sign.sign_id: sign.version for sign in signs}
    became = [change for change in changes if change.became_true]
    if not became:
        return
    await (await raw(session)).execute(
        "INSERT INTO sign_detections (customer_id, sign_id, detected_at, anchor_id, version, is_renewal, reason) "
        "SELECT customer_id, sign_id, $6, anchor_id, version, is_renewal, $7 "
        "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::boolean[]) "
        "AS t (customer_id, sign_id, anchor_id, version, is_renewal) ON CONFLICT DO NOTHING",
        [change.customer_id for change in became],
        [change.sign_id for change in became],
        [change.anchor_id for change in became],
        [versions[change.sign_id] for change in became],
        [change.was_active for change in became],
        now,
        reason,
    )


async def due_signs(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> set[UUID]:
    """The signs whose answer is due for any of these customers."""
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT sign_id FROM customer_signs WHERE customer_id = ANY($1::uuid[]) AND valid_until <= $2",
        list(customer_ids),
        now,
    )
    return {row["sign_id"] for row in rows}


async def stop_asking(
    session: AsyncSession, customer_ids: Sequence[UUID], signs: Sequence[UUID], *, now: datetime
) -> None:
    """Ask these customers no more about due signs other than those published: archived, or leading nowhere."""
    await (await raw(session)).execute(
        "UPDATE customer_signs SET valid_until = NULL "
        "WHERE customer_id = ANY($1::uuid[]) AND valid_until <= $3 AND sign_id <> ALL($2::uuid[])",
        list(customer_ids),
        list(signs),
        now,
    )


async def refold_signs(session: AsyncSession, groups: Sequence[frozenset[UUID]]) -> None:
    """After a move: go back to what was detected of each locked customer's own anchors, before concluding anew.

    Where a sign's condition held of one of a group it is not said to become true of another of it.
    """
    pairs = [(customer_id, number) for number, group in enumerate(groups) for customer_id in sorted(group)]
    if pairs:
        await (await raw(session)).execute(_REFOLD, [each for each, _ in pairs], [number for _, number in pairs])


async def leave_signs(
    session: AsyncSession, sign_id: UUID, *, after: UUID, limit: int
) -> tuple[list[SignChange], UUID | None]:
    """Delete the next answers of a sign that counts no more; who showed it, and the last customer (None: no more)."""
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT c.customer_id FROM customers c WHERE c.customer_id IN ("
        "SELECT customer_id FROM customer_signs WHERE sign_id = $1 AND customer_id > $2 "
        "ORDER BY customer_id LIMIT $3) ORDER BY c.customer_id FOR UPDATE",
        sign_id, after, limit,
    )  # fmt: skip
    customer_ids = [row["customer_id"] for row in rows]
    if not customer_ids:
        return [], None
    gone = await connection.fetch(
        "WITH gone AS (DELETE FROM customer_signs WHERE sign_id = $1 AND customer_id = ANY($2::uuid[]) "
        "RETURNING customer_id, is_active) "
        "SELECT g.customer_id, c.latest_anchor_id FROM gone g JOIN customers c USING (customer_id) WHERE g.is_active",
        sign_id,
        customer_ids,
    )
    changes = [
        SignChange(row["customer_id"], row["latest_anchor_id"], sign_id, is_active=False, was_active=True,
                   became_true=False)
        for row in gone
    ]  # fmt: skip
    return changes, customer_ids[-1]
