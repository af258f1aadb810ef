"""What sources took back: of a customer at once, of everybody by a job in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw

_COLUMNS = """
retraction_id, name, source_id, is_for_everybody, until, why, asked_by, requested_at, began_at, cursor, retracted,
finished_at
"""
# Late events on anchors the customer has now are taken back too; every observation came with an event.
_REMEMBER_ANCHORS = """
INSERT INTO retracted_anchors (customer_id, anchor_id, retraction_id, name, source_id, until)
SELECT $1::uuid, anchor_id, $2::uuid, $3::text, $4::text, $5::timestamptz
FROM (SELECT DISTINCT anchor_id FROM events WHERE customer_id = $1::uuid) AS held
"""
_RETRACT = """
WITH marked AS (
    UPDATE trait_observations SET retraction_id = $1::uuid
    WHERE customer_id = ANY($2::uuid[]) AND name = $3::text AND source_id = $4::text AND retraction_id IS NULL
      AND (observed_at <= $5::timestamptz OR event_id = $6::uuid) AND ($6::uuid IS NULL OR event_id = $6::uuid)
    RETURNING customer_id
)
SELECT customer_id, count(*) AS observations FROM marked GROUP BY customer_id
"""
# The job passes by customers in motion: their observations may be here or there.
_RETRACT_ARRIVED = """
UPDATE trait_observations o SET retraction_id = r.retraction_id
FROM (SELECT DISTINCT ON (source_id, name) * FROM trait_retractions
      WHERE is_for_everybody ORDER BY source_id, name, until DESC) AS r
WHERE o.customer_id = ANY($1::uuid[]) AND o.name = r.name AND o.source_id = r.source_id AND o.observed_at <= r.until
  AND o.retraction_id IS NULL
"""


@dataclass(frozen=True)
class Retraction:
    """What a source took back, and how far that is."""

    retraction_id: UUID
    name: str
    source_id: str
    is_for_everybody: bool
    until: datetime
    why: str
    asked_by: str
    requested_at: datetime
    began_at: datetime | None
    cursor: UUID | None
    retracted: int
    finished_at: datetime | None


async def add_retraction(session: AsyncSession, retraction: Retraction) -> None:
    """Write a new one down."""
    await (await raw(session)).execute(
        f"INSERT INTO trait_retractions ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",  # noqa: S608  # columns
        retraction.retraction_id,
        retraction.name,
        retraction.source_id,
        retraction.is_for_everybody,
        retraction.until,
        retraction.why,
        retraction.asked_by,
        retraction.requested_at,
        retraction.began_at,
        retraction.cursor,
        retraction.retracted,
        retraction.finished_at,
    )


async def find_retraction(session: AsyncSession, retraction_id: UUID) -> Retraction | None:
    """One of them."""
    row = await (await raw(session)).fetchrow(
        f"SELECT {_COLUMNS} FROM trait_retractions WHERE retraction_id = $1",  # noqa: S608  # columns
        retraction_id,
    )
    return None if row is None else Retraction(**row)


async def remember_anchors(session: AsyncSession, retraction: Retraction, customer_id: UUID) -> None:
    """Take back as well what arrives later on the anchors that this customer has now."""
    await (await raw(session)).execute(
        _REMEMBER_ANCHORS,
        customer_id,
        retraction.retraction_id,
        retraction.name,
        retraction.source_id,
        retraction.until,
    )


async def retract(
    session: AsyncSession, retraction: Retraction, customer_ids: Sequence[UUID], *, event_id: UUID | None = None
) -> dict[UUID, int]:
    """Mark locked customers' observations (or the one of an event) as taken back; returns how many of whom."""
    rows = await (await raw(session)).fetch(
        _RETRACT,
        retraction.retraction_id,
        list(customer_ids),
        retraction.name,
        retraction.source_id,
        retraction.until,
        event_id,
    )
    return {row["customer_id"]: row["observations"] for row in rows}


async def retract_arrived(session: AsyncSession, customer_ids: Sequence[UUID]) -> None:
    """Mark what was taken back of everybody while these customers were in motion."""
    await (await raw(session)).execute(_RETRACT_ARRIVED, list(customer_ids))


async def note_retracted(
    session: AsyncSession, retraction_id: UUID, *, cursor: UUID | None, retracted: int, finished_at: datetime | None
) -> None:
    """Note how far it is, in the transaction of its chunk."""
    await (await raw(session)).execute(
        "UPDATE trait_retractions SET cursor = COALESCE($2, cursor), retracted = retracted + $3, finished_at = $4 "
        "WHERE retraction_id = $1",
        retraction_id, cursor, retracted, finished_at,
    )  # fmt: skip


async def next_retraction(session: AsyncSession) -> UUID | None:
    """The oldest one of everybody that has not begun."""
    retraction_id: UUID | None = await (await raw(session)).fetchval(
        "SELECT retraction_id FROM trait_retractions WHERE began_at IS NULL "
        "ORDER BY requested_at, retraction_id LIMIT 1"
    )
    return retraction_id


async def begin_retraction(session: AsyncSession, retraction_id: UUID, *, now: datetime) -> None:
    """Whoever knew nothing of it has ended: the customers can be gone through."""
    await (await raw(session)).execute(
        "UPDATE trait_retractions SET began_at = $2 WHERE retraction_id = $1", retraction_id, now
    )


async def claim_retraction(session: AsyncSession) -> Retraction | None:
    """The oldest one of everybody that has begun and that nobody else works on, locked."""
    row = await (await raw(session)).fetchrow(
        f"SELECT {_COLUMNS} FROM trait_retractions WHERE began_at IS NOT NULL AND finished_at IS NULL "  # noqa: S608  # columns
        "ORDER BY requested_at, retraction_id LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return None if row is None else Retraction(**row)
