"""SQL of what partners' requests are held against."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import Source
from identity_service.rules.identifiers import Namespace
from identity_service.rules.partners import SourceRules
from servicekit.database import raw


async def load_source_rules(session: AsyncSession, source: Source) -> SourceRules:
    """Return what a source may name: configured namespaces, and its own purposes."""
    connection: asyncpg.Connection = await raw(session)
    rows = await connection.fetch("SELECT name, normaliser, blocked_values FROM namespaces")
    return SourceRules(
        {row["name"]: row["normaliser"] for row in rows},
        tuple(source.purposes),
        {row["name"]: Namespace(name=row["name"], blocked_values=tuple(row["blocked_values"])) for row in rows},
    )
