"""Remarks: the rules they are read by, reading all of them anew, what customers said, how often of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate
from profile_service.rules.remarks import REMARK
from servicekit.database import json_text, raw

_SUBJECT = "remarks"
_TOPICS_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('remark topics', 0))"

Words = dict[str, list[str]]


@dataclass(frozen=True)
class TopicRow:
    """A topic and its words."""

    key: str
    name: str
    kind: str
    keywords: Words
    exclude: Words
    revision: int


@dataclass(frozen=True)
class OpinionRow:
    """The words of an opinion."""

    opinion: str
    words: Words
    revision: int


@dataclass(frozen=True)
class ReadingRow:
    """How far all remarks have been read anew."""

    generation: int
    until_occurred_at: datetime | None
    until_event_id: UUID | None
    read: int
    finished_at: datetime | None


@dataclass(frozen=True)
class StoredRemark:
    """A remark as it stands on a timeline."""

    customer_id: UUID
    occurred_at: datetime
    event_id: UUID
    source_id: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class TopicDay:
    """A day of a topic, in the customers' zone: remarks, of how many customers, and what they said."""

    day: date
    remarks: int
    customers: int
    positive: int
    negative: int


async def lock_rules(session: AsyncSession) -> None:
    """Let nobody else edit topics or opinions before this transaction ends."""
    await (await raw(session)).execute(_TOPICS_LOCK)


async def list_topics(session: AsyncSession) -> list[TopicRow]:
    """All topics by key."""
    rows = await (await raw(session)).fetch(
        "SELECT key, name, kind, keywords, exclude, revision FROM remark_topics ORDER BY key"
    )
    return [TopicRow(**row) for row in rows]


async def get_topic(session: AsyncSession, key: str) -> TopicRow | None:
    """One topic."""
    row = await (await raw(session)).fetchrow(
        "SELECT key, name, kind, keywords, exclude, revision FROM remark_topics WHERE key = $1", key
    )
    return None if row is None else TopicRow(**row)


async def write_topic(
    session: AsyncSession, key: str, *, name: str, kind: str, keywords: Words, exclude: Words
) -> None:
    """Create or replace a topic."""
    await (await raw(session)).execute(
        "INSERT INTO remark_topics AS t (key, name, kind, keywords, exclude, revision) VALUES ($1, $2, $3, $4, $5, 1) "
        "ON CONFLICT (key) DO UPDATE SET name = excluded.name, kind = excluded.kind, keywords = excluded.keywords, "
        "exclude = excluded.exclude, revision = t.revision + 1",
        key, name, kind, json_text(keywords), json_text(exclude),
    )  # fmt: skip


async def delete_topic(session: AsyncSession, key: str) -> None:
    """Remove a topic."""
    await (await raw(session)).execute("DELETE FROM remark_topics WHERE key = $1", key)


async def list_opinions(session: AsyncSession) -> list[OpinionRow]:
    """The opinions whose words are known."""
    rows = await (await raw(session)).fetch("SELECT opinion, words, revision FROM remark_opinions ORDER BY opinion")
    return [OpinionRow(**row) for row in rows]


async def write_opinion(session: AsyncSession, opinion: str, words: Words) -> None:
    """Create or replace the words of an opinion."""
    await (await raw(session)).execute(
        "INSERT INTO remark_opinions AS t (opinion, words, revision) VALUES ($1, $2, 1) "
        "ON CONFLICT (opinion) DO UPDATE SET words = excluded.words, revision = t.revision + 1",
        opinion,
        json_text(words),
    )


async def request_reading(session: AsyncSession, *, now: datetime) -> None:
    """Have all remarks read anew, from the newest on, whatever was under way."""
    await (await raw(session)).execute(
        "INSERT INTO remark_readings AS r (subject, generation, requested_at) VALUES ($1, 1, $2) "
        "ON CONFLICT (subject) DO UPDATE SET generation = r.generation + 1, until_occurred_at = NULL, "
        "until_event_id = NULL, read = 0, requested_at = $2, finished_at = NULL",
        _SUBJECT,
        now,
    )


async def get_reading(session: AsyncSession) -> ReadingRow | None:
    """How far the latest reading is; None: there was never one."""
    return await _reading(session, "subject = $1", lock="")


async def lock_reading(session: AsyncSession) -> ReadingRow | None:
    """The reading that is not finished, if nobody else works on it; its row is locked."""
    return await _reading(session, "subject = $1 AND finished_at IS NULL", lock="FOR UPDATE SKIP LOCKED")


async def _reading(session: AsyncSession, where: str, *, lock: str) -> ReadingRow | None:
    row = await (await raw(session)).fetchrow(
        "SELECT generation, until_occurred_at, until_event_id, read, finished_at FROM remark_readings "  # noqa: S608  # our own text
        f"WHERE {where} {lock}",
        _SUBJECT,
    )
    return None if row is None else ReadingRow(**row)


async def note_reading(
    session: AsyncSession, *, until: StoredRemark | None, read: int, finished_at: datetime | None
) -> None:
    """Note how far the reading is, in the transaction of its chunk."""
    await (await raw(session)).execute(
        "UPDATE remark_readings SET until_occurred_at = COALESCE($2, until_occurred_at), "
        "until_event_id = COALESCE($3, until_event_id), read = read + $4, finished_at = $5 WHERE subject = $1",
        _SUBJECT,
        None if until is None else until.occurred_at,
        None if until is None else until.event_id,
        read,
        finished_at,
    )


async def next_customers(session: AsyncSession, reading: ReadingRow, *, limit: int) -> list[UUID]:
    """Lock the customers of the next remarks, in order, and mark that facts about them change."""
    rows = await (await raw(session)).fetch(
        "WITH due AS ("
        "  SELECT customer_id FROM events WHERE name = $1 "
        "  AND (occurred_at, event_id) < (COALESCE($2, 'infinity'::timestamptz), "
        "                                 COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)) "
        "  ORDER BY occurred_at DESC, event_id DESC LIMIT $4"
        "), locked AS ("
        "  SELECT customer_id FROM customers WHERE customer_id IN (SELECT customer_id FROM due) "
        "  ORDER BY customer_id FOR UPDATE"
        ") UPDATE customers c SET event_count = c.event_count FROM locked WHERE c.customer_id = locked.customer_id "
        "RETURNING c.customer_id",
        REMARK, reading.until_occurred_at, reading.until_event_id, limit,
    )  # fmt: skip
    return [row["customer_id"] for row in rows]


async def next_remarks(session: AsyncSession, reading: ReadingRow, *, limit: int) -> list[StoredRemark]:
    """The next remarks, newest first."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id, occurred_at, event_id, source_id, properties FROM events WHERE name = $1 "
        "AND (occurred_at, event_id) < (COALESCE($2, 'infinity'::timestamptz), "
        "                               COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)) "
        "ORDER BY occurred_at DESC, event_id DESC LIMIT $4",
        REMARK, reading.until_occurred_at, reading.until_event_id, limit,
    )  # fmt: skip
    return [StoredRemark(**row) for row in rows]


async def rewrite_remarks(session: AsyncSession, remarks: Sequence[StoredRemark]) -> int:
    """Put other properties in the place of those that stand there; return of how many remarks."""
    status: str = await (await raw(session)).execute(
        "UPDATE events e SET properties = t.properties::jsonb "
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[]) "
        "AS t (customer_id, occurred_at, event_id, properties) "
        "WHERE e.customer_id = t.customer_id AND e.occurred_at = t.occurred_at AND e.event_id = t.event_id",
        [remark.customer_id for remark in remarks],
        [remark.occurred_at for remark in remarks],
        [remark.event_id for remark in remarks],
        [json_text(remark.properties) for remark in remarks],
    )
    return int(status.rsplit(" ", 1)[-1])


VISIBLE_IN_REMARKS = 5
"""From which parameter on a predicate of what is visible has its own."""


async def remarks_of(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    *,
    topics: Sequence[str] | None,
    first: int,
    visible: CompiledPredicate | None = None,
) -> list[list[StoredRemark]]:
    """The newest (visible) remarks of each requested customer, in order; on any of these topics, if some are given."""
    visible = visible or CompiledPredicate("true", ())
    rows = await (await raw(session)).fetch(
        "SELECT t.position, e.* FROM unnest($1::uuid[]) WITH ORDINALITY AS t (customer_id, position) "  # noqa: S608  # compiled
        "CROSS JOIN LATERAL ("
        "  SELECT e.customer_id, e.occurred_at, e.event_id, e.source_id, e.properties FROM events e "
        "  WHERE e.customer_id = t.customer_id AND e.name = $2 "
        f"  AND ($3::text[] IS NULL OR e.properties -> 'topics' ?| $3) AND {visible.sql} "
        "  ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT $4"
        ") AS e ORDER BY t.position, e.occurred_at DESC, e.event_id DESC",
        list(customer_ids), REMARK, None if topics is None else list(topics), first, *visible.parameters,
    )  # fmt: skip
    found: list[list[StoredRemark]] = [[] for _ in customer_ids]
    for row in rows:
        position, *rest = row
        found[position - 1].append(StoredRemark(*rest))
    return found


async def count_topic_days(
    session: AsyncSession, key: str, *, starts_at: datetime, ends_at: datetime, zone: str
) -> list[TopicDay]:
    """The days on which a topic was spoken of, oldest first; from `starts_at` (included) until `ends_at`."""
    rows = await (await raw(session)).fetch(
        "SELECT (occurred_at AT TIME ZONE $5)::date AS day, count(*) AS remarks, "
        "count(DISTINCT customer_id) AS customers, "
        "count(*) FILTER (WHERE properties ->> 'opinion' = 'positive') AS positive, "
        "count(*) FILTER (WHERE properties ->> 'opinion' = 'negative') AS negative "
        "FROM events WHERE name = $1 AND occurred_at >= $2 AND occurred_at < $3 AND properties -> 'topics' ? $4 "
        "GROUP BY 1 ORDER BY 1",
        REMARK, starts_at, ends_at, key, zone,
    )  # fmt: skip
    return [TopicDay(**row) for row in rows]
