"""Computed traits as they are configured."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw

_SELECT = "SELECT key, name, description, unit, value, points, version, updated_at FROM computed_traits"


@dataclass(frozen=True)
class ComputedTraitRow:
    """A computed trait."""

    key: str
    name: str
    description: str | None
    unit: str | None
    value: dict[str, Any]
    points: dict[str, Any] | None
    version: int
    updated_at: datetime


async def list_computed_traits(session: AsyncSession) -> list[ComputedTraitRow]:
    """All by key."""
    return [ComputedTraitRow(**row) for row in await (await raw(session)).fetch(f"{_SELECT} ORDER BY key")]


async def find_computed_trait(session: AsyncSession, key: str) -> ComputedTraitRow | None:
    """One of them."""
    row = await (await raw(session)).fetchrow(f"{_SELECT} WHERE key = $1", key)
    return None if row is None else ComputedTraitRow(**row)


async def keep_computed_trait(session: AsyncSession, row: ComputedTraitRow) -> None:
    """Put it there, in the place of what was."""
    await (await raw(session)).execute(
        "INSERT INTO computed_traits (key, name, description, unit, value, points, version, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO UPDATE SET name = excluded.name, "
        "description = excluded.description, unit = excluded.unit, value = excluded.value, points = excluded.points, "
        "version = excluded.version, updated_at = excluded.updated_at",
        row.key, row.name, row.description, row.unit, json_text(row.value),
        None if row.points is None else json_text(row.points), row.version, row.updated_at,
    )  # fmt: skip


async def delete_computed_trait(session: AsyncSession, key: str) -> None:
    """Forget it."""
    await (await raw(session)).execute("DELETE FROM computed_traits WHERE key = $1", key)


async def find_settings(session: AsyncSession, key: str) -> tuple[dict[str, Any], int] | None:
    """A document of which there is one (`lifecycle`, `rfm`), and its version; None: its default holds."""
    row = await (await raw(session)).fetchrow("SELECT document, version FROM value_settings WHERE key = $1", key)
    return None if row is None else (row["document"], row["version"])


async def keep_settings(session: AsyncSession, key: str, document: dict[str, Any], *, now: datetime) -> int:
    """Put it in the place of what was; its version."""
    version: int = await (await raw(session)).fetchval(
        "INSERT INTO value_settings AS v (key, document, version, updated_at) VALUES ($1, $2, 1, $3) "
        "ON CONFLICT (key) DO UPDATE SET document = excluded.document, version = v.version + 1, "
        "updated_at = excluded.updated_at RETURNING version",
        key, json_text(document), now,
    )  # fmt: skip
    return version
