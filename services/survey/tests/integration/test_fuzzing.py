"""R7 for survey, with values that lead somewhere: a questionnaire, a personal link, a commitment."""

from collections.abc import Awaitable, Callable

from contracts.survey import InvitationIssued
from servicekit.fuzzing import fuzz, send_hostile_bodies
from servicekit.testing import RunningService

Invite = Callable[..., Awaitable[list[InvitationIssued]]]


async def known_values(survey: RunningService, invite: Invite) -> dict[str, str]:
    """Return values that lead somewhere, for the path parameters of survey's endpoints."""
    (invitation,) = await invite()
    body = {"answers": {"recommend": 9, "offer": ["price"]}}
    answered = (await survey.client.post(invitation.url, json=body)).json()
    return {
        "key": "after_purchase",
        "token": invitation.url.rsplit("/", 1)[1],
        "commitment_id": answered["commitments"][0]["commitment_id"],
    }


async def test_whatever_fits_or_does_not_fit_the_schema_is_answered_well(
    survey: RunningService, invite: Invite
) -> None:
    outcomes = await fuzz(survey, known=await known_values(survey, invite), examples=5, also=("text/html",))
    statuses = {endpoint: {status for name, status in outcomes if name == endpoint} for endpoint, _ in outcomes}
    assert len(statuses) == len([1 for item in survey.app.openapi()["paths"].values() for _ in item])
    assert {200, 422} <= statuses["POST /v1/responses:batchGet"]
    assert {201, 422} <= statuses["PUT /v1/questionnaires/{key}"]
    assert {200, 404} <= statuses["GET /v1/commitments/{commitment_id}"]
    assert {200, 404} <= statuses["GET /f/{token}"]
    assert 422 in statuses["POST /f/{token}"]


async def test_hostile_bodies_are_refused_and_change_nothing(survey: RunningService, invite: Invite) -> None:
    known = await known_values(survey, invite)
    before = (await survey.client.get(f"/v1/questionnaires/{known['key']}", headers=survey.headers())).json()
    outcomes = await send_hostile_bodies(survey, known=known, also=("text/html",))
    assert not [outcome for outcome in outcomes if outcome[1] < 400 and not outcome[0].endswith("{token}")]
    after = (await survey.client.get(f"/v1/questionnaires/{known['key']}", headers=survey.headers())).json()
    assert after == before
