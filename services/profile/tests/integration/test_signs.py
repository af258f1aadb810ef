"""Signs over HTTP and NATS: detected live, shown, expired to the moment, counted, measured, moved, erased."""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.profile.tests.profile_facts import event, moved, purchase
from services.profile.tests.recording import Desk

from contracts.identity import CustomerErased
from contracts.profile import ProfileCustomerErased, SegmentEntered, SegmentExited, SignDetected, SignExpired
from profile_service.repository.conclusions import CONDITION
from profile_service.service import signs
from servicekit.testing import RunningService

LOOKED: dict[str, Any] = {
    "kind": "event_count",
    "event": "Rival Viewed",
    "comparison": "ge",
    "value": 2,
    "window": {"days": 7},
}
BODY: dict[str, Any] = {
    "name": "競合に興味",
    "meaning": "Looks at what a competitor sells.",
    "condition": LOOKED,
    "strength": "medium",
    "lifetime_days": 30,
    "outcome": {"event": "Order Completed", "within_days": 10},
}


async def call(profile: RunningService, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await profile.client.request(method, f"/v1/{path}", json=body, headers=profile.headers())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def publish(profile: RunningService, key: str = "rival", **more: Any) -> None:
    await call(profile, "PUT", f"signs/{key}", {**BODY, **more}, 201)
    await call(profile, "POST", f"signs/{key}:publish")
    await settled(profile)


async def settled(profile: RunningService) -> None:
    for _ in range(300):
        await profile.drain()
        connection = await profile.database.connect()
        waiting = await connection.fetchval(
            "SELECT (SELECT count(*) FROM backfills WHERE finished_at IS NULL)"
            " + (SELECT count(*) FROM remark_readings WHERE finished_at IS NULL)"
            " + (SELECT count(*) FROM customer_signs WHERE valid_until <= $1)",
            profile.clock.now(),
        )
        await connection.close()
        if not waiting:
            await profile.drain()
            return
    raise AssertionError("it did not end")


async def shown(profile: RunningService, *customers: UUID) -> list[list[str]]:
    body = {"customer_ids": [str(customer) for customer in customers]}
    answer = await call(profile, "POST", "customers:batchGet", body)
    return [[sign["key"] for sign in view["signs"]] for view in answer["customers"]]


async def test_a_sign_is_detected_live_lasts_its_lifetime_and_expires(profile: RunningService) -> None:
    await publish(profile)
    customer, start = uuid4(), profile.clock.now()
    await profile.publish([event(customer, "Rival Viewed", start - timedelta(days=n)) for n in (0, 1)])
    await profile.drain()
    [detected] = await profile.published(SignDetected)
    assert (detected.customer_id, detected.sign_key, detected.strength) == (customer, "rival", "medium")
    assert (detected.sign_version, detected.reason, detected.occurred_at) == (1, "event", start)
    body = {"customer_ids": [str(customer)]}
    [view] = (await call(profile, "POST", "customers:batchGet", body))["customers"]
    [sign] = view["signs"]
    assert (sign["meaning"], sign["strength"], sign["expires_at"]) == (BODY["meaning"], "medium", None)

    profile.clock.set(start + timedelta(days=29))  # the condition fails since the sixth day
    await settled(profile)
    [view] = (await call(profile, "POST", "customers:batchGet", body))["customers"]
    assert view["signs"][0]["expires_at"] == (start + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert (await call(profile, "GET", "signs/rival/customers"))["items"][0]["customer_id"] == str(customer)
    profile.clock.set(start + timedelta(days=30))
    await settled(profile)
    assert await shown(profile, customer) == [[]]
    [expired] = await profile.published(SignExpired)
    assert (expired.customer_id, expired.reason, expired.occurred_at) == (customer, "time", start + timedelta(days=30))


async def test_what_becomes_true_again_is_renewed_without_another_fact(profile: RunningService) -> None:
    await publish(profile)
    customer, start = uuid4(), profile.clock.now()
    await profile.publish([event(customer, "Rival Viewed", start) for _ in range(2)])
    await profile.drain()
    profile.clock.set(start + timedelta(days=20))
    await settled(profile)
    await profile.publish([event(customer, "Rival Viewed", profile.clock.now()) for _ in range(2)])
    await settled(profile)
    profile.clock.set(start + timedelta(days=49))
    await settled(profile)
    assert await shown(profile, customer) == [["rival"]]
    profile.clock.set(start + timedelta(days=50))
    await settled(profile)
    assert await shown(profile, customer) == [[]]
    assert len(await profile.published(SignDetected)) == len(await profile.published(SignExpired)) == 1


async def test_publishing_looks_at_everybody_and_archiving_ends_it(profile: RunningService) -> None:
    now, people = profile.clock.now(), [UUID(int=number) for number in range(1, 11)]
    await profile.publish([event(each, "Rival Viewed", now) for each in people[:3] for _ in range(2)])
    await profile.publish([event(each, "Opened", now) for each in people])
    await profile.drain()
    await publish(profile)
    await publish(profile, "opened", condition={**LOOKED, "event": "Opened", "value": 1}, strength="weak")
    assert {fact.reason for fact in await profile.published(SignDetected)} == {"backfill"}
    coverage = await call(profile, "GET", "signs:coverage")
    assert (coverage["customers"], coverage["in_a_situation"], coverage["share"]) == (10, 10, 1.0)
    assert [(each["key"], each["customers"], each["share"]) for each in coverage["signs"]] == [
        ("opened", 10, 1.0),
        ("rival", 3, 0.3),
    ]
    first = await call(profile, "GET", "signs/rival/customers?first=2")
    rest = await call(profile, "GET", f"signs/rival/customers?first=2&after={first['next']}")
    found = [item["customer_id"] for page in (first, rest) for item in page["items"]]
    assert found == [str(each) for each in people[:3]] and rest["next"] is None

    assert (await call(profile, "POST", "signs/opened:archive"))["status"] == "archived"
    await settled(profile)
    expired = await profile.published(SignExpired)
    assert {fact.customer_id for fact in expired} == set(people) and {fact.reason for fact in expired} == {"definition"}
    assert (await call(profile, "GET", "signs:coverage"))["share"] == 0.3
    await call(profile, "PUT", "signs/opened", {**BODY, "name": "other"}, 409)
    await call(profile, "POST", "signs/opened:publish", status=409)


async def test_a_sign_follows_the_segment_it_refers_to(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([purchase(customer, now, 10)])
    await profile.drain()
    buyers = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
    await call(profile, "PUT", "segments/buyers", {"name": "b", "condition": buyers}, 201)
    await call(profile, "POST", "segments/buyers:publish")
    await publish(profile, condition={"kind": "segment", "segment": "buyers"}, lifetime_days=1)
    assert await shown(profile, customer) == [["rival"]]
    refused = await profile.client.post("/v1/segments/buyers:archive", headers=profile.headers())
    assert refused.status_code == 409 and "sign rival" in refused.json()["detail"]
    await call(profile, "PUT", "segments/buyers", {"name": "b", "condition": {**buyers, "value": 2}})
    await call(profile, "POST", "segments/buyers:publish")
    profile.clock.advance(timedelta(days=1))
    await settled(profile)
    assert await shown(profile, customer) == [[]]


SHOWING: dict[str, Any] = {"kind": "sign", "sign": "rival"}


async def test_a_segment_and_a_rank_follow_the_sign_they_ask_for_in_the_same_batch(profile: RunningService) -> None:
    await publish(profile)
    lately = {"kind": "and", "conditions": [SHOWING, {**SHOWING, "detected": {"hours": 36}, "min_strength": "medium"}]}
    for key, condition in (
        ("looking", SHOWING),
        ("lately", lately),
        ("strongly", {**SHOWING, "min_strength": "strong"}),
    ):
        await call(profile, "PUT", f"segments/{key}", {"name": key, "condition": condition}, 201)
        await call(profile, "POST", f"segments/{key}:publish")
    ranks = [{"key": "wavering", "name": "Wavering", "condition": SHOWING}]
    await call(profile, "PUT", "ranks/default", {"ranks": ranks}, 201)
    await settled(profile)
    customer, start = uuid4(), profile.clock.now()
    await profile.publish([event(customer, "Rival Viewed", start) for _ in range(2)])
    await profile.drain()
    [detected] = await profile.published(SignDetected)
    entered = await profile.published(SegmentEntered)
    assert {(fact.segment_key, fact.reason, fact.occurred_at) for fact in entered} == {
        (key, detected.reason, detected.occurred_at) for key in ("looking", "lately")
    }
    assert await conclusions_of(profile, customer) == ({"looking", "lately"}, "wavering")
    profile.clock.set(start + timedelta(hours=36))
    await settled(profile)
    assert await conclusions_of(profile, customer) == ({"looking"}, "wavering")
    await call(profile, "PUT", "signs/rival", {**BODY, "strength": "strong", "lifetime_days": 60})
    await call(profile, "POST", "signs/rival:publish")
    profile.clock.set(start + timedelta(days=59))
    await settled(profile)
    assert await conclusions_of(profile, customer) == ({"looking", "strongly"}, "wavering")
    profile.clock.set(start + timedelta(days=60))
    await settled(profile)
    assert await conclusions_of(profile, customer) == (set(), None)
    [expired] = await profile.published(SignExpired)
    exited = await profile.published(SegmentExited)
    assert {fact.occurred_at for fact in exited if fact.segment_key == "looking"} == {expired.occurred_at}


async def conclusions_of(profile: RunningService, customer: UUID) -> tuple[set[str], str | None]:
    answer = await call(profile, "POST", "customers:batchGet", {"customer_ids": [str(customer)]})
    [view] = answer["customers"]
    return {each["key"] for each in view["segments"]}, view["rank"] and view["rank"]["key"]


async def test_what_is_referred_to_is_not_archived_and_nothing_goes_in_circles(profile: RunningService) -> None:
    await publish(profile)
    body = {"name": "l", "condition": {"kind": "not", "condition": SHOWING}}
    await call(profile, "PUT", "segments/looking", body, 201)
    await call(profile, "POST", "segments/looking:publish")
    problem = await call(profile, "POST", "signs/rival:archive", status=409)
    assert "segment looking" in problem["detail"]
    circle = {**BODY, "condition": {"kind": "and", "conditions": [LOOKED, {"kind": "segment", "segment": "looking"}]}}
    problem = await call(profile, "PUT", "signs/rival", circle, 422)
    [error] = problem["errors"]
    assert error["field"] == "condition.conditions.1.segment"
    assert "sign rival -> segment looking -> sign rival" in error["detail"]
    itself = await call(profile, "PUT", "signs/rival", {**BODY, "condition": SHOWING}, 422)
    assert itself["errors"][0]["field"] == "condition.sign"
    await call(profile, "PUT", "segments/x", {"name": "x", "condition": {**SHOWING, "sign": "nowhere"}}, 422)


async def test_an_archived_sign_is_taken_into_use_again_and_says_what_it_was_when(profile: RunningService) -> None:
    await publish(profile)
    customer = uuid4()
    await profile.publish([event(customer, "Rival Viewed", profile.clock.now()) for _ in range(2)])
    await profile.drain()
    await call(profile, "POST", "signs/rival:archive")
    await settled(profile)
    assert await shown(profile, customer) == [[]]
    await call(profile, "PUT", "segments/x", {"name": "x", "condition": SHOWING}, 422)
    sign = await call(profile, "POST", "signs/rival:unarchive")
    assert (sign["version"], sign["archived_at"]) == (1, None)
    await settled(profile)
    assert await shown(profile, customer) == [["rival"]]
    assert [fact.reason for fact in await profile.published(SignDetected)] == ["event", "definition"]
    assert await call(profile, "POST", "signs/rival:unarchive") == await call(profile, "GET", "signs/rival")

    await call(profile, "PUT", "signs/rival", {**BODY, "lifetime_days": 7, "outcome": None})
    await call(profile, "POST", "signs/rival:publish", {"why": "too long"})
    first = await call(profile, "GET", "signs/rival/versions?first=1")
    rest = await call(profile, "GET", f"signs/rival/versions?first=1&after={first['next']}")
    versions = [*first["items"], *rest["items"]]
    assert [(each["version"], each["lifetime_days"], each["why"]) for each in versions] == [
        (2, 7, "too long"),
        (1, 30, None),
    ]
    assert versions[0]["outcome"] is None and versions[1]["outcome"]["event"] == "Order Completed"
    assert versions[1]["condition"]["event"] == "Rival Viewed" and rest["next"] is None


async def test_what_is_detected_while_two_are_one_stays_with_the_anchor_it_hangs_on(profile: RunningService) -> None:
    """Whether either alone would have shown the sign can be told no more: it was said of the one they were."""
    await publish(profile)
    start, one, two = profile.clock.now(), uuid4(), uuid4()
    await profile.publish([event(each, "Rival Viewed", start) for each in (one,)])
    await profile.publish([event(two, "Known", start)])
    await profile.publish([moved(two, former=two, to=one, occurred_at=start)])
    await settled(profile)
    profile.clock.advance(timedelta(days=1))
    await profile.publish([event(one, "Rival Viewed", profile.clock.now(), anchor_id=two)])
    await settled(profile)
    assert await shown(profile, one, two) == [["rival"], []]
    await profile.publish([moved(two, former=one, to=two, version=2, occurred_at=profile.clock.now(), reason="split")])
    await settled(profile)
    assert await shown(profile, one, two) == [[], ["rival"]]
    profile.clock.advance(timedelta(days=30))
    await settled(profile)
    assert await shown(profile, one, two) == [[], []]


async def test_precision_against_those_without_the_sign(profile: RunningService) -> None:
    await publish(profile)
    start, seen, others = profile.clock.now(), [uuid4() for _ in range(4)], [uuid4() for _ in range(10)]
    await profile.publish([event(each, "Opened", start - timedelta(days=1)) for each in others])
    await profile.publish([event(each, "Opened", start - timedelta(days=1)) for each in seen])
    await profile.publish([event(each, "Rival Viewed", start) for each in seen for _ in range(2)])
    await profile.drain()
    assert (await call(profile, "GET", "signs/rival/precision"))["detected"] == 0  # nobody's horizon has passed
    buyers = [*seen[:3], *others[:2]]
    await profile.publish([purchase(each, start + timedelta(days=10), 5) for each in buyers])
    await profile.publish([purchase(each, start + timedelta(days=10, seconds=1), 5) for each in [seen[3], others[9]]])
    late = uuid4()  # became known afterwards: nothing to compare with
    await profile.publish([purchase(late, start + timedelta(days=2), 5)])
    profile.clock.set(start + timedelta(days=11))
    await settled(profile)
    found = await call(profile, "GET", "signs/rival/precision")
    assert (found["detected"], found["followed"], found["rate"]) == (4, 3, 0.75)
    assert (found["base_rate"], found["lift"]) == (0.2, 3.75)
    day = start.date().isoformat()
    same = await call(profile, "GET", f"signs/rival/precision?first_day={day}&last_day={day}&version=1")
    assert (same["detected"], same["lift"]) == (4, 3.75)
    none = await call(profile, "GET", "signs/rival/precision?version=2")
    assert (none["detected"], none["rate"], none["lift"]) == (0, None, None)


async def test_precision_by_one_of_several_events_or_by_what_becomes_true(profile: RunningService) -> None:
    """Whatever can be said as a condition can be expected: published as a sign, its becoming true is on record."""
    spent = {
        "kind": "event_sum", "event": "Order Completed", "property": "revenue", "comparison": "ge", "value": 100,
        "window": {"days": 30},
    }  # fmt: skip
    await publish(profile, "spender", condition=spent, lifetime_days=90, outcome=None)
    any_of = [
        {"event": "Order Completed", "where": [{"property": "revenue", "comparison": "ge", "value": 60}]},
        {"event": "Subscribed"},
    ]
    await publish(profile, "by-events", outcome={"any_of": any_of, "within_days": 10})
    await publish(profile, "by-sign", outcome={"sign": "spender", "within_days": 10})
    start, seen, others = profile.clock.now(), [uuid4() for _ in range(5)], [uuid4() for _ in range(4)]
    old = uuid4()  # spends enough before: that is nothing that follows
    await profile.publish([event(each, "Opened", start - timedelta(days=1)) for each in (*seen, old, *others)])
    await profile.publish([purchase(old, start - timedelta(days=1), 500)])
    await profile.drain()
    profile.clock.set(start + timedelta(minutes=1))
    await profile.publish([event(each, "Rival Viewed", start) for each in (*seen, old) for _ in range(2)])
    await profile.drain()
    profile.clock.set(start + timedelta(days=5))
    spending = [(seen[0], 60), (seen[0], 60), (seen[1], 59), (seen[1], 59), (seen[2], 60), (others[0], 150)]
    await profile.publish([purchase(each, start + timedelta(days=5), amount) for each, amount in spending])
    await profile.publish([event(seen[3], "Subscribed", start + timedelta(days=5))])
    await profile.publish([purchase(old, start + timedelta(days=5), 10)])
    await settled(profile)
    profile.clock.set(start + timedelta(days=12))
    await settled(profile)
    by_events = await call(profile, "GET", "signs/by-events/precision")
    assert (by_events["detected"], by_events["followed"], by_events["base_rate"]) == (6, 3, 0.25)
    by_sign = await call(profile, "GET", "signs/by-sign/precision")
    assert (by_sign["detected"], by_sign["followed"], by_sign["base_rate"]) == (6, 2, 0.25)
    shown_outcome = (await call(profile, "GET", "signs/by-events"))["outcome"]
    assert [each["event"] for each in shown_outcome["any_of"]] == ["Order Completed", "Subscribed"]
    assert (await call(profile, "GET", "signs/by-sign"))["outcome"]["sign"] == "spender"
    refused = await call(profile, "POST", "signs/spender:archive", status=409)
    assert "sign by-sign" in refused["detail"]


async def test_before_the_expected_sign_was_published_nothing_is_told(profile: RunningService) -> None:
    await publish(profile, outcome=None)
    customer, start = uuid4(), profile.clock.now()
    await profile.publish([event(customer, "Rival Viewed", start) for _ in range(2)])
    await profile.drain()
    profile.clock.set(start + timedelta(days=2))
    bought = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
    await publish(profile, "buyer", condition=bought, outcome=None)
    await call(profile, "PUT", "signs/rival", {**BODY, "outcome": {"sign": "buyer", "within_days": 5}})
    await call(profile, "POST", "signs/rival:publish")
    profile.clock.set(start + timedelta(days=9))
    await settled(profile)
    assert (await call(profile, "GET", "signs/rival/precision"))["detected"] == 0


async def test_merge_and_split_give_back_the_signs_of_customers_never_merged(profile: RunningService) -> None:
    await publish(profile)
    await publish(profile, "opened", condition={**LOOKED, "event": "Opened", "value": 1})
    start = profile.clock.now()
    pairs = [(uuid4(), uuid4()) for _ in range(4)]
    one, two = (pair[0] for pair in pairs), (pair[1] for pair in pairs)
    history = [
        ("Rival Viewed", [next(one), next(two)]),  # each once: true of both together only
        *[("Rival Viewed", [pairs[1][1]])] * 2,  # true of the second
        *[("Rival Viewed", [*pairs[2]])] * 2,  # true of both
        *[("Rival Viewed", [pairs[3][0]]), ("Opened", [pairs[3][1]])],
    ]
    facts = [event(each, name, start) for name, people in history for each in people]
    await profile.publish([event(each, "Known", start) for pair in pairs for each in pair] + facts)
    await profile.drain()
    everybody = [each for pair in pairs for each in pair]
    profile.clock.set(start + timedelta(days=10))  # no condition holds, the lifetimes run
    await settled(profile)
    before = await details(profile, everybody)
    assert [each is not None for each in before] == [False, False, False, True, True, True, False, True]
    now = profile.clock.now()
    await profile.publish([moved(b, former=b, to=a, occurred_at=now) for a, b in pairs])
    await settled(profile)
    assert await shown(profile, *everybody) == [[], [], ["rival"], [], ["rival"], [], ["opened"], []]
    await profile.publish([moved(b, former=a, to=b, version=2, occurred_at=now, reason="split") for a, b in pairs])
    await settled(profile)
    assert await details(profile, everybody) == before
    profile.clock.set(start + timedelta(days=30))
    await settled(profile)
    assert await shown(profile, *everybody) == [[]] * 8


async def details(profile: RunningService, customers: list[UUID]) -> list[Any]:
    answer = await call(profile, "POST", "customers:batchGet", {"customer_ids": [str(each) for each in customers]})
    return [view["signs"] or None for view in answer["customers"]]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
async def test_merged_and_parted_customers_show_what_twins_show_who_never_were(
    profile: RunningService, seed: int
) -> None:
    random = Random(seed)
    await publish(profile, lifetime_days=5)
    await publish(profile, "quiet", condition={**LOOKED, "comparison": "lt", "value": 1}, lifetime_days=3)
    pairs = [(uuid4(), uuid4()) for _ in range(6)]
    twins = [(uuid4(), uuid4()) for _ in pairs]
    everybody, everybodys_twins = ([each for pair in group for each in pair] for group in (pairs, twins))

    async def live(days: int) -> None:
        for _ in range(days):
            now = profile.clock.now()
            for person, twin in zip(everybody, everybodys_twins, strict=True):
                for _ in range(random.choice((0, 0, 0, 1, 2))):
                    await profile.publish([event(each, "Rival Viewed", now) for each in (person, twin)])
            await settled(profile)
            profile.clock.advance(timedelta(days=1))
            await settled(profile)
        assert await details(profile, everybody) == await details(profile, everybodys_twins)

    await profile.publish([event(each, "Known", profile.clock.now()) for each in (*everybody, *everybodys_twins)])
    await live(6)
    now = profile.clock.now()
    for version in (1, 3):
        await profile.publish([moved(b, former=b, to=a, version=version, occurred_at=now) for a, b in pairs])
        await settled(profile)
        assert await details(profile, everybody) != await details(profile, everybodys_twins)
        parted = [moved(b, former=a, to=b, version=version + 1, occurred_at=now, reason="split") for a, b in pairs]
        await profile.publish(parted)
        await settled(profile)
        assert await details(profile, everybody) == await details(profile, everybodys_twins)
    await live(4)


async def test_what_is_true_of_two_together_only_is_forgotten_with_the_merge(profile: RunningService) -> None:
    await publish(profile)
    start, one, two = profile.clock.now(), uuid4(), uuid4()
    await profile.publish([event(each, "Rival Viewed", start) for each in (one, two)])
    await profile.publish([moved(two, former=two, to=one, occurred_at=start)])
    await settled(profile)
    assert await shown(profile, one) == [["rival"]]
    [detected] = await profile.published(SignDetected)
    assert (detected.customer_id, detected.reason) == (one, "move")
    await profile.publish([moved(two, former=one, to=two, version=2, occurred_at=start, reason="split")])
    await settled(profile)
    assert await shown(profile, one, two) == [[], []]
    [expired] = await profile.published(SignExpired)
    assert (expired.customer_id, expired.reason) == (one, "move")


async def test_an_erased_customers_signs_go_and_are_shown_in_the_export_before(profile: RunningService) -> None:
    await publish(profile)
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([event(customer, "Rival Viewed", now) for _ in range(2)])
    await profile.drain()
    export = await profile.client.get(f"/v1/customers/{customer}/export", headers=profile.headers("privacy:read"))
    assert {"customer_signs", "sign_detections"} <= export.json()["tables"].keys()
    await profile.publish(
        [
            CustomerErased(
                event_id=uuid4(),
                customer_id=customer,
                anchor_id=customer,
                occurred_at=now,
                erasure_id=uuid4(),
                former_customer_ids=[],
            )
        ]
    )
    await settled(profile)
    [receipt] = await profile.published(ProfileCustomerErased)
    assert (receipt.rows["customer_signs"], receipt.rows["sign_detections"]) == (1, 1)
    assert (await call(profile, "GET", "signs/rival/customers"))["items"] == []
    assert (await call(profile, "GET", "signs:coverage"))["in_a_situation"] == 0


async def test_nobody_is_asked_for_ever_about_a_sign_that_counts_no_more(a_desk: Desk) -> None:
    customer = UUID(int=1)
    async with a_desk.database.transaction() as session:
        await signs.put_sign(
            session,
            "rival",
            name="r",
            meaning="r",
            condition=CONDITION.validate_python(LOOKED),
            strength="weak",
            lifetime_days=1,
            outcome=None,
            demanded_revision=None,
        )
        await signs.publish_sign(session, "rival", published_by=None, why=None, now=a_desk.clock.now())
    await a_desk.record([event(customer, "Rival Viewed", a_desk.clock.now()) for _ in range(2)])
    await a_desk.backfill()
    a_desk.clock.advance(timedelta(days=8))
    async with a_desk.database.transaction() as session:
        await signs.archive_sign(session, "rival", now=a_desk.clock.now())
    assert await a_desk.follower.expire()  # before the backfill lets it go
    assert not await a_desk.follower.expire()
    await a_desk.backfill()
    assert [fact.customer_id for fact in await a_desk.facts(SignExpired)] == [customer]


async def test_what_is_refused_names_its_field(profile_at_rest: RunningService) -> None:
    filtered = {"property": "p", "comparison": "lt", "value": True}
    refusals = [
        ({**BODY, "condition": {"kind": "segment", "segment": "nowhere"}}, "condition.segment"),
        ({**BODY, "lifetime_days": 0}, "lifetime_days"),
        ({**BODY, "strength": "huge"}, "strength"),
        ({**BODY, "outcome": {"event": "x", "within_days": 5, "where": [filtered]}},
         "outcome.where.0.comparison"),
        ({**BODY, "outcome": {"any_of": [{"event": "x"}, {"event": "y", "where": [filtered]}], "within_days": 5}},
         "outcome.any_of.1.where.0.comparison"),
        ({**BODY, "outcome": {"sign": "nowhere", "within_days": 5}}, "outcome.sign"),
        ({**BODY, "outcome": {"sign": "x", "event": "x", "within_days": 5}}, "outcome"),
    ]  # fmt: skip
    for body, field in refusals:
        answer = await profile_at_rest.client.put("/v1/signs/x", json=body, headers=profile_at_rest.headers())
        assert answer.status_code == 422
        problem = answer.json()
        assert field in str(problem), problem
    await call(profile_at_rest, "GET", "signs/x", status=404)
    await call(profile_at_rest, "PUT", "signs/x", {**BODY, "outcome": None}, 201)
    await call(profile_at_rest, "GET", "signs/x/precision", status=409)
    await call(profile_at_rest, "PUT", "signs/y", BODY, 201)
    await call(profile_at_rest, "POST", "signs/y:publish")
    for query, status in (("last_day=2990-01-01", 422), ("first_day=2020-01-01", 422), ("last_day=0001-01-01", 422)):
        await call(profile_at_rest, "GET", f"signs/y/precision?{query}", status=status)
