"""The table of ranks as it is configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw


@dataclass(frozen=True)
class RankRow:
    """A rank as configured, with the number of its customers."""

    key: str
    name: str
    condition: dict[str, Any] | None
    threshold: Decimal | None
    """Instead of a condition: what the table's measure must reach."""
    size: int


async def lock_rank_table(session: AsyncSession) -> int | None:
    """The version of the table of ranks, which nobody else changes until this transaction ends; None: there is none."""
    connection = await raw(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ranks', 0))")
    return await get_rank_version(session)


async def get_rank_version(session: AsyncSession) -> int | None:
    """The version of the table of ranks."""
    version: int | None = await (await raw(session)).fetchval("SELECT version FROM rank_tables WHERE key = 'default'")
    return version


async def list_ranks(session: AsyncSession) -> list[RankRow]:
    """The ranks, lowest first, with their sizes."""
    rows = await (await raw(session)).fetch(
        "SELECT r.key, r.name, r.condition, r.threshold, "
        "(SELECT count(*) FROM customer_ranks c WHERE c.rank_key = r.key) AS size "
        "FROM ranks r ORDER BY r.position"
    )
    return [RankRow(**row) for row in rows]


async def list_thresholds(session: AsyncSession) -> list[tuple[str, str, Decimal]]:
    """(key, name, threshold) of the ranks that have one, lowest first."""
    rows = await (await raw(session)).fetch(
        "SELECT key, name, threshold FROM ranks WHERE threshold IS NOT NULL ORDER BY threshold"
    )
    return [(row["key"], row["name"], row["threshold"]) for row in rows]


async def get_measure(session: AsyncSession) -> dict[str, Any] | None:
    """The Value that thresholds are compared with."""
    measure: dict[str, Any] | None = await (await raw(session)).fetchval(
        "SELECT measure FROM rank_tables WHERE key = 'default'"
    )
    return measure


async def replace_ranks(
    session: AsyncSession,
    ranks: Sequence[tuple[str, str, dict[str, Any] | None, Decimal | None]],
    *,
    measure: dict[str, Any] | None,
) -> None:
    """Put (key, name, condition, threshold), lowest first, in the place of the ranks, as a new version of the table."""
    connection = await raw(session)
    await connection.execute("DELETE FROM ranks")
    await connection.execute(
        "INSERT INTO ranks (key, name, position, condition, threshold) "
        "SELECT key, name, position, condition, threshold "
        "FROM unnest($1::text[], $2::text[], $3::text[]::jsonb[], $4::numeric[]) "
        "WITH ORDINALITY AS t (key, name, condition, threshold, position)",
        [key for key, _, _, _ in ranks],
        [name for _, name, _, _ in ranks],
        [None if condition is None else json_text(condition) for _, _, condition, _ in ranks],
        [threshold for _, _, _, threshold in ranks],
    )
    await connection.execute(
        "INSERT INTO rank_tables AS t (key, version, measure) VALUES ('default', 1, $1) "
        "ON CONFLICT (key) DO UPDATE SET version = t.version + 1, measure = excluded.measure",
        None if measure is None else json_text(measure),
    )
