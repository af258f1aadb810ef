"""Agreements between legal entities: made, changed, ended."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import Agreement
from identity_service.repository import agreements as repository
from identity_service.repository.configuration import lock_key
from identity_service.schemas.agreements import AgreementBody
from servicekit.clock import Clock
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.errors import NotFound
from servicekit.http import check_version


async def put_agreement(
    session: AsyncSession, agreement_id: str, body: AgreementBody, *, version: int | None, clock: Clock
) -> tuple[Agreement, bool]:
    """Make an agreement, or change it; the same again changes nothing. Return it, and if it is new.

    Raises:
        PreconditionFailed: it has another version than demanded.
    """
    await lock_key(session, "agreement", agreement_id)
    agreement = await repository.find_agreement(session, agreement_id)
    check_version(agreement.version if agreement else None, version)
    now, values = clock.now(), body.model_dump()
    if agreement is None:
        agreement = Agreement.model_validate(
            {**values, "agreement_id": agreement_id, "version": 1, "created_at": now, "updated_at": now}
        )
        await repository.save_agreement(session, agreement)
        return agreement, True
    if any(getattr(agreement, name) != value for name, value in values.items()):
        agreement.sqlmodel_update({**values, "version": agreement.version + 1, "updated_at": now})
        await repository.save_agreement(session, agreement)
    return agreement, False


async def get_agreement(session: AsyncSession, agreement_id: str) -> Agreement:
    """Return an agreement.

    Raises:
        NotFound: there is no such agreement.
    """
    agreement = await repository.find_agreement(session, agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id}.")
    return agreement


async def delete_agreement(session: AsyncSession, agreement_id: str, *, version: int | None) -> None:
    """Remove an agreement, as if it had never been; to end one, set `valid_until`.

    Raises:
        NotFound: there is no such agreement. PreconditionFailed: it has another version than demanded.
    """
    await lock_key(session, "agreement", agreement_id)
    agreement = await get_agreement(session, agreement_id)
    check_version(agreement.version, version)
    await repository.delete_agreement(session, agreement_id)


async def list_agreements(session: AsyncSession, *, first: int, after: str | None) -> dict[str, Any]:
    """Return a page of agreements by id.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, str)[0] if after else None
    found = await repository.list_agreements(session, after=last, limit=first + 1)
    page = found[:first]
    return {"items": page, "next": encode_cursor(page[-1].agreement_id) if len(found) > first else None}
