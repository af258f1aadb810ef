"""The policy's rules: the first that matches decides, in Python as in SQL's patterns."""

from collections.abc import Mapping
from typing import Any

import pytest

from profile_service.rules.policy import (
    KINDS,
    REMARK,
    Caller,
    Origin,
    PolicyDocument,
    Thing,
    View,
    as_like,
)

ADS = Caller(department="ads", purpose="recall", brands=("a", "b"), legal_entity="X K.K.")
CAMPAIGN = Caller(service="campaign")


def view(caller: Caller, *rules: Mapping[str, object], default: str = "allow") -> View:
    return View(PolicyDocument.model_validate({"default": default, "rules": list(rules)}), caller)


def test_the_first_rule_that_matches_decides() -> None:
    allow, deny = {"effect": "allow", "what": {"kind": "trait", "names": ["a*"]}}, {"effect": "deny"}
    seen = view(ADS, allow, deny)
    decisions = [seen.decide(Thing("trait", name)) for name in "ab"]
    assert [(each.effect, each.position) for each in decisions] == [("allow", 0), ("deny", 1)]
    assert view(ADS, deny, allow).decide(Thing("trait", "a")).position == 0
    assert view(ADS, default="deny").decide(Thing("trait", "a")).position is None
    assert view(ADS).is_whole and not view(ADS, deny).is_whole and not view(ADS, default="deny").is_whole
    assert view(ADS, {"effect": "allow"}, deny).is_whole


def test_a_relation_is_hidden_however_its_label_is_written() -> None:
    seen = view(ADS, {"effect": "deny", "what": {"kind": "relation", "names": ["Wife", "\uff2dY *"]}})
    assert [seen.decide(Thing("relation", name)).effect for name in ("wife", "WIFE", "\uff4dy aunt", "aunt")] == [
        "deny", "deny", "deny", "allow",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("who", "is_about_ads", "is_about_campaign"),
    [
        ({}, True, True),
        ({"departments": ["*"]}, True, False),
        ({"departments": ["ads", "crm"]}, True, False),
        ({"departments": ["crm"]}, False, False),
        ({"brands": ["b"]}, True, False),
        ({"brands": ["c"]}, False, False),
        ({"purposes": ["recall"], "legal_entities": ["X*"]}, True, False),
        ({"purposes": ["newsletter"], "departments": ["ads"]}, False, False),
        ({"services": ["*"]}, False, True),
        ({"services": ["delivery"]}, False, False),
    ],
)
def test_all_that_is_said_of_who_must_fit(
    who: dict[str, list[str]], is_about_ads: bool, is_about_campaign: bool
) -> None:
    rule: dict[str, Any] = {"effect": "deny", "who": who}
    assert (not view(ADS, rule).is_whole, not view(CAMPAIGN, rule).is_whole) == (is_about_ads, is_about_campaign)


def test_labels_origins_and_remarks() -> None:
    labelled = view(ADS, {"effect": "deny", "what": {"kind": "trait", "labels": ["health*"]}})
    assert labelled.decide(Thing("trait", "x", labels=frozenset({"health-care"}))).effect == "deny"
    assert labelled.decide(Thing("trait", "x")).effect == "allow"
    sales = view(
        ADS, {"effect": "deny", "what": {"kind": "event", "from": {"departments": ["sales"], "brands": ["a"]}}}
    )
    for origin, effect in (
        (Origin("sales", "a"), "deny"), (Origin("sales", "b"), "allow"), (Origin(), "allow"),
    ):  # fmt: skip
        assert sales.decide(Thing("event", "x", origin=origin)).effect == effect
    assert sales.asks_for_origins and not labelled.asks_for_origins
    remarks = view(ADS, {"effect": "deny", "what": {"kind": "remark"}})
    assert (remarks.decide(Thing("event", REMARK)).effect, remarks.decide(Thing("event", "x")).effect) == (
        "deny",
        "allow",
    )
    assert [kind for kind in KINDS if remarks.restricts(kind)] == ["event", "remark"]


def test_a_pattern_is_no_regular_expression_and_no_like_by_itself() -> None:
    assert as_like(r"50%_a\*") == r"50\%\_a\\%"
    dotted = view(ADS, {"effect": "deny", "what": {"kind": "event", "names": ["a.b*", "%"]}})
    found = [dotted.decide(Thing("event", name)).effect for name in ("a.b", "a.b\nc", "axb", "%", "anything")]
    assert found == ["deny", "deny", "allow", "deny", "allow"]
