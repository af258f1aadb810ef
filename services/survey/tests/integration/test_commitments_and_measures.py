"""What happens to promises, and the figures over everybody."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from contracts.survey import CommitmentChanged, InvitationIssued
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

Invite = Callable[..., Awaitable[list[InvitationIssued]]]


async def answer(survey: RunningService, invitation: InvitationIssued, **answers: object) -> dict[str, Any]:
    """Answer as a program does."""
    answered = await survey.client.post(invitation.url, json={"answers": answers})
    assert answered.status_code in {200, 201}, answered.text
    body: dict[str, Any] = answered.json()
    return body


async def change(survey: RunningService, commitment_id: str, headers: dict[str, str] | None = None, **body: str) -> Any:
    """Report on a promise."""
    return await survey.client.post(
        f"/v1/commitments/{commitment_id}:changeStatus", json=body, headers={**survey.headers(), **(headers or {})}
    )


async def test_a_promise_is_kept_with_proof_and_has_a_history(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    (invitation,) = await invite()
    answered = await answer(survey, invitation, recommend=8, offer=["new_arrivals", "price"])
    commitment_id = answered["commitments"][0]["commitment_id"]
    clock.advance(timedelta(minutes=30))
    without = await change(survey, commitment_id, status="kept")
    assert without.status_code == 422
    assert without.json()["errors"][0]["field"] == "proof"
    kept = await change(survey, commitment_id, {"If-Match": '"1"'}, status="kept", proof="Mail of 2 November")
    assert (kept.status_code, kept.headers["ETag"], kept.json()["status"]) == (200, '"2"', "kept")
    again = await change(survey, commitment_id, status="kept", proof="Mail of 2 November")
    assert again.headers["ETag"] == '"2"'
    stale = await change(survey, commitment_id, {"If-Match": '"1"'}, status="breached")
    assert stale.status_code == 412
    shown = (await survey.client.get(f"/v1/commitments/{commitment_id}", headers=survey.headers())).json()
    assert [(change["status"], change["changed_by"]) for change in shown["history"]] == [
        ("open", "customer"),
        ("kept", "tester"),
    ]
    assert shown["history"][1]["proof"] == "Mail of 2 November"
    facts = await survey.published(CommitmentChanged)
    assert [(str(fact.commitment_id), fact.status) for fact in facts] == [(commitment_id, "kept")]


async def test_a_withdrawn_promise_comes_back_only_when_ticked_again(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    commitment = (await answer(survey, invitation, recommend=8, offer=["price"]))["commitments"][0]
    withdrawn = await change(survey, commitment["commitment_id"], status="withdrawn")
    assert withdrawn.status_code == 200
    refused = await change(survey, commitment["commitment_id"], status="kept", proof="too late")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "status")
    # another answer changes, the tick stays as it was: what was withdrawn on the phone stays withdrawn
    assert (await answer(survey, invitation, recommend=7, offer=["price"]))["commitments"][0]["status"] == "withdrawn"
    await answer(survey, invitation, recommend=7)
    back = (await answer(survey, invitation, recommend=7, offer=["price"]))["commitments"]
    assert [(row["commitment_id"], row["status"]) for row in back] == [(commitment["commitment_id"], "open")]
    assert [fact.status for fact in await survey.published(CommitmentChanged)] == ["withdrawn", "open"]


async def test_promises_are_listed_by_status_page_by_page(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    made: list[str] = []
    for invitation in await invite(5):
        answered = await answer(survey, invitation, recommend=9, offer=["price", "new_arrivals"])
        made += [commitment["commitment_id"] for commitment in answered["commitments"]]
        clock.advance(timedelta(seconds=1))
    await change(survey, made[0], status="breached")
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        parameters = {"status": "open", "first": "4", **({"after": after} if after else {})}
        page = (await survey.client.get("/v1/commitments", params=parameters, headers=survey.headers())).json()
        seen += [item["commitment_id"] for item in page["items"]]
        after = page["next"]
    assert sorted(seen) == sorted(made[1:])
    assert len(seen) == len(set(seen))
    wrong = await survey.client.get("/v1/commitments", params={"after": "nonsense"}, headers=survey.headers())
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "after")
    totals = (await survey.client.get("/v1/totals", headers=survey.headers())).json()
    assert totals["commitments"] == {"open": 9, "kept": 0, "breached": 1, "withdrawn": 0}
    assert (totals["invited"], totals["answered"]) == (5, 5)


async def test_batches_answer_every_requested_customer_in_order(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    customer_id = uuid4()
    first, second = await invite(2, customer_id=customer_id)
    await answer(survey, first, recommend=3, improve="Speed", offer=["price"])
    clock.advance(timedelta(minutes=10))
    await answer(survey, second, recommend=9)
    stranger = uuid4()
    body: dict[str, Any] = {"customer_ids": [str(stranger), str(customer_id)], "first": 10}
    responses = (await survey.client.post("/v1/responses:batchGet", json=body, headers=survey.headers())).json()
    assert [entry["customer_id"] for entry in responses["customers"]] == body["customer_ids"]
    assert [len(entry["responses"]) for entry in responses["customers"]] == [0, 2]
    latest, earlier = responses["customers"][1]["responses"]
    assert (latest["nps_score"], earlier["nps_score"]) == (9, 3)
    assert earlier["answers"] == [
        {"question_key": "recommend", "value": 3},
        {"question_key": "offer", "value": ["price"]},
        {"question_key": "improve", "value": "Speed"},
    ]
    body |= {"first": 1}
    only_latest = await survey.client.post("/v1/responses:batchGet", json=body, headers=survey.headers())
    assert [len(entry["responses"]) for entry in only_latest.json()["customers"]] == [0, 1]
    del body["first"]
    promises = (await survey.client.post("/v1/commitments:batchGet", json=body, headers=survey.headers())).json()
    assert [len(entry["commitments"]) for entry in promises["customers"]] == [0, 1]
    for wrong in ([], ["x"], [str(uuid4()) for _ in range(1001)]):
        refused = await survey.client.post(
            "/v1/responses:batchGet", json={"customer_ids": wrong}, headers=survey.headers()
        )
        assert refused.status_code == 422


async def test_nps_and_coverage_count_each_customer_once_while_valid(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    customer_id = uuid4()
    (earlier,) = await invite(1, customer_id=customer_id)
    others = await invite(4)
    await answer(survey, earlier, recommend=2, improve="Much")
    for invitation, score in zip(others, (10, 9, 7), strict=False):
        await answer(survey, invitation, recommend=score)
    clock.advance(timedelta(minutes=1))
    (later,) = await invite(1, customer_id=customer_id)
    await answer(survey, later, recommend=8)
    headers = survey.headers()
    wanted = {"questionnaire": "after_purchase"}
    nps = (await survey.client.get("/v1/nps", params=wanted, headers=headers)).json()
    assert {name: nps[name] for name in ("responses", "promoters", "passives", "detractors", "nps")} == {
        "responses": 4, "promoters": 2, "passives": 2, "detractors": 0, "nps": 50.0,
    }  # fmt: skip
    covered = (await survey.client.get("/v1/coverage", params=wanted, headers=headers)).json()
    assert (covered["invited"], covered["answered"], covered["coverage"]) == (5, 4, 0.8)
    of_base = (await survey.client.get("/v1/coverage", params={**wanted, "base": 16}, headers=headers)).json()
    assert of_base["coverage"] == 0.25
    everywhere = (await survey.client.get("/v1/coverage", headers=headers)).json()
    assert everywhere["answered"] == 4
    unknown = await survey.client.get("/v1/nps", params={"questionnaire": "nothing"}, headers=headers)
    assert unknown.status_code == 404
    clock.advance(timedelta(days=366))
    headers = survey.headers()
    covered = (await survey.client.get("/v1/coverage", params=wanted, headers=headers)).json()
    assert (covered["invited"], covered["answered"]) == (5, 0)
    assert (await survey.client.get("/v1/nps", params=wanted, headers=headers)).json()["nps"] is None
