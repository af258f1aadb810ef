"""What sources said of customers' traits, and what each trait is by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository.traits import Pair
from profile_service.rules.traits import Observation, Policy, Retracted
from servicekit.database import load_sql, raw

_FOLD = load_sql("profile_service", "fold_traits")
_OBSERVATIONS = load_sql("profile_service", "list_observations")

Place = tuple[datetime, datetime, UUID]
"""Of an observation in the order of a trait's observations: observed_at, received_at, event_id."""


@dataclass(frozen=True)
class Fold:
    """What a trait is folded to, and by what policy."""

    value: Any  # any JSON value
    event_id: UUID
    policy: Policy


async def folds_of(session: AsyncSession, pairs: Sequence[Pair]) -> dict[Pair, Fold]:
    """What customers' traits are by the present policies; a pair of which nobody ever said anything is missing."""
    rows = await (await raw(session)).fetch(
        "SELECT f.customer_id, f.name, f.value, f.event_id, COALESCE(d.policy, 'latest') AS policy "  # noqa: S608  # ours
        f"FROM ({_FOLD}) AS f LEFT JOIN trait_definitions d ON d.name = f.name",
        [customer_id for customer_id, _ in pairs],
        [name for _, name in pairs],
    )
    return {(row["customer_id"], row["name"]): Fold(row["value"], row["event_id"], row["policy"]) for row in rows}


async def observations_of(
    session: AsyncSession, pairs: Sequence[Pair], *, limit: int, before: Place | None
) -> dict[Pair, list[Observation]]:
    """What was said of each of these traits, newest first, before the last one seen."""
    return await _list(session, dict.fromkeys(pairs), limit=limit, before=before)


async def observations_with(session: AsyncSession, events: Mapping[Pair, UUID]) -> dict[Pair, Observation]:
    """Of each of these traits the observation that came by an event."""
    found = await _list(session, events, limit=1, before=None)
    return {pair: observations[0] for pair, observations in found.items()}


async def _list(
    session: AsyncSession, wanted: Mapping[Pair, UUID | None], *, limit: int, before: Place | None
) -> dict[Pair, list[Observation]]:
    """At most `limit` observations of each pair, or the one of its event."""
    rows = await (await raw(session)).fetch(
        _OBSERVATIONS,
        [customer_id for customer_id, _ in wanted],
        [name for _, name in wanted],
        list(wanted.values()),
        limit,
        *(before or (None, None, None)),
    )
    found: dict[Pair, list[Observation]] = {}
    for row in rows:
        found.setdefault((row["customer_id"], row["name"]), []).append(_observation(row))
    return found


def _observation(row: Any) -> Observation:  # an asyncpg record
    retracted = None
    if row["retraction_id"] is not None:
        retracted = Retracted(row["retraction_id"], row["why"], row["asked_by"], row["asked_at"])
    return Observation(
        event_id=row["event_id"],
        observed_at=row["observed_at"],
        received_at=row["received_at"],
        known_received_at=row["known_received_at"],
        value=row["value"],
        source_id=row["source_id"],
        department=row["department"],
        brand=row["brand"],
        legal_entity=row["legal_entity"],
        retracted=retracted,
        is_fitting=row["is_fitting"],
        is_corrected=row["is_corrected"],
        trust=row["trust"],
    )
