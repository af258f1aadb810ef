"""The table of ranks as people edit it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from profile_service.repository import backfills, definitions, segments
from profile_service.repository.definitions import RankRow
from profile_service.service.policy import sight_of
from profile_service.service.references import OF_RANKS, References, as_json, resolve
from servicekit.errors import Invalid
from servicekit.http import check_version


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
    await segments.lock_definitions(session)
    seen: set[str] = set()
    trees = []
    for position, (key, name, condition) in enumerate(ranks):
        if key in seen:
            raise Invalid(f"The key {key} is there twice.", field=f"ranks.{position}.key")
        seen.add(key)
        await resolve(session, condition, own=OF_RANKS, field=f"ranks.{position}.condition")
        trees.append((key, name, as_json(condition)))
    version = await definitions.lock_rank_table(session)
    check_version(version or 0, demanded_version)  # reading them before there are any says version 0
    if [(row.key, row.name, row.condition) for row in await definitions.list_ranks(session)] != trees:
        await definitions.replace_ranks(session, trees)
        await backfills.request_backfill(session, backfills.RANKS, now=now)
        for subject in sorted((await References.read(session)).subjects_that_reach(OF_RANKS)):
            await backfills.request_backfill(session, subject, reason="definition", now=now)
    present, present_version = await get_ranks(session)
    return present, present_version, version is None


async def get_ranks(session: AsyncSession) -> tuple[list[RankRow], int]:
    """The ranks, lowest first, and their version (0: none yet); no rank for whoever may not see what they come from."""
    ranks = await definitions.list_ranks(session) if sight_of(session).sees_definition(OF_RANKS) else []
    return ranks, await definitions.get_rank_version(session) or 0
