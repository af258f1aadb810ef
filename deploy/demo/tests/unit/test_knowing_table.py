"""The rows of the chapter "What do we know, right now?" say what its figures say."""

from typing import Any

import pytest

from kizuna_demo.knowing_table import knowing_sections

VIEW = {"is_rank_shown": True, "signs": ["a"], "remarks": 1}


@pytest.fixture
def known() -> dict[str, Any]:
    return {
        "values": {
            "presets": ["lifetime-value"],
            "monetary_fifths": {"20": "15.36", "80": "134.76"},
            "buyers": 23_570,
            "best_in_all": 2_658,
            "lifecycle": [{"state": "loyal", "customers": 1_451}, {"state": "new", "customers": 3_254}],
            "everybody": 26_824,
            "advocates": 238,
            "favourite_genres": {"ジャズ": 682},
            "example": {
                "user_id": "00456",
                "rank": "シルバー",
                "points": "478",
                "next_rank": {"key": "gold", "name": "ゴールド", "missing": "22"},
            },
        },
        "segments": {
            "sizes": [{"key": "top-tenth", "name": "購入額上位10%", "size": 2_357}],
            "preview": {"count": 547, "low": 491, "high": 610, "total": 26_824, "exact": 571},
            "overlap": {"a": "top-tenth", "b": "going-dormant", "both": 614, "onlyA": 1_743, "onlyB": 1_929},
        },
        "signs": {
            "customers": 26_824,
            "in_a_situation": 1_599,
            "share": 0.0596,
            "reference_share": 0.15,
            "expected": {"marriage": 40},
            "signs": [
                {"key": "marriage", "name": "結婚", "customers": 41},
                {"key": "churn-risk", "name": "離反のおそれ", "customers": 1_079},
            ],
            "example": {
                "user_id": "23124",
                "rank": "ゴールド",
                "lifecycle": "loyal",
                "remark": {"text": "[b]vinyl", "site": "x", "source_id": "simulated-listening"},
                "signs": [{"name": "結婚", "strength": "weak"}],
            },
        },
        "relatives": {
            "purpose": "gift-reminder",
            "given": 60,
            "ahead_days": 7,
            "within_days": 11,
            "expected": 11,
            "other_purpose": "advertising",
            "refused": {"status": 403, "detail": "The customer gave it for another purpose."},
        },
        "next_category": {
            "customers": 400,
            "orders": 1_041,
            "from": "洗濯機",
            "to": "冷蔵庫",
            "lifts": [{"from_category": "洗濯機", "to_category": "冷蔵庫", "lift": 1.4948}],
            "expected_lift": 1.4948,
            "true_lift": 1.5,
            "without": 78,
            "led": 78,
        },
        "departments": {
            "views": {
                "user_id": "23124",
                "advertising": VIEW
                | {
                    "traits": ["gender"],
                    "are_purchases_shown": False,
                    "segments": ["top-tenth"],
                    "events": 8,
                    "of_departments": ["crm"],
                },
                "crm": VIEW
                | {
                    "traits": ["address", "birthday", "email", "gender"],
                    "are_purchases_shown": True,
                    "segments": ["a", "b"],
                    "events": 22,
                    "of_departments": ["crm", "sales"],
                },
            },
            "used": {"segment": "top-tenth", "addressed": 2_357},
            "circulation": {
                "given": [
                    {"department": "crm", "kind": "trait", "count": 215_199},
                    {"department": "sales", "kind": "event", "count": 70_048},
                    {"department": None, "kind": "event", "count": 13_277},
                ],
                "used": [
                    {"reader": "crm", "giver": "sales", "kind": "event", "count": 2_246},
                    {"reader": "crm", "giver": "crm", "kind": "event", "count": 262},
                    {"reader": "advertising", "giver": "crm", "kind": "segment", "count": 2_357},
                    {"reader": "crm", "giver": None, "kind": "event", "count": 589},
                ],
                "segments": [
                    {"key": "top-tenth", "name": "購入額上位10%", "department": "crm", "drawn_from": ["sales"]}
                ],
                "results": {
                    "key": "going-dormant",
                    "members": 2_543,
                    "messages_sent": {"events": 3_172},
                    "links_clicked": {"events": 392},
                    "purchases": {"events": 0},
                },
            },
        },
        "outside": {
            "bought": {
                "cells": 7,
                "expires_at": "2027-05-20T15:00:00Z",
                "hypothesis": "Concerts.",
                "refused": {"status": 422, "detail": "lines.9.cell_size: A cell has at least 10 people."},
            },
            "export": {
                "customers": 26_824,
                "published": 25_549,
                "suppressed": 1_275,
                "suppressed_share": 0.0475,
                "cells": 283,
                "k_reached": 10,
                "k": 10,
            },
        },
    }


def rows(known: dict[str, Any] | None) -> dict[str, str]:
    return {name: text for section in knowing_sections(known) for name, text in section}


def test_a_story_told_before_the_chapter_was_written_has_no_rows() -> None:
    assert rows(None) == {}


def test_what_is_computed_is_shown(known: dict[str, Any]) -> None:
    shown = rows(known)
    assert shown["RFM"] == "fifths of what 23,570 paid: 15.36 · 134.76; 2,658 are 5-5-5"
    assert shown["lifecycle"] == "loyal 1,451 · new 3,254 (all 26,824)"
    assert shown["nearly there"] == "00456 (シルバー, 478 points): 22 points to ゴールド"
    assert shown["a preview"] == "about 547 (491 to 610 of 26,824, 95%); counted: 571"


def test_nobody_near_the_next_rank_is_no_row(known: dict[str, Any]) -> None:
    known["values"]["example"] = None
    assert "nearly there" not in rows(known)


def test_signs_stand_beside_what_was_told_and_remarks_are_no_markup(known: dict[str, Any]) -> None:
    shown = rows(known)
    assert shown["in a situation"].startswith("1,599 of 26,824 (6.0%); the essays report 15%")
    assert shown["signs"] == "結婚 41 (told of 40) · 離反のおそれ 1,079"
    assert r"\[b]vinyl" in shown["for example"]


def test_what_a_department_is_not_told_is_said(known: dict[str, Any]) -> None:
    shown = rows(known)
    assert shown["advertising sees of 23124"].startswith("traits gender · no rank, no purchases · segments 1 · signs 1")
    assert shown["crm sees of 23124"].startswith("traits 4 · rank and purchases · segments 2")
    assert shown["advertising addresses"].startswith("2,357 of crm's 購入額上位10%, drawn from sales")


def test_circulation_is_what_others_gave(known: dict[str, Any]) -> None:
    shown = rows(known)
    assert shown["events given"] == "sales 70,048"
    assert shown["used by others"] == "crm <- sales events 2,246 · advertising <- crm members 2,357"
    assert "3,172 messages, 392 clicks, 0 purchases" in shown["result of going-dormant"]


def test_refusals_are_shown(known: dict[str, Any]) -> None:
    shown = rows(known)
    assert shown["a small cell"] == "HTTP 422 lines.9.cell_size: A cell has at least 10 people."
    assert "for advertising: HTTP 403 The customer gave it" in shown["spouses' birthdays"]
    assert "1,275 (4.8%) suppressed" in shown["anonymised export"]


def test_a_pair_without_a_lift_is_said(known: dict[str, Any]) -> None:
    assert "lift 1.49 (by hand 1.49, in truth 1.50" in rows(known)["bought next"]
    known["next_category"]["lifts"] = []
    assert "no lift" in rows(known)["bought next"]
