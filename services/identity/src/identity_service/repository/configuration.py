"""SQL of sources."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from identity_service.models import Source


async def lock_key(session: AsyncSession, kind: str, key: str) -> None:
    """Let nobody else make or change the thing with this key until the transaction ends, whether it exists or not."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtext(:kind), hashtext(:key))"), {"kind": kind, "key": key}
    )


async def find_source(session: AsyncSession, source_id: str) -> Source | None:
    """Return a source."""
    return (await session.execute(select(Source).where(col(Source.source_id) == source_id))).scalar_one_or_none()


async def list_sources(session: AsyncSession) -> Sequence[Source]:
    """Return all sources by id."""
    return (await session.execute(select(Source).order_by(col(Source.source_id)))).scalars().all()


async def add_source(session: AsyncSession, source: Source) -> None:
    """Insert a source."""
    session.add(source)
    await session.flush()


async def touch_source(session: AsyncSession, source: Source, *, at: datetime) -> None:
    """Write a changed source as its next version."""
    source.version += 1
    source.updated_at = at
    await session.flush()


async def take_untold(session: AsyncSession, *, limit: int) -> Sequence[Source]:
    """Lock and return sources of whose present version other services were not told."""
    statement = (
        select(Source)
        .where(col(Source.told_version).is_distinct_from(col(Source.version)))
        .order_by(col(Source.source_id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.execute(statement)).scalars().all()
