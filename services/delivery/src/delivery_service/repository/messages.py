"""Messages: taken in, claimed, on their way, ended, read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.rules import DEFAULT_PURPOSES, Cap, Category, Grant, PermissionStatus, Use
from servicekit.database import json_text, load_sql, raw
from servicekit.tracing import current_traceparent

_CLAIMS_LOCK = 0x636C6169
_CLAIM = load_sql("delivery_service", "claim_messages")


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A message to be sent, as it was asked for."""

    message_id: UUID
    anchor_id: UUID
    customer_id: UUID
    run_id: UUID | None
    campaign_key: str | None
    channel: str
    template_key: str
    topic: str
    variables: dict[str, Any]  # JSON values of the request
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class MessageKey:
    """What every fact about a message carries."""

    message_id: UUID
    anchor_id: UUID
    customer_id: UUID
    run_id: UUID | None
    campaign_key: str | None
    channel: str
    template_key: str


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A claimed message with everything its decision needs."""

    key: MessageKey
    topic: str
    variables: dict[str, Any]  # JSON values of the request
    attempts: int
    requested_at: datetime
    template_version: int | None
    category: Category | None
    cap: Cap | None
    use: Use | None  # by the topic; None: it names no legal entity, or the template does not exist
    contact_anchor_id: UUID | None
    grants: Sequence[Grant]  # for whom the contact point was brought, the first one first
    address: str | None
    permission: PermissionStatus | None
    suppressed: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class EndingRow:
    """What a message that was being sent becomes: another state, or `requested` again at `due_at`."""

    message_id: UUID
    state: str
    due_at: datetime | None = None
    attempted: bool = True
    counted: bool = False
    failure_reason: str | None = None


_KEY_COLUMNS = ("message_id", "anchor_id", "customer_id", "run_id", "campaign_key", "channel", "template_key")


def message_key(row: asyncpg.Record) -> MessageKey:
    """Read the columns every fact about a message needs."""
    return MessageKey(*(row[name] for name in _KEY_COLUMNS))


async def insert_requests(session: AsyncSession, rows: Sequence[RequestRow], *, due_at: datetime) -> None:
    """Take messages in; one that is known stays as it is. They remember the current trace."""
    await (await raw(session)).execute(
        """
        INSERT INTO messages (message_id, anchor_id, customer_id, run_id, campaign_key, channel, template_key, topic,
            variables, requested_at, state, due_at, traceparent)
        SELECT t.message_id, t.anchor_id, t.customer_id, t.run_id, t.campaign_key, t.channel, t.template_key, t.topic,
            t.variables::jsonb, t.requested_at, 'requested', $11, $12
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::timestamptz[]) AS t (message_id, anchor_id, customer_id, run_id, campaign_key, channel,
            template_key, topic, variables, requested_at)
        ON CONFLICT (message_id) DO NOTHING
        """,
        [row.message_id for row in rows],
        [row.anchor_id for row in rows],
        [row.customer_id for row in rows],
        [row.run_id for row in rows],
        [row.campaign_key for row in rows],
        [row.channel for row in rows],
        [row.template_key for row in rows],
        [row.topic for row in rows],
        [json_text(row.variables) for row in rows],
        [row.requested_at for row in rows],
        due_at,
        current_traceparent(),
    )


async def hold_claims(session: AsyncSession) -> None:
    """Let one transaction at a time claim: two counting one customer's at once would both stay below the cap."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock($1)", _CLAIMS_LOCK)


async def claim_due(session: AsyncSession, *, now: datetime, limit: int) -> list[ClaimedRow]:
    """Lock due messages, oldest first, and return each with its template, topic and best contact point."""
    defaults = DEFAULT_PURPOSES["advertising"], DEFAULT_PURPOSES["transactional"]
    return [_claimed(row) for row in await (await raw(session)).fetch(_CLAIM, now, limit, *defaults)]


def _claimed(row: asyncpg.Record) -> ClaimedRow:
    cap = Cap(row["cap_messages"], row["cap_days"]) if row["cap_messages"] is not None else None
    return ClaimedRow(
        key=message_key(row),
        topic=row["topic"],
        variables=row["variables"],
        attempts=row["attempts"],
        requested_at=row["requested_at"],
        template_version=row["template_version"],
        category=row["category"],
        cap=cap,
        use=Use(row["sender"], row["purpose"]) if row["sender"] is not None else None,
        contact_anchor_id=row["contact_anchor_id"],
        grants=[
            Grant(row["owner"], tuple(row["purposes"] or ())),
            *(Grant(owner, tuple(purposes)) for owner, purposes in row["more_grants"] or ()),
        ],
        address=row["address"],
        permission=row["permission"],
        suppressed=bool(row["suppressed"]),
        traceparent=row["traceparent"],
    )


async def count_recent(
    session: AsyncSession, pairs: Sequence[tuple[UUID, str, int]], *, now: datetime
) -> dict[tuple[UUID, str], int]:
    """Count the messages reserved or sent per (customer, topic) in the last `days` days."""
    rows = await (await raw(session)).fetch(
        """
        SELECT w.customer_id, w.topic, count(*) AS counted
        FROM unnest($1::uuid[], $2::text[], $3::int[]) AS w (customer_id, topic, days)
        JOIN messages m ON m.customer_id = w.customer_id AND m.topic = w.topic
            AND m.counted_at > $4::timestamptz - w.days * interval '1 day'
        GROUP BY w.customer_id, w.topic
        """,
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        [pair[2] for pair in pairs],
        now,
    )
    return {(row["customer_id"], row["topic"]): row["counted"] for row in rows}


async def reserve(
    session: AsyncSession, rows: Sequence[ClaimedRow], *, lease_id: UUID, lease_until: datetime, now: datetime
) -> None:
    """Claim messages for one batch: they count for the cap, and nobody else takes them before the lease ends.

    From here on a message hangs on the contact point it goes to: whoever that is, is who gets it, opens it and answers.
    """
    await (await raw(session)).execute(
        """
        UPDATE messages m SET state = 'reserved', lease_id = $4, lease_until = $5, counted_at = $6,
            anchor_id = coalesce(r.contact_anchor_id, m.anchor_id), contact_anchor_id = r.contact_anchor_id,
            template_version = r.template_version
        FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS r (message_id, contact_anchor_id, template_version)
        WHERE m.message_id = r.message_id
        """,
        [row.key.message_id for row in rows],
        [row.contact_anchor_id for row in rows],
        [row.template_version for row in rows],
        lease_id,
        lease_until,
        now,
    )


async def refuse(session: AsyncSession, refusals: Sequence[tuple[UUID, str]], *, now: datetime) -> None:
    """End messages that were never handed over, with (id, reason)."""
    await (await raw(session)).execute(
        """
        UPDATE messages m SET state = 'failed', failure_reason = r.reason, ended_at = $3, counted_at = NULL,
            lease_id = NULL, lease_until = NULL
        FROM unnest($1::uuid[], $2::text[]) AS r (message_id, reason) WHERE m.message_id = r.message_id
        """,
        [message_id for message_id, _ in refusals],
        [reason for _, reason in refusals],
        now,
    )


async def defer(session: AsyncSession, deferrals: Sequence[tuple[UUID, datetime]]) -> None:
    """Decide messages again at (id, moment)."""
    await (await raw(session)).execute(
        "UPDATE messages m SET due_at = r.due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS r (message_id, due_at) "
        "WHERE m.message_id = r.message_id",
        [message_id for message_id, _ in deferrals],
        [moment for _, moment in deferrals],
    )


async def start_sending(
    session: AsyncSession, message_ids: Sequence[UUID], *, lease_id: UUID, lease_until: datetime
) -> set[UUID]:
    """Write down that the relay may get these from now on; return those that are still this batch's."""
    rows = await (await raw(session)).fetch(
        "UPDATE messages SET state = 'sending', lease_until = $3 "
        "WHERE message_id = ANY($1::uuid[]) AND lease_id = $2 AND state = 'reserved' RETURNING message_id",
        list(message_ids),
        lease_id,
        lease_until,
    )
    return {row["message_id"] for row in rows}


async def release(session: AsyncSession, *, lease_id: UUID, due_at: datetime) -> None:
    """Give a batch back: nothing of it was handed over."""
    await (await raw(session)).execute(
        "UPDATE messages SET state = 'requested', due_at = $2, counted_at = NULL, lease_id = NULL, lease_until = NULL "
        "WHERE lease_id = $1 AND state = 'reserved'",
        lease_id,
        due_at,
    )


async def record_endings(
    session: AsyncSession, rows: Sequence[EndingRow], *, lease_id: UUID, now: datetime
) -> dict[UUID, MessageKey]:
    """Store how sending ended; return the messages that were still this batch's, with their present customer."""
    changed = await (await raw(session)).fetch(
        """
        UPDATE messages m SET
            state = r.state,
            due_at = coalesce(r.due_at, m.due_at),
            attempts = m.attempts + r.attempted::int,
            counted_at = CASE WHEN r.counted THEN m.counted_at END,
            failure_reason = r.failure_reason,
            sent_at = CASE WHEN r.state = 'sent' THEN $8::timestamptz END,
            ended_at = CASE WHEN r.state <> 'requested' THEN $8::timestamptz END,
            lease_id = NULL, lease_until = NULL
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bool[], $5::bool[], $6::text[])
            AS r (message_id, state, due_at, attempted, counted, failure_reason)
        WHERE m.message_id = r.message_id AND m.lease_id = $7 AND m.state = 'sending'
        RETURNING m.message_id, m.anchor_id, m.customer_id, m.run_id, m.campaign_key, m.channel, m.template_key
        """,
        [row.message_id for row in rows],
        [row.state for row in rows],
        [row.due_at for row in rows],
        [row.attempted for row in rows],
        [row.counted for row in rows],
        [row.failure_reason for row in rows],
        lease_id,
        now,
    )
    return {row["message_id"]: message_key(row) for row in changed}


async def end_expired_leases(session: AsyncSession, *, now: datetime) -> list[MessageKey]:
    """End the leases of batches that went silent: claimed messages are due again, those being sent become unknown."""
    connection = await raw(session)
    await connection.execute(
        "UPDATE messages SET state = 'requested', counted_at = NULL, lease_id = NULL, lease_until = NULL "
        "WHERE state = 'reserved' AND lease_until < $1",
        now,
    )
    rows = await connection.fetch(
        "UPDATE messages SET state = 'unknown', failure_reason = 'unknown', ended_at = $1, lease_id = NULL, "
        "lease_until = NULL WHERE state = 'sending' AND lease_until < $1 "
        "RETURNING message_id, anchor_id, customer_id, run_id, campaign_key, channel, template_key",
        now,
    )
    return [message_key(row) for row in rows]


async def newest_messages(session: AsyncSession, customer_ids: Sequence[UUID], *, first: int) -> list[asyncpg.Record]:
    """Return the newest messages of each customer, newest first, with the template's subject."""
    rows: list[asyncpg.Record] = await (await raw(session)).fetch(
        """
        SELECT m.*, v.definition ->> 'subject' AS subject
        FROM unnest($1::uuid[]) AS w (customer_id)
        CROSS JOIN LATERAL (
            SELECT * FROM messages WHERE messages.customer_id = w.customer_id
            ORDER BY requested_at DESC, message_id LIMIT $2
        ) m
        LEFT JOIN template_versions v ON v.template_key = m.template_key AND v.version = m.template_version
        ORDER BY m.customer_id, m.requested_at DESC, m.message_id
        """,
        list(set(customer_ids)),
        first,
    )
    return rows


async def totals(session: AsyncSession) -> dict[str, Any]:  # counts by name, two of them by state
    """Count everything once."""
    row = await (await raw(session)).fetchrow(
        """
        SELECT
            (SELECT coalesce(jsonb_object_agg(state, number), '{}') FROM (
                SELECT state, count(*) AS number FROM messages GROUP BY state) s) AS messages,
            (SELECT count(*) FROM messages WHERE opened_at IS NOT NULL) AS opened,
            (SELECT count(*) FROM messages WHERE clicked_at IS NOT NULL) AS clicked,
            (SELECT count(*) FROM contact_points) AS contact_points,
            (SELECT coalesce(jsonb_object_agg(status, number), '{}') FROM (
                SELECT status, count(*) AS number FROM permissions GROUP BY status) p) AS permissions,
            (SELECT count(*) FROM suppressions) AS suppressions
        """
    )
    return dict(row)
