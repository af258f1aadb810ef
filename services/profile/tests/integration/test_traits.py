"""Traits: the latest observation wins, in whatever order and batches they come, over whatever anchors."""

import json
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import identify
from services.profile.tests.recording import Desk

from contracts.identity import ResolvedEvent
from servicekit.testing import RunningService

sayings = st.lists(
    st.tuples(
        st.integers(0, 1),  # customer
        st.integers(0, 2),  # anchor of the customer
        st.integers(0, 3),  # hour: ties on purpose
        st.dictionaries(
            st.sampled_from(["name", "plan", "長い名前"]),
            st.one_of(st.none(), st.integers(0, 3), st.text(max_size=3)),
            max_size=3,
        ),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=sayings, seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 12), max_size=3))
async def test_the_fold_does_not_depend_on_order_or_batches(
    a_desk: Desk, said: list[tuple[int, int, int, dict[str, Any]]], seed: int, cuts: list[int]
) -> None:
    people = [uuid4(), uuid4()]
    anchors = {(person, anchor): uuid4() for person in (0, 1) for anchor in (0, 1, 2)}
    facts = [
        identify(people[person], START - timedelta(hours=hour), anchor_id=anchors[person, anchor], **traits)
        for person, anchor, hour, traits in said
    ]
    shuffled = Random(seed).sample(facts, len(facts))
    edges = sorted({0, *(min(cut, len(facts)) for cut in cuts), len(facts)})
    for start, end in pairwise(edges):
        await a_desk.record(shuffled[start:end])
        await a_desk.record(shuffled[start:end])  # said twice is said once
    rows = await a_desk.fetch(
        "SELECT customer_id, name, value, event_id FROM traits WHERE customer_id = ANY($1)", people
    )
    assert {(row["customer_id"], row["name"]): (row["value"], row["event_id"]) for row in rows} == _folded(facts)


def _folded(facts: list[ResolvedEvent]) -> dict[tuple[UUID, str], tuple[Any, UUID]]:
    folded: dict[tuple[UUID, str], tuple[Any, UUID]] = {}
    for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id)):
        for name, value in fact.traits.items():
            kept = value.replace("\0", "") if isinstance(value, str) else value
            folded[fact.customer_id, name] = (json.loads(json.dumps(kept)), fact.event_id)
    return folded


async def test_a_trait_says_where_it_comes_from_and_null_takes_it_away(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    await profile.publish(
        [
            identify(customer, now - timedelta(hours=3), name="山田", plan="gold", source_id="crm"),
            identify(customer, now - timedelta(hours=2), plan=None, source_id="shop"),
            identify(customer, now - timedelta(hours=4), name="古い名前", source_id="shop"),
        ]
    )
    await profile.drain()
    body = {"customer_ids": [str(customer)]}
    [view] = (await profile.client.post("/v1/customers:batchGet", json=body, headers=profile.headers())).json()[
        "customers"
    ]
    nobody_told = {"department": None, "brand": None, "legal_entity": None}
    said = {"source_id": "crm", "observed_at": "2026-11-20T00:00:00Z", **nobody_told}
    assert view["traits"] == [{"name": "name", "value": "山田", **said}]
    values = await profile.client.post(
        "/v1/traits:batchGet", json={**body, "names": ["name", "plan"]}, headers=profile.headers()
    )
    [answer] = values.json()["customers"]
    assert (answer["traits"], answer["provenance"]) == ({"name": "山田"}, {"name": said})
