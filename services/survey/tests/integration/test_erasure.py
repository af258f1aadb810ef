"""A customer is erased: invitations, answers, promises go; a form still open in a browser leads nowhere."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from contracts.campaign import AnswerRequested
from contracts.identity import CustomerErased
from contracts.survey import InvitationIssued, SurveyCustomerErased
from servicekit.clock import FrozenClock
from servicekit.tables import rows_follow
from servicekit.testing import RunningService, tables_that_mention
from survey_service.models import Base

Invite = Callable[..., Awaitable[list[InvitationIssued]]]
CANARY = "Kanaria-7431 wrote this"


async def mentioned_in(survey: RunningService, *words: str) -> set[str]:
    connection = await survey.database.connect()
    try:
        return set(await tables_that_mention(connection, words))
    finally:
        await connection.close()


async def test_answers_and_promises_go_and_nothing_late_brings_them_back(
    survey: RunningService, invite: Invite, ask: Callable[..., AnswerRequested], clock: FrozenClock
) -> None:
    customer, other = (await invite())[0], (await invite())[0]
    answers = {"recommend": 2, "improve": CANARY, "offer": ["price"]}
    key = {"Idempotency-Key": "a browser's second try"}
    for invitation in (customer, other):
        answered = await survey.client.post(invitation.url, json={"answers": answers}, headers=key)
        assert answered.status_code in {200, 201}, answered.text

    fact = CustomerErased(
        event_id=uuid4(), customer_id=customer.customer_id, anchor_id=customer.anchor_id, occurred_at=clock.now(),
        erasure_id=uuid4(),
    )  # fmt: skip
    await survey.publish([fact])
    await survey.drain()
    (receipt,) = await survey.published(SurveyCustomerErased)
    assert receipt.rows.keys() >= set(rows_follow(Base))
    again = await survey.client.post(customer.url, json={"answers": answers | {"improve": "late"}})
    assert again.status_code == 404
    repeated = await survey.client.post(customer.url, json={"answers": answers}, headers=key)
    assert repeated.status_code == 404
    await survey.publish([ask(customer_id=customer.customer_id)])
    await survey.drain()

    id_only = {"erased_customers", "erasure_work"}
    assert await mentioned_in(survey, str(customer.customer_id)) == id_only
    assert await mentioned_in(survey, str(other.customer_id)) >= set(rows_follow(Base))
    assert len(await survey.published(InvitationIssued)) == 2


async def test_everything_held_is_shown(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    await survey.client.post(invitation.url, json={"answers": {"recommend": 2, "improve": CANARY}})
    answer = await survey.client.get(
        f"/v1/customers/{invitation.customer_id}/export", headers=survey.headers("privacy:read")
    )
    tables = answer.json()["tables"]
    assert tables.keys() == rows_follow(Base).keys()
    assert {row["value"] for row in tables["answers"]} == {2, CANARY}
