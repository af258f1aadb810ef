"""The table at the end shows what story.json holds, and the query can be pasted as it stands."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from kizuna_demo.figures import QUERY
from kizuna_demo.table import show_table


@pytest.fixture
def figures() -> dict[str, Any]:
    return {
        "events": {
            "told": 108_397,
            "permissions": 38_004,
            "on_timelines": 146_401,
            "accepted": 108_706,
            "rejected": 0,
            "duplicates": 0,
            "on_timelines_at_the_end": 159_714,
        },
        "purchases": {
            "of_the_file": 69_659,
            "simulated": 309,
            "revenue": "2500315.63",
            "revenue_simulated": "11538.31",
            "currency": "USD",
        },
        "customers": {"all": 24_773, "known": 23_570, "linked": 23_234, "linked_share": 0.9379},
        "ranks": [{"key": "gold", "name": "ゴールド", "size": 740}],
        "segments": [{"key": "going-dormant", "name": "休眠予備軍", "size": 2556}],
        "campaign": {
            "treatment": {"customers": 2256, "reached": 1813, "opened": 1254, "clicked": 456, "failed": 443},
            "holdout": {"customers": 609},
            "lift": {
                "treatment": 0.125,
                "holdout": 0.0443,
                "difference": 0.0807,
                "low": 0.0573,
                "high": 0.1012,
                "confidence": 0.95,
            },
            "truth": {"base": 0.06, "effect_on_reached": 0.08, "effect": 0.0643},
        },
        "survey": {
            "invited": 2256,
            "answered": 542,
            "coverage": 0.2402,
            "census_coverage": 0.023,
            "nps": 18.8,
            "promoters": 223,
            "passives": 198,
            "detractors": 121,
            "commitments": {"open": 808, "kept": 0},
        },
        "check": {"customers": 23_570, "purchases": 69_968, "differences": 0},
        "addresses": {"GraphiQL": "http://127.0.0.1:8000/graphiql"},
        "query": QUERY % "00606",
    }


def shown(figures: dict[str, Any], *, width: int) -> str:
    written = StringIO()
    show_table(figures, Console(file=written, width=width))
    return written.getvalue()


def test_everything_is_shown(figures: dict[str, Any]) -> None:
    text = shown(figures, width=120)
    for expected in ("108,397", "146,401", "93.8%", "69,659", "309 simulated", "ゴールド 740", "1,813 / 1,254 / 456"):
        assert expected in text
    assert "+8.1% (95% interval +5.7% to +10.1%)" in text
    assert "+6.4% between the arms (everybody buys with 6%, whom the coupon reached 14%)" in text
    assert "all equal" in text


def test_differences_are_not_hidden(figures: dict[str, Any]) -> None:
    figures["check"]["differences"] = 3
    text = shown(figures, width=120)
    assert "3 differ" in text
    assert "all equal" not in text


def test_the_query_is_never_cut(figures: dict[str, Any]) -> None:
    assert (QUERY % "00606").strip() in shown(figures, width=40)
