"""Names, JSON and calendar days."""

import json
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from contracts.profile import CustomersChanged
from profile_service.events import HINT_CUSTOMERS, hint_bodies
from profile_service.repository.timeline import _jsonb
from profile_service.rules import MAX_NAME_LENGTH, recency_days, storable_text

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("last", "now", "days"),
    [
        # 00:30 on the 2nd in Tokyo is still the 1st in UTC
        (datetime(2026, 11, 1, 14, 59, tzinfo=UTC), datetime(2026, 11, 1, 15, 1, tzinfo=UTC), 1),
        (datetime(2026, 11, 1, 15, 1, tzinfo=UTC), datetime(2026, 11, 2, 14, 59, tzinfo=UTC), 0),
        (datetime(2025, 11, 1, 3, 0, tzinfo=UTC), datetime(2026, 11, 1, 3, 0, tzinfo=UTC), 365),
        (datetime(2026, 11, 5, 3, 0, tzinfo=UTC), datetime(2026, 11, 1, 3, 0, tzinfo=UTC), 0),
    ],
)
def test_recency_counts_calendar_days_of_the_customers_zone(last: datetime, now: datetime, days: int) -> None:
    assert recency_days(last_purchase_at=last, now=now, zone=TOKYO) == days


def test_names_fit_the_index() -> None:
    assert storable_text("a\0b" + "x" * 500) == ("ab" + "x" * 500)[:MAX_NAME_LENGTH]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a\0": ["\0b", {"c": "d\0"}]}, {"a": ["b", {"c": "d"}]}),
        ({"a": float("inf"), "b": float("nan")}, {"a": None, "b": None}),
        ({"a": "back\\u0000slash"}, {"a": "back\\u0000slash"}),
        ({"金額": 29.33, "n": 12345678901234567890}, {"金額": 29.33, "n": 12345678901234567890}),
    ],
)
def test_json_becomes_what_jsonb_takes(value: object, kept: object) -> None:
    assert json.loads(_jsonb(value)) == kept


def test_hints_are_facts_and_fit_in_messages() -> None:
    anchors = {uuid4(): uuid4() for _ in range(HINT_CUSTOMERS + 1)}
    bodies = hint_bodies(anchors, now=datetime(2026, 11, 20, tzinfo=UTC))
    facts = [CustomersChanged.model_validate(item) for body in bodies for item in json.loads(body)["facts"]]
    assert {fact.customer_id: fact.anchor_id for fact in facts} == anchors
    assert len(bodies) == 2 and max(map(len, bodies)) < 1_000_000
