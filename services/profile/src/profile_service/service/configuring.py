"""Segments and ranks as people edit and publish them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from profile_service.conditions import check_condition
from profile_service.repository import definitions
from profile_service.repository.conclusions import CONDITION
from profile_service.repository.definitions import RANKS, RankRow, SegmentRow
from servicekit.errors import Invalid, NotFound
from servicekit.http import check_version


async def put_segment(
    session: AsyncSession,
    key: str,
    *,
    name: str,
    description: str | None,
    condition: Condition,
    demanded_revision: int | None,
) -> tuple[SegmentRow, bool]:
    """Create or edit a segment; memberships follow only once it is published. Returns it, and whether it is new.

    Putting what is there already changes nothing.

    Raises:
        Invalid: the condition, with the path in its tree.
        PreconditionFailed: somebody edited it meanwhile.
    """
    check_condition(condition)
    tree = as_json(condition)
    present = await definitions.lock_segment(session, key)
    check_version(present.revision if present else None, demanded_revision)
    if present is None:
        await definitions.insert_segment(
            session, segment_id=uuid4(), key=key, name=name, description=description, condition=tree
        )
    elif (present.name, present.description, present.condition) != (name, description, tree):
        await definitions.update_segment(
            session, present.segment_id, name=name, description=description, condition=tree
        )
    return await get_segment(session, key), present is None


async def publish_segment(session: AsyncSession, key: str, *, now: datetime) -> SegmentRow:
    """Make the edited condition count from now on, live at once and for everybody by a backfill.

    Publishing what is published already changes nothing.

    Raises:
        NotFound: there is no such segment.
    """
    segment = await definitions.lock_segment(session, key)
    if segment is None:
        raise _no_segment(key)
    if segment.published_condition != segment.condition:
        await definitions.publish_segment(session, segment.segment_id, now=now)
        await definitions.request_backfill(session, str(segment.segment_id), now=now)
    return await get_segment(session, key)


async def get_segment(session: AsyncSession, key: str) -> SegmentRow:
    """One segment.

    Raises:
        NotFound: there is none of that key.
    """
    segment = await definitions.get_segment(session, key)
    if segment is None:
        raise _no_segment(key)
    return segment


def _no_segment(key: str) -> NotFound:
    return NotFound(f"There is no segment {key}.")


async def put_ranks(
    session: AsyncSession,
    ranks: Sequence[tuple[str, str, Condition]],
    *,
    demanded_version: int | None,
    now: datetime,
) -> tuple[list[RankRow], int, bool]:
    """Replace the ranks (key, name, condition; lowest first) and evaluate everybody anew.

    Returns them, their version, and whether there were none before. Putting what is there already changes nothing.

    Raises:
        Invalid: a condition, or a key given twice.
        PreconditionFailed: somebody edited them meanwhile.
    """
    seen: set[str] = set()
    for position, (key, _, condition) in enumerate(ranks):
        if key in seen:
            raise Invalid(f"The key {key} is there twice.", field=f"ranks.{position}.key")
        seen.add(key)
        check_condition(condition, field=f"ranks.{position}.condition")
    trees = [(key, name, as_json(condition)) for key, name, condition in ranks]
    version = await definitions.lock_rank_table(session)
    check_version(version or 0, demanded_version)  # reading them before there are any says version 0
    if [(row.key, row.name, row.condition) for row in await definitions.list_ranks(session)] != trees:
        await definitions.replace_ranks(session, trees)
        await definitions.request_backfill(session, RANKS, now=now)
    present, present_version = await get_ranks(session)
    return present, present_version, version is None


async def get_ranks(session: AsyncSession) -> tuple[list[RankRow], int]:
    """The ranks, lowest first, and their version (0: none yet)."""
    return await definitions.list_ranks(session), await definitions.get_rank_version(session) or 0


def as_json(condition: Condition) -> dict[str, Any]:
    """The tree as it is stored: JSON with what is left out at its default."""
    tree: dict[str, Any] = CONDITION.dump_python(condition, mode="json")
    return tree
