"""Next categories over HTTP and NATS: lifts taken set-wise equal a plain count, and lead buyers on."""

from collections import Counter
from datetime import timedelta
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.profile.tests.integration.test_computed_traits import call
from services.profile.tests.integration.test_cut_points import taken
from services.profile.tests.profile_facts import purchase

from servicekit.testing import RunningService

SETTINGS = {"minimum_customers": 2, "minimum_lift": 1.0, "days": 365, "recent": 2}


async def next_of(profile: RunningService, *customers: UUID) -> list[list[dict[str, Any]]]:
    body = {"customer_ids": [str(customer) for customer in customers]}
    answer = await call(profile, "POST", "next-categories:batchGet", body)
    return [view["categories"] for view in answer["customers"]]


async def test_a_washing_machine_leads_to_a_refrigerator(profile: RunningService) -> None:
    now, day = profile.clock.now(), timedelta(days=1)
    baskets = [["washing machine", "refrigerator"]] * 4 + [["washing machine", "lamp"]] * 2 + [["lamp"]] * 4
    facts = []
    for basket in baskets:
        person = uuid4()
        facts += [purchase(person, now - place * day, 10, category=each) for place, each in enumerate(basket)]
    buyer, owner, stranger = uuid4(), uuid4(), uuid4()
    facts.append(purchase(buyer, now, 100, category="washing machine"))
    facts += [purchase(owner, now - n * day, 100, category=each) for n, each in enumerate(baskets[0])]
    await profile.publish(facts)
    await profile.drain()
    await call(profile, "GET", "next-categories", status=404)
    await call(profile, "PUT", "next-categories", SETTINGS, 201)
    await taken(profile)
    of_buyer, of_owner, of_stranger = await next_of(profile, buyer, owner, stranger)
    # 12 buyers; 8 washing machines, 5 refrigerators, 5 of both
    assert of_buyer == [
        {
            "to_category": "refrigerator",
            "from_category": "washing machine",
            "customers": 5,
            "support": pytest.approx(5 / 12),
            "confidence": pytest.approx(5 / 8),
            "lift": pytest.approx(5 * 12 / (8 * 5)),
        }
    ]
    assert (of_owner, of_stranger) == ([], [])  # it has both; nothing is known

    await profile.publish([purchase(buyer, now, 50, category="refrigerator")])
    await profile.drain()
    assert await next_of(profile, buyer) == [[]]
    await call(profile, "POST", "next-categories:take", status=202)
    await taken(profile)
    settings = await call(profile, "GET", "next-categories")
    assert settings["version"] == 2
    connection = await profile.database.connect()
    assert await connection.fetchval("SELECT array_agg(DISTINCT version) FROM category_lifts") == [2]
    await connection.close()
    await call(profile, "DELETE", "next-categories", status=204)
    await call(profile, "GET", "next-categories/lifts", status=404)


async def test_lifts_equal_a_plain_count(profile: RunningService) -> None:
    chance, now = Random(4), profile.clock.now()  # baskets, not secrets
    categories = [f"c{number}" for number in range(8)]
    baskets = {uuid4(): chance.choices(categories, range(1, 9), k=chance.randint(1, 6)) for _ in range(60)}
    late = [purchase(uuid4(), now - timedelta(days=400), 1, category="old") for _ in range(3)]
    odd = [purchase(uuid4(), now, 1, category=each) for each in (None, 5, ["c1"], "")]
    bought = [purchase(person, now, 1, category=each) for person, basket in baskets.items() for each in basket]
    await profile.publish([*bought, *late, *odd])
    await profile.drain()
    await call(profile, "PUT", "next-categories", {**SETTINGS, "minimum_lift": 0}, 201)
    await taken(profile)
    found = (await call(profile, "GET", "next-categories/lifts?first=1000"))["items"]
    sets = [frozenset(basket) for basket in baskets.values()]
    alone = Counter(each for basket in sets for each in basket)
    both = Counter(pair for basket in sets for pair in permutations(basket, 2))
    assert {(each["from_category"], each["to_category"]): each["lift"] for each in found} == {
        (a, b): pytest.approx(count * len(sets) / (alone[a] * alone[b])) for (a, b), count in both.items() if count >= 2
    }
