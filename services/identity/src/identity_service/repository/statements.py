"""SQL of what events state about persons and groups: of each field the statement made last is kept, in any order."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from servicekit.database import json_text


def _said_later(column: str) -> str:
    """SQL: whether an arriving field was said later than the kept one; of one moment the greater value stays."""
    return (
        f"(said.at, coalesce(excluded.{column} ->> said.field, '')) > "
        f"(coalesce(kept.stated_at ->> said.field, ''), coalesce(kept.{column} ->> said.field, ''))"
    )


def _later_fields(column: str) -> str:
    """SQL: the arriving fields that were said later than the kept ones, as one row `later (fields)`."""
    return (
        "(SELECT coalesce(array_agg(said.field), '{}') FROM jsonb_each_text(excluded.stated_at) AS said (field, at) "  # noqa: S608 - our columns
        f"WHERE {_said_later(column)}) AS later (fields)"
    )


def _picked(column: str) -> str:
    """SQL: the kept column, with those fields of the arriving one that were said later."""
    return (
        f"(kept.{column} - later.fields) || coalesce((SELECT jsonb_object_agg(field, value) "  # noqa: S608 - our columns
        f"FROM jsonb_each(excluded.{column}) AS said (field, value) WHERE field = ANY(later.fields)), '{{}}')"
    )


_SAVE_PERSONS = f"""
INSERT INTO person_records AS kept (anchor_id, source_id, written, normal, stated_at, occurred_at, changed_at)
SELECT anchor_id, source_id, written, normal, stated_at, occurred_at, $7
FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::jsonb[], $5::jsonb[], $6::timestamptz[])
    AS said (anchor_id, source_id, written, normal, stated_at, occurred_at)
ON CONFLICT (anchor_id, source_id) DO UPDATE SET (written, normal, stated_at, occurred_at, changed_at) = (
    SELECT {_picked("written")}, {_picked("normal")}, {_picked("stated_at")},
        greatest(kept.occurred_at, excluded.occurred_at), excluded.changed_at
    FROM {_later_fields("written")}
)
WHERE EXISTS (SELECT FROM jsonb_each_text(excluded.stated_at) AS said (field, at) WHERE {_said_later("written")})
"""  # noqa: S608 - made of the constants above

_SAVE_GROUPS = f"""
INSERT INTO groups AS kept (group_id, traits, stated_at, source_id, occurred_at)
SELECT * FROM unnest($1::text[], $2::jsonb[], $3::jsonb[], $4::text[], $5::timestamptz[])
ON CONFLICT (group_id) DO UPDATE SET (traits, stated_at, source_id, occurred_at) = (
    SELECT {_picked("traits")}, {_picked("stated_at")},
        CASE WHEN excluded.occurred_at > kept.occurred_at THEN excluded.source_id ELSE kept.source_id END,
        greatest(kept.occurred_at, excluded.occurred_at)
    FROM {_later_fields("traits")}
)
"""  # noqa: S608 - made of the constants above

_SAVE_MEMBERS = """
INSERT INTO group_members (group_id, anchor_id, source_id, event_id, joined_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
ON CONFLICT DO NOTHING
"""


class PersonStatement(NamedTuple):
    """What one source says of the person behind an anchor; fields of `rules.normalisation.person.FIELDS`."""

    anchor_id: UUID
    source_id: str
    written: dict[str, str]
    normal: dict[str, str]
    stated_at: dict[str, str]
    occurred_at: datetime


class GroupStatement(NamedTuple):
    """What is said of a group; `traits` is free JSON."""

    group_id: str
    traits: dict[str, object]
    stated_at: dict[str, str]
    source_id: str
    occurred_at: datetime


class GroupMembership(NamedTuple):
    """The columns of `group_members`."""

    group_id: str
    anchor_id: UUID
    source_id: str
    event_id: UUID
    joined_at: datetime


async def save_persons(connection: asyncpg.Connection, statements: Sequence[PersonStatement], *, at: datetime) -> None:
    """Keep what was said last of each field, one statement per (anchor, source)."""
    ordered = sorted(statements, key=lambda one: (one.anchor_id, one.source_id))
    await connection.execute(
        _SAVE_PERSONS,
        [one.anchor_id for one in ordered],
        [one.source_id for one in ordered],
        [json_text(one.written) for one in ordered],
        [json_text(one.normal) for one in ordered],
        [json_text(one.stated_at) for one in ordered],
        [one.occurred_at for one in ordered],
        at,
    )


async def save_groups(connection: asyncpg.Connection, statements: Sequence[GroupStatement]) -> None:
    """Keep what was said last of each trait, one statement per group."""
    ordered = sorted(statements, key=lambda one: one.group_id)
    await connection.execute(
        _SAVE_GROUPS,
        [one.group_id for one in ordered],
        [json_text(one.traits) for one in ordered],
        [json_text(one.stated_at) for one in ordered],
        [one.source_id for one in ordered],
        [one.occurred_at for one in ordered],
    )


async def save_members(connection: asyncpg.Connection, members: Sequence[GroupMembership]) -> None:
    """Remember who belongs to which group, and the first event that said so."""
    rows = sorted(members)
    await connection.execute(_SAVE_MEMBERS, *(list(column) for column in zip(*rows, strict=True)))
