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
        "customers": {
            "all": 24_773,
            "known": 23_570,
            "linked": 23_234,
            "linked_share": 0.9379,
        },
        "who_is_this": {
            "lists": [
                {
                    "source": "kizuna-appliances",
                    "accepted": 2_999,
                    "rejected": 1,
                    "rejected_lines": [{"line": 1000, "field": "", "detail": "3 fields instead of 10."}],
                }
            ],
            "id_syncs": {"accepted": 16_024, "rejected": 0},
            "coverage": {
                "computed_at": "2026-11-22T01:41:39.611161Z",
                "customers": 26_824,
                "known": 25_666,
                "anonymous": 1_158,
                "linked_outside": 17_829,
                "linked_outside_share": 0.6647,
            },
            "members_under_partners_ids": 0.6995,
            "linking": {
                "records": 27_169,
                "pairs_compared": 40_066,
                "linked": 1_503,
                "to_review": 44,
                "precision_estimate": 0.9989,
                "recall_estimate": 0.9666,
                "finished_at": "2026-11-22T01:41:30Z",
            },
            "truth": {"joined": 1593, "same": 1698, "right": 1592, "precision": 0.9994, "recall": None},
            "accepted": {"score": 0.9497},
            "undone": {"score": 0.9554},
            "undone_was_wrong": True,
        },
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


def test_linking_is_shown_with_its_estimates_and_the_truth(figures: dict[str, Any]) -> None:
    text = shown(figures, width=160)
    assert "2,999 lines taken, 1 not; line 1000: 3 fields instead of 10." in text
    assert "1,503, in review 44 (40,066 pairs of 27,169 records compared)" in text
    assert "precision 99.9% / 99.9% · recall 96.7% / unknown" in text
    assert "a link of 0.955 undone (two people in truth)" in text
    assert "26,824: 25,666 known, 1,158 anonymous; 17,829 (66.5%) linked to an outside id" in text
    assert "everybody, at 10:41:39" in text
    assert "before all were linked" not in text


def test_a_count_that_came_too_early_is_said_to_be_one(figures: dict[str, Any]) -> None:
    figures["who_is_this"]["linking"]["finished_at"] = "2026-11-22T01:41:40Z"
    assert "counted before all were linked" in shown(figures, width=200)


def test_a_story_told_before_the_chapter_was_written_is_shown_without_it(figures: dict[str, Any]) -> None:
    del figures["who_is_this"]
    text = shown(figures, width=120)
    assert "linked by likeness" not in text
    assert "all equal" in text


def test_nothing_to_decide_is_said(figures: dict[str, Any]) -> None:
    figures["who_is_this"] |= {"accepted": None, "undone": None}
    assert "nothing" in shown(figures, width=120)


def test_differences_are_not_hidden(figures: dict[str, Any]) -> None:
    figures["check"]["differences"] = 3
    text = shown(figures, width=120)
    assert "3 differ" in text
    assert "all equal" not in text


def test_the_query_is_never_cut(figures: dict[str, Any]) -> None:
    assert (QUERY % "00606").strip() in shown(figures, width=40)
