"""R9: no condition that is answered is an oracle. Two customers who differ only in what the policy hides fulfil the
same conditions: random trees over facts, segments, signs, ranks, computed traits and percentiles."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from services.profile.tests import random_conditions as r
from services.profile.tests.integration.test_policy import ask, do, hide_from_ads, publish, until
from services.profile.tests.integration.test_signs import settled
from services.profile.tests.profile_facts import event, identify, source_changed

from contracts.identity import ResolvedEvent
from contracts.relations import RELATION_DATE_GIVEN
from servicekit.testing import RunningService

TREES = 60
DAY = timedelta(days=1)
BIRTHDAY: dict[str, Any] = {"occasion": "birthday", "purpose": "gift"}
MEASURES = ("recency", "frequency", "monetary", "computed:spend")
HIDDEN: dict[str, dict[str, Any]] = {
    "orders": {"kind": "event", "names": ["Order *"]},
    "shop": {"kind": "event", "from": {"departments": ["sales"]}},
    "views": {"kind": "event", "names": ["Page Viewed"]},
    "plan": {"kind": "trait", "names": ["plan"]},
    "spouse": {"kind": "relation", "names": ["Spouse"]},
}
"""What each policy hides. The pairs are few enough for a preview's sample to show everybody."""
PERCENTILES: list[dict[str, Any]] = [
    {"kind": "percentile", "of": of, "position": position, "percent": percent}
    for of in ("recency", "frequency", "monetary", {"kind": "computed", "key": "spend"})
    for position in ("top", "bottom")
    for percent in (20, 50, 80)
]
OF_SPOUSE = {"kind": "date", "of": {"relation": "Spouse", **BIRTHDAY}, "position": "before", "date": "2026-01-01"}


def known(customer: UUID, now: datetime) -> list[ResolvedEvent]:
    """What everybody may see of everybody."""
    return [
        event(customer, "Page Viewed", now - 2 * DAY, source_id="web", size=3),
        event(customer, "Order Completed", now - 8 * DAY, source_id="web", revenue=5, size=2, color="red"),
        event(customer, RELATION_DATE_GIVEN, now - 5 * DAY, relation="child", date="2000-11-27", **BIRTHDAY),
        identify(customer, now - 9 * DAY, points=3, born="1990-11-27"),
    ]


def _orders(customer: UUID, now: datetime) -> list[ResolvedEvent]:
    return [event(customer, "Order Completed", now - days * DAY, revenue=10, color="blue") for days in (1, 3, 30)]


SAID: dict[str, Callable[[UUID, datetime], list[ResolvedEvent]]] = {
    "orders": _orders,
    "shop": _orders,
    "views": lambda who, now: [event(who, "Page Viewed", now - n * DAY, source_id="web", size=7) for n in (1, 6, 29)],
    "plan": lambda who, now: [identify(who, now - DAY, plan="blue")],
    "spouse": lambda who, now: [
        event(who, RELATION_DATE_GIVEN, now - 5 * DAY, relation="spouse", date="1990-11-21", **BIRTHDAY)
    ],
}
"""What is hidden, of one of the pair."""


async def plant(profile: RunningService) -> dict[str, tuple[UUID, UUID]]:
    """The pairs, and definitions by the names that random trees refer to."""
    now = profile.clock.now()
    sources = (("shop", "sales"), ("crm", "crm"), ("web", "web"))
    await profile.publish([source_changed(source_id, department, now) for source_id, department in sources])
    await profile.drain()
    pairs = {name: (UUID(int=2 * place), UUID(int=2 * place + 1)) for place, name in enumerate(HIDDEN, start=1)}
    for name, pair in pairs.items():
        await profile.publish([*(fact for who in pair for fact in known(who, now)), *SAID[name](pair[0], now)])
    await profile.drain()
    bought, viewed = (
        {"kind": "event_count", "event": name, "comparison": "ge", "value": 2}
        for name in ("Order Completed", "Page Viewed")
    )
    blue = {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "blue"}
    await publish(profile, "buyers", bought)
    await publish(profile, "nested", {"kind": "or", "conditions": [{"kind": "segment", "segment": "buyers"}, blue]})
    await do(profile, "PUT", "/v1/segments/listed", {"name": "listed", "kind": "static"})
    sign = {"name": "s", "meaning": "m", "strength": "medium", "lifetime_days": 7}
    for key, condition in (("looking", viewed), ("quiet", {"kind": "not", "condition": bought}), ("both", blue)):
        await do(profile, "PUT", f"/v1/signs/{key}", {**sign, "condition": condition})
        await do(profile, "POST", f"/v1/signs/{key}:publish")
    spent = {"kind": "events", "function": "sum", "event": "Order Completed", "property": "revenue"}
    for key, value in (("spend", spent), ("tier", {"kind": "trait", "trait": "plan", "read_as": "text"})):
        await do(profile, "PUT", f"/v1/computed-traits/{key}", {"name": key, "value": value})
    ranks = [{"key": key, "name": key, "threshold": limit} for key, limit in (("bronze", 1), ("silver", 6))]
    await do(profile, "PUT", "/v1/ranks/default", {"measure": {"kind": "computed", "key": "spend"}, "ranks": ranks})
    await do(profile, "PUT", "/v1/rfm", {"event": "Page Viewed", "property": "size"})
    for measure in MEASURES:
        await do(profile, "PUT", f"/v1/cut-points/{measure}", {"every": "day", "at": "03:00"})
    for measure in MEASURES:
        await until(profile, f"/v1/cut-points/{measure}", "version", 1)
    await settled(profile)
    return pairs


def random_trees() -> list[dict[str, Any]]:
    """Others each time."""
    trees: list[dict[str, Any]] = []

    @settings(max_examples=TREES, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(r.trees)
    def collect(tree: dict[str, Any]) -> None:
        trees.append(tree)

    collect()
    return trees


async def test_no_condition_tells_two_customers_apart_by_what_is_hidden(profile: RunningService) -> None:
    pairs = await plant(profile)
    trees = [OF_SPOUSE, {"kind": "segment", "segment": "nested"}, *PERCENTILES, *random_trees()]
    for name, pair in pairs.items():
        await hide_from_ads(profile, HIDDEN[name])
        answered = {"ads": 0, "crm": 0}
        for tree in trees:
            for department in answered:
                answer = await ask(profile, department, "POST", "/v1/segments:preview", {"condition": tree})
                assert answer.status_code in {200, 403, 422}, answer.text
                if answer.status_code == 200:
                    sample = answer.json()["sample"]
                    one, other = (str(who) in sample for who in pair)
                    assert department == "crm" or one is other, (name, json.dumps(tree))
                    answered[department] += 1
        assert 0 < answered["ads"] < answered["crm"], (name, answered)  # some were refused, and some were not
