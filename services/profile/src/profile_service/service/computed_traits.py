"""Computed traits as people put and delete them."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Value
from profile_service.conditions import Reference, check_filters, check_window
from profile_service.repository import computed_traits, schedules, segments
from profile_service.repository.computed_traits import ComputedTraitRow
from profile_service.repository.library import VALUE
from profile_service.rules.points import PointsRules, points_value
from profile_service.service.policy import REFUSED, sight_of
from profile_service.service.references import References, follow_change, resolve_value
from servicekit.errors import Conflict, Forbidden, Invalid, NotFound
from servicekit.http import check_version

MAX_COMPUTED = 200
"""Read of a customer in one statement."""


def of_computed(key: str) -> Reference:
    """A computed trait as something to refer to."""
    return ("computed", key)


async def put_computed_trait(
    session: AsyncSession,
    key: str,
    *,
    name: str,
    description: str | None,
    unit: str | None,
    value: Value | None,
    points: PointsRules | None,
    demanded_version: int | None,
    now: datetime,
) -> tuple[ComputedTraitRow, bool]:
    """Create or change a computed trait; returns it, and whether it is new. It counts at once.

    Whatever refers to it is evaluated anew for everybody. Putting what is there already changes nothing.

    Raises:
        Invalid: the Value, with the path; neither or both of `value` and `points`; what refers to it would not hold.
        Forbidden: the asker may not see all that it asks for. Conflict: there are too many.
        PreconditionFailed: somebody changed it meanwhile.
    """
    if points is not None:
        _check_rules(points)
    tree = value if points is None else VALUE.validate_python(points_value(points))
    if tree is None or (value is None) == (points is None):
        raise Invalid("A computed trait has a `value` or `points`, one of the two.", field="value")
    sight_of(session).check_name("trait", key, field="key")
    await segments.lock_definitions(session)
    present = await computed_traits.find_computed_trait(session, key)
    if present is not None and not sight_of(session).sees_definition(of_computed(key)):
        raise Forbidden(REFUSED, field="key")
    check_version(present.version if present else None, demanded_version)
    rules = None if points is None else points.model_dump(mode="json", exclude_none=True)
    field = "value" if points is None else "points"
    expanded = await resolve_value(session, tree, own=of_computed(key), field=field)
    if expanded.kind == "text" and await schedules.find_schedule(session, f"computed:{key}") is not None:
        raise Invalid("Cut points are taken of it, and a text has no order.", field=field)
    stored: dict[str, Any] = VALUE.dump_python(tree, mode="json")
    version = present.version if present else 0
    row = ComputedTraitRow(key, name, description, unit, stored, rules, version + 1, now)
    if present is None and len(await computed_traits.list_computed_traits(session)) >= MAX_COMPUTED:
        raise Conflict(f"There are {MAX_COMPUTED} computed traits already.")
    if present is not None and _meant(present) == _meant(row):
        return present, False
    await computed_traits.keep_computed_trait(session, row)
    if present is not None and present.value != row.value:
        await schedules.bring_forward(session, [f"computed:{key}"], now=now)
        await follow_change(session, of_computed(key), now=now)
    return row, present is None


def _check_rules(points: PointsRules) -> None:
    """Refuse what is wrong in a rule by its place there: the Value that is made of them has other places."""
    for position, rule in enumerate(points.rules):
        check_filters(rule.where, field=f"points.rules.{position}.where")
        for place, window in enumerate(rule.valid or []):
            check_window(window, field=f"points.rules.{position}.valid.{place}")


def _meant(row: ComputedTraitRow) -> tuple[object, ...]:
    return row.name, row.description, row.unit, row.value, row.points


async def get_computed_trait(session: AsyncSession, key: str) -> ComputedTraitRow:
    """One that the asker may see.

    Raises:
        NotFound: there is none.
    """
    row = await computed_traits.find_computed_trait(session, key)
    if row is None or not sight_of(session).sees_definition(of_computed(key)):
        raise NotFound(f"There is no computed trait {key}.")
    return row


async def list_computed_traits(session: AsyncSession) -> list[ComputedTraitRow]:
    """All that the asker may see, by key."""
    sight = sight_of(session)
    rows = await computed_traits.list_computed_traits(session)
    return [row for row in rows if sight.sees_definition(of_computed(row.key))]


async def delete_computed_trait(session: AsyncSession, key: str, *, demanded_version: int | None) -> None:
    """Delete it.

    Raises:
        NotFound: there is none. Conflict: something refers to it. PreconditionFailed: somebody changed it meanwhile.
    """
    await segments.lock_definitions(session)
    row = await get_computed_trait(session, key)
    check_version(row.version, demanded_version)
    referrers = (await References.read(session)).direct_referrers(of_computed(key))
    if await schedules.find_schedule(session, f"computed:{key}") is not None:
        referrers.append("its cut points")
    if referrers:
        named = ", ".join(referrers) if sight_of(session).is_whole else f"{len(referrers)} definitions"
        raise Conflict(f"It is referred to by {named}: change those first.")
    await computed_traits.delete_computed_trait(session, key)
