"""Outcomes of messages, coupons, and the sums that results are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import load_sql, raw

_RECORD = load_sql("campaign_service", "record_outcomes")
_SUM_ARMS = load_sql("campaign_service", "sum_arms")
_SUM_MESSAGES = load_sql("campaign_service", "sum_messages")
_DESCRIBE = load_sql("campaign_service", "describe_assignments")


@dataclass(slots=True)
class Outcome:
    """What one batch says of one message."""

    message_id: UUID
    customer_id: UUID
    anchor_id: UUID
    run_id: UUID | None
    campaign_key: str
    sent_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    failed_at: datetime | None = None
    failure_reason: str | None = None


async def record_outcomes(session: AsyncSession, outcomes: Sequence[Outcome]) -> None:
    """Add to what is known of messages; each message once in the list."""
    fields = Outcome.__slots__
    await (await raw(session)).execute(_RECORD, *([getattr(each, name) for each in outcomes] for name in fields))


@dataclass(frozen=True, slots=True)
class Code:
    """A coupon's code for one message."""

    code: str
    message_id: UUID
    run_id: UUID
    customer_id: UUID
    anchor_id: UUID


async def issue_coupons(session: AsyncSession, campaign_key: str, codes: Sequence[Code], *, now: datetime) -> None:
    """Store codes as issued."""
    await (await raw(session)).execute(
        "INSERT INTO coupons (code, message_id, run_id, customer_id, anchor_id, campaign_key, status, issued_at) "
        "SELECT *, $6, 'issued', $7::timestamptz "
        "FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[]) "
        "ON CONFLICT DO NOTHING",
        [code.code for code in codes],
        [code.message_id for code in codes],
        [code.run_id for code in codes],
        [code.customer_id for code in codes],
        [code.anchor_id for code in codes],
        campaign_key,
        now,
    )


async def redeem_coupons(session: AsyncSession, purchases: Sequence[tuple[str, UUID, datetime]]) -> None:
    """Mark issued codes as redeemed by the first purchase (code, event id, when) that shows them."""
    codes, events, moments = (list(column) for column in zip(*purchases, strict=True))
    await (await raw(session)).execute(
        """
        UPDATE coupons c SET status = 'redeemed', redeemed_at = t.occurred_at, redeemed_by = t.event_id
        FROM (
            SELECT DISTINCT ON (code) *
            FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS shown (code, event_id, occurred_at)
            ORDER BY code, occurred_at
        ) AS t
        WHERE c.code = t.code AND c.status = 'issued'
        """,
        codes,
        events,
        moments,
    )


async def coupons_are_out(session: AsyncSession) -> bool:
    """Whether there is a code that a purchase could redeem."""
    return bool(await (await raw(session)).fetchval("SELECT EXISTS (SELECT FROM coupons WHERE status = 'issued')"))


@dataclass(frozen=True, slots=True)
class ArmSums:
    """One arm's customers and what they bought in their windows; `variance` is that of revenue per customer."""

    customers: int = 0
    purchasers: int = 0
    purchases: int = 0
    revenue: Decimal = Decimal(0)
    variance: Decimal = Decimal(0)


async def sum_arms(session: AsyncSession, campaign_key: str) -> dict[str, ArmSums]:
    """Return the sums by arm."""
    rows = await (await raw(session)).fetch(_SUM_ARMS, campaign_key)
    return {row["arm"]: ArmSums(**{name: value for name, value in row.items() if name != "arm"}) for row in rows}


async def sum_messages(session: AsyncSession, campaign_key: str) -> dict[str, int]:
    """Return how many customers were reached, opened, clicked, failed."""
    return dict(await (await raw(session)).fetchrow(_SUM_MESSAGES, campaign_key))


async def describe_assignments(session: AsyncSession, campaign_key: str) -> tuple[int, datetime | None]:
    """Return how many customers are in both arms, and as of when purchases are known."""
    row = await (await raw(session)).fetchrow(_DESCRIBE, campaign_key)
    return row["mixed"], row["as_of"]


async def count_coupons(session: AsyncSession, campaign_key: str) -> tuple[int, int]:
    """Return how many codes were issued and how many of them redeemed."""
    row = await (await raw(session)).fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE status = 'redeemed') FROM coupons WHERE campaign_key = $1",
        campaign_key,
    )
    return row[0], row[1]
