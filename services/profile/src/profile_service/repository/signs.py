"""Signs as they are configured, who shows them, how much of the base."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.profile import SignStrength
from servicekit.database import json_text, raw

SUBJECT = "sign:"
"""What the backfill subject of a sign begins with; its id follows."""

_SIGNS = """
SELECT s.sign_id, s.key, s.name, s.meaning, s.edited, s.published, s.revision, s.version, s.published_at, s.archived_at,
       b.subject IS NOT NULL AND b.finished_at IS NULL AS is_backfilling
FROM signs s LEFT JOIN backfills b ON b.subject = 'sign:' || s.sign_id::text
"""


@dataclass(frozen=True)
class SignRow:
    """A sign as configured, and whether everybody is being looked at for it."""

    sign_id: UUID
    key: str
    name: str
    meaning: str
    edited: dict[str, Any]
    published: dict[str, Any] | None
    revision: int
    version: int
    published_at: datetime | None
    archived_at: datetime | None
    is_backfilling: bool

    @property
    def strength(self) -> SignStrength:
        """As published, or before that as edited."""
        strength: SignStrength = (self.published or self.edited)["strength"]
        return strength


@dataclass(frozen=True)
class SignVersionRow:
    """What a sign was from a publication on."""

    version: int
    definition: dict[str, Any]
    published_at: datetime
    published_by: str | None
    why: str | None


@dataclass(frozen=True)
class SignView:
    """A sign a customer shows; it lasts until `expires_at` at least, or while its condition holds (None)."""

    key: str
    name: str
    meaning: str
    strength: str
    detected_at: datetime
    renewed_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class ShowingRow:
    """A customer who shows a sign, and since when."""

    customer_id: UUID
    anchor_id: UUID
    detected_at: datetime
    renewed_at: datetime


@dataclass(frozen=True)
class Coverage:
    """How many customers there are, show any sign, and show which."""

    customers: int
    showing: int
    by_sign: dict[UUID, int]


def subject_of(sign_id: UUID) -> str:
    """The backfill subject of a sign."""
    return f"{SUBJECT}{sign_id}"


async def list_signs(session: AsyncSession) -> list[SignRow]:
    """All signs by key."""
    return [SignRow(**row) for row in await (await raw(session)).fetch(f"{_SIGNS} ORDER BY s.key")]


async def get_sign(session: AsyncSession, key: str) -> SignRow | None:
    """One sign."""
    row = await (await raw(session)).fetchrow(f"{_SIGNS} WHERE s.key = $1", key)
    return None if row is None else SignRow(**row)


async def get_archived(session: AsyncSession, sign_id: UUID) -> SignRow | None:
    """The sign, if it is archived."""
    row = await (await raw(session)).fetchrow(f"{_SIGNS} WHERE s.sign_id = $1 AND s.archived_at IS NOT NULL", sign_id)
    return None if row is None else SignRow(**row)


async def insert_sign(
    session: AsyncSession, *, sign_id: UUID, key: str, name: str, meaning: str, edited: dict[str, Any]
) -> None:
    """A new sign, not yet published."""
    await (await raw(session)).execute(
        "INSERT INTO signs (sign_id, key, name, meaning, edited, revision) VALUES ($1, $2, $3, $4, $5, 1)",
        sign_id, key, name, meaning, json_text(edited),
    )  # fmt: skip


async def update_sign(session: AsyncSession, sign_id: UUID, *, name: str, meaning: str, edited: dict[str, Any]) -> None:
    """A further edit."""
    await (await raw(session)).execute(
        "UPDATE signs SET name = $2, meaning = $3, edited = $4, revision = revision + 1 WHERE sign_id = $1",
        sign_id, name, meaning, json_text(edited),
    )  # fmt: skip


async def publish_sign(
    session: AsyncSession, sign_id: UUID, *, published_by: str | None, why: str | None, now: datetime
) -> None:
    """Make the edited definition the one that is detected, and remember it as a version."""
    await (await raw(session)).execute(
        "WITH published AS (UPDATE signs SET published = edited, version = version + 1, published_at = $2 "
        "WHERE sign_id = $1 RETURNING sign_id, version, edited, published_at) "
        "INSERT INTO sign_versions (sign_id, version, definition, published_at, published_by, why) "
        "SELECT sign_id, version, edited, published_at, $3, $4 FROM published",
        sign_id, now, published_by, why,
    )  # fmt: skip


async def set_archived(session: AsyncSession, sign_id: UUID, *, archived_at: datetime | None) -> None:
    """Take the sign out of use, or into use again (None)."""
    await (await raw(session)).execute(
        "UPDATE signs SET archived_at = $2, revision = revision + 1 WHERE sign_id = $1", sign_id, archived_at
    )


async def list_versions(
    session: AsyncSession, sign_id: UUID, *, before: int | None, limit: int
) -> list[SignVersionRow]:
    """The newest versions, before one already seen."""
    rows = await (await raw(session)).fetch(
        "SELECT version, definition, published_at, published_by, why FROM sign_versions "
        "WHERE sign_id = $1 AND ($2::int IS NULL OR version < $2) ORDER BY version DESC LIMIT $3",
        sign_id, before, limit,
    )  # fmt: skip
    return [SignVersionRow(**row) for row in rows]


async def signs_of(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, list[SignView]]:
    """The signs each customer shows, by key."""
    rows = await (await raw(session)).fetch(
        "SELECT c.customer_id, s.key, s.name, s.meaning, s.published ->> 'strength' AS strength, c.detected_at, "
        "c.renewed_at, CASE WHEN NOT c.holds "
        "THEN c.renewed_at + make_interval(days => (s.published ->> 'lifetime_days')::int) END AS expires_at "
        "FROM customer_signs c JOIN signs s USING (sign_id) "
        "WHERE c.customer_id = ANY($1::uuid[]) AND c.is_active AND s.archived_at IS NULL "
        "ORDER BY c.customer_id, s.key",
        list(customer_ids),
    )
    signs: dict[UUID, list[SignView]] = {}
    for row in rows:
        customer_id, *rest = row
        signs.setdefault(customer_id, []).append(SignView(*rest))
    return signs


async def list_showing(session: AsyncSession, sign_id: UUID, *, after: UUID, limit: int) -> list[ShowingRow]:
    """Customers who show a sign, in order of their id."""
    rows = await (await raw(session)).fetch(
        "SELECT g.customer_id, c.latest_anchor_id AS anchor_id, g.detected_at, g.renewed_at FROM ("
        "  SELECT customer_id, detected_at, renewed_at FROM customer_signs "
        "  WHERE sign_id = $1 AND is_active AND customer_id > $2 ORDER BY customer_id LIMIT $3"
        ") AS g JOIN customers c USING (customer_id) ORDER BY g.customer_id",
        sign_id, after, limit,
    )  # fmt: skip
    return [ShowingRow(**row) for row in rows]


async def count_showing(session: AsyncSession, customers: int) -> Coverage:
    """Count who shows what, over the index of those who do."""
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT g.sign_id, count(*) AS showing FROM customer_signs g JOIN signs s USING (sign_id) "
        "WHERE g.is_active AND s.archived_at IS NULL GROUP BY g.sign_id"
    )
    showing = await connection.fetchval(
        "SELECT count(DISTINCT g.customer_id) FROM customer_signs g JOIN signs s USING (sign_id) "
        "WHERE g.is_active AND s.archived_at IS NULL"
    )
    return Coverage(customers, showing, {row["sign_id"]: row["showing"] for row in rows})
