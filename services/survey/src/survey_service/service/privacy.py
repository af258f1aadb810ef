"""Forgetting a customer: what the registry of tables does not name."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.erasure import ErasedCustomer, EraseMore
from survey_service.repository import invitations as repository
from survey_service.rules.links import Link, LinkSigner


def forget_form_answers(links: LinkSigner) -> EraseMore:
    """Return what deletes the stored answers to requests at the forms behind a customer's personal links.

    They are kept under the link's path, for requests that come again, and may repeat what the customer wrote.
    """

    async def forget(session: AsyncSession, customer: ErasedCustomer, _: int) -> Mapping[str, int]:
        expiries = await repository.invitations_of_erased(session, customer.customer_ids)
        paths = [f"/f/{links.token(Link(*invitation))}" for invitation in expiries.items()]
        return {"idempotency_keys": await repository.delete_stored_answers(session, paths)} if paths else {}

    return forget
