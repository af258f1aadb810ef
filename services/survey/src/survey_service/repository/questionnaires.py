"""Questionnaires and their versions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw


@dataclass(frozen=True)
class QuestionnaireRow:
    """One version; `definition` is the questionnaire as JSON."""

    key: str
    version: int
    definition: dict[str, Any]  # JSON of rules.questionnaire.Questionnaire
    created_at: datetime
    updated_at: datetime


_SELECT = """
SELECT q.key, v.version, v.definition, q.created_at, v.created_at AS updated_at
FROM questionnaires q
JOIN questionnaire_versions v ON v.questionnaire_key = q.key AND v.version = COALESCE($1::int, q.version)
"""


async def find_questionnaire(
    session: AsyncSession, key: str, *, version: int | None = None, lock: bool = False
) -> QuestionnaireRow | None:
    """Return a version (the present one by default); `lock` keeps others from saving until the transaction ends."""
    connection = await raw(session)
    record = await connection.fetchrow(f"{_SELECT} WHERE q.key = $2 {'FOR UPDATE OF q' if lock else ''}", version, key)
    return None if record is None else QuestionnaireRow(**record)


async def list_questionnaires(session: AsyncSession) -> list[QuestionnaireRow]:
    """Return every questionnaire's present version, by key."""
    connection = await raw(session)
    records = await connection.fetch(f"{_SELECT} ORDER BY q.key", None)
    return [QuestionnaireRow(**record) for record in records]


async def add_questionnaire(session: AsyncSession, key: str, *, definition: dict[str, Any], now: datetime) -> bool:
    """Insert version 1; False when somebody else was first."""
    connection = await raw(session)
    added = await connection.fetchval(
        "INSERT INTO questionnaires (key, version, created_at, updated_at) VALUES ($1, 1, $2, $2)"
        " ON CONFLICT (key) DO NOTHING RETURNING true",
        key,
        now,
    )
    if added:
        await _add_version(session, key, version=1, definition=definition, now=now)
    return bool(added)


async def replace_questionnaire(
    session: AsyncSession, key: str, *, version: int, definition: dict[str, Any], now: datetime
) -> None:
    """Make `version` the present one. The row must be locked."""
    connection = await raw(session)
    await connection.execute(
        "UPDATE questionnaires SET version = $2, updated_at = $3 WHERE key = $1", key, version, now
    )
    await _add_version(session, key, version=version, definition=definition, now=now)


async def _add_version(
    session: AsyncSession, key: str, *, version: int, definition: dict[str, Any], now: datetime
) -> None:
    connection = await raw(session)
    await connection.execute(
        "INSERT INTO questionnaire_versions (questionnaire_key, version, definition, created_at)"
        " VALUES ($1, $2, $3, $4)",
        key,
        version,
        json_text(definition),
        now,
    )


async def present_versions(session: AsyncSession, keys: Collection[str]) -> dict[str, int]:
    """Return the present version of those of these questionnaires that exist."""
    connection = await raw(session)
    records = await connection.fetch("SELECT key, version FROM questionnaires WHERE key = ANY($1::text[])", list(keys))
    return {record["key"]: record["version"] for record in records}
