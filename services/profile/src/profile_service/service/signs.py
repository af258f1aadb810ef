"""Signs as people edit, publish and archive them, and how much of the base shows them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from contracts.profile import SignStrength
from profile_service.repository import backfills, previews, segments, signs
from profile_service.repository.backfills import FIRST_ID
from profile_service.repository.signs import Coverage, ShowingRow, SignRow, SignVersionRow
from profile_service.service.outcomes import Outcome
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import (
    as_json,
    check_unreferred,
    follow_change,
    of_sign,
    resolve,
)
from servicekit.errors import Conflict, Forbidden, NotFound
from servicekit.http import check_version


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
    if outcome is not None:
        outcome.check_visible(sight)
    check_version(present.revision if present else None, demanded_revision)
    await resolve(session, condition, own=of_sign(key))
    if outcome is not None:
        await outcome.check(session)
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
    return {
        "condition": as_json(condition),
        "strength": strength,
        "lifetime_days": lifetime_days,
        "outcome": None if outcome is None else outcome.as_json(),
    }


async def publish_sign(
    session: AsyncSession,
    key: str,
    *,
    demanded_revision: int | None = None,
    published_by: str | None,
    why: str | None,
    now: datetime,
) -> SignRow:
    """Detect what is edited from now on, live at once and in everybody by a backfill. Idempotent.

    Whatever refers to the sign is evaluated anew as well.

    Raises:
        NotFound: there is no such sign. Conflict: it is archived.
        PreconditionFailed: somebody edited it meanwhile: what would be detected is not what was meant.
        Invalid: what it refers to does not allow it any more, what should follow it is no sign any more, or what refers
            to it would not hold.
    """
    await segments.lock_definitions(session)
    sign = await get_sign(session, key)
    check_version(sign.revision, demanded_revision)
    _refuse_archived(sign)
    if sign.published != sign.edited:
        await resolve(session, sign.edited["condition"], own=of_sign(key))
        if sign.edited["outcome"] is not None:
            await Outcome.from_json(sign.edited["outcome"]).check(session)
        await signs.publish_sign(session, sign.sign_id, published_by=published_by, why=why, now=now)
        await backfills.request_backfill(session, signs.subject_of(sign.sign_id), now=now)
        await follow_change(session, of_sign(key), now=now)
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


def _refuse_archived(sign: SignRow) -> None:
    if sign.archived_at is not None:
        raise Conflict(f"The sign {sign.key} is archived: unarchive it first.")
