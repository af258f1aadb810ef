"""Definitions of traits, and the refolds that follow when a policy changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate
from profile_service.rules.traits import SHAPES, Policy, TraitType
from servicekit.database import json_text, raw

_SELECT = """
SELECT d.name, d.type, d.policy, d.trusted, d.description, d.is_sensitive, d.labels, d.revision, d.updated_at,
       r.name IS NOT NULL AND r.finished_at IS NULL AS is_refolding, COALESCE(r.refolded, 0) AS refolded
FROM trait_definitions d LEFT JOIN trait_refolds r USING (name)
"""
_PUT = """
INSERT INTO trait_definitions AS d
    (name, type, shape, policy, trusted, description, is_sensitive, labels, revision, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
ON CONFLICT (name) DO UPDATE SET
    type = excluded.type, shape = excluded.shape, policy = excluded.policy, trusted = excluded.trusted,
    description = excluded.description, is_sensitive = excluded.is_sensitive, labels = excluded.labels,
    revision = d.revision + 1, updated_at = excluded.updated_at
"""


@dataclass(frozen=True)
class TraitSpecification:
    """What a trait is, and how it is folded."""

    type: TraitType | None
    policy: Policy
    trusted: Sequence[Mapping[str, str]]
    description: str | None
    is_sensitive: bool
    labels: Sequence[str]

    @property
    def folding(self) -> tuple[object, ...]:
        """What the fold depends on."""
        return self.type, self.policy, [dict(entry) for entry in self.trusted]


@dataclass(frozen=True)
class TraitDefinitionRow:
    """A definition as configured, and whether everybody is still being folded by it."""

    name: str
    specification: TraitSpecification
    revision: int
    updated_at: datetime
    is_refolding: bool
    refolded: int


@dataclass(frozen=True)
class RefoldRow:
    """A refold at work; its row is locked."""

    name: str
    cursor: UUID | None


async def lock_definition(session: AsyncSession, name: str) -> TraitDefinitionRow | None:
    """A definition, which nobody else changes until this transaction ends; None leaves its name to it."""
    connection = await raw(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('trait ' || $1, 0))", name)
    return await find_definition(session, name)


async def find_definition(session: AsyncSession, name: str) -> TraitDefinitionRow | None:
    """One definition."""
    row = await (await raw(session)).fetchrow(f"{_SELECT} WHERE d.name = $1", name)
    return None if row is None else _definition(row)


VISIBLE_IN_LIST = 3
"""From which parameter on a predicate of what is visible has its own."""


async def list_definitions(
    session: AsyncSession, *, after: str | None, limit: int, visible: CompiledPredicate | None = None
) -> list[TraitDefinitionRow]:
    """(Visible) definitions by name."""
    visible = visible or CompiledPredicate("true", ())
    rows = await (await raw(session)).fetch(
        f"{_SELECT} WHERE ($1::text IS NULL OR d.name > $1) AND {visible.sql} ORDER BY d.name LIMIT $2",
        after,
        limit,
        *visible.parameters,
    )
    return [_definition(row) for row in rows]


def _definition(row: Any) -> TraitDefinitionRow:  # an asyncpg record
    return TraitDefinitionRow(
        name=row["name"],
        specification=TraitSpecification(
            type=row["type"],
            policy=row["policy"],
            trusted=row["trusted"],
            description=row["description"],
            is_sensitive=row["is_sensitive"],
            labels=row["labels"],
        ),
        revision=row["revision"],
        updated_at=row["updated_at"],
        is_refolding=row["is_refolding"],
        refolded=row["refolded"],
    )


async def put_definition(session: AsyncSession, name: str, wanted: TraitSpecification, *, now: datetime) -> None:
    """Insert a definition, or its next revision."""
    await (await raw(session)).execute(
        _PUT,
        name,
        wanted.type,
        None if wanted.type is None else SHAPES[wanted.type],
        wanted.policy,
        json_text([dict(entry) for entry in wanted.trusted]),
        wanted.description,
        wanted.is_sensitive,
        list(wanted.labels),
        now,
    )


async def delete_definition(session: AsyncSession, name: str) -> None:
    """The trait is one like any other from now on."""
    await (await raw(session)).execute("DELETE FROM trait_definitions WHERE name = $1", name)


async def names_trusting_departments(session: AsyncSession) -> list[str]:
    """The traits whose fold depends on which department a source belongs to."""
    rows = await (await raw(session)).fetch(
        "SELECT name FROM trait_definitions WHERE trusted @? '$[*].department' ORDER BY name"
    )
    return [row["name"] for row in rows]


async def request_refolds(session: AsyncSession, names: Sequence[str], *, now: datetime) -> None:
    """Fold everybody's traits of these names anew, from the first customer on, whatever was under way."""
    await (await raw(session)).execute(
        "INSERT INTO trait_refolds (name, requested_at) SELECT name, $2 FROM unnest($1::text[]) AS t (name) "
        "ORDER BY name ON CONFLICT (name) DO UPDATE SET "
        "requested_at = $2, began_at = NULL, cursor = NULL, refolded = 0, finished_at = NULL",
        list(names),
        now,
    )


async def next_refold(session: AsyncSession) -> tuple[str, datetime] | None:
    """The oldest refold that has not begun: its name and when it was requested."""
    row = await (await raw(session)).fetchrow(
        "SELECT name, requested_at FROM trait_refolds WHERE began_at IS NULL ORDER BY requested_at, name LIMIT 1"
    )
    return None if row is None else (row["name"], row["requested_at"])


async def begin_refold(session: AsyncSession, name: str, *, requested_at: datetime, now: datetime) -> None:
    """Whoever folds by the former policy has ended: the customers can be gone through, unless it changed again."""
    await (await raw(session)).execute(
        "UPDATE trait_refolds SET began_at = $3 WHERE name = $1 AND requested_at = $2 AND began_at IS NULL",
        name, requested_at, now,
    )  # fmt: skip


async def claim_refold(session: AsyncSession) -> RefoldRow | None:
    """The oldest refold that has begun and that nobody else works on, locked."""
    row = await (await raw(session)).fetchrow(
        "SELECT name, cursor FROM trait_refolds WHERE began_at IS NOT NULL AND finished_at IS NULL "
        "ORDER BY requested_at, name LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return None if row is None else RefoldRow(row["name"], row["cursor"])


async def advance_refold(
    session: AsyncSession, name: str, *, cursor: UUID | None, refolded: int, finished_at: datetime | None
) -> None:
    """Note how far a refold is, in the transaction of its chunk."""
    await (await raw(session)).execute(
        "UPDATE trait_refolds SET cursor = COALESCE($2, cursor), refolded = refolded + $3, finished_at = $4 "
        "WHERE name = $1",
        name, cursor, refolded, finished_at,
    )  # fmt: skip
