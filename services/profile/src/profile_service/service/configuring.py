"""The table of ranks as people edit it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition, Value
from profile_service.repository import backfills, definitions, segments
from profile_service.repository.definitions import RankRow
from profile_service.repository.library import VALUE
from profile_service.service.policy import sight_of
from profile_service.service.references import OF_RANKS, as_json, follow_change, resolve, resolve_value
from servicekit.errors import Invalid
from servicekit.http import check_version


async def put_ranks(
    session: AsyncSession,
    ranks: Sequence[tuple[str, str, Condition | Decimal]],
    *,
    measure: Value | None = None,
    demanded_version: int | None,
    now: datetime,
) -> tuple[list[RankRow], int, bool]:
    """Replace the ranks (key, name, condition or threshold; lowest first) and evaluate everybody anew.

    `measure` is what thresholds are compared with. Returns them, their version, and whether there were none before.
    Putting what is there already changes nothing.

    Raises:
        Invalid: a condition, the measure, thresholds that do not rise, a key given twice; what refers to the ranks
            would not hold.
        PreconditionFailed: somebody edited them meanwhile.
    """
    await segments.lock_definitions(session)
    measured = None if measure is None else await _check_measure(session, measure)
    seen: set[str] = set()
    trees: list[tuple[str, str, dict[str, Any] | None, Decimal | None]] = []
    for position, (key, name, takes) in enumerate(ranks):
        if key in seen:
            raise Invalid(f"The key {key} is there twice.", field=f"ranks.{position}.key")
        seen.add(key)
        if isinstance(takes, Decimal):
            _check_threshold(takes, [each for *_, each in trees], measured, field=f"ranks.{position}.threshold")
            trees.append((key, name, None, takes))
        else:
            await resolve(session, takes, own=OF_RANKS, field=f"ranks.{position}.condition")
            trees.append((key, name, as_json(takes), None))
    version = await definitions.lock_rank_table(session)
    check_version(version or 0, demanded_version)  # reading them before there are any says version 0
    stored = [(row.key, row.name, row.condition, row.threshold) for row in await definitions.list_ranks(session)]
    if (stored, await definitions.get_measure(session)) != (trees, measured):
        await definitions.replace_ranks(session, trees, measure=measured)
        await backfills.request_backfill(session, backfills.RANKS, now=now)
        await follow_change(session, OF_RANKS, now=now)
    present, present_version = await get_ranks(session)
    return present, present_version, version is None


async def _check_measure(session: AsyncSession, measure: Value) -> dict[str, Any]:
    if (await resolve_value(session, measure, own=OF_RANKS, field="measure")).kind not in {"number", None}:
        raise Invalid("Ranks are measured by a number.", field="measure")
    tree: dict[str, Any] = VALUE.dump_python(measure, mode="json")
    return tree


def _check_threshold(
    threshold: Decimal, lower: Sequence[Decimal | None], measure: dict[str, Any] | None, *, field: str
) -> None:
    if measure is None:
        raise Invalid("A threshold needs the table's `measure`.", field=field)
    if any(each is not None and each >= threshold for each in lower):
        raise Invalid("Thresholds rise from rank to rank.", field=field)


async def get_ranks(session: AsyncSession) -> tuple[list[RankRow], int]:
    """The ranks, lowest first, and their version (0: none yet); no rank for whoever may not see what they come from."""
    ranks = await definitions.list_ranks(session) if sight_of(session).sees_definition(OF_RANKS) else []
    return ranks, await definitions.get_rank_version(session) or 0


async def get_measure(session: AsyncSession) -> dict[str, Any] | None:
    """What thresholds are compared with; None: there are none, or the asker may not see what they come from."""
    return await definitions.get_measure(session) if sight_of(session).sees_definition(OF_RANKS) else None
