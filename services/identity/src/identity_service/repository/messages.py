"""SQL of what is remembered of messages: taken in, repeated, rejected, counted."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

_KNOWN_MESSAGES = """
SELECT event_id, request_id, position, anchor_id, customer_id,
    NOT EXISTS (SELECT FROM identifiers WHERE identifiers.anchor_id = message_ids.anchor_id) AS is_erased
FROM message_ids WHERE event_id = ANY($1::uuid[])
"""

_FORGET_MESSAGES = """
WITH forgotten AS (DELETE FROM message_ids WHERE received_at < $1 RETURNING event_id, is_record)
INSERT INTO record_ids (event_id) SELECT event_id FROM forgotten WHERE is_record ON CONFLICT DO NOTHING
"""

_INSERT_REJECTIONS = """
INSERT INTO rejections (rejection_id, source_id, request_id, position, field, detail, payload, received_at)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[]
)
ON CONFLICT DO NOTHING
"""

_INSERT_DUPLICATES = """
INSERT INTO duplicates (request_id, position, received_at)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[])
ON CONFLICT DO NOTHING
"""

_COUNT = """
UPDATE ingest_totals
SET accepted = accepted + $1, rejected = rejected + $2, duplicates = duplicates + $3, erased = erased + $4
"""


class KnownMessage(NamedTuple):
    """A message taken in before, and where it belongs."""

    event_id: UUID
    request_id: UUID
    position: int
    anchor_id: UUID
    customer_id: UUID
    is_erased: bool
    """Its customer was erased: it is never told again."""


class NewMessage(NamedTuple):
    """A message taken in now; the columns of `message_ids`."""

    event_id: UUID
    request_id: UUID
    position: int
    anchor_id: UUID
    customer_id: UUID
    received_at: datetime
    is_record: bool


class NewRejection(NamedTuple):
    """An event that could not be taken; the columns of `rejections`."""

    rejection_id: UUID
    source_id: str
    request_id: UUID
    position: int
    field: str
    detail: str
    payload: bytes
    received_at: datetime


class NewDuplicate(NamedTuple):
    """A message that is dropped; the columns of `duplicates`."""

    request_id: UUID
    position: int
    received_at: datetime


async def find_messages(connection: asyncpg.Connection, event_ids: Sequence[UUID]) -> dict[UUID, KnownMessage]:
    """Return those of the messages that were taken in before."""
    rows = await connection.fetch(_KNOWN_MESSAGES, event_ids)
    return {row["event_id"]: KnownMessage(*row) for row in rows}


async def find_records(connection: asyncpg.Connection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of departments' records that were taken in so long ago that only this is remembered of them."""
    rows = await connection.fetch("SELECT event_id FROM record_ids WHERE event_id = ANY($1::uuid[])", event_ids)
    return {row["event_id"] for row in rows}


async def save_messages(
    connection: asyncpg.Connection,
    *,
    messages: Sequence[NewMessage],
    rejections: Sequence[NewRejection],
    duplicates: Sequence[NewDuplicate],
    erased: Sequence[NewDuplicate],
) -> None:
    """Remember what was taken in, rejected and dropped, and count each once however often it is delivered."""
    if messages:
        ordered = sorted(messages, key=lambda one: one.event_id.bytes)
        await connection.copy_records_to_table("message_ids", records=ordered, columns=NewMessage._fields)
    rejected = await _insert_new(connection, _INSERT_REJECTIONS, rejections)
    dropped = await _insert_new(connection, _INSERT_DUPLICATES, duplicates)
    of_erased = await _insert_new(connection, _INSERT_DUPLICATES, erased)
    if messages or rejected or dropped or of_erased:
        await connection.execute(_COUNT, len(messages), rejected, dropped, of_erased)


async def _insert_new(connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    if not rows:
        return 0
    columns = zip(*sorted(rows), strict=True)
    status: str = await connection.execute(statement, *(list(column) for column in columns))
    return int(status.rsplit(" ", 1)[-1])


async def forget_messages(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget message ids and repetitions received before a moment; of departments' records it stays that they were."""
    await connection.execute(_FORGET_MESSAGES, before)
    await connection.execute("DELETE FROM duplicates WHERE received_at < $1", before)


async def forget_rejections(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget rejected events received before a moment."""
    await connection.execute("DELETE FROM rejections WHERE received_at < $1", before)
