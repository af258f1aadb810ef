"""Runs: started, claimed, saved, ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import Arm
from servicekit.database import load_sql, raw
from servicekit.tracing import current_traceparent

_CLAIM = load_sql("campaign_service", "claim_due_runs")
_SAVE = load_sql("campaign_service", "save_runs")
_START = load_sql("campaign_service", "start_runs")
_EXIT = load_sql("campaign_service", "exit_runs")
_UNITE = load_sql("campaign_service", "unite_runs")
_LIST = load_sql("campaign_service", "list_runs")


@dataclass(slots=True)
class RunInHand:
    """A run that this transaction has claimed and moves on."""

    run_id: UUID
    customer_id: UUID
    anchor_id: UUID
    journey_key: str
    journey_version: int
    campaign_key: str
    step: str
    visit: int
    arm: Arm | None
    traceparent: str | None
    wake_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Entrant:
    """A customer who is about to enter a journey, and what made them."""

    run_id: UUID
    customer_id: UUID
    anchor_id: UUID
    triggered_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentExit:
    """A customer left a segment. `anchor_id`: that of the fact, where it belongs to somebody else than it names."""

    customer_id: UUID
    segment_key: str
    left_at: datetime
    anchor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that was ended from outside."""

    run_id: UUID
    customer_id: UUID
    anchor_id: UUID
    journey_key: str
    campaign_key: str
    arm: Arm | None
    outcome: str


async def lock_entry(session: AsyncSession, journey_key: str) -> None:
    """Let customers into one journey one batch at a time, so that two causes at once do not start two runs."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"entry/{journey_key}")


async def start_runs(
    session: AsyncSession,
    entrants: Sequence[Entrant],
    *,
    journey_key: str,
    journey_version: int,
    campaign_key: str,
    step: str,
    now: datetime,
    wake_at: datetime,
    reenter_before: datetime | None,
) -> set[UUID]:
    """Start runs for those who may enter; return their run ids. Entrants hold each customer once.

    The runs remember the current trace.
    """
    rows = await (await raw(session)).fetch(
        _START,
        journey_key,
        journey_version,
        campaign_key,
        step,
        now,
        wake_at,
        reenter_before,
        [entrant.run_id for entrant in entrants],
        [entrant.customer_id for entrant in entrants],
        [entrant.anchor_id for entrant in entrants],
        [entrant.triggered_at for entrant in entrants],
        current_traceparent(),
    )
    return {row["run_id"] for row in rows}


_PAUSES_LOCK = 0x70617573
"""Advisory lock: shared by batches of runs, exclusive for a pause. Locks of this kind queue fairly: neither starves."""


async def hold_pauses(session: AsyncSession) -> None:
    """Let no journey be paused while this transaction moves runs on."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock_shared($1)", _PAUSES_LOCK)


async def await_batches(session: AsyncSession) -> None:
    """Wait for the batches of runs in hand; those that come after see what this transaction commits."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock($1)", _PAUSES_LOCK)


async def claim_due_runs(session: AsyncSession, *, now: datetime, limit: int) -> list[RunInHand]:
    """Lock and return up to `limit` due runs of each published journey; runs another worker holds are passed over."""
    return [RunInHand(**row) for row in await (await raw(session)).fetch(_CLAIM, now, limit)]


async def save_runs(session: AsyncSession, runs: Sequence[RunInHand]) -> None:
    """Write where claimed runs have got to."""
    await (await raw(session)).execute(
        _SAVE,
        [run.run_id for run in runs],
        [run.step for run in runs],
        [run.visit for run in runs],
        ["active" if run.ended_at is None else "ended" for run in runs],
        [run.arm for run in runs],
        [run.wake_at for run in runs],
        [run.ended_at for run in runs],
        [run.outcome for run in runs],
    )


async def exit_runs(session: AsyncSession, exits: Sequence[SegmentExit], *, now: datetime) -> list[EndedRun]:
    """End the runs of customers who left a segment, where the journey asks for it."""
    rows = await (await raw(session)).fetch(
        _EXIT,
        [each.customer_id for each in exits],
        [each.segment_key for each in exits],
        [each.left_at for each in exits],
        now,
        [each.anchor_id for each in exits],
    )
    return _ended(rows)


async def unite_runs(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> list[EndedRun]:
    """Set aside what must not go on after customers became one, let go on what was parted again; return what ended."""
    return _ended(await (await raw(session)).fetch(_UNITE, list(customer_ids), now))


def _ended(rows: Sequence[Mapping[str, Any]]) -> list[EndedRun]:
    return [EndedRun(**row) for row in rows]


async def list_runs(session: AsyncSession, customer_ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
    """Return the customers' runs, newest first for each, at most 100."""
    rows: list[Mapping[str, Any]] = await (await raw(session)).fetch(_LIST, list(set(customer_ids)))
    return rows


async def current_customers(session: AsyncSession, anchor_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the present customer of those anchors that moved. Hold moves before."""
    rows = await (await raw(session)).fetch(
        "SELECT anchor_id, customer_id FROM anchors WHERE anchor_id = ANY ($1::uuid[])", list(anchor_ids)
    )
    return {row["anchor_id"]: row["customer_id"] for row in rows}
