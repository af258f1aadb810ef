"""Which category comes next: the settings, and reading."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import EventValue
from profile_service.repository import category_lifts, schedules
from profile_service.repository.category_lifts import Lift
from profile_service.repository.schedules import ScheduleRow
from profile_service.rules.next_categories import LiftSettings
from profile_service.rules.schedules import next_time
from profile_service.service.policy import REFUSED, sight_of
from servicekit.errors import Forbidden, NotFound
from servicekit.http import check_version

SUBJECT = "category_lifts"


def _check_sight(session: AsyncSession, settings: LiftSettings) -> None:
    tree = EventValue(kind="events", function="most_frequent", event=settings.event, property=settings.property)
    if not sight_of(session).sees_tree(tree):
        raise Forbidden(REFUSED, field="event")


async def put_settings(
    session: AsyncSession, settings: LiftSettings, *, demanded_revision: int | None, now: datetime
) -> tuple[ScheduleRow, bool]:
    """Take lifts by these settings, at once and by their schedule; returns them, and whether they are new.

    Raises:
        Forbidden: the asker may not see such events. PreconditionFailed: somebody changed them meanwhile.
    """
    _check_sight(session, settings)
    present = await schedules.find_schedule(session, SUBJECT)
    check_version(present.revision if present else None, demanded_revision)
    document = settings.model_dump(mode="json", exclude_none=True)
    if present is None or present.document != document:
        await schedules.keep_schedule(session, SUBJECT, document, next_at=now)
    return await get_settings(session), present is None


async def get_settings(session: AsyncSession) -> ScheduleRow:
    """The settings and when lifts are taken.

    Raises:
        NotFound: no lifts are taken. Forbidden: the asker may not see such events.
    """
    row = await schedules.find_schedule(session, SUBJECT)
    if row is None:
        raise NotFound("No lifts of categories are taken.")
    _check_sight(session, LiftSettings.model_validate(row.document))
    return row


async def request_lifts(session: AsyncSession, *, now: datetime) -> ScheduleRow:
    """Take lifts at once. Raises as get_settings."""
    await get_settings(session)
    await schedules.bring_forward(session, [SUBJECT], now=now)
    return await get_settings(session)


async def delete_settings(session: AsyncSession, *, demanded_revision: int | None) -> None:
    """Take no more lifts and forget those taken. Raises as get_settings, or PreconditionFailed."""
    row = await get_settings(session)
    check_version(row.revision, demanded_revision)
    await schedules.delete_schedule(session, SUBJECT)
    await category_lifts.forget_lifts(session)


async def next_categories(
    session: AsyncSession, customer_ids: Sequence[UUID], *, first: int, now: datetime
) -> tuple[dict[UUID, list[Lift]], ScheduleRow]:
    """By customer the categories that come next, and by which taking. Raises as get_settings."""
    row = await get_settings(session)
    settings = LiftSettings.model_validate(row.document)
    found = await category_lifts.next_categories(
        session, customer_ids, settings, version=row.version, first=first, now=now
    )
    return found, row


async def list_lifts(session: AsyncSession, *, from_category: str | None, first: int) -> list[Lift]:
    """Rules, the highest lift first. Raises as get_settings."""
    row = await get_settings(session)
    return await category_lifts.list_lifts(session, version=row.version, from_category=from_category, limit=first)


async def take(session: AsyncSession, claimed: ScheduleRow, *, now: datetime, zone: ZoneInfo) -> bool:
    """Take the lifts that are due; False: the settings were changed meanwhile."""
    settings = LiftSettings.model_validate(claimed.document)
    version = claimed.version + 1
    await category_lifts.take_lifts(session, settings, version=version, now=now)
    await category_lifts.forget_lifts(session, before=version)
    next_at = next_time(settings, after=now, zone=zone)
    return await schedules.note_taken(session, claimed, next_at=next_at, now=now)
