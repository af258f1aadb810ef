"""Did we: claiming due messages, deciding, and recording what became of them. No network here; see sender.py."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.delivery import MessageFact
from delivery_service import events
from delivery_service.repository import agreements, permissions
from delivery_service.repository import messages as repository
from delivery_service.repository.messages import ClaimedRow, EndingRow, MessageKey
from delivery_service.rules import (
    Candidate,
    Defer,
    Permit,
    QuietHours,
    Refuse,
    Send,
    backoff,
    decide,
    may_be_used,
    verdict,
)
from delivery_service.smtp import Result
from servicekit.moves import hold_moves
from servicekit.outbox import publish
from servicekit.tracing import continue_traces

_RELAY_AWAY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class SendingRules:
    """What is configured about sending."""

    zone: ZoneInfo
    quiet_hours: QuietHours | None
    contact_grace: timedelta
    lease: timedelta
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What one look at the queue gave: how many were due, and which of them are to be sent."""

    due: int
    reserved: list[ClaimedRow]


async def claim(session: AsyncSession, *, rules: SendingRules, lease_id: UUID, limit: int, now: datetime) -> Claim:
    """Claim due messages and decide each: reserve it for this lease, defer it, or end it and say why."""
    await hold_moves(session)
    await repository.hold_claims(session)
    claimed = await repository.claim_due(session, now=now, limit=limit)
    if not claimed:
        return Claim(0, [])
    traces = [row.traceparent for row in claimed]
    with continue_traces("messages decide", traces, attributes={"messages": len(claimed)}):
        reserved = await _decide(session, claimed, rules=rules, lease_id=lease_id, now=now)
    return Claim(len(claimed), reserved)


async def _decide(
    session: AsyncSession, claimed: Sequence[ClaimedRow], *, rules: SendingRules, lease_id: UUID, now: datetime
) -> list[ClaimedRow]:
    pairs = {(row.key.customer_id, row.topic, row.cap.days) for row in claimed if row.cap is not None}
    counted = Counter(await repository.count_recent(session, sorted(pairs), now=now) if pairs else {})
    senders = {row.use.legal_entity for row in claimed if row.use is not None}
    permits = await agreements.find_permits(session, senders, at=now) if senders else []
    quiet_until = rules.quiet_hours.until(now, rules.zone) if rules.quiet_hours else None
    reserved: list[ClaimedRow] = []
    refused: list[tuple[MessageKey, str]] = []
    deferred: list[tuple[UUID, datetime]] = []
    for row in claimed:
        place = (row.key.customer_id, row.topic)
        candidate = _candidate(row, counted[place], permits)
        decision = decide(candidate, now=now, contact_grace=rules.contact_grace, quiet_until=quiet_until)
        match decision:
            case Send():
                counted[place] += 1
                reserved.append(row)
            case Defer(until):
                deferred.append((row.key.message_id, until))
            case Refuse(reason):
                refused.append((row.key, reason))
    if reserved:
        await repository.reserve(session, reserved, lease_id=lease_id, lease_until=now + rules.lease, now=now)
    if deferred:
        await repository.defer(session, deferred)
    await refuse(session, refused, now=now)
    return reserved


def _candidate(row: ClaimedRow, counted: int, permits: Sequence[Permit]) -> Candidate:
    return Candidate(
        category=row.category,
        requested_at=row.requested_at,
        has_contact_point=row.contact_anchor_id is not None,
        may_be_used=may_be_used(row.grants, row.use, permits),
        suppressed=row.suppressed,
        permission=row.permission,
        cap=row.cap,
        counted=counted,
    )


async def refuse(session: AsyncSession, refused: Sequence[tuple[MessageKey, str]], *, now: datetime) -> None:
    """End messages that were never handed over, and say so."""
    if refused:
        await repository.refuse(session, [(key.message_id, reason) for key, reason in refused], now=now)
        await publish(session, [events.message_failed(key, reason, now) for key, reason in refused])


async def start(
    session: AsyncSession, message_ids: Sequence[UUID], *, rules: SendingRules, lease_id: UUID, now: datetime
) -> set[UUID]:
    """Commit to handing these over: from here on a crash makes them unknown. Returns those still held by the lease."""
    return await repository.start_sending(session, message_ids, lease_id=lease_id, lease_until=now + rules.lease)


async def give_back(session: AsyncSession, *, lease_id: UUID, due_at: datetime) -> None:
    """Give a reserved batch back to the queue; nothing of it was handed over."""
    await repository.release(session, lease_id=lease_id, due_at=due_at)


async def record(
    session: AsyncSession,
    rows: Sequence[ClaimedRow],
    results: Mapping[UUID, Result],
    *,
    rules: SendingRules,
    lease_id: UUID,
    now: datetime,
) -> None:
    """Record how far each message came, say so, and suppress addresses that are gone."""
    by_id = {row.key.message_id: row for row in rows}
    endings = {
        message_id: ending_of(message_id, result, attempts=by_id[message_id].attempts, rules=rules, now=now)
        for message_id, result in results.items()
    }
    recorded = await repository.record_endings(session, list(endings.values()), lease_id=lease_id, now=now)
    await publish(session, [fact for key in recorded.values() for fact in _said(endings[key.message_id], key, now)])
    gone = [
        (row.key.channel, row.address or "", message_id)
        for message_id, row in by_id.items()
        if message_id in recorded and endings[message_id].failure_reason == "hard_bounce"
    ]
    if gone:
        await permissions.insert_suppressions(session, gone, reason="hard_bounce", moment=now)


def ending_of(message_id: UUID, result: Result, *, attempts: int, rules: SendingRules, now: datetime) -> EndingRow:
    """Read how far a message came as what it becomes. `attempts` are those before this one."""
    match result.kind:
        case "accepted":
            return EndingRow(message_id, "sent", counted=True)
        case "uncertain":
            return EndingRow(message_id, "unknown", counted=True, failure_reason="unknown")
        case "not_sent":  # the relay is away: not this message's fault, so it costs no attempt
            return EndingRow(message_id, "requested", due_at=now + _RELAY_AWAY, attempted=False)
    outcome = verdict(result.stage, result.code, result.text) if result.kind == "refused" else "retry"
    if outcome == "hard_bounce":
        return EndingRow(message_id, "bounced", failure_reason="hard_bounce")
    if outcome == "retry" and attempts + 1 < rules.max_attempts:
        return EndingRow(message_id, "requested", due_at=now + backoff(attempts + 1))
    if outcome == "retry" and result.kind == "refused" and result.stage == "recipient":
        return EndingRow(message_id, "bounced", failure_reason="soft_bounce")
    return EndingRow(message_id, "failed", failure_reason="rejected")


def _said(ending: EndingRow, message: MessageKey, now: datetime) -> list[MessageFact]:
    match ending.state:
        case "sent":
            return [events.message_sent(message, now)]
        case "bounced":
            hard = ending.failure_reason == "hard_bounce"
            return [events.message_bounced(message, "hard" if hard else "soft", now)]
        case "failed" | "unknown":
            return [events.message_failed(message, ending.failure_reason or "unknown", now)]
    return []


async def end_expired_leases(session: AsyncSession, *, now: datetime) -> int:
    """Take over from crashed batches; return how many messages became unknown. Those are never sent again (R2)."""
    lost = await repository.end_expired_leases(session, now=now)
    await publish(session, [events.message_failed(key, "unknown", now) for key in lost])
    return len(lost)
