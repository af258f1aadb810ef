"""Agreements between legal entities: made, changed, ended, and told to others."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.events import agreement_changed
from identity_service.models import Agreement
from identity_service.repository import agreements as repository
from identity_service.repository.configuration import lock_key
from identity_service.schemas.agreements import AgreementBody
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.errors import NotFound
from servicekit.http import check_version
from servicekit.outbox import publish

_TOLD_AT_ONCE = 500


async def put_agreement(
    session: AsyncSession, agreement_id: str, body: AgreementBody, *, version: int | None, clock: Clock
) -> tuple[Agreement, bool]:
    """Make an agreement, or change it; the same again changes nothing. Return it, and if it is new.

    Raises:
        PreconditionFailed: it has another version than demanded.
    """
    await lock_key(session, "agreement", agreement_id)
    agreement = await repository.find_agreement(session, agreement_id)
    is_new = agreement is None or agreement.removed_at is not None
    check_version(None if agreement is None or is_new else agreement.version, version)
    now, values = clock.now(), body.model_dump()
    if agreement is None:
        agreement = Agreement.model_validate(
            {**values, "agreement_id": agreement_id, "version": 1, "created_at": now, "updated_at": now}
        )
    elif is_new:  # a version below that of the removal would not be heard any more
        changed = {"version": agreement.version + 1, "created_at": now, "updated_at": now, "removed_at": None}
        agreement.sqlmodel_update({**values, **changed})
    elif any(getattr(agreement, name) != value for name, value in values.items()):
        agreement.sqlmodel_update({**values, "version": agreement.version + 1, "updated_at": now})
    else:
        return agreement, False
    await _save_and_tell(session, [agreement])
    return agreement, is_new


async def get_agreement(session: AsyncSession, agreement_id: str) -> Agreement:
    """Return an agreement.

    Raises:
        NotFound: there is no such agreement.
    """
    agreement = await repository.find_agreement(session, agreement_id)
    if agreement is None or agreement.removed_at is not None:
        raise NotFound(f"There is no agreement {agreement_id}.")
    return agreement


async def delete_agreement(session: AsyncSession, agreement_id: str, *, version: int | None, clock: Clock) -> None:
    """Remove an agreement, as if it had never been; to end one, set `valid_until`.

    Raises:
        NotFound: there is no such agreement. PreconditionFailed: it has another version than demanded.
    """
    await lock_key(session, "agreement", agreement_id)
    agreement = await get_agreement(session, agreement_id)
    check_version(agreement.version, version)
    agreement.sqlmodel_update({"version": agreement.version + 1, "removed_at": clock.now()})
    await _save_and_tell(session, [agreement])


async def tell_untold(session: AsyncSession) -> bool:
    """Tell others of agreements made before anybody heard of them; True while there may be more."""
    agreements = await repository.take_untold(session, limit=_TOLD_AT_ONCE)
    await _save_and_tell(session, agreements)
    return len(agreements) == _TOLD_AT_ONCE


async def _save_and_tell(session: AsyncSession, agreements: Sequence[Agreement]) -> None:
    for agreement in agreements:
        agreement.told_version = agreement.version
    await repository.save_agreements(session, agreements)
    await publish(session, [agreement_changed(agreement) for agreement in agreements])


async def list_agreements(session: AsyncSession, *, first: int, after: str | None) -> Page[Agreement]:
    """Return a page of agreements by id.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, str)[0] if after else None
    found = await repository.list_agreements(session, after=last, limit=first + 1)
    return cut_page(found, first, lambda agreement: agreement.agreement_id)
