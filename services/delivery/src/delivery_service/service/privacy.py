"""Forgetting a customer: messages with their clicks, addresses with what was permitted and why nothing is sent to them.

Of an address only a keyed hash stays: a suppression (a bounce, a complaint) holds on should the address become known
again, and a permission recorded before the erasure is not taken in later. An unsubscribe needs no trace: without a new
opt-in nothing is sent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.erased_addresses import AddressDigests
from delivery_service.repository import permissions
from delivery_service.repository import privacy as repository
from delivery_service.repository.permissions import StatementRow
from delivery_service.repository.privacy import Address
from servicekit.clock import Clock
from servicekit.erasure import ErasedCustomer, EraseMore


async def forget_messages(session: AsyncSession, customer: ErasedCustomer, limit: int) -> Mapping[str, int]:
    """Delete messages together with their clicks, which name the message only."""
    message_ids = await repository.claim_messages(session, customer.customer_ids, limit=limit)
    return await repository.delete_messages(session, message_ids) if message_ids else {}


def forget_addresses(digests: AddressDigests, *, clock: Clock) -> EraseMore:
    """Return what deletes contact points, and what is known of addresses that are nobody else's contact point."""

    async def forget(session: AsyncSession, customer: ErasedCustomer, limit: int) -> Mapping[str, int]:
        await permissions.hold_addresses(session)
        owned = await repository.claim_contact_points(session, customer.customer_ids, limit=limit)
        if not owned:
            return {}
        deleted = Counter({"contact_points": await repository.delete_contact_points(session, list(owned))})
        left = await repository.reached_by_nobody(session, list(owned.values()))
        remembered = [(digests.digest(*address), reason) for address, reason in left.items()]
        await repository.remember_erased(session, remembered, erased_at=clock.now())
        deleted.update(await repository.delete_addresses(session, list(left)))
        return deleted

    return forget


async def suppress_again(session: AsyncSession, addresses: Sequence[Address], digests: AddressDigests) -> None:
    """Suppress those of newly linked addresses that were suppressed when they were erased, as of then."""
    if not await repository.any_address_is_erased(session):
        return
    by_digest = {digests.digest(*address): address for address in addresses}
    found = await repository.find_erased(session, list(by_digest))
    for digest, (erased_at, suppression) in found.items():
        if suppression is not None:
            rows = [(*by_digest[digest], None)]
            await permissions.insert_suppressions(session, rows, reason=suppression, moment=erased_at)


async def not_erased(
    session: AsyncSession, statements: Sequence[StatementRow], digests: AddressDigests
) -> list[StatementRow]:
    """Return the statements without those made before their address was erased."""
    if not await repository.any_address_is_erased(session):
        return list(statements)
    of_each = [digests.digest(each.channel, each.address) for each in statements]
    found = await repository.find_erased(session, of_each)
    return [
        statement
        for statement, digest in zip(statements, of_each, strict=True)
        if digest not in found or statement.recorded_at >= found[digest][0]
    ]
