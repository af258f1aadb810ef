"""The graph of a customer: nodes, edges, evidence, what was held apart, former ids, groups."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from services.identity.tests.deciding import Desk

from servicekit.testing import RunningService


@pytest.fixture
def desk(identity: RunningService, shop: Any) -> Desk:
    return Desk(identity, shop)


async def graphs(desk: Desk, *customer_ids: str) -> list[dict[str, Any]]:
    body = {"customer_ids": list(customer_ids)}
    answer = await desk.identity.client.post("/v1/customers:batchGraph", json=body, headers=desk.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["customers"]


async def test_a_graph_shows_what_is_linked_and_why(desk: Desk, crm: Any) -> None:
    customer = await desk.customer("u1", "a", "b")
    await crm.resolve({"type": "identify", "userId": "u1", "traits": {"email": "a@example.jp"}})
    [graph] = await graphs(desk, customer)
    assert (graph["customer_id"], graph["current_customer_id"], graph["nodes_total"]) == (customer, customer, 4)
    values = {(node["namespace"], node["value"]): node for node in graph["nodes"]}
    assert set(values) == {
        ("user_id", "u1"), ("email", "u1@example.jp"), ("email", "a@example.jp"), ("email", "b@example.jp"),
    }  # fmt: skip
    user = values["user_id", "u1"]
    assert (user["rule"], user["source_id"], user["is_current"]) == ("first_seen", "shop", True)
    assert (user["legal_entity"], user["purposes"]) == ("Kizuna Inc.", ["crm"])
    assert (user["decision_id"], user["score"]) == (None, None)
    edges = {(edge["anchor_id"], edge["other_anchor_id"], edge["source_id"]): edge for edge in graph["edges"]}
    assert {source for _, _, source in edges} >= {"shop"}
    linked = values["email", "a@example.jp"]
    assert edges[user["anchor_id"], linked["anchor_id"], "shop"]["rule"] == "same_event"
    assert {"event_id", "linked_at", "score", "legal_entity", "purposes"} <= edges[
        user["anchor_id"], linked["anchor_id"], "shop"
    ].keys()


async def test_a_merge_shows_in_the_graph_and_its_undo_takes_it_away(desk: Desk) -> None:
    one, other, third = [await desk.customer(name) for name in ("u1", "u2", "u3")]
    merged = await desk.merge(one, other)
    asked = await graphs(desk, other, third, str(uuid4()), one)
    assert [graph["current_customer_id"] for graph in asked] == [one, third, None, one]
    assert asked[0]["former_customer_ids"] == [other]
    assert asked[0]["nodes"] == asked[3]["nodes"]
    assert {node["decision_id"] for node in asked[0]["nodes"]} == {None, merged["decision_id"]}
    assert [edge["event_id"] for edge in asked[0]["edges"] if edge["rule"] == "decision"] == [merged["decision_id"]]
    assert (asked[2]["nodes"], asked[2]["nodes_total"]) == ([], 0)
    await desk.undo(merged)
    [graph] = await graphs(desk, one)
    assert (graph["former_customer_ids"], graph["nodes_total"]) == ([], 2)
    assert [edge["rule"] for edge in graph["edges"]] == ["same_event"]


async def test_what_was_held_apart_and_groups_are_shown(desk: Desk) -> None:
    customer = await desk.customer("u1")
    anchor = UUID((await desk.owner("user_id", "u1"))[1])
    await desk.rows(
        "INSERT INTO held_apart (anchor_id, namespace, value, reason, source_id, event_id, held_at) "
        "VALUES ($1, 'phone', '+81312345678', 'limit', 'shop', $2, '2026-11-20')",
        anchor, uuid4(),
    )  # fmt: skip
    await desk.rows(
        "INSERT INTO groups (group_id, traits, source_id, occurred_at) "
        "VALUES ('family', '{\"name\": \"Sato\"}', 'shop', '2026-11-20')"
    )
    await desk.rows(
        "INSERT INTO group_members (group_id, anchor_id, source_id, event_id, joined_at) "
        "VALUES ('family', $1, 'shop', $2, '2026-11-20')",
        anchor, uuid4(),
    )  # fmt: skip
    [graph] = await graphs(desk, customer)
    assert [(one["namespace"], one["value"], one["reason"]) for one in graph["held_apart"]] == [
        ("phone", "+81312345678", "limit")
    ]
    assert [(one["group_id"], one["traits"]) for one in graph["groups"]] == [("family", {"name": "Sato"})]


async def test_a_big_customer_shows_its_first_thousand(desk: Desk) -> None:
    customer = await desk.customer("u1")
    await desk.rows(
        "INSERT INTO identifiers (anchor_id, namespace, value, customer_id, version, source_id, event_id, rule, "
        "linked_at) SELECT gen_random_uuid(), 'email', 'x' || n || '@example.jp', $1::uuid, 1, 'shop', "
        "gen_random_uuid(), 'same_event', '2026-11-21' FROM generate_series(1, 1500) AS n",
        UUID(customer),
    )
    [graph] = await graphs(desk, customer)
    assert (len(graph["nodes"]), graph["nodes_total"]) == (1000, 1502)
    assert graph["nodes"][0]["namespace"] == "user_id"


async def test_a_graph_wants_ids(desk: Desk) -> None:
    bodies: list[dict[str, Any]] = [{"customer_ids": []}, {"customer_ids": ["x"]}, {}]
    for body in bodies:
        answer = await desk.identity.client.post("/v1/customers:batchGraph", json=body, headers=desk.headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"].split(".")[0]) == (422, "customer_ids")
