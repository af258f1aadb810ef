"""When identity says two customers are one (or two again), everything survey holds follows the anchor."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from contracts.identity import AnchorMoved
from contracts.survey import InvitationIssued, ResponseReceived
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.tables import rows_follow
from servicekit.testing import RunningService
from survey_service.models import Base

Invite = Callable[..., Awaitable[list[InvitationIssued]]]


def moved(invitation: InvitationIssued, *, to: UUID, version: int, clock: FrozenClock) -> AnchorMoved:
    """Say that the invitation's anchor belongs to another customer."""
    return AnchorMoved(
        event_id=uuid4(),
        customer_id=to,
        anchor_id=invitation.anchor_id,
        occurred_at=clock.now(),
        former_customer_id=invitation.customer_id,
        version=version,
        reason="merge",
    )


async def customers_in(survey: RunningService, table: str) -> set[UUID]:
    """Return the customers a table speaks of."""
    async with survey.database.transaction() as session:
        return {row["customer_id"] for row in await (await raw(session)).fetch(f"SELECT customer_id FROM {table}")}


async def test_rows_follow_their_anchor_and_later_answers_too(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    (invitation,) = await invite()
    answers = {"recommend": 8, "offer": ["price"]}
    await survey.client.post(invitation.url, json={"answers": answers})
    survivor = uuid4()
    await survey.publish([moved(invitation, to=survivor, version=1, clock=clock)])
    await survey.drain()
    for table in rows_follow(Base):
        assert await customers_in(survey, table) == {survivor}, table
    await survey.client.post(invitation.url, json={"answers": {"recommend": 9}})
    assert [fact.customer_id for fact in await survey.published(ResponseReceived)] == [invitation.customer_id, survivor]
    await survey.publish([moved(invitation, to=invitation.customer_id, version=2, clock=clock)])
    await survey.drain()
    for table in rows_follow(Base):
        assert await customers_in(survey, table) == {invitation.customer_id}, table


def test_every_table_with_customers_moves_and_is_indexed_by_anchor() -> None:
    following = {table.name: table for table in Base.metadata.tables.values() if table.name in rows_follow(Base)}
    assert set(rows_follow(Base).values()) == {"move"}
    assert following.keys() == {"invitations", "responses", "answers", "commitments", "commitment_changes"}
    for table in following.values():
        assert any(index.columns.keys() == ["anchor_id"] for index in table.indexes), table.name
