"""SQL of the rules and their versions."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from identity_service.models import Namespace, RulesVersion


async def find_namespace(session: AsyncSession, name: str) -> Namespace | None:
    """Return a namespace."""
    return (await session.execute(select(Namespace).where(col(Namespace.name) == name))).scalar_one_or_none()


async def list_namespaces(session: AsyncSession) -> Sequence[Namespace]:
    """Return all configured namespaces, the strongest first."""
    statement = select(Namespace).order_by(col(Namespace.priority), col(Namespace.name))
    return (await session.execute(statement)).scalars().all()


async def add_namespace(session: AsyncSession, namespace: Namespace) -> None:
    """Insert a namespace."""
    session.add(namespace)
    await session.flush()


async def remove_namespaces(session: AsyncSession, names: Collection[str]) -> None:
    """Let the default rules hold for namespaces."""
    await session.execute(delete(Namespace).where(col(Namespace.name).in_(names)))


async def find_last_version(session: AsyncSession) -> RulesVersion | None:
    """Return the rules in force as they were recorded."""
    statement = select(RulesVersion).order_by(col(RulesVersion.version).desc()).limit(1)
    return (await session.execute(statement)).scalar_one_or_none()


async def find_last_number(session: AsyncSession) -> int:
    """Return the number of the rules in force; 0 before there was any."""
    number: int | None = (await session.execute(select(func.max(col(RulesVersion.version))))).scalar_one()
    return number or 0


async def list_versions(session: AsyncSession, *, before: int | None, limit: int) -> Sequence[RulesVersion]:
    """Return versions, the newest first, those before a number."""
    statement = select(RulesVersion).order_by(col(RulesVersion.version).desc()).limit(limit)
    if before is not None:
        statement = statement.where(col(RulesVersion.version) < before)
    return (await session.execute(statement)).scalars().all()


async def add_version(session: AsyncSession, version: RulesVersion) -> None:
    """Insert a version of the rules."""
    session.add(version)
    await session.flush()
