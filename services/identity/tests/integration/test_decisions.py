"""Customers are merged, split, and both undone: what moves, what stays, who says so, and what is refused."""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.identity.tests.deciding import Desk

from contracts.identity import AnchorMoved
from identity_service.repository import decisions as repository
from identity_service.service import decisions as service
from servicekit.errors import Conflict
from servicekit.testing import RunningService


@pytest.fixture
def desk(identity: RunningService, shop: Any) -> Desk:
    return Desk(identity, shop)


async def test_a_merge_is_undone_and_the_undo_undone(desk: Desk) -> None:
    one, other = await desk.customer("u1", "a"), await desk.customer("u2", "b", "c")
    before, anchors, others = await desk.partition(), await desk.anchors(one), await desk.anchors(other)
    merged = await desk.merge(other, one)
    assert (merged["kind"], merged["customer_id"], merged["other_customer_ids"]) == ("merge", one, [other])
    assert (merged["rule"], merged["decided_by"], merged["why"]) == ("manual", "tester", "One person.")
    assert (set(merged["anchor_ids"]), merged["anchors"], merged["rules_version"]) == (others, len(others), 1)
    assert (await desk.now(other), await desk.anchors(other)) == (one, anchors | others)
    undone = await desk.undo(merged)
    assert (undone["kind"], undone["undoes"], undone["anchors"], undone["anchors_left"]) == (
        "undo", merged["decision_id"], len(others), 0,
    )  # fmt: skip
    assert (await desk.partition(), await desk.now(other), await desk.now(one)) == (before, other, one)
    again = await desk.undo(undone)
    assert (await desk.now(other), again["customer_id"], again["other_customer_ids"]) == (one, one, [other])
    await desk.undo(again)
    assert await desk.partition() == before
    [read] = [
        one
        for one in (await desk.identity.client.get("/v1/decisions", headers=desk.headers)).json()["items"]
        if one["decision_id"] == merged["decision_id"]
    ]
    assert read["undone_by"] == undone["decision_id"]
    assert await desk.followed() == before
    facts = await desk.identity.published(AnchorMoved)
    assert [fact.reason for fact in facts if str(fact.anchor_id) == min(others)] == [
        "merge", "undo", "undo", "undo",
    ]  # fmt: skip
    assert {str(fact.decision_id) for fact in facts if fact.reason == "merge"} == {merged["decision_id"]}


async def test_the_named_customer_stays_and_many_are_merged_at_once(desk: Desk) -> None:
    customers = [await desk.customer(f"u{number}") for number in range(5)]
    merged = await desk.merge(*customers, into=customers[3])
    assert (merged["customer_id"], merged["other_customer_ids"]) == (
        customers[3], sorted(customers[:3] + customers[4:]),
    )  # fmt: skip
    assert {await desk.now(one) for one in customers} == {customers[3]}
    await desk.undo(merged)
    assert [await desk.now(one) for one in customers] == customers


async def test_a_split_gives_any_subset_to_a_new_customer_and_its_undo_takes_it_back(desk: Desk) -> None:
    customer = await desk.customer("u1", "a", "b", "c")
    before = await desk.anchors(customer)
    going = sorted(before)[1:3]
    parted = await desk.split(customer, *going)
    [new] = parted["other_customer_ids"]
    assert (await desk.anchors(new), await desk.anchors(customer)) == (set(going), before - set(going))
    assert (parted["kind"], parted["customer_id"], parted["rule"]) == ("split", customer, "manual")
    undone = await desk.undo(parted)
    assert (undone["customer_id"], undone["other_customer_ids"]) == (customer, [new])
    assert (await desk.anchors(customer), await desk.now(new)) == (before, customer)
    parted_again = await desk.undo(undone)
    assert (await desk.anchors(new), parted_again["customer_id"]) == (set(going), customer)
    assert await desk.followed() == await desk.partition()


async def test_a_former_id_follows_its_oldest_anchor(desk: Desk) -> None:
    one, other = await desk.customer("u1", "a"), await desk.customer("u2", "b")
    others = await desk.anchors(other)
    await desk.merge(one, other)
    parted = await desk.split(other, *others)  # by its former id
    assert await desk.now(other) == parted["other_customer_ids"][0]
    assert await desk.now(one) == one


async def test_an_undo_leaves_where_they_are_the_anchors_that_moved_on(desk: Desk) -> None:
    one, other = await desk.customer("u1", "a"), await desk.customer("u2", "b", "c", "d")
    others = sorted(await desk.anchors(other))
    merged = await desk.merge(one, other)
    parted = await desk.split(one, others[-1])
    undone = await desk.undo(merged)
    assert (undone["anchors"], undone["anchors_left"]) == (len(others) - 1, 1)
    assert await desk.anchors(other) == set(others[:-1])
    assert await desk.anchors(parted["other_customer_ids"][0]) == {others[-1]}
    refused = await desk.undo(merged, status=409)
    assert "undone already" in refused["detail"]


async def test_a_merge_is_undone_when_its_customer_was_merged_on(desk: Desk) -> None:
    oldest, one, other = [await desk.customer(name, name) for name in ("u1", "u2", "u3")]
    others = await desk.anchors(other)
    wrong = await desk.merge(one, other)
    await desk.merge(oldest, one)
    undone = await desk.undo(wrong)
    assert (undone["customer_id"], undone["other_customer_ids"]) == (oldest, [other])
    assert await desk.anchors(other) == others
    assert await desk.now(one) == oldest


async def test_nothing_left_to_undo_is_said(desk: Desk) -> None:
    one, other = await desk.customer("u1"), await desk.customer("u2")
    merged = await desk.merge(one, other)
    await desk.split(one, *merged["anchor_ids"])
    before = await desk.partition()
    refused = await desk.undo(merged, status=409)
    assert refused["errors"][0]["field"] == "decision_id"
    assert await desk.partition() == before


async def test_a_person_separates_and_a_person_lifts_it(desk: Desk) -> None:
    one, other = await desk.customer("u1", "a"), await desk.customer("u2", "b")
    active = "SELECT decision_id::text, side, anchor_id::text FROM separations WHERE is_active"

    async def sides() -> dict[str, tuple[set[str], set[str]]]:
        found: dict[str, tuple[set[str], set[str]]] = {}
        for row in await desk.rows(active):
            found.setdefault(row["decision_id"], (set(), set()))[row["side"]].add(row["anchor_id"])
        return found

    stayed, went = await desk.anchors(one), await desk.anchors(other)
    merged = await desk.merge(one, other)
    assert await sides() == {}
    undone = await desk.undo(merged)
    assert await sides() == {undone["decision_id"]: (stayed, went)}
    async with desk.identity.database.transaction() as session:
        with pytest.raises(Conflict, match="separated"):
            await service.merge_customers(
                session, [UUID(one), UUID(other)], _scorer(desk), why="0.99", rule="probabilistic", score=0.99
            )
    again = await desk.merge(one, other)
    assert await sides() == {}
    parted = await desk.split(one, *went)
    assert await sides() == {parted["decision_id"]: (stayed, went)}
    await desk.undo(parted)
    assert await sides() == {}
    assert again["undone_by"] is None


def _scorer(desk: Desk) -> service.Decider:
    """Identity itself, as it decides by a score."""
    return service.Decider("identity", desk.identity.clock, uuid4, 16)


async def test_a_decision_is_evidence_until_it_is_undone(desk: Desk) -> None:
    one, other = await desk.customer("u1"), await desk.customer("u2")
    oldest = min(await desk.anchors(one)), min(await desk.anchors(other))
    links = "SELECT anchor_id::text, other_anchor_id::text, rule, score, source_id FROM links WHERE event_id = $1"
    async with desk.identity.database.transaction() as session:
        merged = await service.merge_customers(
            session,
            [UUID(other), UUID(one)],
            _scorer(desk),
            why="Above the threshold.",
            rule="probabilistic",
            score=0.97,
        )
    assert (merged.rule, merged.score) == ("probabilistic", 0.97)
    assert [tuple(row) for row in await desk.rows(links, merged.decision_id)] == [
        (*oldest, "probabilistic", 0.97, "identity")
    ]
    undone = await desk.undo({"decision_id": merged.decision_id})
    assert await desk.rows(links, merged.decision_id) == []
    again = await desk.undo(undone)
    assert [row["rule"] for row in await desk.rows(links, UUID(again["decision_id"]))] == ["decision"]


async def test_what_cannot_be_is_refused_and_changes_nothing(desk: Desk) -> None:
    one, other = await desk.customer("u1", "a"), await desk.customer("u2", "b")
    mine, foreign = sorted(await desk.anchors(one)), sorted(await desk.anchors(other))
    unknown = str(uuid4())
    before = await desk.rows("SELECT anchor_id, customer_id, version FROM identifiers ORDER BY anchor_id")

    async def refused(path: str, body: dict[str, Any], status: int, field: str) -> None:
        problem = await desk.post(path, {"why": "Because.", **body}, status=status)
        assert [error["field"] for error in problem["errors"]] == [field], problem

    merge, split = "/v1/customers:merge", f"/v1/customers/{one}:split"
    await refused(merge, {"customer_ids": [one, one]}, 422, "customer_ids")
    await refused(merge, {"customer_ids": [one]}, 422, "customer_ids")
    await refused(merge, {"customer_ids": [one, unknown]}, 404, "customer_ids.1")
    await refused(merge, {"customer_ids": [one, other], "into": unknown}, 422, "into")
    await refused(merge, {"customer_ids": [one, other], "why": " "}, 422, "why")
    await refused(merge, {"customer_ids": [one, other], "colour": "red"}, 422, "colour")
    await refused(merge, {"customer_ids": [str(uuid4()) for _ in range(51)]}, 422, "customer_ids")
    await refused(split, {"anchor_ids": []}, 422, "anchor_ids")
    await refused(split, {"anchor_ids": mine}, 422, "anchor_ids")
    await refused(split, {"anchor_ids": [mine[0], foreign[0]]}, 422, "anchor_ids.1")
    await refused(split, {"anchor_ids": ["x"]}, 422, "anchor_ids.0")
    await refused(f"/v1/customers/{unknown}:split", {"anchor_ids": mine[:1]}, 404, "customer_id")
    await refused(f"/v1/decisions/{unknown}:undo", {}, 404, "decision_id")
    assert (await desk.identity.client.get(f"/v1/decisions/{unknown}", headers=desk.headers)).status_code == 404
    for path in (merge, split, f"/v1/decisions/{unknown}:undo"):
        reader = await desk.identity.client.post(path, json={}, headers=desk.identity.headers())
        assert reader.status_code == 403
    assert await desk.rows("SELECT anchor_id, customer_id, version FROM identifiers ORDER BY anchor_id") == before
    assert await desk.rows("SELECT FROM decisions") == []
    await desk.merge(one, other)
    await refused(merge, {"customer_ids": [one, other]}, 409, "customer_ids")


async def test_the_same_request_sent_twice_decides_once(desk: Desk) -> None:
    one, other = await desk.customer("u1"), await desk.customer("u2")
    body = {"customer_ids": [one, other], "why": "One person."}
    headers = desk.headers | {"Idempotency-Key": "merge-1"}
    answers = [await desk.identity.client.post("/v1/customers:merge", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await desk.rows("SELECT FROM decisions")) == 1


async def test_of_two_merges_of_the_same_customers_at_once_one_decides(desk: Desk) -> None:
    customers = [await desk.customer(f"u{number}", f"a{number}") for number in range(6)]

    async def merge(*customer_ids: str) -> int:
        body = {"customer_ids": list(customer_ids), "why": "One person."}
        answer = await desk.identity.client.post("/v1/customers:merge", json=body, headers=desk.headers)
        return answer.status_code

    statuses = await asyncio.gather(
        *(merge(*customers) for _ in range(4)), *(merge(*customers[::-1]) for _ in range(4))
    )
    assert sorted(statuses) == [201] + [409] * 7
    assert len(await desk.partition()) == 1
    assert await desk.followed() == await desk.partition()


async def test_decisions_that_cross_each_other_end_in_one_order(desk: Desk) -> None:
    """Chains of merges, all at once, in both directions: whatever the order, all become one, and nothing is lost."""
    customers = [await desk.customer(f"u{number}", f"a{number}") for number in range(8)]
    total = sum([len(await desk.anchors(one)) for one in customers])

    async def merge(one: str, other: str) -> int:
        body = {"customer_ids": [one, other], "why": "One person."}
        answer = await desk.identity.client.post("/v1/customers:merge", json=body, headers=desk.headers)
        return answer.status_code

    pairs = list(pairwise(customers))
    statuses = await asyncio.gather(*(merge(*pair) for pair in pairs), *(merge(*pair[::-1]) for pair in pairs[::-1]))
    assert set(statuses) <= {201, 409}
    assert statuses.count(201) == len(customers) - 1
    [everybody] = await desk.partition()
    assert len(everybody) == total
    assert {await desk.now(one) for one in customers} == {customers[0]} | set()
    assert await desk.followed() == await desk.partition()


async def test_thousands_of_anchors_move_in_one_decision(desk: Desk) -> None:
    one, other = await desk.customer("u1"), await desk.customer("u2")
    await desk.rows(
        "INSERT INTO identifiers (anchor_id, namespace, value, customer_id, version, source_id, event_id, rule, "
        "linked_at) SELECT gen_random_uuid(), 'email', 'x' || n || '@example.jp', $1::uuid, 1, 'shop', "
        "gen_random_uuid(), 'same_event', '2026-11-20' FROM generate_series(1, 5000) AS n",
        UUID(other),
    )
    merged = await desk.merge(one, other)
    assert merged["anchors"] == 5002
    assert len(merged["anchor_ids"]) == 1000
    undone = await desk.undo(merged)
    assert (undone["anchors"], undone["anchors_left"]) == (5002, 0)
    assert len(await desk.anchors(other)) == 5002


async def test_decisions_are_listed_for_whom_they_concern(desk: Desk) -> None:
    customers = [await desk.customer(f"u{number}", f"a{number}") for number in range(4)]
    first = await desk.merge(customers[0], customers[1])
    elsewhere = await desk.merge(customers[2], customers[3])
    last = await desk.undo(first)

    async def listed(**query: Any) -> list[str]:
        seen, after = [], None
        while True:
            params = {"first": 1, **query} | ({"after": after} if after else {})
            answer = await desk.identity.client.get("/v1/decisions", params=params, headers=desk.headers)
            assert answer.status_code == 200, answer.text
            seen += [one["decision_id"] for one in answer.json()["items"]]
            after = answer.json()["next"]
            if after is None:
                return seen

    mine = [last["decision_id"], first["decision_id"]]
    assert await listed() == [last["decision_id"], elsewhere["decision_id"], first["decision_id"]]
    assert await listed(customer_id=customers[0]) == mine
    assert await listed(customer_id=customers[1]) == mine
    assert await listed(customer_id=customers[3]) == [elsewhere["decision_id"]]
    assert await listed(kind="undo") == mine[:1]
    assert await listed(customer_id=customers[0], kind="merge") == mine[1:]
    assert await listed(customer_id=str(uuid4())) == []
    bad = await desk.identity.client.get("/v1/decisions?kind=other", headers=desk.headers)
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "kind")


async def test_many_customers_decisions_are_read_at_once(desk: Desk) -> None:
    one, other, third = [await desk.customer(name, "a" + name) for name in ("u1", "u2", "u3")]
    untouched, unknown = await desk.customer("u4"), str(uuid4())
    made = [await desk.merge(one, other)]
    made.append(await desk.undo(made[0]))
    made.append(await desk.merge(one, third))
    newest = [decision["decision_id"] for decision in reversed(made)]

    async def read(*customer_ids: str, **page: Any) -> list[tuple[str, list[str], str | None]]:
        answer = await desk.post("/v1/decisions:batchGet", {"customer_ids": customer_ids, **page}, status=200)
        return [
            (each["customer_id"], [decision["decision_id"] for decision in each["items"]], each["next"])
            for each in answer["customers"]
        ]

    asked = (third, other, untouched, one, unknown)
    # the third is a former id of the first, who has its anchors now
    assert await read(*asked) == [
        (third, newest, None), (other, newest[1:], None), (untouched, [], None), (one, newest, None),
        (unknown, [], None),
    ]  # fmt: skip
    for customer_id in asked:
        listed = await desk.identity.client.get(
            "/v1/decisions", params={"customer_id": customer_id}, headers=desk.headers
        )
        batch = await desk.post("/v1/decisions:batchGet", {"customer_ids": [customer_id]}, status=200)
        assert batch == {"customers": [{"customer_id": customer_id, **listed.json()}]}
    (_, ids, after), (_, others, at_end) = await read(one, other, first=2)
    assert (ids, others, at_end) == (newest[:2], newest[1:], None)
    assert [ids for _, ids, _ in await read(one, other, first=2, after=after)] == [newest[2:], newest[2:]]
    await desk.post("/v1/decisions:batchGet", {"customer_ids": [one], "after": "x"}, status=422)
    await desk.post("/v1/decisions:batchGet", {"customer_ids": [one], "first": 201}, status=422)


async def test_decisions_of_customers_are_found_by_indexes(desk: Desk) -> None:
    connection = await desk.identity.database.connect()
    for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
        await connection.execute(f"SET enable_{way} = off")
    rows = await connection.fetch(f"EXPLAIN {repository.PAGES_OF_CUSTOMERS}", None, None, None, 21, [uuid4(), uuid4()])
    plan = "\n".join(row[0] for row in rows)
    await connection.close()
    assert "Seq Scan" not in plan, plan
    for index in ("decisions_customer", "identifiers_customer", "former_customers_anchor", "moves_pkey"):
        assert f"using {index} " in plan, plan
