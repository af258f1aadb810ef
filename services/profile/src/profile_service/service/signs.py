"""Signs as people edit, publish and archive them; how much of the base shows them, and how right they were."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition, PropertyFilter
from contracts.profile import SignStrength
from profile_service.conditions import Compiler
from profile_service.conditions.checking import check_filters
from profile_service.repository import backfills, precision, previews, segments, signs
from profile_service.repository.backfills import FIRST_ID
from profile_service.repository.signs import Coverage, ShowingRow, SignRow, SignVersionRow
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import (
    as_json,
    check_unreferred,
    evaluate_referrers,
    of_sign,
    resolve,
)
from servicekit.errors import Conflict, Forbidden, Invalid, NotFound
from servicekit.http import check_version

MAX_DAYS = 92
"""Days of detections whose precision is told at once: each is compared with the whole base."""


@dataclass(frozen=True)
class Outcome:
    """What should follow a sign within so many days of 24 hours: an event that passes every filter."""

    event: str
    where: list[PropertyFilter]
    within_days: int


@dataclass(frozen=True)
class Precision:
    """How many of a period's detections were followed by the outcome, and how often it follows without the sign.

    Told of detections whose horizon has passed. `base_rate`: of the customers known at the time who did not show the
    sign, each day weighing as much as its detections. None where nothing was detected, or nobody was left to compare.
    """

    first_day: date
    last_day: date
    detected: int
    followed: int
    rate: float | None
    base_rate: float | None
    lift: float | None


async def put_sign(
    session: AsyncSession,
    key: str,
    *,
    name: str,
    meaning: str,
    condition: Condition,
    strength: SignStrength,
    lifetime_days: int,
    outcome: Outcome | None,
    demanded_revision: int | None,
) -> tuple[SignRow, bool]:
    """Create or edit a sign; returns it, and whether it is new. It is detected only once it is published.

    Raises:
        Invalid: the condition or the outcome, with the path. Conflict: it is archived.
        PreconditionFailed: somebody edited it meanwhile.
    """
    sight = sight_of(session)
    sight.check_name("sign", key, field="key")
    await segments.lock_definitions(session)
    present = await signs.get_sign(session, key)
    if present is not None and not sight.sees_sign(key):
        raise Forbidden(REFUSED, field="key")
    if outcome is not None and not sight.sees_event(outcome.event):
        raise Forbidden(REFUSED, field="outcome.event")
    for place, each in enumerate(outcome.where if outcome is not None else ()):
        sight.check_name("trait", each.property, field=f"outcome.where.{place}.property")
    check_version(present.revision if present else None, demanded_revision)
    await resolve(session, condition, own=of_sign(key))
    if outcome is not None:
        check_filters(outcome.where, field="outcome.where")
    edited = _definition(condition, strength, lifetime_days, outcome)
    if present is None:
        await signs.insert_sign(session, sign_id=uuid4(), key=key, name=name, meaning=meaning, edited=edited)
    elif (present.name, present.meaning, present.edited) != (name, meaning, edited):
        _refuse_archived(present)
        await signs.update_sign(session, present.sign_id, name=name, meaning=meaning, edited=edited)
    return await get_sign(session, key), present is None


def _definition(
    condition: Condition, strength: SignStrength, lifetime_days: int, outcome: Outcome | None
) -> dict[str, Any]:
    expected = None
    if outcome is not None:
        where = [each.model_dump(mode="json") for each in outcome.where]
        expected = {"event": outcome.event, "where": where, "within_days": outcome.within_days}
    return {
        "condition": as_json(condition),
        "strength": strength,
        "lifetime_days": lifetime_days,
        "outcome": expected,
    }


async def publish_sign(
    session: AsyncSession, key: str, *, published_by: str | None, why: str | None, now: datetime
) -> SignRow:
    """Detect what is edited from now on, live at once and in everybody by a backfill. Idempotent.

    Whatever refers to the sign is evaluated anew as well.

    Raises:
        NotFound: there is no such sign. Conflict: it is archived.
        Invalid: what it refers to does not allow it any more.
    """
    await segments.lock_definitions(session)
    sign = await get_sign(session, key)
    _refuse_archived(sign)
    if sign.published != sign.edited:
        await resolve(session, sign.edited["condition"], own=of_sign(key))
        await signs.publish_sign(session, sign.sign_id, published_by=published_by, why=why, now=now)
        await backfills.request_backfill(session, signs.subject_of(sign.sign_id), now=now)
        await evaluate_referrers(session, of_sign(key), now=now)
    return await get_sign(session, key)


async def archive_sign(session: AsyncSession, key: str, *, now: datetime) -> SignRow:
    """Take a sign out of use: it expires in everybody who shows it. What was detected stays on record. Idempotent.

    Raises:
        NotFound: there is no such sign.
        Conflict: others refer to it.
    """
    await segments.lock_definitions(session)
    sign = await get_sign(session, key)
    if sign.archived_at is None:
        await check_unreferred(session, of_sign(key))
        await signs.set_archived(session, sign.sign_id, archived_at=now)
        if sign.version:
            await backfills.request_backfill(session, signs.subject_of(sign.sign_id), reason="definition", now=now)
    return await get_sign(session, key)


async def unarchive_sign(session: AsyncSession, key: str, *, now: datetime) -> SignRow:
    """Take a sign into use again: it is detected in everybody of whom what is published holds.

    Raises:
        NotFound: there is no such sign.
        Invalid: what it refers to is not there any more.
    """
    await segments.lock_definitions(session)
    sign = await get_sign(session, key)
    if sign.archived_at is not None:
        if sign.published is not None:
            await resolve(session, sign.published["condition"], own=of_sign(key))
        await signs.set_archived(session, sign.sign_id, archived_at=None)
        if sign.version:
            await backfills.request_backfill(session, signs.subject_of(sign.sign_id), reason="definition", now=now)
    return await get_sign(session, key)


async def list_versions(
    session: AsyncSession, key: str, *, before: int | None, first: int
) -> tuple[list[SignVersionRow], bool]:
    """A sign's versions, newest first, before one already seen; and whether there are more.

    Raises:
        NotFound: there is no such sign.
    """
    sign = await get_sign(session, key)
    rows = await signs.list_versions(session, sign.sign_id, before=before, limit=first + 1)
    return rows[:first], len(rows) > first


async def get_sign(session: AsyncSession, key: str) -> SignRow:
    """One sign.

    Raises:
        NotFound: there is no such sign.
    """
    sign = await signs.get_sign(session, key)
    if sign is None or not sight_of(session).sees_sign(key):
        raise NotFound(f"There is no sign {key}.")
    return sign


async def list_signs(session: AsyncSession) -> list[SignRow]:
    """All signs that the asker may see, by key."""
    sight = sight_of(session)
    return [sign for sign in await signs.list_signs(session) if sight.sees_sign(sign.key)]


async def list_showing(
    session: AsyncSession, key: str, *, after: UUID | None, first: int
) -> tuple[list[ShowingRow], bool]:
    """Customers who show a sign, after the last one seen; and whether there are more.

    Raises:
        NotFound: there is no such sign.
    """
    sign = await get_sign(session, key)
    rows = await signs.list_showing(session, sign.sign_id, after=after or FIRST_ID, limit=first + 1)
    return rows[:first], len(rows) > first


async def get_coverage(session: AsyncSession) -> tuple[Coverage, list[SignRow]]:
    """How much of the base shows any sign and which; and the signs in use, by key."""
    customers, _ = await previews.count_customers(session)
    in_use = [sign for sign in await list_signs(session) if sign.version and sign.archived_at is None]
    return await signs.count_showing(session, customers), in_use


async def get_precision(
    session: AsyncSession,
    key: str,
    *,
    first_day: date | None,
    last_day: date | None,
    version: int | None,
    compiler: Compiler,
    now: datetime,
) -> Precision:
    """What followed the detections of these days (of the customers' zone); by default the last whose horizon passed.

    Raises:
        NotFound: there is no such sign. Conflict: it is not published, or expects nothing.
        Invalid: the days.
    """
    sign = await get_sign(session, key)
    if sign.published is None or sign.published["outcome"] is None:
        raise Conflict("No outcome is published with it: there is nothing to measure it by.", field="outcome")
    outcome = sign.published["outcome"]
    horizon, lifetime = timedelta(days=outcome["within_days"]), timedelta(days=sign.published["lifetime_days"])
    zone = compiler.zone
    latest = (now - horizon).astimezone(zone).date()
    first_day, last_day = _period(first_day, last_day, latest=latest)
    filters = [PropertyFilter.model_validate(each) for each in outcome["where"]]
    days = await precision.list_detection_days(
        session,
        sign.sign_id,
        starts_at=_midnight(first_day, zone),
        ends_at=min(_midnight(last_day + timedelta(days=1), zone), now - horizon),
        horizon=horizon,
        event=outcome["event"],
        where=compiler.predicate(filters, first_parameter=precision.WHERE_OF_DAYS),
        zone=zone.key,
        version=version,
    )
    others = await precision.count_others(
        session,
        sign.sign_id,
        [day.moment for day in days],
        horizon=horizon,
        lifetime=lifetime,
        event=outcome["event"],
        where=compiler.predicate(filters, first_parameter=precision.WHERE_OF_OTHERS),
    )
    detected, followed = sum(day.detected for day in days), sum(day.followed for day in days)
    compared = [(day.detected, each) for day, each in zip(days, others, strict=True) if each.customers]
    weight = sum(count for count, _ in compared)
    rate = followed / detected if detected else None
    base = sum(count * each.followed / each.customers for count, each in compared) / weight if weight else None
    return Precision(
        first_day, last_day, detected, followed, rate, base, rate / base if rate is not None and base else None
    )


def _period(first_day: date | None, last_day: date | None, *, latest: date) -> tuple[date, date]:
    last_day = latest if last_day is None else last_day
    if last_day > latest:
        raise Invalid(f"The horizon has passed for detections until {latest} only.", field="last_day")
    if last_day.year < 1000:
        raise Invalid("The year lies before 1000.", field="last_day")
    first_day = last_day - timedelta(days=MAX_DAYS - 1) if first_day is None else first_day
    if not timedelta() <= last_day - first_day < timedelta(days=MAX_DAYS):
        raise Invalid(f"Between 1 and {MAX_DAYS} days.", field="first_day")
    return first_day, last_day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def _refuse_archived(sign: SignRow) -> None:
    if sign.archived_at is not None:
        raise Conflict(f"The sign {sign.key} is archived: unarchive it first.")
