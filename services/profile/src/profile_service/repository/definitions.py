"""The table of ranks as it is configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw


@dataclass(frozen=True)
class RankRow:
    """A rank as configured, with the number of its customers."""

    key: str
    name: str
    condition: dict[str, Any]
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
        "SELECT r.key, r.name, r.condition, (SELECT count(*) FROM customer_ranks c WHERE c.rank_key = r.key) AS size "
        "FROM ranks r ORDER BY r.position"
    )
    return [RankRow(row["key"], row["name"], row["condition"], row["size"]) for row in rows]


async def replace_ranks(session: AsyncSession, ranks: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Put (key, name, condition), lowest first, in the place of the table of ranks, as a new version of it."""
    connection = await raw(session)
    await connection.execute("DELETE FROM ranks")
    await connection.execute(
        "INSERT INTO ranks (key, name, position, condition) "
        "SELECT key, name, position, condition FROM unnest($1::text[], $2::text[], $3::text[]::jsonb[]) "
        "WITH ORDINALITY AS t (key, name, condition, position)",
        [key for key, _, _ in ranks],
        [name for _, name, _ in ranks],
        [json_text(condition) for _, _, condition in ranks],
    )
    await connection.execute(
        "INSERT INTO rank_tables AS t (key, version) VALUES ('default', 1) "
        "ON CONFLICT (key) DO UPDATE SET version = t.version + 1"
    )
