"""What legal entities agreed on, as identity tells it."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import AgreementChanged
from delivery_service.repository import agreements as repository
from delivery_service.repository.agreements import AgreementRow


async def take_agreements(session: AsyncSession, notices: Sequence[AgreementChanged]) -> None:
    """Keep each agreement's latest version; one that was removed stays too, or an older version would come back."""
    rows = [
        AgreementRow(
            agreement_id=notice.agreement_id,
            version=notice.version,
            from_entity=notice.from_entity,
            to_entity=notice.to_entity,
            purposes=notice.purposes,
            valid_from=notice.valid_from,
            valid_until=notice.valid_until,
            removed=notice.removed,
        )
        for notice in notices
    ]
    await repository.put_agreements(session, rows)
