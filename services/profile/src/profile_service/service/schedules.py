"""Cut points: when they are taken, by which measure, and taking them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Value
from profile_service.conditions import Compiler, check_filters, check_window, expand_value
from profile_service.repository import computed_traits, schedules, segments
from profile_service.repository.library import VALUE, read_library
from profile_service.repository.schedules import CutRow, ScheduleRow
from profile_service.rules.rfm import DEFAULT, MEASURES, Rfm, rfm_values
from profile_service.rules.schedules import Timing, next_time
from profile_service.service import next_categories
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import References, evaluate_referrers, resolve_value
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.errors import Conflict, Forbidden, Invalid, NotFound
from servicekit.http import check_version

log = structlog.get_logger(__name__)
_GREATEST_VERSION = 2**31 - 1
COMPUTED = "computed:"
"""What the subject of a computed trait begins with."""


async def get_rfm(session: AsyncSession) -> tuple[Rfm, int]:
    """What recency, frequency and monetary are measured by; version 0: the default."""
    found = await computed_traits.find_settings(session, "rfm")
    return (DEFAULT, 0) if found is None else (Rfm.model_validate(found[0]), found[1])


async def put_rfm(
    session: AsyncSession, rfm: Rfm, *, demanded_version: int | None, now: datetime
) -> tuple[Rfm, int, bool]:
    """Measure by this from now on; cut points that are scheduled are taken anew at once.

    Returns it, its version and whether it is the first. Putting what is there already changes nothing.

    Raises:
        Invalid: a filter or the window. Forbidden: the asker may not see such events.
        PreconditionFailed: somebody changed it meanwhile.
    """
    await segments.lock_definitions(session)
    present, version = await get_rfm(session)
    check_version(version, demanded_version)
    check_filters(rfm.where)
    check_window(rfm.window)
    for value in rfm_values(rfm).values():
        await resolve_value(session, value, own=None, field="rfm")
    if present != rfm or version == 0:
        document = rfm.model_dump(mode="json", exclude_none=True)
        version = await computed_traits.keep_settings(session, "rfm", document, now=now)
        await schedules.bring_forward(session, MEASURES, now=now)
    return rfm, version, version == 1


async def put_schedule(
    session: AsyncSession,
    subject: str,
    timing: Timing,
    *,
    demanded_revision: int | None,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[ScheduleRow, bool]:
    """Take cut points of a subject by this schedule, the first time at once; returns it, and whether it is new.

    Raises:
        NotFound: there is no such computed trait. Invalid: it is a text, which has no order.
        Forbidden: the asker may not see what is measured. PreconditionFailed: somebody changed it meanwhile.
    """
    await segments.lock_definitions(session)
    present = await schedules.find_schedule(session, subject)
    check_version(present.revision if present else None, demanded_revision)
    value = await measured_value(session, subject)
    if (await resolve_value(session, value, own=None, field="subject")).kind == "text":
        raise Invalid("A text has no order to cut.", field="subject")
    document = timing.model_dump(mode="json", exclude_none=True)
    if present is None or present.document != document:
        first_at = now if present is None else min(present.next_at, next_time(timing, after=now, zone=zone))
        await schedules.keep_schedule(session, subject, document, next_at=first_at)
    return await get_schedule(session, subject), present is None


async def measured_value(session: AsyncSession, subject: str) -> Value:
    """What is measured of a subject.

    Raises:
        NotFound: there is no such computed trait.
    """
    if not subject.startswith(COMPUTED):
        rfm, _ = await get_rfm(session)
        return next(value for measure, value in rfm_values(rfm).items() if measure == subject)
    row = await computed_traits.find_computed_trait(session, subject.removeprefix(COMPUTED))
    if row is None:
        raise NotFound(f"There is no computed trait {subject.removeprefix(COMPUTED)}.")
    return VALUE.validate_python(row.value)


async def _check_sight(session: AsyncSession, subject: str) -> None:
    if not sight_of(session).sees_tree(await measured_value(session, subject)):
        raise Forbidden(REFUSED, field="subject")


async def get_schedule(session: AsyncSession, subject: str) -> ScheduleRow:
    """When cut points of a subject are taken.

    Raises:
        NotFound: they are not. Forbidden: the asker may not see what is measured.
    """
    row = await schedules.find_schedule(session, subject)
    if row is None:
        raise NotFound(f"No cut points of {subject} are taken.")
    await _check_sight(session, subject)
    return row


async def list_schedules(session: AsyncSession) -> list[ScheduleRow]:
    """All that the asker may see, by subject."""
    sight, found = sight_of(session), []
    for row in await schedules.list_schedules(session):
        is_of_cuts = row.subject in MEASURES or row.subject.startswith(COMPUTED)
        if is_of_cuts and (sight.is_whole or sight.sees_tree(await measured_value(session, row.subject))):
            found.append(row)
    return found


async def list_cuts(
    session: AsyncSession, subject: str, *, before: int | None, first: int
) -> tuple[list[CutRow], bool]:
    """Cut points as taken, newest first, of versions before one; and whether there are more. Raises as get_schedule."""
    await get_schedule(session, subject)
    before = None if before is None else min(max(before, 0), _GREATEST_VERSION)
    rows = await schedules.list_cuts(session, subject, before=before, limit=first + 1)
    return rows[:first], len(rows) > first


async def request_cut(session: AsyncSession, subject: str, *, now: datetime) -> ScheduleRow:
    """Take cut points of a subject at once. Raises as get_schedule."""
    await get_schedule(session, subject)
    await schedules.bring_forward(session, [subject], now=now)
    return await get_schedule(session, subject)


async def delete_schedule(session: AsyncSession, subject: str, *, demanded_revision: int | None) -> None:
    """Take no more cut points of a subject and forget those taken.

    Raises:
        Conflict: a condition asks for them. Else as get_schedule.
    """
    await segments.lock_definitions(session)
    row = await get_schedule(session, subject)
    check_version(row.revision, demanded_revision)
    referrers = (await References.read(session)).direct_referrers(("cuts", subject))
    if referrers:
        named = ", ".join(referrers) if sight_of(session).is_whole else f"{len(referrers)} definitions"
        raise Conflict(f"It is referred to by {named}: change those first.")
    await schedules.delete_schedule(session, subject)


class Cutter:
    """Takes what is due, one subject in one transaction: a kill loses nothing, the next start takes it."""

    def __init__(
        self, *, database: Database, compiler: Compiler, clock: Clock, wake_backfill: Callable[[AsyncSession], None]
    ) -> None:
        self._database = database
        self._compiler = compiler
        self._clock = clock
        self._wake_backfill = wake_backfill

    async def step(self) -> bool:
        """Take one subject that is due; True while there may be more.

        Measuring holds no definition and no customer; what was asked for anew meanwhile is measured again.
        """
        now = self._clock.now()
        async with self._database.transaction() as session:
            claimed = await schedules.claim_due(session, now=now)
            if claimed is None:
                return False
            if claimed.subject == next_categories.SUBJECT:
                is_taken = await next_categories.take(session, claimed, now=now, zone=self._compiler.zone)
            else:
                until = next_time(Timing.model_validate(claimed.document), after=now, zone=self._compiler.zone)
                is_taken = await self._take(session, claimed, now=now, until=until)
            if not is_taken:
                await session.rollback()
        return True

    async def _take(self, session: AsyncSession, claimed: ScheduleRow, *, now: datetime, until: datetime) -> bool:
        try:
            value = await measured_value(session, claimed.subject)
            expanded = expand_value(value, await read_library(session))
        except (Invalid, NotFound) as refusal:
            log.error("measure_leads_nowhere", subject=claimed.subject, why=refusal.detail)
            return await schedules.note_taken(session, claimed, next_at=until, now=now)
        compiled = self._compiler.values_of_everybody([expanded])
        count, at_least, at_most = await schedules.measure(session, compiled, now=now)
        await segments.lock_definitions(session)
        if not await schedules.note_taken(session, claimed, next_at=until, now=now):
            return False
        tree: dict[str, Any] = VALUE.dump_python(value, mode="json")
        kind = "moment" if expanded.kind == "moment" else "number"
        version = claimed.version + 1
        await schedules.insert_cuts(
            session, CutRow(claimed.subject, version, now, until, kind, count, tree, at_least, at_most)
        )
        await evaluate_referrers(session, ("cuts", claimed.subject), now=now)
        self._wake_backfill(session)
        return True
