"""What departments were told, in short, and what was counted of it."""

from kizuna_demo.departments import in_short, totals_of
from kizuna_demo.platform import Json


def test_what_a_department_was_told_is_told_without_values() -> None:
    said = {
        "customerByIdentifier": {
            "traits": [{"name": "gender", "value": "female"}, {"name": "city", "value": "東京"}],
            "rfm": None,
            "rank": None,
            "segments": [{"key": "top-tenth"}],
            "signs": [],
            "remarks": [{"text": "hidden"}],
            "timeline": {
                "totalCount": 3,
                "edges": [{"node": {"name": "Page Viewed", "department": each}} for each in ("crm", None, "crm")],
            },
        }
    }
    assert in_short(said) == {
        "traits": ["city", "gender"],
        "is_rank_shown": False,
        "are_purchases_shown": False,
        "segments": ["top-tenth"],
        "signs": [],
        "remarks": 1,
        "events": 3,
        "of_departments": ["crm"],
    }


def test_counts_of_several_months_are_added_up() -> None:
    rows: list[Json] = [
        {"begins_on": "2026-10-01", "department": "crm", "kind": "event", "count": 2},
        {"begins_on": "2026-10-01", "department": "sales", "kind": "event", "count": 4},
        {"begins_on": "2026-11-01", "department": "crm", "kind": "event", "count": 3},
        {"begins_on": "2026-11-01", "department": None, "kind": "trait", "count": 1},
    ]
    assert totals_of(rows, "department") == [
        {"department": "crm", "kind": "event", "count": 5},
        {"department": "sales", "kind": "event", "count": 4},
        {"department": None, "kind": "trait", "count": 1},
    ]
