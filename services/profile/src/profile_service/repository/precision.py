"""What happened after a sign was detected, and how often it happens anyway: a few statements over everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate
from servicekit.database import load_sql, raw

_LIST_DAYS = load_sql("profile_service", "list_detection_days")
_COUNT_OTHERS = load_sql("profile_service", "count_others")
WHERE_OF_DAYS, WHERE_OF_OTHERS = 8, 6
"""Where the parameters of the outcome's filters begin."""


@dataclass(frozen=True)
class DetectionDay:
    """A day's detections, those that were followed by the outcome, and their mean moment."""

    detected: int
    followed: int
    moment: datetime


@dataclass(frozen=True)
class OthersAt:
    """At a moment: customers who did not show the sign, and those of them whose outcome came within the horizon."""

    customers: int
    followed: int


async def list_detection_days(
    session: AsyncSession,
    sign_id: UUID,
    *,
    starts_at: datetime,
    ends_at: datetime,
    horizon: timedelta,
    event: str,
    where: CompiledPredicate,
    zone: str,
    version: int | None,
) -> list[DetectionDay]:
    """The days with detections from `starts_at` (included) until `ends_at` (excluded)."""
    rows = await (await raw(session)).fetch(
        _LIST_DAYS.replace("{where}", where.sql),
        sign_id, starts_at, ends_at, horizon, event, zone, version, *where.parameters,
    )  # fmt: skip
    return [DetectionDay(row["detected"], row["followed"], row["moment"]) for row in rows]


async def count_others(
    session: AsyncSession,
    sign_id: UUID,
    moments: Sequence[datetime],
    *,
    horizon: timedelta,
    lifetime: timedelta,
    event: str,
    where: CompiledPredicate,
) -> list[OthersAt]:
    """For each moment, in order, those without the sign."""
    rows = await (await raw(session)).fetch(
        _COUNT_OTHERS.replace("{where}", where.sql),
        sign_id, list(moments), horizon, lifetime, event, *where.parameters,
    )  # fmt: skip
    return [OthersAt(row["customers"] - row["showing"], row["followed"]) for row in rows]
