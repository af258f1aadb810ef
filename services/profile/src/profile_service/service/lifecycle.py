"""The lifecycle as people put it."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import LIFECYCLE, check_filters
from profile_service.repository import backfills, computed_traits, segments
from profile_service.rules.lifecycle import DEFAULT, Lifecycle, lifecycle_conditions
from profile_service.service.policy import sight_of
from profile_service.service.references import follow_change, resolve
from servicekit.errors import Forbidden
from servicekit.http import check_version


async def get_lifecycle(session: AsyncSession) -> tuple[Lifecycle, int]:
    """The lifecycle and its version; 0: the default, whose transitions are not published.

    Raises:
        Forbidden: the asker may not see what it is drawn from.
    """
    if not sight_of(session).sees_definition(LIFECYCLE):
        raise Forbidden("The policy does not let you read this.")
    found = await computed_traits.find_settings(session, "lifecycle")
    return (DEFAULT, 0) if found is None else (Lifecycle.model_validate(found[0]), found[1])


async def put_lifecycle(
    session: AsyncSession, lifecycle: Lifecycle, *, demanded_version: int | None, now: datetime
) -> tuple[Lifecycle, int, bool]:
    """Let this lifecycle hold; everybody is evaluated anew and transitions are published from now on.

    Returns it, its version and whether it is the first. Putting what is there already changes nothing.

    Raises:
        Invalid: a filter. Forbidden: the asker may not see such events. PreconditionFailed: somebody changed it.
    """
    await segments.lock_definitions(session)
    present, version = await get_lifecycle(session)
    check_version(version, demanded_version)
    check_filters(lifecycle.where)
    for _, condition in lifecycle_conditions(lifecycle):
        await resolve(session, condition, own=LIFECYCLE, field="lifecycle")
    if present != lifecycle or version == 0:
        document = lifecycle.model_dump(mode="json", exclude_none=True)
        version = await computed_traits.keep_settings(session, "lifecycle", document, now=now)
        await backfills.request_backfill(session, backfills.LIFECYCLE_STATES, now=now)
        await follow_change(session, LIFECYCLE, now=now)
    return lifecycle, version, version == 1
