"""What happened after a sign was detected, and how often it happens anyway: a few statements over everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import EventMatch
from profile_service.conditions import CompiledPredicate, Compiler
from servicekit.database import load_sql, raw

_LIST_DAYS = load_sql("profile_service", "list_detection_days")
_COUNT_OTHERS = load_sql("profile_service", "count_others")


@dataclass(frozen=True)
class Events:
    """One of several events is expected."""

    matches: tuple[EventMatch, ...]
    compiler: Compiler

    def compiled(self, *, first_parameter: int) -> CompiledPredicate:
        """Who (`customer_id`) had such an event when (`moment`): a statement, with its parameters."""
        values: list[object] = [[match.event for match in self.matches]]
        either = []
        for match in self.matches:
            values.append(match.event)
            number = first_parameter + len(values)
            where = self.compiler.predicate(match.where, first_parameter=number)
            either.append(f"e.name = ${number - 1}::text AND {where.sql}")
            values += where.parameters
        return CompiledPredicate(
            "SELECT e.customer_id, e.occurred_at AS moment FROM events e "  # noqa: S608  # compiled, with parameters
            f"WHERE e.name = ANY(${first_parameter}::text[]) AND ({' OR '.join(either)})",
            tuple(values),
        )


@dataclass(frozen=True)
class BecameTrue:
    """A sign's condition is expected to become true: by an event or by time, not by a merge or a look at everybody."""

    sign_id: UUID

    def compiled(self, *, first_parameter: int) -> CompiledPredicate:
        """The same of the sign's detections, renewals being such."""
        return CompiledPredicate(
            "SELECT o.customer_id, o.detected_at AS moment FROM sign_detections o "  # noqa: S608  # with a parameter
            f"WHERE o.sign_id = ${first_parameter}::uuid AND o.reason IN ('event', 'time')",
            (self.sign_id,),
        )


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


async def find_sign(session: AsyncSession, key: str) -> tuple[BecameTrue, datetime]:
    """A published sign to be expected, and since when it is detected."""
    row = await (await raw(session)).fetchrow(
        "SELECT s.sign_id, (SELECT min(published_at) FROM sign_versions v WHERE v.sign_id = s.sign_id) AS since "
        "FROM signs s WHERE s.key = $1",
        key,
    )
    return BecameTrue(row["sign_id"]), row["since"]


async def list_detection_days(
    session: AsyncSession,
    sign_id: UUID,
    *,
    starts_at: datetime,
    ends_at: datetime,
    horizon: timedelta,
    expected: Events | BecameTrue,
    zone: str,
    version: int | None,
) -> list[DetectionDay]:
    """The days with detections from `starts_at` (included) until `ends_at` (excluded)."""
    outcome = expected.compiled(first_parameter=7)
    rows = await (await raw(session)).fetch(
        _LIST_DAYS.replace("{outcome}", outcome.sql),
        sign_id, starts_at, ends_at, horizon, zone, version, *outcome.parameters,
    )  # fmt: skip
    return [DetectionDay(row["detected"], row["followed"], row["moment"]) for row in rows]


async def count_others(
    session: AsyncSession,
    sign_id: UUID,
    moments: Sequence[datetime],
    *,
    horizon: timedelta,
    lifetime: timedelta,
    expected: Events | BecameTrue,
) -> list[OthersAt]:
    """For each moment, in order, those without the sign."""
    outcome = expected.compiled(first_parameter=5)
    rows = await (await raw(session)).fetch(
        _COUNT_OTHERS.replace("{outcome}", outcome.sql),
        sign_id, list(moments), horizon, lifetime, *outcome.parameters,
    )  # fmt: skip
    return [OthersAt(row["customers"] - row["showing"], row["followed"]) for row in rows]
