"""Segments as people edit, publish, restore and archive them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from profile_service.repository import backfills, segments
from profile_service.repository.segments import Kind, SegmentRow, VersionRow
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import (
    as_json,
    check_unreferred,
    follow_change,
    list_condition,
    of_segment,
    resolve,
)
from servicekit.errors import Conflict, Forbidden, Invalid, NotFound
from servicekit.http import check_version

_VERSIONS_AT_ONCE = 100


async def put_segment(
    session: AsyncSession,
    key: str,
    *,
    kind: Kind = "dynamic",
    name: str,
    description: str | None,
    condition: Condition | None,
    demanded_revision: int | None,
    published_by: str | None,
    now: datetime,
) -> tuple[SegmentRow, bool]:
    """Create or edit a segment; returns it, and whether it is new. Putting what is there already changes nothing.

    Memberships follow only once it is published. A static list has no condition and counts at once.

    Raises:
        Invalid: the condition, with the path in its tree; a static list with one; another kind than before.
        Conflict: it is archived.
        PreconditionFailed: somebody edited it meanwhile.
        Forbidden: the asker may not see it, or not all that the condition asks for.
    """
    if (condition is None) != (kind == "static"):
        raise Invalid("A dynamic segment has a condition, a static list has none.", field="condition")
    sight_of(session).check_name("segment", key, field="key")
    await segments.lock_definitions(session)
    present = await segments.get_segment(session, key)
    if present is not None and not _is_visible(session, present):
        raise Forbidden(REFUSED, field="key")
    check_version(present.revision if present else None, demanded_revision)
    if present is not None and present.kind != kind:
        raise Invalid(f"The segment is {present.kind}; make another one, under another key.", field="kind")
    if condition is None:
        return await _put_list(session, key, present, name, description, published_by=published_by, now=now)
    await resolve(session, condition, own=of_segment(key))
    tree = as_json(condition)
    if present is None:
        await segments.insert_segment(
            session, segment_id=uuid4(), key=key, kind=kind, name=name, description=description, condition=tree
        )
    elif (present.name, present.description, present.condition) != (name, description, tree):
        _refuse_archived(present)
        await segments.update_segment(session, present.segment_id, name=name, description=description, condition=tree)
    return await get_segment(session, key), present is None


async def _put_list(
    session: AsyncSession,
    key: str,
    present: SegmentRow | None,
    name: str,
    description: str | None,
    *,
    published_by: str | None,
    now: datetime,
) -> tuple[SegmentRow, bool]:
    if present is None:
        segment_id = uuid4()
        await segments.insert_segment(
            session,
            segment_id=segment_id,
            key=key,
            kind="static",
            name=name,
            description=description,
            condition=list_condition(segment_id),
        )
        await segments.publish_segment(session, segment_id, published_by=published_by, why=None, now=now)
    elif (present.name, present.description) != (name, description):
        _refuse_archived(present)
        await segments.update_segment(
            session, present.segment_id, name=name, description=description, condition=present.condition
        )
    return await get_segment(session, key), present is None


async def publish_segment(
    session: AsyncSession,
    key: str,
    *,
    demanded_revision: int | None = None,
    published_by: str | None,
    why: str | None,
    now: datetime,
) -> SegmentRow:
    """Make the edited condition count from now on, live at once and for everybody by a backfill.

    Whatever refers to the segment is evaluated anew as well. Publishing what is published already changes nothing.

    Raises:
        NotFound: there is no such segment.
        Conflict: it is archived.
        PreconditionFailed: somebody edited it meanwhile: what would count is not what was meant.
        Invalid: what it refers to does not allow it any more, or what refers to it would not hold.
    """
    await segments.lock_definitions(session)
    segment = await get_segment(session, key)
    check_version(segment.revision, demanded_revision)
    _refuse_archived(segment)
    if segment.published_condition != segment.condition:
        await resolve(session, segment.condition, own=of_segment(key))
        await segments.publish_segment(session, segment.segment_id, published_by=published_by, why=why, now=now)
        await backfills.request_backfill(session, str(segment.segment_id), now=now)
        await follow_change(session, of_segment(key), now=now)
    return await get_segment(session, key)


async def restore_version(
    session: AsyncSession,
    key: str,
    *,
    version: int,
    demanded_revision: int | None,
    published_by: str | None,
    why: str | None,
    now: datetime,
) -> SegmentRow:
    """Put the condition of an earlier version and publish it, as a new version.

    Raises:
        NotFound: there is no such segment or version.
        Conflict: it is archived.
        PreconditionFailed: somebody edited it meanwhile.
        Invalid: what that version refers to is not there any more, or what refers to the segment would not hold.
    """
    await segments.lock_definitions(session)
    segment = await get_segment(session, key)
    check_version(segment.revision, demanded_revision)
    _refuse_archived(segment)
    earlier = await segments.get_version(session, segment.segment_id, version)
    if earlier is None:
        raise NotFound(f"The segment {key} has no version {version}.")
    if earlier.condition != segment.condition:
        await segments.update_segment(
            session,
            segment.segment_id,
            name=segment.name,
            description=segment.description,
            condition=earlier.condition,
        )
    return await publish_segment(
        session, key, published_by=published_by, why=why or f"version {version} restored", now=now
    )


async def archive_segment(session: AsyncSession, key: str, *, now: datetime) -> SegmentRow:
    """Take a segment out of use: its members exit. Archiving what is archived changes nothing.

    Raises:
        NotFound: there is no such segment.
        Conflict: others refer to it.
    """
    await segments.lock_definitions(session)
    segment = await get_segment(session, key)
    if segment.archived_at is None:
        await check_unreferred(session, of_segment(key))
        await segments.set_archived(session, segment.segment_id, archived_at=now)
        if segment.version:
            await backfills.request_backfill(session, str(segment.segment_id), reason="definition", now=now)
    return await get_segment(session, key)


async def unarchive_segment(session: AsyncSession, key: str, *, now: datetime) -> SegmentRow:
    """Take a segment into use again: whoever fulfils its published condition enters.

    Raises:
        NotFound: there is no such segment.
        Invalid: what it refers to is not there any more.
    """
    await segments.lock_definitions(session)
    segment = await get_segment(session, key)
    if segment.archived_at is not None:
        if segment.published_condition is not None and segment.kind == "dynamic":
            await resolve(session, segment.published_condition, own=of_segment(key))
        await segments.set_archived(session, segment.segment_id, archived_at=None)
        if segment.version:
            await backfills.request_backfill(session, str(segment.segment_id), reason="definition", now=now)
    return await get_segment(session, key)


async def list_versions(
    session: AsyncSession, key: str, *, before: int | None, first: int = _VERSIONS_AT_ONCE
) -> tuple[list[VersionRow], bool]:
    """A segment's versions, newest first, before one already seen; and whether there are more.

    Raises:
        NotFound: there is no such segment.
    """
    segment = await get_segment(session, key)
    rows = await segments.list_versions(session, segment.segment_id, before=before, limit=first + 1)
    return rows[:first], len(rows) > first


async def get_segment(session: AsyncSession, key: str) -> SegmentRow:
    """One segment.

    Raises:
        NotFound: there is none of that key that the asker may see.
    """
    segment = await segments.get_segment(session, key)
    if segment is None or not _is_visible(session, segment):
        raise NotFound(f"There is no segment {key}.")
    return segment


async def list_segments(session: AsyncSession) -> list[SegmentRow]:
    """All segments that the asker may see, by key."""
    return [segment for segment in await segments.list_segments(session) if _is_visible(session, segment)]


def _is_visible(session: AsyncSession, segment: SegmentRow) -> bool:
    is_published = segment.version > 0 and segment.archived_at is None
    unpublished = None if is_published else segment.published_condition or segment.condition
    return sight_of(session).sees_segment(segment.key, unpublished=unpublished)


async def get_segments(session: AsyncSession, keys: Sequence[str]) -> list[SegmentRow]:
    """Segments in the order of their keys.

    Raises:
        NotFound: there is none of a key.
    """
    return [await get_segment(session, key) for key in keys]


def _refuse_archived(segment: SegmentRow) -> None:
    if segment.archived_at is not None:
        raise Conflict(f"The segment {segment.key} is archived: unarchive it first.")
