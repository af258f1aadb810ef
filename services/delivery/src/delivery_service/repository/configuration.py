"""Topics and templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw

Json = dict[str, Any]  # a JSON object


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic."""

    key: str
    name: str
    cap_messages: int | None
    cap_days: int | None
    legal_entity: str | None
    purpose: str | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template's version with its definition (JSON of schemas.TemplateBody)."""

    key: str
    version: int
    definition: Json
    updated_at: datetime


async def lock_key(session: AsyncSession, kind: str, key: str) -> None:
    """Let one transaction at a time edit this thing, also when it does not exist yet."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{kind}/{key}")


async def find_topics(session: AsyncSession, keys: Sequence[str] | None = None) -> list[TopicRow]:
    """Return topics by key, or all, ordered by key."""
    rows = await (await raw(session)).fetch(
        "SELECT key, name, cap_messages, cap_days, legal_entity, purpose, version, updated_at FROM topics "
        "WHERE $1::text[] IS NULL OR key = ANY($1) ORDER BY key",
        None if keys is None else list(keys),
    )
    return [TopicRow(**dict(row)) for row in rows]


async def put_topic(session: AsyncSession, row: TopicRow) -> None:
    """Insert or replace a topic."""
    await (await raw(session)).execute(
        """
        INSERT INTO topics (key, name, cap_messages, cap_days, legal_entity, purpose, version, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (key) DO UPDATE SET name = excluded.name, cap_messages = excluded.cap_messages,
            cap_days = excluded.cap_days, legal_entity = excluded.legal_entity, purpose = excluded.purpose,
            version = excluded.version, updated_at = excluded.updated_at
        """,
        row.key,
        row.name,
        row.cap_messages,
        row.cap_days,
        row.legal_entity,
        row.purpose,
        row.version,
        row.updated_at,
    )


async def find_templates(session: AsyncSession, keys: Sequence[str] | None = None) -> list[TemplateRow]:
    """Return the present versions of templates by key, or all, ordered by key."""
    rows = await (await raw(session)).fetch(
        """
        SELECT t.key, t.version, v.definition, t.updated_at
        FROM templates t JOIN template_versions v ON v.template_key = t.key AND v.version = t.version
        WHERE $1::text[] IS NULL OR t.key = ANY($1) ORDER BY t.key
        """,
        None if keys is None else list(keys),
    )
    return [_template(row) for row in rows]


async def find_template_versions(session: AsyncSession, versions: Sequence[tuple[str, int]]) -> list[TemplateRow]:
    """Return these (key, version)."""
    rows = await (await raw(session)).fetch(
        """
        SELECT v.template_key AS key, v.version, v.definition, v.created_at AS updated_at FROM template_versions v
        WHERE (v.template_key, v.version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
        """,
        [key for key, _ in versions],
        [version for _, version in versions],
    )
    return [_template(row) for row in rows]


async def put_template(session: AsyncSession, row: TemplateRow) -> None:
    """Add a version and make it the present one."""
    connection = await raw(session)
    await connection.execute(
        "INSERT INTO template_versions (template_key, version, definition, links, utm, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        row.key,
        row.version,
        json_text(row.definition),
        json_text(row.definition["links"]),
        row.definition["utm"],
        row.updated_at,
    )
    await connection.execute(
        """
        INSERT INTO templates (key, version, category, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (key) DO UPDATE SET version = excluded.version, category = excluded.category,
            updated_at = excluded.updated_at
        """,
        row.key,
        row.version,
        row.definition["category"],
        row.updated_at,
    )


def _template(row: asyncpg.Record) -> TemplateRow:
    return TemplateRow(row["key"], row["version"], row["definition"], row["updated_at"])
