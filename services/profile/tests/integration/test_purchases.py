"""Recency, frequency, monetary: equal to plain SQL over what was sent."""

import importlib.util
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import purchase
from services.profile.tests.recording import Desk

from servicekit.testing import RunningService

Bought = tuple[UUID, datetime, Decimal]


def _cdnow() -> list[Bought]:
    """CDNOW's purchases, the last one yesterday at noon in Tokyo."""
    spec = importlib.util.find_spec("lifetimes")
    assert spec is not None and spec.origin is not None, "`make install` brings the data set"
    lines = (Path(spec.origin).parent / "datasets" / "CDNOW_master.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.split() and line.split()[0].isdigit()]
    bought = [
        (uuid5(NAMESPACE_URL, row[0]), datetime.strptime(row[1], "%Y%m%d").replace(tzinfo=UTC, hour=3), Decimal(row[3]))
        for row in rows
    ]
    shift = START - timedelta(days=1) - max(moment for _, moment, _ in bought)
    return [(customer, moment + shift, amount) for customer, moment, amount in bought]


async def _check(a_desk: Desk, bought: Sequence[Bought]) -> None:
    facts = [
        purchase(customer, moment, float(amount), order_id=str(line), currency="USD")
        for line, (customer, moment, amount) in enumerate(bought)
    ]
    Random(7).shuffle(facts)
    for start in range(0, len(facts), 1000):
        await a_desk.record(facts[start : start + 1000])
    expected: dict[UUID, tuple[int, Decimal, datetime]] = {}
    per_customer: dict[UUID, list[Bought]] = defaultdict(list)
    for one in bought:
        per_customer[one[0]].append(one)
    for customer, theirs in per_customer.items():
        expected[customer] = (len(theirs), sum((a for _, _, a in theirs), Decimal(0)), max(m for _, m, _ in theirs))
    rows = await a_desk.fetch("SELECT customer_id, purchase_count, purchase_total, last_purchase_at FROM customers")
    kept = {row["customer_id"]: (row["purchase_count"], row["purchase_total"], row["last_purchase_at"]) for row in rows}
    assert kept == expected


async def test_a_part_of_cdnow_equals_the_file(a_desk: Desk) -> None:
    part = [one for one in _cdnow() if one[0].int % 12 == 0]
    assert any(amount == 0 for _, _, amount in part)
    assert len({(customer, moment) for customer, moment, _ in part}) < len(part)  # twice on one day
    await _check(a_desk, part)


@pytest.mark.slow
async def test_all_of_cdnow_equals_the_file(a_desk: Desk) -> None:
    bought = _cdnow()
    assert (len(bought), len({customer for customer, _, _ in bought})) == (69_659, 23_570)
    await _check(a_desk, bought)


async def test_only_amounts_in_the_base_currency_are_summed_and_simulated_ones_are_told_apart(
    profile: RunningService,
) -> None:
    customer, other, now = UUID(int=1), UUID(int=2), profile.clock.now()
    sent: list[Any] = [
        purchase(customer, now - timedelta(days=3), 10.5),
        purchase(customer, now - timedelta(days=3), 0.00, currency="usd"),
        purchase(customer, now - timedelta(days=2), 5000, currency="JPY"),
        purchase(customer, now - timedelta(days=2), "12.00"),
        purchase(customer, now - timedelta(days=1), 4.25, simulated=True),
        purchase(other, now, True),
    ]
    await profile.publish(sent)
    await profile.publish(sent)  # delivered again
    await profile.drain()
    answer = await profile.client.post(
        "/v1/customers:batchGet", json={"customer_ids": [str(customer), str(other)]}, headers=profile.headers()
    )
    first, second = [view["rfm"] for view in answer.json()["customers"]]
    assert first == {"recency_days": 1, "frequency": 5, "monetary": "14.75", "currency": "USD"}
    assert second == {"recency_days": 0, "frequency": 1, "monetary": "0", "currency": "USD"}
    totals = (await profile.client.get("/v1/totals", headers=profile.headers())).json()
    assert {**totals, "revenue": Decimal(totals["revenue"])} == {
        "customers": 2,
        "events": 6,
        "purchases": 5,
        "revenue": Decimal("10.5"),
        "purchases_simulated": 1,
        "revenue_simulated": "4.25",
        "currency": "USD",
        "withheld": False,
    }


async def test_conversions_are_counted_per_window(profile: RunningService) -> None:
    customer, now = UUID(int=1), profile.clock.now()
    await profile.publish(
        [
            purchase(customer, now - timedelta(days=3), 10, coupon="SPRING"),
            purchase(customer, now - timedelta(days=2), 20),
            purchase(customer, now - timedelta(days=1), 40, coupon="SPRING"),
        ]
    )
    await profile.drain()
    windows = [
        {"key": "all", "customer_id": str(customer), "from": _ago(now, 9), "until": _ago(now, 0)},
        {"key": "edge", "customer_id": str(customer), "from": _ago(now, 3), "until": _ago(now, 1)},
        {"key": "none", "customer_id": str(UUID(int=9)), "from": _ago(now, 9), "until": _ago(now, 0)},
    ]
    body: dict[str, Any] = {"event": "Order Completed", "sum_property": "revenue", "windows": windows}
    answer = await profile.client.post("/v1/conversions:batchGet", json=body, headers=profile.headers())
    assert [(each["key"], each["count"], float(each["sum"])) for each in answer.json()["conversions"]] == [
        ("all", 3, 70.0),
        ("edge", 2, 30.0),
        ("none", 0, 0.0),
    ]
    body["where"] = [{"property": "coupon", "comparison": "eq", "value": "SPRING"}]
    answer = await profile.client.post("/v1/conversions:batchGet", json=body, headers=profile.headers())
    assert [each["count"] for each in answer.json()["conversions"]] == [2, 1, 0]


def _ago(now: datetime, days: int) -> str:
    return (now - timedelta(days=days)).isoformat()
