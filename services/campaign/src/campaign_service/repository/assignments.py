"""Arms, and what customers bought since they were assigned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import Arm
from servicekit.database import load_sql, raw

_ASSIGN = load_sql("campaign_service", "assign_arms")
_KEEP = load_sql("campaign_service", "keep_arms")
_CLAIM_UNREAD = load_sql("campaign_service", "claim_unread_assignments")
_SAVE_CONVERSIONS = load_sql("campaign_service", "save_conversions")


@dataclass(frozen=True, slots=True)
class Draw:
    """A customer's arm as drawn; it counts only if they have none."""

    customer_id: UUID
    anchor_id: UUID
    arm: Arm


async def assign_arms(
    session: AsyncSession, campaign_key: str, draws: Sequence[Draw], *, now: datetime, due_at: datetime
) -> None:
    """Store the arms of customers who have none in this campaign."""
    await (await raw(session)).execute(
        _ASSIGN,
        campaign_key,
        now,
        due_at,
        [draw.customer_id for draw in draws],
        [draw.anchor_id for draw in draws],
        [draw.arm for draw in draws],
    )


async def keep_arms(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> None:
    """Assign customers to the arm they ran in, if it was drawn for somebody they have been parted from."""
    await (await raw(session)).execute(_KEEP, list(customer_ids), now)


async def find_arms(
    session: AsyncSession, campaign_key: str, customer_ids: Sequence[UUID]
) -> dict[UUID, frozenset[Arm]]:
    """Return the customers' arms in the campaign; two where customers of both arms became one."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id, array_agg(DISTINCT arm) AS arms FROM assignments "
        "WHERE campaign_key = $1 AND customer_id = ANY ($2::uuid[]) GROUP BY customer_id",
        campaign_key,
        list(customer_ids),
    )
    return {row["customer_id"]: frozenset(row["arms"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Unread:
    """An assignment whose purchases are to be read from profile, with its campaign's goal."""

    campaign_key: str
    anchor_id: UUID
    customer_id: UUID
    assigned_at: datetime
    goal_event: str
    goal_sum_property: str | None
    goal_window_days: int


async def claim_unread(session: AsyncSession, *, now: datetime, leased_until: datetime, limit: int) -> list[Unread]:
    """Take up to `limit` assignments of one campaign that are due, and keep others off them for a while."""
    return [Unread(**row) for row in await (await raw(session)).fetch(_CLAIM_UNREAD, now, leased_until, limit)]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a customer bought in the goal's window; `due_at` None: the last reading."""

    anchor_id: UUID
    purchases: int
    revenue: Decimal
    due_at: datetime | None


async def save_conversions(
    session: AsyncSession,
    campaign_key: str,
    conversions: Sequence[Conversion],
    *,
    read_at: datetime,
    leased_until: datetime,
) -> None:
    """Store what was read as of `read_at` under the lease that `claim_unread` gave."""
    await (await raw(session)).execute(
        _SAVE_CONVERSIONS,
        campaign_key,
        read_at,
        [conversion.anchor_id for conversion in conversions],
        [conversion.purchases for conversion in conversions],
        [conversion.revenue for conversion in conversions],
        [conversion.due_at for conversion in conversions],
        leased_until,
    )


async def make_due(session: AsyncSession, campaign_key: str, *, now: datetime) -> int:
    """Have every assignment of the campaign read again at once; return how many."""
    status = await (await raw(session)).execute(
        "UPDATE assignments SET due_at = $2 WHERE campaign_key = $1 AND due_at IS DISTINCT FROM $2", campaign_key, now
    )
    return int(status.rsplit(" ", 1)[-1])
