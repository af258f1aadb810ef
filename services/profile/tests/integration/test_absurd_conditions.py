"""Conditions that are valid and absurd: refused where it is too much, or read in work that grows with the data only."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from services.profile.tests.integration.conftest import START

from profile_service.conditions import Compiler, Library, expand
from profile_service.conditions.checking import MAX_LEVELS, MAX_NODES
from profile_service.repository.conclusions import CONDITION
from profile_service.repository.previews import SCAN_MEMORY
from servicekit.testing import RunningService

CUSTOMERS, EVENTS_OF_EACH = 400, 40
FILL = """
INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, event_count)
SELECT md5(n::text)::uuid, $1, $1, md5(n::text)::uuid, md5(n::text)::uuid, $3 FROM generate_series(1, $2::int) AS n;
"""
FILL_EVENTS = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT md5(n::text)::uuid, $1::timestamptz - e * interval '30 hours', gen_random_uuid(), md5(n::text)::uuid, 'track',
       'E' || e % 4, 'web', jsonb_build_object('p', e, 'q', 'text ' || e)
FROM generate_series(1, $2::int) AS n CROSS JOIN generate_series(1, $3::int) AS e
"""
FILL_TRAITS = """
INSERT INTO traits (customer_id, name, value, source_id, observed_at, event_id)
SELECT customer_id, 't', to_jsonb('v' || event_count), '', $1, customer_id FROM customers
"""
LIST = [f"value {number}" for number in range(1000)]
TRAIT = {"kind": "trait", "trait": "t", "comparison": "eq", "value": "v1"}


def count(number: int, **more: Any) -> dict[str, Any]:
    return {"kind": "event_count", "event": f"E{number % 4}", "comparison": "ge", "value": number, **more}


def of_value(comparison: str, value: Any, **of: Any) -> dict[str, Any]:
    return {"kind": "value", "of": {"kind": "events", **of}, "comparison": comparison, "value": value}


def any_of(*conditions: dict[str, Any]) -> dict[str, Any]:
    """As wide as it gets: an `or` takes fifty."""
    groups = [conditions[start : start + 50] for start in range(0, len(conditions), 50)]
    return {"kind": "or", "conditions": [{"kind": "and", "conditions": list(group)} for group in groups]}


def nested(levels: int) -> dict[str, Any]:
    """`not (a and (b or not (...)))`, one below the other."""
    tree: dict[str, Any] = count(1)
    for level in range(levels - 1):
        kind = ("not", "and", "or")[level % 3]
        tree = {"kind": "not", "condition": tree} if kind == "not" else {"kind": kind, "conditions": [tree, TRAIT]}
    return tree


def product(levels: int) -> dict[str, Any]:
    """Numbers multiplied with themselves."""
    value: dict[str, Any] = {"kind": "constant", "value": 10**15}
    for _ in range(levels):
        value = {"kind": "multiply", "of": [value, {"kind": "constant", "value": 10**15}]}
    return {"kind": "value", "of": value, "comparison": "ge", "value": 1}


def matched(number: int) -> dict[str, Any]:
    return {
        "event": f"E{number % 4}",
        "where": [{"property": f"p{place}", "comparison": "ne", "value": number} for place in range(10)],
    }


ABSURD: dict[str, dict[str, Any]] = {
    "as deep as it gets": nested(MAX_LEVELS),
    "as wide as it gets": any_of(*(count(number, window={"days": number + 1}) for number in range(190))),
    "lists of a thousand values": any_of(
        *({**TRAIT, "trait": f"t{number}", "comparison": "in", "value": LIST} for number in range(20)),
        *(count(1, where=[{"property": f"p{place}", "comparison": "in", "value": LIST} for place in range(10)])
          for _ in range(4)),
    ),
    "ten years, over and over": any_of(*(count(number, window={"days": 3660 - number}) for number in range(150))),
    "distinct days of many windows": any_of(
        *(of_value("ge", number, function="distinct_days", event=f"E{number % 4}", window={"hours": 87_840 - number})
          for number in range(60))
    ),
    "what is most frequent, of every property": any_of(
        *(of_value("eq", "x", function="most_frequent", event=f"E{number % 4}", property=f"p{number}")
          for number in range(40))
    ),
    "one after the other within ten years": any_of(
        *({"kind": "sequence", "first": matched(number), "then": matched(number + 1), "within": {"days": 3660}}
          for number in range(30))
    ),
    "one without the other": any_of(
        *({"kind": "without", "event": matched(number), "without": matched(number + 1), "for_at_least": {"days": 1}}
          for number in range(30))
    ),
    "percentiles of everything": any_of(
        *({"kind": "percentile", "of": of, "position": position, "percent": percent}
          for of in ("recency", "frequency", "monetary") for position in ("top", "bottom")
          for percent in range(1, 31))
    ),
    "numbers beyond all measure": product(MAX_LEVELS - 2),
    "long ago and far away": any_of(
        *(count(1, window={"calendar": kind, "offset": -1000, "zone": zone})
          for kind in ("day", "week", "month", "quarter", "year")
          for zone in ("Pacific/Apia", "Asia/Tokyo", "America/New_York")),
        *(count(1, window={"start": "1000-01-01", "end": "3000-01-01"}) for _ in range(10)),
        *(count(1, window={"since": {"event": f"E{number}", "which": "first"}}) for number in range(20)),
    ),
    "names as long as they get": any_of(
        *(count(1, event=f"{number:0200d}",
                where=[{"property": "q" * 200, "comparison": "contains", "value": "x" * 1000}])
          for number in range(100))
    ),
}  # fmt: skip


@pytest.fixture
async def full(profile_at_rest: RunningService) -> RunningService:
    """Profile with some customers who did a lot."""
    connection = await profile_at_rest.database.connect()
    await connection.execute(FILL.rstrip("; \n"), START, CUSTOMERS, EVENTS_OF_EACH)
    await connection.execute(FILL_EVENTS, START, CUSTOMERS, EVENTS_OF_EACH)
    await connection.execute(FILL_TRAITS, START)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return profile_at_rest


def parts_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from parts_of(part)


@pytest.mark.parametrize("name", ABSURD)
async def test_it_is_read_in_work_that_grows_with_the_data_only(full: RunningService, name: str) -> None:
    tree = ABSURD[name]
    headers = full.headers()
    counted = {}
    for mode in ("exact", "estimate"):
        body = {"condition": tree, "mode": mode}
        answer = await full.client.post("/v1/segments:preview", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        counted[mode] = answer.json()["count"]
    assert counted["exact"] == counted["estimate"]
    put = await full.client.put("/v1/segments/absurd", json={"name": "x", "condition": tree}, headers=headers)
    assert put.status_code == 201, put.text
    assert (await full.client.post("/v1/segments/absurd:publish", headers=headers)).status_code == 200
    expanded = expand(CONDITION.validate_python(tree), Library())
    compiled = Compiler(promoted={"revenue": "revenue"}).members(expanded)
    connection = await full.database.connect()
    async with connection.transaction():
        await connection.execute(SCAN_MEMORY)
        sql = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {compiled.sql}"
        [plan] = json.loads(await connection.fetchval(sql, START, *compiled.parameters))
    await connection.close()
    read = max(part["Actual Rows"] * part["Actual Loops"] for part in parts_of(plan["Plan"]))
    assert read <= 2 * CUSTOMERS * EVENTS_OF_EACH, "no event is read together with every other"


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        (nested(MAX_LEVELS + 1), "condition.conditions.0.condition"),
        (any_of(*(count(1) for _ in range(MAX_NODES))), "condition"),
        ({**TRAIT, "comparison": "in", "value": [*LIST, "x"]}, "condition.value"),
        (count(1, window={"days": 3661}), "condition.window.days"),
        (count(1, where=[{"property": "p", "comparison": "exists"}] * 11), "condition.where"),
        (count(10**16), "condition.value"),
        ({"kind": "segment", "segment": "wide-11"}, "condition"),
    ],
)
async def test_what_is_more_than_that_is_refused_by_its_path(
    profile_at_rest: RunningService, tree: dict[str, Any], field: str
) -> None:
    profile, headers = profile_at_rest, profile_at_rest.headers()
    refers: dict[str, Any] = count(1)
    for number in range(12):  # each refers to the one before twice: 2^12 conditions, when all is said
        body = {"name": "x", "condition": {"kind": "and", "conditions": [refers, {"kind": "not", "condition": refers}]}}
        answer = await profile.client.put(f"/v1/segments/wide-{number}", json=body, headers=headers)
        if answer.is_success:
            answer = await profile.client.post(f"/v1/segments/wide-{number}:publish", headers=headers)
        if not answer.is_success:
            assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "condition", answer.text
            break
        refers = {"kind": "segment", "segment": f"wide-{number}"}
    else:
        raise AssertionError("all of them were taken")
    answer = await profile.client.post("/v1/segments:preview", json={"condition": tree}, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field), answer.text
