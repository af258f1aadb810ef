"""What was said of many customers' traits, in one answer: the same as asked one by one, and only what may be seen."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.profile.tests.profile_facts import identify, source_changed

from profile_service.repository import observations
from servicekit.testing import RunningService

BATCH = "/v1/trait-observations:batchGet"


async def _batch(profile: RunningService, department: str = "", **body: Any) -> dict[str, Any]:
    token = profile.token("profile:read", department=department or None)
    answer = await profile.client.post(BATCH, json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _one(profile: RunningService, customer: UUID, name: str, **query: Any) -> dict[str, Any] | None:
    path = f"/v1/customers/{customer}/traits/{name}"
    answer = await profile.client.get(path, params=query, headers=profile.headers())
    return answer.json() if answer.status_code == 200 else None


@pytest.fixture
async def people(profile: RunningService) -> list[UUID]:
    """Of whom two sources say two traits again and again; of the last one nobody says anything."""
    now, people = profile.clock.now(), [uuid4() for _ in range(5)]
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    said = [
        identify(each, now - timedelta(days=day), source_id=source, plan=f"{source} {day}", points=day)
        for number, each in enumerate(people[:-1])
        for day in range(1, 3 + number)
        for source in ("crm", "shop")
    ]
    await profile.publish(said)
    await profile.drain()
    definition = {"policy": "most_trusted", "trusted": [{"department": "sales"}]}
    await profile.client.put("/v1/traits/plan", json=definition, headers=profile.headers())
    return people


async def test_a_batch_says_what_is_said_one_by_one(profile: RunningService, people: list[UUID]) -> None:
    ids, names = [str(each) for each in people], ["points", "plan", "none", "plan"]
    after = None
    for _ in range(3):
        page: dict[str, Any] = {"first": 3} | ({"after": after} if after else {})
        found = await _batch(profile, customer_ids=ids, names=names, **page)
        assert found["withheld"] is False
        assert [each["customer_id"] for each in found["customers"]] == ids
        for customer, entry in zip(people, found["customers"], strict=True):
            each_alone = [await _one(profile, customer, name, **page) for name in ("points", "plan", "none")]
            assert entry["traits"] == [one for one in each_alone if one is not None]
        assert [len(entry["traits"]) for entry in found["customers"]] == [2, 2, 2, 2, 0]
        after = found["customers"][3]["traits"][1]["observations"][-1]["cursor"]
    [plan] = [each for each in found["customers"][3]["traits"] if each["name"] == "plan"]
    assert (plan["policy"], plan["value"]) == ("most_trusted", "crm 1")


async def test_a_batch_is_read_by_the_key_whatever_was_said_of_others(
    profile: RunningService, people: list[UUID]
) -> None:
    connection = await profile.database.connect()
    await connection.execute(
        "INSERT INTO trait_observations (customer_id, name, source_id, observed_at, event_id, anchor_id, value) "
        "SELECT customer_id, 'plan', 'crm', now(), gen_random_uuid(), customer_id, '5' FROM "
        "(SELECT gen_random_uuid() AS customer_id FROM generate_series(1, 20000)) AS others"
    )
    await connection.execute("VACUUM ANALYZE trait_observations")
    asked = (people, ["plan"] * len(people), [None] * len(people), 10, None, None, None)
    plan = await connection.fetch(f"EXPLAIN {observations._OBSERVATIONS}", *asked)
    await connection.close()
    lines = [row[0] for row in plan if "trait_observations" in row[0]]
    assert lines
    assert all("trait_observations_pkey" in line for line in lines), lines


async def test_a_hidden_trait_is_not_there_and_somethings_being_hidden_is_said_of_everybody(
    profile: RunningService, people: list[UUID]
) -> None:
    hidden = {"effect": "deny", "who": {"departments": ["ads"]}, "what": {"kind": "trait", "names": ["plan"]}}
    headers = {"Authorization": f"Bearer {profile.token('policy:write')}"}
    put = await profile.client.put("/v1/policy", json={"why": "test", "rules": [hidden]}, headers=headers)
    assert put.status_code == 201, put.text
    asked = {"customer_ids": [str(people[0])], "names": ["plan", "points"]}
    for department, names, withheld in (("ads", ["points"], True), ("crm", ["plan", "points"], False)):
        found = await _batch(profile, department, **asked)
        assert [each["name"] for each in found["customers"][0]["traits"]] == names
        assert found["withheld"] is withheld
    nobody = await _batch(profile, "ads", customer_ids=[str(uuid4())], names=["plan"])
    assert (nobody["customers"][0]["traits"], nobody["withheld"]) == ([], True)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"names": []}, "names"),
        ({"names": ["x"] * 201}, "names"),
        ({"names": ["a\x00"]}, "names.0"),
        ({"first": 0}, "first"),
        ({"after": "x"}, "after"),
        ({"customer_ids": [str(UUID(int=n)) for n in range(1000)], "names": ["a", "b"], "first": 101}, "first"),
    ],
)
async def test_what_is_too_much_or_wrong_is_named(profile: RunningService, wrong: dict[str, Any], field: str) -> None:
    body = {"customer_ids": [str(uuid4())], "names": ["plan"]} | wrong
    answer = await profile.client.post(BATCH, json=body, headers=profile.headers())
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
