"""Probabilistic linking: what a run links, what waits for review, and that what a person said stands."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.identity.tests.linking import PERSON, REVIEW_ALL, Desk, make_desk, pair, someone

from servicekit.testing import RunningService


@pytest.fixture
async def desk(identity: RunningService) -> Desk:
    """Two sources of one legal entity, and a crowd that the shop knows."""
    return await make_desk(identity)


async def test_one_person_in_two_systems_is_linked_with_evidence(desk: Desk) -> None:
    one, other = await pair(desk)
    run = await desk.run()
    assert (run["linked"], run["to_review"], run["customers"], run["customers_scored"]) == (1, 0, 101, 101)
    assert 0.9 < run["precision_estimate"] <= 1 and 0 < run["recall_estimate"] <= 1 and run["estimated_by"]
    assert await desk.are_one(one, other)
    [candidate] = await desk.candidates("linked")
    assert {candidate["customer_id"], candidate["other_customer_id"]} == {one, other}
    assert (candidate["decided_by"], candidate["run_id"]) == ("identity", run["run_id"])
    decision = await desk.get(f"/v1/decisions/{candidate['decision_id']}")
    assert (decision["rule"], decision["score"], decision["customer_id"]) == ("probabilistic", candidate["score"], one)
    evidence = await desk.rows(
        "SELECT source_id, rule, score, legal_entity, event_id FROM links WHERE legal_entity IS NOT NULL ORDER BY 1"
    )
    expected = ("probabilistic", candidate["score"], "Kizuna Inc.", UUID(candidate["decision_id"]))
    assert [tuple(row) for row in evidence] == [("crm", *expected), ("shop", *expected)]
    assert (await desk.run())["linked"] == 0
    assert await desk.rows("SELECT FROM linking_results") == []


async def test_a_pair_between_the_thresholds_waits_with_its_fields_side_by_side(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    one, other = await pair(desk)
    run = await desk.run()
    assert (run["linked"], run["to_review"]) == (0, 1)
    assert not await desk.are_one(one, other)
    [candidate] = await desk.candidates("review", customer_id=one)
    assert (candidate["customer_id"], candidate["other_customer_id"]) == (one, other)
    assert candidate["decided_by"] is candidate["why"] is candidate["decision_id"] is None
    fields = {field["field"]: field for field in candidate["fields"]}
    born = fields["birth_date"]
    assert (born["value"], born["other_value"], born["agreement"]) == ("1984-03-05", "1984-03-05", "same")
    assert born["weight"] > 0
    assert "渡辺" in fields["surname"]["value"] and "渡辺" in fields["surname"]["other_written"]
    assert fields["house"]["value"] != fields["house"]["other_value"]
    for table in ("link_candidates", "linking_runs", "candidate_decisions"):
        [[text]] = await desk.rows(f"SELECT string_agg(t::text, '') FROM {table} AS t")
        assert not any(value in (text or "") for value in ("渡辺", "花子", "1984-03-05", "9012345678")), table


async def test_accepting_joins_and_undoing_takes_apart_for_good(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    one, other = await pair(desk)
    await desk.run()
    [candidate] = await desk.candidates("review")
    accepted = await desk.decide(candidate, "accept")
    assert (accepted["state"], accepted["decided_by"], accepted["why"]) == ("accepted", "tester", "Asked them.")
    assert await desk.are_one(one, other)
    assert (await desk.get(f"/v1/decisions/{accepted['decision_id']}"))["rule"] == "review"
    assert (await desk.decide(candidate, "accept"))["decision_id"] == accepted["decision_id"]
    assert "accepted" in (await desk.decide(candidate, "reject", status=409))["detail"]
    undone = await desk.decide(candidate, "undo")
    assert undone["state"] == "undone"
    assert not await desk.are_one(one, other)
    assert [one["action"] for one in undone["history"]] == ["accepted", "undone"]
    assert (await desk.decide(candidate, "undo"))["history"] == undone["history"]
    assert "kept apart" in (await desk.decide(candidate, "accept", status=409))["detail"]
    await desk.thresholds(upper=0.9, lower=0.3)
    assert (await desk.run())["linked"] == 0
    assert not await desk.are_one(one, other)


async def test_what_was_linked_by_its_score_can_be_undone_either_way(desk: Desk) -> None:
    one, other = await pair(desk)
    await desk.run()
    [candidate] = await desk.candidates("linked")
    assert "linked" in (await desk.decide(candidate, "accept", status=409))["detail"]
    await desk.post(f"/v1/decisions/{candidate['decision_id']}:undo", {"why": "Two."}, status=201)
    assert not await desk.are_one(one, other)
    [seen] = await desk.candidates("undone")
    assert seen["candidate_id"] == candidate["candidate_id"]
    assert await desk.candidates("linked") == []
    assert (await desk.decide(candidate, "undo"))["state"] == "undone"
    assert (await desk.run())["linked"] == 0


@pytest.mark.slow
async def test_a_rejection_is_remembered_until_it_is_undone(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    one, other = await pair(desk)
    await desk.run()
    [candidate] = await desk.candidates("review")
    assert "yet" in (await desk.decide(candidate, "undo", status=409))["detail"]
    rejected = await desk.decide(candidate, "reject")
    assert (rejected["state"], rejected["decision_id"]) == ("rejected", None)
    assert (await desk.decide(candidate, "reject"))["history"] == rejected["history"]
    assert "rejected" in (await desk.decide(candidate, "accept", status=409))["detail"]
    await desk.thresholds(upper=0.9, lower=0.3)
    run = await desk.run()
    assert (run["linked"], run["to_review"]) == (0, 0)
    assert not await desk.are_one(one, other)
    # also when the customer has become a part of another one since
    older = await desk.customer({"gender": "female"})
    await desk.post("/v1/customers:merge", {"customer_ids": [one, older], "into": older, "why": "One."}, status=201)
    assert (await desk.run())["linked"] == 0
    assert (await desk.decide(candidate, "undo"))["state"] == "review"
    assert (await desk.run())["linked"] == 1
    assert await desk.are_one(one, other, older)
    assert [one["state"] for one in await desk.candidates()] == ["linked"]


@pytest.mark.slow
async def test_an_incremental_run_scores_what_is_new_or_changed_against_the_base(desk: Desk) -> None:
    desk.service.clock.advance(timedelta(hours=1))
    first = await desk.run()
    assert first["customers_scored"] == 99
    desk.service.clock.advance(timedelta(hours=1))
    assert (await desk.run("incremental"))["customers_scored"] == 0
    one, other = await pair(desk)
    desk.service.clock.advance(timedelta(hours=1))
    run = await desk.run("incremental")
    assert (run["customers_scored"], run["customers"], run["linked"]) == (2, 101, 1)
    assert await desk.are_one(one, other)
    desk.service.clock.advance(timedelta(hours=1))
    assert (await desk.run("incremental"))["customers_scored"] == 1  # who was linked has changed by it
    runs = (await desk.get("/v1/linking/runs", first=2))["items"]
    assert [run["kind"] for run in runs] == ["incremental", "incremental"]


@pytest.mark.slow
async def test_what_nothing_speaks_for_any_more_leaves_the_queue(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    one, _ = await pair(desk)
    first = await desk.run()
    assert first["to_review"] == 1
    desk.service.clock.advance(timedelta(hours=1))
    await desk.rows(
        "UPDATE person_records SET normal = $1::jsonb, changed_at = $2 FROM identifiers "
        "WHERE identifiers.anchor_id = person_records.anchor_id AND customer_id = $3",
        json.dumps(someone(99)),
        desk.service.clock.now(),
        UUID(one),
    )
    desk.service.clock.advance(timedelta(hours=1))
    await desk.run("incremental")
    assert await desk.candidates("review") == []
    [candidate] = await desk.candidates("stale")
    assert "no longer holds" in (await desk.decide(candidate, "accept", status=409))["detail"]


async def test_a_pair_that_became_one_customer_is_stale_until_that_is_undone(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    one, other = await pair(desk)
    await desk.run()
    merge = await desk.post("/v1/customers:merge", {"customer_ids": [one, other], "why": "One."}, status=201)
    [candidate] = await desk.candidates("stale")
    assert await desk.candidates("review") == []
    await desk.decide(candidate, "reject", status=409)
    await desk.post(f"/v1/decisions/{merge['decision_id']}:undo", {"why": "Two."}, status=201)
    [again] = await desk.candidates("review")
    assert again["candidate_id"] == candidate["candidate_id"]
    # whom a person took apart no run joins, and a run takes the pair out of the queue
    await desk.thresholds(upper=0.9, lower=0.3)
    assert (await desk.run())["linked"] == 0
    assert await desk.candidates("review") == []


async def test_unique_ids_of_one_source_are_two_customers_unless_a_person_says_otherwise(desk: Desk) -> None:
    one = await desk.customer(PERSON, user_id="1")
    other = await desk.customer(PERSON, user_id="2")
    run = await desk.run()
    assert (run["linked"], run["to_review"]) == (0, 1)
    [candidate] = await desk.candidates("review")
    assert "user_id" in candidate["contradiction"]
    await desk.decide(candidate, "accept")
    assert await desk.are_one(one, other)


async def test_unique_ids_of_different_systems_say_nothing_about_each_other(desk: Desk) -> None:
    one = await desk.customer(PERSON, user_id="1")
    other = await desk.customer(PERSON, source="crm", user_id="A-1")
    await desk.run()
    assert await desk.are_one(one, other)


async def test_another_legal_entity_is_compared_under_an_agreement_alone(desk: Desk) -> None:
    await desk.source("mall", legal_entity="Mall Ltd.")
    one = await desk.customer(PERSON)
    other = await desk.customer(PERSON, source="mall")
    run = await desk.run()
    assert (run["linked"], run["to_review"]) == (0, 0)
    agreement = {
        "from_entity": "Kizuna Inc.", "to_entity": "Mall Ltd.", "purposes": ["ads"], "evidence": "Contract 7",
        "valid_from": (desk.service.clock.now() - timedelta(days=1)).isoformat(),
    }  # fmt: skip
    answer = await desk.service.client.put("/v1/agreements/mall", json=agreement, headers=desk.headers)
    assert answer.status_code == 201, answer.text
    assert (await desk.run())["linked"] == 1
    assert await desk.are_one(one, other)
    [link] = await desk.rows("SELECT source_id, legal_entity, purposes FROM links WHERE legal_entity IS NOT NULL")
    assert tuple(link) == ("mall", "Mall Ltd.", ["ads"])


async def test_a_setting_lets_all_legal_entities_be_compared(desk: Desk) -> None:
    await desk.source("mall", legal_entity="Mall Ltd.")
    one, other = await desk.customer(PERSON), await desk.customer(PERSON, source="mall")
    await desk.thresholds(upper=0.95, lower=0.5, across_entities=True)
    await desk.run()
    assert await desk.are_one(one, other)


async def test_records_collected_for_nothing_in_common_wait_for_a_person(desk: Desk) -> None:
    await desk.source("ads", purposes=["advertising"])
    await desk.source("crm", purposes=["service"])
    await desk.customer(PERSON, source="ads")
    await desk.customer(PERSON, source="crm")
    assert (await desk.run())["linked"] == 0
    [candidate] = await desk.candidates("review")
    assert "nothing in common" in candidate["contradiction"]
    accepted = await desk.decide(candidate, "accept")
    assert accepted["state"] == "accepted"
    assert await desk.rows("SELECT FROM links WHERE legal_entity IS NOT NULL") == []


async def test_pages_of_candidates_and_runs_hold_each_once(desk: Desk) -> None:
    await desk.thresholds(**REVIEW_ALL)
    for number in range(5):
        await desk.customer(someone(number) | {"street": "9"}, source="crm")
    await desk.run()
    await desk.run("incremental")
    for path in ("/v1/linking/candidates", "/v1/linking/runs"):
        seen: list[dict[str, Any]] = []
        page = await desk.get(path, first=2)
        while True:
            seen += page["items"]
            if page["next"] is None:
                break
            page = await desk.get(path, first=2, after=page["next"])
        whole = (await desk.get(path))["items"]
        assert seen == whole
        assert len(seen) == (5 if "candidates" in path else 2)


async def test_settings_have_versions_and_are_checked(desk: Desk) -> None:
    client, path = desk.service.client, "/v1/linking/settings"
    shipped = await desk.get(path)
    assert (shipped["upper"], shipped["lower"], shipped["version"], shipped["changed_by"]) == (0.95, 0.5, 1, None)
    body = {"upper": 0.9, "lower": 0.4}
    changed = await client.put(path, json=body, headers=desk.headers | {"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"], changed.json()["changed_by"]) == (200, '"2"', "tester")
    assert (await client.put(path, json=body, headers=desk.headers)).json()["version"] == 2
    assert (await client.put(path, json=body, headers=desk.headers | {"If-Match": '"1"'})).status_code == 412
    for wrong in (
        {"upper": 0.4, "lower": 0.9}, {"upper": 0.5, "lower": 0.5}, {"upper": 1, "lower": 0.5},
        {"upper": 0.5, "lower": 0},
        {"upper": 0.9, "lower": 0.4, "engine": "spark"}, {"upper": 0.9, "lower": 0.4, "engine": "dask"}, {"upper": 0.9},
    ):  # fmt: skip
        assert (await client.put(path, json=wrong, headers=desk.headers)).status_code == 422, wrong
    assert (await desk.get(path))["version"] == 2


async def test_one_run_at_a_time(front_door: RunningService) -> None:
    desk = Desk(front_door)
    started = await desk.post("/v1/linking/runs", {"kind": "full"}, status=202)
    refused = await desk.post("/v1/linking/runs", {"kind": "incremental"}, status=409)
    assert started["run_id"] in refused["detail"]
    await desk.post(f"/v1/jobs/{started['job_id']}:cancel", {})
    assert (await desk.get(f"/v1/linking/runs/{started['run_id']}"))["state"] == "cancelled"
    await desk.post("/v1/linking/runs", {"kind": "incremental"}, status=202)


async def test_looking_deciding_and_configuring_have_scopes_of_their_own(front_door: RunningService) -> None:
    client, candidate = front_door.client, f"/v1/linking/candidates/{uuid4()}"
    why = {"why": "Because."}
    for method, path, body, scope, status in (
        ("GET", "/v1/linking/candidates", None, "identity:read", 200),
        ("GET", candidate, None, "identity:read", 404),
        ("POST", f"{candidate}:accept", why, "identity:decide", 404),
        ("POST", f"{candidate}:reject", why, "identity:decide", 404),
        ("POST", f"{candidate}:undo", why, "identity:decide", 404),
        ("POST", f"{candidate}:undo", {"why": " "}, "identity:decide", 422),
        ("POST", "/v1/linking/runs", {"kind": "some"}, "identity:write", 422),
        ("GET", "/v1/linking/candidates?after=x", None, "identity:read", 422),
        ("GET", "/v1/linking/candidates?state=x", None, "identity:read", 422),
    ):
        scopes = {"identity:read", "identity:write", "identity:decide"}
        allowed = await client.request(method, path, json=body, headers=front_door.headers(scope))
        refused = await client.request(method, path, json=body, headers=front_door.headers(*scopes - {scope}))
        assert (allowed.status_code, refused.status_code) == (status, 403), path
